//! Look-up tables: matrix products of few rows of int8 activations, without a multiplication.
//!
//! A *step* is four inputs, a byte of packed codes for each output channel. Of two inputs x₀, x₁
//! and a nibble of two codes there are sixteen combinations; for each the table of these inputs
//! holds T = w₀·x₀ + w₁·x₁ + 256, from 0 to 512, as T >> 3 (at most 64) and T & 7, a byte each. One
//! shuffle looks up the parts of sixteen output channels.
//!
//! The two T >> 3 of a step are added as bytes, at most 128. Pairs of neighbouring bytes then add
//! up in 16-bit lanes as in [`super::sparse`]: a segment of 256 steps reaches at most 2¹⁵. The
//! T & 7 add up as bytes for 16 steps, at most 16·2·7 = 224, then join 16-bit lanes. After each
//! segment everything is added up in 32 bits.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::epilogue::{Epilogue, stack};
use super::geometry::Geometry;
use super::sparse::interleave;
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};
use crate::target::{Arch, Target};

/// Inputs of a step.
pub(super) const INPUTS: usize = 4;
/// Bytes of the tables of a step: for each pair of inputs T >> 3, then T & 7.
pub(super) const TABLE: usize = 64;
/// Steps whose T & 7 fit a byte when added up.
const CHUNK: i64 = 16;
/// Steps whose T >> 3 fit 16 bits when added up.
const SEGMENT: i64 = 256;
/// What T exceeds the sum of a pair by.
pub(super) const EXCESS: i64 = 256;

/// Extents of a product by look-up tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LutPlan {
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    /// Vectors of sixteen output channels that share a table while it is in registers.
    pub vectors: usize,
}

impl LutPlan {
    pub fn new(g: &Geometry, target: &Target) -> LutPlan {
        LutPlan {
            rows: g.output[1],
            depth: g.in_channels,
            columns: g.out_channels,
            // As many as leave no accumulator to memory.
            vectors: match target.arch() {
                Arch::X86_64 => 2,
                Arch::Aarch64 => 4,
            },
        }
    }

    pub fn steps(&self) -> usize {
        self.depth.div_ceil(INPUTS)
    }

    /// Output channels of a block.
    pub fn width(&self) -> usize {
        16 * self.vectors
    }

    pub fn blocks(&self) -> usize {
        self.columns.div_ceil(self.width())
    }

    /// Bytes of the rearranged codes.
    pub fn code_bytes(&self) -> u64 {
        (self.blocks() * self.steps() * self.width()) as u64
    }

    /// Bytes of the tables of all rows.
    pub fn table_bytes(&self) -> u64 {
        (self.rows * self.steps() * TABLE) as u64
    }
}

/// The main kernel: sums by look-up.
pub(super) struct LutKernel {
    pub plan: LutPlan,
    pub tables: Buffer,
    pub codes: Buffer,
    pub epilogue: Epilogue,
}

impl LutKernel {
    /// Adds one step to the accumulators of each vector: sums of T >> 3 for both bytes of a lane,
    /// for the upper byte, and of T & 7.
    fn step(
        &self,
        k: &mut KernelBuilder<'_>,
        table: Value,
        codes: Value,
        sums: &[Value],
    ) -> Vec<Value> {
        let mask = k.int_const(types::I8X16, 15);
        let tables: Vec<Value> = (0..4)
            .map(|i| k.read(types::I8X16, table, 16 * i))
            .collect();
        let look_up =
            |k: &mut KernelBuilder<'_>, table: Value, index: Value| match k.target().arch() {
                Arch::X86_64 => k.b.ins().x86_pshufb(table, index),
                Arch::Aarch64 => k.b.ins().swizzle(table, index),
            };
        let mut next = Vec::with_capacity(sums.len());
        for v in 0..self.plan.vectors {
            let codes = k.read(types::I8X16, codes, 16 * v as i32);
            let low = k.b.ins().band(codes, mask);
            let words = k.cast(types::I16X8, codes);
            let words = k.b.ins().ushr_imm_u(words, 4);
            let high = k.cast(types::I8X16, words);
            let high = k.b.ins().band(high, mask);
            let upper = [look_up(k, tables[0], low), look_up(k, tables[2], high)];
            let lower = [look_up(k, tables[1], low), look_up(k, tables[3], high)];
            let upper = k.b.ins().iadd(upper[0], upper[1]);
            let pair = k.cast(types::I16X8, upper);
            let second = k.b.ins().ushr_imm_u(pair, 8);
            let small = k.b.ins().iadd(sums[3 * v + 2], lower[0]);
            next.push(k.b.ins().iadd(sums[3 * v], pair));
            next.push(k.b.ins().iadd(sums[3 * v + 1], second));
            next.push(k.b.ins().iadd(small, lower[1]));
        }
        next
    }

    /// The sums of a segment's steps: for each vector T >> 3, then T & 7, as pairs of 16-bit
    /// accumulators.
    fn segment(
        &self,
        k: &mut KernelBuilder<'_>,
        table: Value,
        codes: Value,
        count: Value,
    ) -> Vec<Value> {
        let zero = k.int(0);
        let none = k.int_const(types::I16X8, 0);
        let nothing = k.int_const(types::I8X16, 0);
        let mut start = vec![table, codes];
        start.extend(vec![none; 4 * self.plan.vectors]);
        let width = self.plan.width() as i64;
        let sums = k.for_range_carry(zero, count, CHUNK, &start, |k, first, at| {
            let last = k.offset(first, CHUNK);
            let last = k.b.ins().smin(last, count);
            let mut start = at[..2].to_vec();
            for sums in at[2..].chunks(4) {
                start.extend([sums[0], sums[1], nothing]);
            }
            let chunk = k.for_range_carry(first, last, 1, &start, |k, _, at| {
                let sums = self.step(k, at[0], at[1], &at[2..]);
                let mut next = vec![k.offset(at[0], TABLE as i64), k.offset(at[1], width)];
                next.extend(sums);
                next
            });
            let mut next = chunk[..2].to_vec();
            for (sums, before) in chunk[2..].chunks(3).zip(at[2..].chunks(4)) {
                let pair = k.cast(types::I16X8, sums[2]);
                let second = k.b.ins().ushr_imm_u(pair, 8);
                next.extend([
                    sums[0],
                    sums[1],
                    k.b.ins().iadd(before[2], pair),
                    k.b.ins().iadd(before[3], second),
                ]);
            }
            next
        });
        sums[2..].to_vec()
    }

    /// Adds a segment's sums to the 32-bit ones.
    fn flush(&self, k: &mut KernelBuilder<'_>, tile: Value, sums: &[Value]) {
        for (v, sums) in sums.chunks(4).enumerate() {
            let upper = widen(k, sums[0], sums[1]);
            let lower = widen(k, sums[2], sums[3]);
            for (i, (upper, lower)) in upper.into_iter().zip(lower).enumerate() {
                let position = 16 * (4 * v + i) as i32;
                let before = k.read_back(types::I32X4, tile, position);
                let upper = k.b.ins().ishl_imm_u(upper, 3);
                let sum = k.b.ins().iadd(upper, lower);
                let sum = k.b.ins().iadd(before, sum);
                k.write(sum, tile, position);
            }
        }
    }
}

