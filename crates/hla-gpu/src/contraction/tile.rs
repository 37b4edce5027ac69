//! Tiles of the kernels on tensor cores, chosen by shape.

use hla_ir::DType;

/// How a block divides its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tile {
    /// Results of a block along m and n.
    pub(super) extents: [usize; 2],
    /// Steps of k in shared memory at a time.
    pub(super) depth: usize,
    /// Warps along m and n.
    pub(super) warps: [usize; 2],
    /// Tiles of k that are in shared memory or on their way to it.
    pub(super) stages: usize,
    /// Blocks that must fit on a multiprocessor, or 0 where nothing hangs on it.
    pub(super) resident: usize,
}

/// Tiles from the largest to the smallest: extents and warps. The more results a warp has, the less
/// often it reads what others read too; 64×64 are the most whose sums leave registers for the rest of
/// a kernel on every chip.
const TILES: [([usize; 2], [usize; 2]); 7] = [
    ([128, 128], [2, 2]),
    ([128, 64], [2, 2]),
    ([64, 128], [1, 4]),
    ([64, 64], [2, 2]),
    ([128, 32], [4, 1]),
    ([32, 128], [1, 4]),
    ([32, 32], [2, 2]),
];

/// Blocks of a large tile that are worth it: about as many as a GPU runs at once.
const ENOUGH: usize = 120;

impl Tile {
    /// The tile for a product of m×n results, `parts` of them, whose operands have this type: the first
    /// that gives enough blocks and of which at least three quarters are needed along an axis where it
    /// could be smaller; else the smallest. `coarse` says that operands are copied at least 8 bytes at
    /// a time. Otherwise a thread has many copies to remember: then the tile is one of 64×64 among
    /// twice the threads. The assembler is kept from saving registers for more blocks, which it does even
    /// where a few must then go to memory.
    pub(super) fn choose([m, n]: [usize; 2], parts: usize, dtype: DType, coarse: bool) -> Tile {
        let tile = |extents, warps| Tile {
            extents,
            depth: 64 / dtype.bytes(),
            warps,
            stages: 4,
            resident: 2,
        };
        if !coarse {
            return tile([64, 64], [4, 2]);
        }
        let fits = |[rows, columns]: [usize; 2]| {
            let blocks = m.div_ceil(rows) * n.div_ceil(columns) * parts;
            let needed = |extent: usize, tile: usize| {
                tile == 32 || 3 * extent.next_multiple_of(tile) <= 4 * extent
            };
            blocks >= ENOUGH && needed(m, rows) && needed(n, columns)
        };
        let found = TILES.iter().find(|(extents, _)| fits(*extents));
        let &(extents, warps) = found.unwrap_or(&TILES[6]);
        tile(extents, warps)
    }

    /// Threads of a block.
    pub(super) fn threads(&self) -> usize {
        self.warps[0] * self.warps[1] * 32
    }

    /// Fragments of a warp along m (of 16) and n (of 8).
    pub(super) fn fragments(&self) -> [usize; 2] {
        [
            self.extents[0] / self.warps[0] / 16,
            self.extents[1] / self.warps[1] / 8,
        ]
    }
}
