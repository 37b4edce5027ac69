//! The kernel of dense contractions: tiles of pixels × columns over panels of weights.
//!
//! A tile sums P pixels × V vectors of four columns in P·V ≤ 8 accumulators. For each word of the
//! input it broadcasts P words, reads V vectors of weights, and multiplies and adds P·V times.
//! Weights lie in panels: all words of 4·V columns together, in the order of summation, so that a
//! panel is read straight through. A panel is used for a chunk of tiles before the next chunk.

use cranelift_codegen::ir::Value;
use hla_ir::Diagnostic;

use super::arithmetic::{Arithmetic, WORD};
use super::tile::{Pixels, Taps, Tiling, at_most};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, Slot};

/// Multiplications that make a parallel item worth its hand-over.
pub(super) const ITEM_MULTIPLICATIONS: u64 = 1 << 18;
/// Tiles that are computed with one panel before the next, at most.
const CHUNK_TILES: u64 = 32;
/// Words of the innermost loop's body. The order in which Cranelift schedules more of them keeps
/// too many values alive.
const UNROLL: u64 = 2;

/// How the weights lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Weights {
    /// In panels of the tile's width; see [`super::pack`].
    Panels,
    /// As rows of columns, one row a word, this many bytes apart.
    Rows { stride: u64 },
}

/// Contractions of the same extents with inputs and weights of their own: how many, and how far
/// apart, in bytes and in elements of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Batches {
    pub count: u64,
    pub input: u64,
    pub weights: u64,
    pub output: u64,
}

impl Batches {
    /// A single contraction.
    pub const ONE: Batches = Batches {
        count: 1,
        input: 0,
        weights: 0,
        output: 0,
    };
}

/// Sums of products over pixels × columns.
pub(super) struct Dense {
    pub name: &'static str,
    pub computes: String,
    pub tiling: Tiling,
    pub batches: Batches,
    pub input: Buffer,
    pub weights: Buffer,
    pub layout: Weights,
    /// Element of the output where the first pixel's columns begin.
    pub output: u64,
    /// Outer loops of the sum.
    pub taps: [Taps; 2],
    /// Words of the innermost loop, and how many bytes apart they are in the input.
    pub run: u64,
    pub distance: u64,
}

impl Dense {
    fn words(&self) -> u64 {
        self.taps[0].count * self.taps[1].count * self.run
    }

    fn tile_multiplications(&self) -> u64 {
        let outputs = self.tiling.tile.pixels * self.tiling.tile.columns();
        (outputs * self.words() * self.tiling.arithmetic.per_word()).max(1)
    }

    /// Tiles of a parallel item.
    fn chunk(&self) -> u64 {
        let worth = ITEM_MULTIPLICATIONS.div_ceil(self.tile_multiplications());
        worth.clamp(1, CHUNK_TILES).min(self.tiling.tiles())
    }

    fn chunks(&self) -> u64 {
        self.tiling.tiles().div_ceil(self.chunk())
    }

    /// Bytes from the weights of a word to those of the next.
    fn word_stride(&self) -> u64 {
        match self.layout {
            Weights::Panels => self.tiling.tile.columns() * WORD,
            Weights::Rows { stride } => stride,
        }
    }

    /// Address of the weights of a panel's first word.
    fn panel(&self, k: &mut KernelBuilder<'_>, base: Value, panel: Value, column: Value) -> Value {
        match self.layout {
            Weights::Panels => {
                let bytes = self.words() * self.tiling.tile.columns() * WORD;
                k.index(base, panel, bytes as i64)
            }
            Weights::Rows { .. } => k.index(base, column, WORD as i64),
        }
    }

    /// Sums all taps from a level of the loops on; `state` is the address of the weights and the
    /// accumulators.
    fn sum_taps(
        &self,
        k: &mut KernelBuilder<'_>,
        pixels: &Pixels,
        level: usize,
        offset: Value,
        state: Vec<Value>,
    ) -> Vec<Value> {
        let Some(&taps) = self.taps.get(level) else {
            return self.sum_run(k, pixels, offset, state);
        };
        if taps.count == 1 {
            return self.sum_taps(k, pixels, level + 1, offset, state);
        }
        let end = k.offset(offset, (taps.count * taps.input) as i64);
        k.for_range_carry(offset, end, taps.input as i64, &state, |k, at, state| {
            self.sum_taps(k, pixels, level + 1, at, state.to_vec())
        })
    }