/// Unsigned sums of pairs of bytes, in the order of the bytes: those of the lower byte are what the
/// accumulator of both exceeds the upper's by.
fn widen(k: &mut KernelBuilder<'_>, both: Value, upper: Value) -> [Value; 4] {
    let shifted = k.b.ins().ishl_imm_u(upper, 8);
    let lower = k.b.ins().isub(both, shifted);
    let [a, b] = interleave(k, lower, upper);
    [
        k.b.ins().uwiden_low(a),
        k.b.ins().uwiden_high(a),
        k.b.ins().uwiden_low(b),
        k.b.ins().uwiden_high(b),
    ]
}

impl EmitKernel for LutKernel {
    fn name(&self) -> String {
        "ternary_look_up".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        (self.plan.rows * self.plan.blocks()) as u64
    }

    fn grain(&self) -> u64 {
        (1 << 19) / (self.plan.width() * self.plan.depth.max(1)) as u64 + 1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (plan, epilogue) = (&self.plan, &self.epilogue);
        let (steps, width) = (plan.steps() as i64, plan.width() as i64);
        let tables = k.address(self.tables);
        let codes = k.address(self.codes);
        let places = epilogue.places(k);
        let tile = stack(k, 4 * width);
        let extents = [plan.rows as i64, plan.blocks() as i64];
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &extents);
            let (row, block) = (at[0], at[1]);
            let table = k.index(tables, row, steps * TABLE as i64);
            let codes = k.index(codes, block, steps * width);
            k.zero_fill(tile, 4 * width);
            let zero = k.int(0);
            let all = k.int(steps);
            k.for_range(zero, all, SEGMENT, |k, first| {
                let table = k.index(table, first, TABLE as i64);
                let codes = k.index(codes, first, width);
                let left = k.b.ins().isub(all, first);
                let most = k.int(SEGMENT);
                let count = k.b.ins().smin(left, most);
                let sums = self.segment(k, table, codes, count);
                self.flush(k, tile, &sums);
            });
            let first = k.scale(block, width);
            let finish = |k: &mut KernelBuilder<'_>, columns: usize| {
                for c in (0..columns).step_by(4) {
                    let sums = k.read_back(types::I32X4, tile, 4 * c as i32);
                    let excess = k.int_const(types::I32X4, 2 * steps * EXCESS);
                    let sums = k.b.ins().isub(sums, excess);
                    let sums = k.b.ins().fcvt_from_sint(types::F32X4, sums);
                    let column = k.offset(first, c as i64);
                    let lanes = (columns - c).min(4) as u8;
                    epilogue.finish_columns(k, &places, sums, [row, column], lanes);
                }
                Vec::new()
            };
            match plan.columns % plan.width() {
                0 => {
                    finish(k, plan.width());
                }
                rest => {
                    let is_last =
                        k.b.ins()
                            .icmp_imm_u(IntCC::Equal, block, plan.blocks() as i64 - 1);
                    let whole = |k: &mut KernelBuilder<'_>| finish(k, plan.width());
                    k.either(is_last, |k| finish(k, rest), whole);
                }
            }
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let plan = &self.plan;
        let mut report = KernelReport::new(
            format!(
                "{}x{} → {}x{}",
                plan.rows, plan.depth, plan.rows, plan.columns
            ),
            "look-up table int8",
        );
        report.state_bytes = plan.code_bytes();
        report.multiply_free = true;
        report
            .notes
            .push(format!("blocks of {} output channels", plan.width()));
        report
    }
}
