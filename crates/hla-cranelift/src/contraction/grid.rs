//! Tiles of rows × columns of a sum of outer products.

use cranelift_codegen::ir::Value;

use super::arithmetic::{LANES, WORD};
use super::tile::at_most;
use crate::kernel::KernelBuilder;

/// How many rows and columns there are, and how many a tile has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grid {
    /// One for each tap that has tiles of its own.
    pub taps: u64,
    pub rows: u64,
    /// At least four; those that do not exist are computed, but not stored.
    pub columns: u64,
    pub tile_rows: u64,
    pub vectors: u64,
}

impl Grid {
    /// Accumulators, more of which Cranelift would spill.
    const MOST: u64 = 8;

    /// The grid whose tiles take the fewest cycles: two products, or two loads, in each, and no fewer
    /// than four for the latency of a product.
    pub fn new(taps: u64, rows: u64, columns: u64) -> Grid {
        let columns = columns.max(LANES);
        let mut grids = Vec::new();
        for vectors in 1..=(columns / LANES).min(4) {
            for tile_rows in 1..=(Grid::MOST / vectors).min(rows) {
                grids.push(Grid {
                    taps,
                    rows,
                    columns,
                    tile_rows,
                    vectors,
                });
            }
        }
        let best = grids.into_iter().min_by_key(|g| (g.cost(), g.tile_rows));
        best.unwrap_or(Grid {
            taps,
            rows,
            columns,
            tile_rows: 1,
            vectors: 1,
        })
    }

    /// One vector wide, all rows in as few passes as there may be.
    pub fn tall(rows: u64, columns: u64) -> Grid {
        let passes = rows.div_ceil(Grid::MOST + 1);
        Grid {
            taps: 1,
            rows,
            columns: columns.max(LANES),
            tile_rows: rows.div_ceil(passes),
            vectors: 1,
        }
    }

    /// Half cycles for a pixel.
    pub fn cost(&self) -> u64 {
        let (r, v) = (self.tile_rows, self.vectors);
        self.tiles() * (r * v).max(r + v).max(8)
    }

    pub fn accumulators(&self) -> u64 {
        self.tile_rows * self.vectors
    }

    /// Whether a tile has no fewer rows than vectors.
    pub fn is_tall(&self) -> bool {
        self.tile_rows >= self.vectors
    }

    /// Row and vector of each accumulator of a tile. The code of one follows that of the one before,
    /// so what there is less of is kept in registers.
    pub fn places(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let Grid {
            tile_rows, vectors, ..
        } = *self;
        let tall = self.is_tall();
        (0..tile_rows * vectors).map(move |i| match tall {
            true => (i / vectors, i % vectors),
            false => (i % tile_rows, i / tile_rows),
        })
    }

    pub fn tile_columns(&self) -> u64 {
        self.vectors * LANES
    }

    /// Bytes of a tile's sums.
    pub fn tile_bytes(&self) -> u64 {
        self.accumulators() * LANES * WORD
    }

    fn extents(&self) -> [u64; 3] {
        let columns = self.columns.div_ceil(self.tile_columns());
        [self.taps, self.rows.div_ceil(self.tile_rows), columns]
    }

    pub fn tiles(&self) -> u64 {
        self.extents().iter().product()
    }

    /// Tap, first row and first column of a tile. Where rows or columns do not fill the last tile, it
    /// is moved back to overlap the one before.
    pub fn place(&self, k: &mut KernelBuilder<'_>, tile: Value) -> [Value; 3] {
        let place = k.unravel(tile, &self.extents().map(|e| e as i64));
        let row = k.scale(place[1], self.tile_rows as i64);
        let row = at_most(k, row, self.rows - self.tile_rows);
        let column = k.scale(place[2], self.tile_columns() as i64);
        let column = at_most(k, column, self.columns - self.tile_columns());
        [place[0], row, column]
    }
}