    fn sum_run(
        &self,
        k: &mut KernelBuilder<'_>,
        pixels: &Pixels,
        offset: Value,
        mut state: Vec<Value>,
    ) -> Vec<Value> {
        let mut at = offset;
        let whole = self.run / UNROLL * UNROLL;
        if whole > UNROLL {
            let end = k.offset(offset, (whole * self.distance) as i64);
            let step = (UNROLL * self.distance) as i64;
            state = k.for_range_carry(offset, end, step, &state, |k, at, state| {
                self.sum_words(k, pixels, at, state, UNROLL)
            });
            at = end;
        } else if whole > 0 {
            state = self.sum_words(k, pixels, at, &state, whole);
            at = k.offset(at, (whole * self.distance) as i64);
        }
        match self.run - whole {
            0 => state,
            rest => self.sum_words(k, pixels, at, &state, rest),
        }
    }

    fn sum_words(
        &self,
        k: &mut KernelBuilder<'_>,
        pixels: &Pixels,
        at: Value,
        state: &[Value],
        words: u64,
    ) -> Vec<Value> {
        let arithmetic = self.tiling.arithmetic;
        let tile = self.tiling.tile;
        let mut state = state.to_vec();
        for word in 0..words {
            let row = (word * self.word_stride()) as i64;
            let row = k.offset(state[0], row);
            let weights: Vec<Value> = (0..tile.vectors)
                .map(|v| arithmetic.words(k, row, 16 * v as i32))
                .collect();
            let inputs: Vec<Value> = (0..tile.pixels)
                .map(|pixel| {
                    let (address, step) = pixels.input(k, pixel, at);
                    arithmetic.broadcast(k, address, step + (word * self.distance) as i32)
                })
                .collect();
            for (sum, (pixel, v)) in state[1..].iter_mut().zip(tile.places()) {
                // The first factor's register is overwritten: of the more numerous, fewer are copied.
                let (first, second) = match tile.pixels < tile.vectors {
                    true => (weights[v], inputs[pixel]),
                    false => (inputs[pixel], weights[v]),
                };
                *sum = arithmetic.multiply_add(k, first, second, *sum);
            }
        }
        state[0] = k.offset(state[0], (words * self.word_stride()) as i64);
        state
    }
}

impl EmitKernel for Dense {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.batches.count * self.tiling.panels() * self.chunks()
    }

    fn grain(&self) -> u64 {
        ITEM_MULTIPLICATIONS.div_ceil(self.chunk() * self.tile_multiplications())
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (begin, end) = (k.begin(), k.end());
        let input = k.address(self.input);
        let weights = k.address(self.weights);
        let extents = [self.batches.count, self.tiling.panels(), self.chunks()].map(|e| e as i64);
        k.for_range(begin, end, 1, |k, item| {
            let place = k.unravel(item, &extents);
            let input = k.index(input, place[0], self.batches.input as i64);
            let weights = k.index(weights, place[0], self.batches.weights as i64);
            let output = k.scale(place[0], self.batches.output as i64);
            let output = k.offset(output, self.output as i64);
            let column = self.tiling.column(k, place[1]);
            let panel = self.panel(k, weights, place[1], column);
            let from = k.scale(place[2], self.chunk() as i64);
            let to = k.offset(from, self.chunk() as i64);
            let to = at_most(k, to, self.tiling.tiles());
            k.for_range(from, to, 1, |k, tile| {
                let pixels = self.tiling.addresses(k, input, output, tile);
                let mut state = vec![panel];
                state.extend(self.tiling.begin(k, column));
                if self.words() > 0 {
                    let start = pixels.start(k);
                    state = self.sum_taps(k, &pixels, 0, start, state);
                }
                self.tiling.finish(k, &state[1..], &pixels, column);
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let lanes = match self.tiling.arithmetic {
            Arithmetic::F32 => "f32 FMA",
            Arithmetic::I16 => "i16 pairs",
            Arithmetic::I32 => "i32",
        };
        let tile = self.tiling.tile;
        let strategy = format!("{lanes}, tiles of {} x {}", tile.pixels, tile.columns());
        let mut report = KernelReport::new(self.computes.clone(), strategy);
        report.notes.extend(self.tiling.output.describe());
        if self.weights.slot == Slot::State {
            let panels = self.batches.count * self.tiling.panels();
            report.state_bytes = panels * self.words() * tile.columns() * WORD;
        }
        report
    }
}
