//! Ternarization of weights at run time (HLA Eq. 4–5), one column an item.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{Diagnostic, Node};

use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View};

pub(super) struct Ternarize {
    input: View,
    result: View,
    threshold: f32,
    /// Extents before the axis, of the axis, and after it.
    outer: i64,
    columns: i64,
    inner: i64,
}

impl Ternarize {
    pub fn new(node: &Node, input: View, result: View) -> Ternarize {
        let axis = node.attrs.i64("axis").unwrap_or(0) as usize;
        let shape = input.ty.shape.clone();
        let product = |s: &[usize]| s.iter().product::<usize>() as i64;
        Ternarize {
            input,
            result,
            threshold: node.attrs.f32("threshold").unwrap_or(0.0),
            outer: product(&shape[..axis]),
            columns: shape[axis] as i64,
            inner: product(&shape[axis + 1..]),
        }
    }

    /// Runs the body for each element of a column in order, with values carried along.
    fn for_column(
        &self,
        k: &mut KernelBuilder<'_>,
        column: Value,
        init: &[Value],
        body: impl FnOnce(&mut KernelBuilder<'_>, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let (zero, outer) = (k.int(0), k.int(self.outer));
        k.for_range_carry(zero, outer, 1, init, |k, o, carried| {
            let row = k.scale(o, self.columns);
            let row = k.b.ins().iadd(row, column);
            let first = k.scale(row, self.inner);
            let past = k.offset(first, self.inner);
            k.for_range_carry(first, past, 1, carried, body)
        })
    }
}

impl EmitKernel for Ternarize {
    fn name(&self) -> String {
        "ternarize".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.columns as u64 * u64::from(self.outer * self.inner > 0)
    }

    fn grain(&self) -> u64 {
        (4096 / (self.outer * self.inner).max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let from = k.address(self.input.buffer);
        let to = k.address(self.result.buffer);
        let threshold = k.f32_const(types::F32, self.threshold);
        let zero = k.f32_const(types::F32, 0.0);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, column| {
            let none = k.int(0);
            let nowhere = k.int(-1);
            // How many are kept, and the largest with its place.
            let seen = self.for_column(k, column, &[none, zero, nowhere], |k, i, seen| {
                let at = k.index(from, i, 4);
                let weight = k.read(types::F32, at, 0);
                let magnitude = k.b.ins().fabs(weight);
                let kept = k.b.ins().fcmp(FloatCC::GreaterThan, magnitude, threshold);
                let kept = k.b.ins().uextend(types::I64, kept);
                let count = k.b.ins().iadd(seen[0], kept);
                let larger = k.b.ins().fcmp(FloatCC::GreaterThan, magnitude, seen[1]);
                let largest = k.b.ins().select(larger, magnitude, seen[1]);
                let place = k.b.ins().select(larger, i, seen[2]);
                vec![count, largest, place]
            });
            let one = k.int(1);
            let count = k.b.ins().smax(seen[0], one);
            let wide = k.b.ins().fcvt_from_sint(types::F64, count);
            let root = k.b.ins().sqrt(wide);
            let unit = k.b.ins().f64const(1.0);
            let alpha = k.b.ins().fdiv(unit, root);
            let alpha = k.b.ins().fdemote(types::F32, alpha);
            let empty = k.b.ins().icmp(IntCC::Equal, seen[0], none);
            let rescued = k.b.ins().select(empty, seen[2], nowhere);
            self.for_column(k, column, &[], |k, i, _| {
                let at = k.index(from, i, 4);
                let weight = k.read(types::F32, at, 0);
                let magnitude = k.b.ins().fabs(weight);
                let kept = k.b.ins().fcmp(FloatCC::GreaterThan, magnitude, threshold);
                let here = k.b.ins().icmp(IntCC::Equal, i, rescued);
                let kept = k.b.ins().bor(kept, here);
                let signed = k.b.ins().fcopysign(alpha, weight);
                let value = k.b.ins().select(kept, signed, zero);
                let at = k.index(to, i, 4);
                k.write(value, at, 0);
                Vec::new()
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(format!("hla.ternarize {}", self.input.ty), "scalar")
    }
}
