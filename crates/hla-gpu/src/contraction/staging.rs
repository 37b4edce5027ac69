//! Tiles of operands on their way to shared memory, and where they lie there.
//!
//! A tile lies as its matrix does: rows of the slow axis, columns of the fast one. It is cut into
//! chunks of 16 bytes, and the chunks of a row change places by a pattern that depends on the row,
//! so that what a warp reads or writes at once lies in different banks:
//! - of rows of 128 bytes or more the number of the chunk is xor-ed with row mod 8, of 64 bytes with
//!   (row / 2) mod 4, of 32 bytes with (row / 4) mod 2: eight neighbouring rows at one chunk, which
//!   `ldmatrix` reads at once, then cover all 32 banks;
//! - of f32 whose rows are k, which `ldmatrix` cannot transpose, with 2·(row mod 4): the four
//!   rows and eight columns that a warp reads as words then do;
//! - of 2-bit codes a row has 16 bytes or less, and a warp reads one word of each of eight rows:
//!   they lie in different banks as they are.
//!
//! What is copied 4 bytes or more at a time goes past the registers, asynchronously. Smaller
//! elements are loaded before a tile is multiplied and stored after it.

use hla_ir::DType;

use super::gemm::Gemm;
use super::index::{Condition, Int, Ints, all};
use super::memory::{Flat, zero};
use super::phases::Phases;
use super::tile::Tile;
use super::view::{Column, Operand, Row, View};
use crate::Text;

/// Bytes of a chunk.
const CHUNK: usize = 16;
/// Bytes that are copied asynchronously at least.
const SMALLEST: usize = 4;

/// Shared memory.
pub(super) const SPACE: &str = "#gpu.address_space<workgroup>";

/// What a kernel begins with.
pub(super) struct Start {
    /// For places in global memory.
    pub(super) ints: Ints,
    /// The number of the thread, in 32 bits and as wide as places are.
    pub(super) thread: [Int; 2],
    pub(super) batch: Int,
    /// The first k of this part.
    pub(super) k: Int,
}

/// An operand in shared memory.
pub(super) struct Staging<'a> {
    /// Codes are seen as rows of bytes here.
    operand: Operand,
    memory: &'a Flat,
    /// The memref in shared memory, all stages one after the other, and its type.
    pub(super) shared: String,
    pub(super) ty: String,
    pub(super) dtype: DType,
    /// How many of k an element holds: four if it is a byte of codes.
    each: usize,
    /// Extents of a tile along the slow and the fast axis.
    extents: [usize; 2],
    /// Elements that are copied at once.
    run: usize,
    threads: usize,
    /// What is the same for each tile.
    fixed: Fixed,
}

/// What a thread knows of its part of every tile.
enum Fixed {
    /// The rows are m or n: they stay, the column moves along k.
    Rows(Vec<Row>),
    /// The columns are m or n: the column stays, the rows move along k.
    Column(Column),
}

