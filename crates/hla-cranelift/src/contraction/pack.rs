//! Packing of weights into the panels that the dense kernel reads.
//!
//! Panel p holds the tile's columns from `min(p·width, columns − width)` on (all, zero-padded, where
//! there are fewer than a width). For each word in the order of summation it holds one word of each
//! column; a run whose elements do not fill its last word is zero-padded.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::arithmetic::{Arithmetic, LANES, WORD};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// Where the weight of a column and a tap is, in elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Source {
    pub buffer: Buffer,
    pub batch: i64,
    pub column: i64,
    /// Count and distance of the outer loops of the sum.
    pub taps: [(u64, i64); 2],
    /// Elements of a run, and their distance.
    pub run: (u64, i64),
}

/// Copies weights (f32, or i8 less a zero point) into panels.
pub(super) struct Pack {
    pub arithmetic: Arithmetic,
    pub source: Source,
    pub zero_point: i64,
    pub batches: u64,
    pub columns: u64,
    /// Columns of a panel.
    pub width: u64,
    pub panels: Buffer,
}

impl Pack {
    fn run_words(&self) -> u64 {
        self.arithmetic.words_of(self.source.run.0)
    }

    fn panel_bytes(&self) -> u64 {
        let [(a, _), (b, _)] = self.source.taps;
        a * b * self.run_words() * self.width * WORD
    }

    fn panel_count(&self) -> u64 {
        self.columns.div_ceil(self.width)
    }

    /// Bytes of all panels.
    pub fn bytes(&self) -> u64 {
        self.batches * self.panel_count() * self.panel_bytes()
    }

    fn element_bytes(&self) -> i64 {
        match self.arithmetic {
            Arithmetic::F32 => 4,
            Arithmetic::I16 | Arithmetic::I32 => 1,
        }
    }

    /// One word of each column of a panel: `elements` of its elements are there.
    fn write_word(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value, elements: u64) {
        let valid = self.width.min(self.columns);
        for vector in 0..self.width / LANES {
            let first = vector * LANES;
            let lanes = LANES.min(valid - first);
            let at = |lane: u64, element: u64| {
                let column = (first + lane) as i64 * self.source.column;
                (column + element as i64 * self.source.run.1) * self.element_bytes()
            };
            let whole =
                self.arithmetic == Arithmetic::F32 && self.source.column == 1 && lanes == LANES;
            let word = if whole {
                let address = k.offset(from, at(0, 0));
                k.read(types::F32X4, address, 0)
            } else {
                self.gather(k, from, lanes, elements, at)
            };
            k.write(word, to, (vector * LANES * WORD) as i32);
        }
    }

    fn gather(
        &self,
        k: &mut KernelBuilder<'_>,
        from: Value,
        lanes: u64,
        elements: u64,
        at: impl Fn(u64, u64) -> i64,
    ) -> Value {
        let per_word = self.arithmetic.per_word();
        let mut word = match self.arithmetic {
            Arithmetic::F32 => k.f32_const(types::F32X4, 0.0),
            Arithmetic::I16 | Arithmetic::I32 => k.int_const(types::I16X8, 0),
        };
        for lane in 0..lanes {
            for element in 0..elements {
                let address = k.offset(from, at(lane, element));
                let value = match self.arithmetic {
                    Arithmetic::F32 => k.read(types::F32, address, 0),
                    Arithmetic::I16 | Arithmetic::I32 => {
                        let narrow = k.read(types::I8, address, 0);
                        let wide = k.b.ins().sextend(types::I16, narrow);
                        k.b.ins().iadd_imm_s(wide, -self.zero_point)
                    }
                };
                let index = (lane * per_word + element) as u8;
                word = k.b.ins().insertlane(word, value, index);
            }
        }
        word
    }
}

impl EmitKernel for Pack {
    fn name(&self) -> String {
        "pack_panels".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        match self.panel_bytes() {
            0 => 0,
            _ => self.batches * self.panel_count(),
        }
    }

    fn grain(&self) -> u64 {
        (1_u64 << 16).div_ceil(self.panel_bytes().max(1))
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (begin, end) = (k.begin(), k.end());
        let source = k.address(self.source.buffer);
        let panels = k.address(self.panels);
        let size = self.element_bytes();
        let word_bytes = (self.width * WORD) as i64;
        let per_word = self.arithmetic.per_word();
        let (run, run_stride) = self.source.run;
        let [(a_count, a_stride), (b_count, b_stride)] = self.source.taps;
        k.for_range(begin, end, 1, |k, item| {
            let extents = [self.batches as i64, self.panel_count() as i64];
            let place = k.unravel(item, &extents);
            let column = k.scale(place[1], self.width as i64);
            let limit = k.int(self.columns.saturating_sub(self.width) as i64);
            let column = k.b.ins().smin(column, limit);
            let from = k.index(source, place[0], self.source.batch * size);
            let from = k.index(from, column, self.source.column * size);
            let to = k.index(panels, item, self.panel_bytes() as i64);
            let zero = k.int(0);
            let a_end = k.int(a_count as i64);
            k.for_range_carry(zero, a_end, 1, &[to], |k, a, to| {
                let from = k.index(from, a, a_stride * size);
                let zero = k.int(0);
                let b_end = k.int(b_count as i64);
                k.for_range_carry(zero, b_end, 1, to, |k, b, to| {
                    let from = k.index(from, b, b_stride * size);
                    let zero = k.int(0);
                    let whole = (run / per_word) as i64;
                    let words = k.int(whole);
                    let to = k.for_range_carry(zero, words, 1, to, |k, word, to| {
                        let from = k.index(from, word, per_word as i64 * run_stride * size);
                        self.write_word(k, from, to[0], per_word);
                        vec![k.offset(to[0], word_bytes)]
                    });
                    if run.is_multiple_of(per_word) {
                        return to;
                    }
                    let from = k.offset(from, whole * per_word as i64 * run_stride * size);
                    self.write_word(k, from, to[0], run % per_word);
                    vec![k.offset(to[0], word_bytes)]
                })
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let computes = format!(
            "{} panels of {} columns, {} bytes",
            self.batches * self.panel_count(),
            self.width,
            self.bytes()
        );
        KernelReport::new(computes, "copy")
    }
}
