//! What look-up tables need beforehand: the codes side by side, once; the tables, for each input.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::geometry::Strided;
use super::lut::{EXCESS, INPUTS, LutPlan, TABLE};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, READ};

/// Rearranges packed codes: for each block of output channels and each step, the bytes of the
/// block's channels side by side; channels that do not exist have zero codes.
pub(super) struct ArrangeKernel {
    pub plan: LutPlan,
    pub codes: Buffer,
    pub to: Buffer,
}

impl EmitKernel for ArrangeKernel {
    fn name(&self) -> String {
        "ternary_arrange".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.plan.blocks() as u64
    }

    fn grain(&self) -> u64 {
        1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let plan = &self.plan;
        let (steps, width) = (plan.steps() as i64, plan.width() as i64);
        let codes = k.address(self.codes);
        let to = k.address(self.to);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, block| {
            let to = k.index(to, block, steps * width);
            k.zero_fill(to, steps * width);
            let first = k.scale(block, width);
            let last = k.offset(first, width);
            let all = k.int(plan.columns as i64);
            let last = k.b.ins().smin(last, all);
            let from = k.index(codes, first, steps);
            k.for_range_carry(first, last, 1, &[from, to], |k, _, at| {
                let zero = k.int(0);
                let count = k.int(steps);
                k.for_range_carry(zero, count, 1, &[at[0], at[1]], |k, _, at| {
                    let byte = k.read(types::I8, at[0], 0);
                    k.write(byte, at[1], 0);
                    vec![k.offset(at[0], 1), k.offset(at[1], width)]
                });
                vec![k.offset(at[0], steps), k.offset(at[1], 1)]
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let plan = &self.plan;
        let mut report = KernelReport::new(
            format!("{} × {} packed codes", plan.columns, plan.depth),
            "codes of neighbouring channels side by side",
        );
        report.state_bytes = plan.code_bytes();
        report.notes.push(format!(
            "{:.2} bits a weight",
            8.0 * plan.code_bytes() as f64 / (plan.columns * plan.depth).max(1) as f64
        ));
        report
    }
}

/// Builds the tables of each row of activations.
pub(super) struct TableKernel {
    pub plan: LutPlan,
    pub from: Strided,
    pub to: Buffer,
}

impl TableKernel {
    /// The parts of T for all nibbles: T >> 3 and T & 7.
    fn pair(&self, k: &mut KernelBuilder<'_>, x: [Value; 2]) -> [Value; 2] {
        let words = |k: &mut KernelBuilder<'_>, lanes: [i16; 8]| {
            let mut bytes = [0; 16];
            for (b, lane) in bytes.chunks_exact_mut(2).zip(lanes) {
                b.copy_from_slice(&lane.to_le_bytes());
            }
            k.vector_const(types::I16X8, bytes)
        };
        let [first, second] = x.map(|x| k.splat(types::I16X8, x));
        // Entry n: the code n & 3 of the first input, n >> 2 of the second.
        let masked = |k: &mut KernelBuilder<'_>, x: Value, lanes: [i16; 8]| {
            let mask = words(k, lanes);
            k.b.ins().band(x, mask)
        };
        let plus = masked(k, first, [0, -1, 0, 0, 0, -1, 0, 0]);
        let minus = masked(k, first, [0, 0, -1, 0, 0, 0, -1, 0]);
        let low = masked(k, second, [0, 0, 0, 0, -1, -1, -1, -1]);
        let high = masked(k, second, [-1, -1, -1, -1, 0, 0, 0, 0]);
        let excess = k.int_const(types::I16X8, EXCESS);
        let base = k.b.ins().iadd(plus, excess);
        let base = k.b.ins().isub(base, minus);
        let halves = [k.b.ins().iadd(base, low), k.b.ins().isub(base, high)];
        let upper = halves.map(|t| k.b.ins().ushr_imm_u(t, 3));
        let seven = k.int_const(types::I16X8, 7);
        let lower = halves.map(|t| k.b.ins().band(t, seven));
        [upper, lower].map(|[a, b]| k.b.ins().unarrow(a, b))
    }

    fn step(&self, k: &mut KernelBuilder<'_>, from: Value, to: Value, inputs: usize) {
        let zero = k.int_const(types::I16, 0);
        let mut x = [zero; INPUTS];
        for (i, x) in x.iter_mut().enumerate().take(inputs) {
            let at = k.offset(from, i as i64 * self.from.strides[3]);
            *x = k.b.ins().sload8(types::I16, READ, at, 0);
        }
        for pair in 0..2 {
            let parts = self.pair(k, [x[2 * pair], x[2 * pair + 1]]);
            for (i, part) in parts.into_iter().enumerate() {
                k.write(part, to, (32 * pair + 16 * i) as i32);
            }
        }
    }
}

impl EmitKernel for TableKernel {
    fn name(&self) -> String {
        "ternary_tables".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.plan.rows as u64
    }

    fn grain(&self) -> u64 {
        (1 << 13) / self.plan.depth.max(1) as u64 + 1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let plan = &self.plan;
        let from = k.address(self.from.origin);
        let to = k.address(self.to);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, row| {
            let from = k.index(from, row, self.from.strides[2]);
            let to = k.index(to, row, (plan.steps() * TABLE) as i64);
            let zero = k.int(0);
            let whole = k.int((plan.depth / INPUTS) as i64);
            let at = k.for_range_carry(zero, whole, 1, &[from, to], |k, _, at| {
                self.step(k, at[0], at[1], INPUTS);
                vec![
                    k.offset(at[0], INPUTS as i64 * self.from.strides[3]),
                    k.offset(at[1], TABLE as i64),
                ]
            });
            if !plan.depth.is_multiple_of(INPUTS) {
                self.step(k, at[0], at[1], plan.depth % INPUTS);
            }
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(
            format!("{} rows of {}", self.plan.rows, self.plan.depth),
            "tables of the sums of two activations",
        )
    }
}