impl<'a> Staging<'a> {
    /// Operand i, whose tile begins at `first` of m or n, of m in the order of phases if there are some;
    /// its shared memory begins at a byte.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        t: &mut Text,
        gemm: &'a Gemm,
        tile: &Tile,
        start: &Start,
        i: usize,
        memory: &'a Flat,
        (first, phases): (&Int, Option<&Phases>),
        (shared, byte): (&str, usize),
    ) -> Staging<'a> {
        let mut operand = gemm.operands()[i].clone();
        let each = operand.view.each();
        if let View::Codes { rows, columns } = operand.view {
            operand.view = View::Rows {
                batch: 1,
                rows,
                columns: columns.div_ceil(each),
            };
        }
        let dtype = gemm.types[i].dtype;
        let extents = match operand.sums_fast {
            true => [tile.extents[i], tile.depth / each],
            false => [tile.depth, tile.extents[i]],
        };
        let elements = tile.stages * extents[0] * extents[1];
        let ty = format!("memref<{elements}x{dtype}, {SPACE}>");
        let at = t.index(byte as u64);
        let shared = t.op(format_args!(
            "memref.view {shared}[{at}][] : memref<?xi8, {SPACE}> to {ty}"
        ));
        let mut run = operand.view.run(extents[1].min(CHUNK / dtype.bytes()));
        if run * dtype.bytes() < SMALLEST {
            run = 1;
        }
        let mut staging = Staging {
            operand,
            memory,
            shared,
            ty,
            dtype,
            each,
            extents,
            run,
            threads: tile.threads(),
            fixed: Fixed::Rows(Vec::new()),
        };
        let ints = start.ints;
        let bound = [gemm.m, gemm.n][i];
        let there = |t: &mut Text, place: &Int| {
            let at = ints.add(t, first, place);
            if let (0, Some(phases)) = (i, phases) {
                return phases.pixel(t, ints, &at);
            }
            let inside = match bound.is_multiple_of(tile.extents[i]) {
                true => None,
                false => ints.below(t, &at, bound),
            };
            (at, inside)
        };
        let (rows, column) = staging.places(t, ints, &start.thread[1]);
        let view = &staging.operand.view;
        staging.fixed = match staging.operand.sums_fast {
            true => {
                let mut all_rows = Vec::new();
                for row in &rows {
                    let (at, inside) = there(t, row);
                    all_rows.push(view.row(t, ints, &start.batch, &at, inside));
                }
                Fixed::Rows(all_rows)
            }
            false => {
                let (at, inside) = there(t, &column);
                Fixed::Column(view.column(t, ints, &at, inside))
            }
        };
        staging
    }

    /// Bytes of all stages.
    pub(super) fn bytes(gemm: &Gemm, tile: &Tile, i: usize) -> usize {
        let each = gemm.operands()[i].view.each();
        tile.stages * tile.extents[i] * tile.depth / each * gemm.types[i].dtype.bytes()
    }

    /// Elements of a stage.
    pub(super) fn stage(&self) -> usize {
        self.extents[0] * self.extents[1]
    }

    /// Whether the columns of the tile are k.
    pub(super) fn sums_fast(&self) -> bool {
        self.operand.sums_fast
    }

    /// How many elements of a tile pass through registers of a thread.
    pub(super) fn pending(&self) -> usize {
        match self.run * self.dtype.bytes() < SMALLEST {
            true => self.copies(),
            false => 0,
        }
    }

    /// Rows that all threads together copy at once.
    fn rows_at_once(&self) -> usize {
        self.threads * self.run / self.extents[1]
    }

    /// Copies of a thread in a tile.
    fn copies(&self) -> usize {
        self.extents[0].div_ceil(self.rows_at_once())
    }

    /// Rows and the column of a thread's copies in a tile.
    fn places(&self, t: &mut Text, ints: Ints, thread: &Int) -> (Vec<Int>, Int) {
        let (row, column) = ints.divide(t, thread, self.extents[1] / self.run);
        let step = self.rows_at_once();
        let rows = (0..self.copies())
            .map(|i| ints.add(t, &row, &Int::Known((i * step) as i64)))
            .collect();
        (rows, ints.mul(t, &column, self.run))
    }

    /// The place of a chunk in a row that moves: where its chunk went.
    pub(super) fn chunk(&self, t: &mut Text, row: &Int, chunk: &Int) -> Int {
        let ints = Ints::SHORT;
        let chunks = self.extents[1] * self.dtype.bytes() / CHUNK;
        let turn = if self.dtype == DType::F32 && !self.operand.sums_fast {
            let low = ints.rem(t, row, 4);
            ints.mul(t, &low, 2)
        } else {
            let (divisor, bits) = match chunks {
                8.. => (1, 8),
                4.. => (2, 4),
                _ => (4, 2),
            };
            let row = ints.div(t, row, divisor);
            ints.rem(t, &row, bits)
        };
        let moved = ints.xor(t, chunk, &turn);
        let row = ints.mul(t, row, self.extents[1]);
        let column = ints.mul(t, &moved, CHUNK / self.dtype.bytes());
        ints.add(t, &row, &column)
    }

    /// The place of an element in a stage.
    pub(super) fn place(&self, t: &mut Text, row: &Int, column: &Int) -> Int {
        let ints = Ints::SHORT;
        if self.extents[1] * self.dtype.bytes() <= CHUNK {
            let row = ints.mul(t, row, self.extents[1]);
            return ints.add(t, &row, column);
        }
        let (chunk, rest) = ints.divide(t, column, CHUNK / self.dtype.bytes());
        let chunk = self.chunk(t, row, &chunk);
        ints.add(t, &chunk, &rest)
    }

    /// Begins the copies of a thread for the tile from `depth` of this part's k on, into a stage: where it
    /// begins. What passes through registers is given, to be [stored](Staging::store).
    pub(super) fn copy(
        &self,
        gemm: &Gemm,
        tile: &Tile,
        t: &mut Text,
        start: &Start,
        depth: &Int,
        stage: &Int,
    ) -> Vec<String> {
        let ints = start.ints;
        let view = &self.operand.view;
        let depth = ints.div(t, depth, self.each);
        let first = ints.div(t, &start.k, self.each);
        let along_k = |t: &mut Text, place: &Int| {
            let inner = ints.add(t, &depth, place);
            let ragged = !gemm.per_split.is_multiple_of(tile.depth);
            let mut inside = match ragged {
                true => ints.below(t, &inner, gemm.per_split.div_ceil(self.each)),
                false => None,
            };
            let k = ints.add(t, &first, &inner);
            if gemm.per_split * gemm.splits > gemm.k {
                let exists = ints.below(t, &k, gemm.k.div_ceil(self.each));
                inside = all(t, [&inside, &exists]);
            }
            (k, inside)
        };
        let (rows, column) = self.places(t, ints, &start.thread[1]);
        let (short_rows, short_column) = self.places(t, Ints::SHORT, &start.thread[0]);
        // A small tile may have less copies than the block has threads, but not less elements.
        let idle = self.rows_at_once() > self.extents[0];
        if idle {
            let busy = Ints::SHORT.less(t, &short_rows[0], self.extents[0]);
            t.open(format_args!("scf.if {busy} {{"));
        }
        let moving = match self.fixed {
            Fixed::Rows(_) => {
                let (at, inside) = along_k(t, &column);
                Some(view.column(t, ints, &at, inside))
            }
            Fixed::Column(_) => None,
        };
        let mut pending = Vec::new();
        for (i, short_row) in short_rows.into_iter().enumerate() {
            let (place, inside) = match (&self.fixed, &moving) {
                (Fixed::Rows(rows), Some(column)) => view.element(t, ints, &rows[i], column),
                (Fixed::Column(column), _) => {
                    let (at, inside) = along_k(t, &rows[i]);
                    let row = view.row(t, ints, &start.batch, &at, inside);
                    view.element(t, ints, &row, column)
                }
                (Fixed::Rows(_), None) => unreachable!("the column moves with k"),
            };
            if self.pending() > 0 {
                pending.push(self.load(t, ints, &place, &inside));
                continue;
            }
            let target = self.target(t, stage, &short_row, &short_column);
            self.copy_run(t, ints, &place, &inside, &target);
        }
        if idle {
            t.close("}");
        }
        pending
    }

    /// Stores what [`Staging::copy`] gave, in its stage.
    pub(super) fn store(&self, t: &mut Text, start: &Start, stage: &Int, pending: &[String]) {
        let (rows, column) = self.places(t, Ints::SHORT, &start.thread[0]);
        for (value, row) in pending.iter().zip(&rows) {
            let target = self.target(t, stage, row, &column);
            t.line(format_args!(
                "memref.store {value}, {}[{target}] : {}",
                self.shared, self.ty
            ));
        }
    }

    /// An index of shared memory.
    fn target(&self, t: &mut Text, stage: &Int, row: &Int, column: &Int) -> String {
        let place = self.place(t, row, column);
        let place = Ints::SHORT.add(t, stage, &place);
        Ints::SHORT.index(t, &place)
    }

    /// An element: zero if there is none.
    fn load(&self, t: &mut Text, ints: Ints, place: &Int, inside: &Condition) -> String {
        let value = self.memory.load_inside(t, ints, place, inside);
        let Some(inside) = inside else {
            return value;
        };
        let none = zero(t, self.dtype);
        t.op(format_args!(
            "arith.select {inside}, {value}, {none} : {}",
            self.dtype
        ))
    }

    /// One asynchronous copy: zeros if there is nothing to read.
    fn copy_run(&self, t: &mut Text, ints: Ints, place: &Int, inside: &Condition, target: &str) {
        let place = ints.or_zero(t, inside, place);
        let place = ints.index(t, &place);
        let there = match inside {
            None => String::new(),
            Some(inside) => {
                let (run, none) = (t.index(self.run as u64), t.index(0));
                let there = t.op(format_args!("arith.select {inside}, {run}, {none} : index"));
                format!(", {there}")
            }
        };
        let bypass = match self.run * self.dtype.bytes() {
            CHUNK => " {bypassL1}",
            _ => "",
        };
        t.op(format_args!(
            "nvgpu.device_async_copy {}[{place}], {}[{target}], {}{there}{bypass} : {} to {}",
            self.memory.name, self.shared, self.run, self.memory.ty, self.ty
        ));
    }
}
