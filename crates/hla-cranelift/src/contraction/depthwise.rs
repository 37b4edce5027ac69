//! The kernel of depthwise convolution: each channel is summed over its own window.
//!
//! Input (words, each channel repeated by the multiplier) and weights [KH, KW, channels] are both
//! read four channels at a time. A tile of P pixels × V vectors of channels keeps its sums in
//! registers over the whole window; all channels of a tile of pixels are computed before the next,
//! so that the input is read once.

use cranelift_codegen::ir::Value;
use hla_ir::Diagnostic;

use super::arithmetic::WORD;
use super::dense::ITEM_MULTIPLICATIONS;
use super::tile::{Pixels, Taps, Tiling};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, Slot};

/// Sums over windows, channel by channel.
pub(super) struct Depthwise {
    pub name: &'static str,
    pub computes: String,
    pub tiling: Tiling,
    pub input: Buffer,
    /// Element of the output where the first pixel's columns begin.
    pub output: u64,
    /// The weights of the first tap.
    pub weights: Buffer,
    /// Bytes from the weights of a tap to those of the next, along rows and along columns.
    pub weight_strides: [i64; 2],
    /// Rows and columns of the window.
    pub taps: [Taps; 2],
}

impl Depthwise {
    fn tile_multiplications(&self) -> u64 {
        let taps = self.taps[0].count * self.taps[1].count;
        (taps * self.tiling.tile.pixels * self.tiling.columns).max(1)
    }

    fn sum_taps(
        &self,
        k: &mut KernelBuilder<'_>,
        pixels: &Pixels,
        level: usize,
        offset: Value,
        state: &[Value],
    ) -> Vec<Value> {
        let Some(&taps) = self.taps.get(level) else {
            return self.sum_tap(k, pixels, offset, state);
        };
        let step = self.weight_strides[level];
        let advance = |k: &mut KernelBuilder<'_>, at: Value, state: &[Value]| {
            let mut next = self.sum_taps(k, pixels, level + 1, at, state);
            next[0] = k.offset(state[0], step);
            next
        };
        if taps.count == 1 {
            return advance(k, offset, state);
        }
        let end = k.offset(offset, (taps.count * taps.input) as i64);
        k.for_range_carry(offset, end, taps.input as i64, state, advance)
    }

    fn sum_tap(
        &self,
        k: &mut KernelBuilder<'_>,
        pixels: &Pixels,
        at: Value,
        state: &[Value],
    ) -> Vec<Value> {
        let arithmetic = self.tiling.arithmetic;
        let tile = self.tiling.tile;
        let mut next = vec![state[0]];
        for (i, (pixel, v)) in tile.places().into_iter().enumerate() {
            let (address, step) = pixels.input(k, pixel as u64, at);
            let w = arithmetic.words(k, state[0], 16 * v as i32);
            let x = arithmetic.words(k, address, step + 16 * v as i32);
            next.push(arithmetic.multiply_add(k, w, x, state[1 + i]));
        }
        next
    }
}

impl EmitKernel for Depthwise {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.tiling.tiles()
    }

    fn grain(&self) -> u64 {
        ITEM_MULTIPLICATIONS.div_ceil(self.tile_multiplications().max(1))
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (begin, end) = (k.begin(), k.end());
        let input = k.address(self.input);
        let weights = k.address(self.weights);
        let output = k.int(self.output as i64);
        k.for_range(begin, end, 1, |k, tile| {
            k.repeat(self.tiling.panels() as i64, 1, |k, panel| {
                let column = self.tiling.column(k, panel);
                let input = k.index(input, column, WORD as i64);
                let weights = k.index(weights, column, WORD as i64);
                let pixels = self.tiling.addresses(k, input, output, tile);
                let mut state = self.tiling.begin(k, column);
                state.insert(0, weights);
                let start = pixels.start(k);
                let state = self.sum_taps(k, &pixels, 0, start, &state);
                self.tiling.finish(k, &state[1..], &pixels, column);
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let tile = self.tiling.tile;
        let strategy = format!(
            "vectors of channels, tiles of {} x {}",
            tile.pixels,
            tile.columns()
        );
        let mut report = KernelReport::new(self.computes.clone(), strategy);
        report.notes.extend(self.tiling.output.describe());
        if self.weights.slot == Slot::State {
            report.state_bytes = self.taps[0].count * self.weight_strides[0].unsigned_abs();
        }
        report
    }
}
