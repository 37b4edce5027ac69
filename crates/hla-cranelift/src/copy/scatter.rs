//! Scatter: rows added where indices say.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use hla_ir::{DType, Diagnostic, Node};

use super::gather::INDEX_OUT_OF_RANGE;
use super::row_major;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};
use crate::lower::Lowering;

/// Channels of one item.
const BLOCK: i64 = 64;

pub(super) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let indices = cx.operand(node, 0)?;
    let updates = cx.operand(node, 1)?;
    let result = cx.result(node, 0)?;
    for view in [&indices, &updates, &result] {
        row_major(cx, node, view)?;
    }
    cx.run(Scatter {
        indices,
        updates,
        result,
    });
    Ok(())
}

/// result[n, indices[n, w], c] = Σ updates[n, w, c] in the order of w; an index out of range is
/// left out, and reported. An item is a block of channels of one n.
struct Scatter {
    indices: View,
    updates: View,
    result: View,
}

impl Scatter {
    fn channels(&self) -> i64 {
        self.result.ty.shape[2] as i64
    }

    fn blocks(&self) -> i64 {
        (self.channels() + BLOCK - 1) / BLOCK
    }
}

impl EmitKernel for Scatter {
    fn name(&self) -> String {
        "scatter_add".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        let batches = self.result.ty.shape[0] as i64;
        (batches * self.blocks()) as u64 * u64::from(self.result.ty.elements() > 0)
    }

    fn grain(&self) -> u64 {
        let rows = (self.result.ty.shape[1] + self.updates.ty.shape[1]) as i64;
        (8192 / (rows * self.channels().min(BLOCK)).max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let indices = k.address(self.indices.buffer);
        let updates = k.address(self.updates.buffer);
        let result = k.address(self.result.buffer);
        let row = self.channels() * 4;
        let rows = self.result.ty.shape[1] as i64;
        let count = self.updates.ty.shape[1] as i64;
        let extents = [self.result.ty.shape[0] as i64, self.blocks()];
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &extents);
            let indices = k.index(indices, at[0], count * 4);
            let updates = k.index(updates, at[0], count * row);
            let result = k.index(result, at[0], rows * row);
            let start = k.scale(at[1], BLOCK);
            let stop = k.offset(start, BLOCK);
            let limit = k.int(self.channels());
            let stop = k.b.ins().smin(stop, limit);
            let length = k.b.ins().isub(stop, start);
            let whole = k.b.ins().band_imm_s(length, -4);
            let middle = k.b.ins().iadd(start, whole);
            let parts = [(start, middle, Width::Four), (middle, stop, Width::One)];
            k.repeat(rows, 1, |k, r| {
                let to = k.index(result, r, row);
                for (start, end, width) in parts {
                    k.for_range(start, end, width.lanes(), |k, c| {
                        let zero = k.f32_const(width.ty(DType::F32), 0.0);
                        let at = k.index(to, c, 4);
                        k.store_lanes(DType::F32, width, zero, at);
                    });
                }
            });
            k.repeat(count, 1, |k, w| {
                let at = k.index(indices, w, 4);
                let index = k.read(types::I32, at, 0);
                let index = k.b.ins().sextend(types::I64, index);
                let extent = k.int(rows);
                let inside = k.b.ins().icmp(IntCC::UnsignedLessThan, index, extent);
                let outside =
                    k.b.ins()
                        .icmp(IntCC::UnsignedGreaterThanOrEqual, index, extent);
                k.when(outside, |k| k.fail(INDEX_OUT_OF_RANGE));
                k.when(inside, |k| {
                    let to = k.index(result, index, row);
                    let from = k.index(updates, w, row);
                    for (start, end, width) in parts {
                        k.for_range(start, end, width.lanes(), |k, c| {
                            let (from, to) = (k.index(from, c, 4), k.index(to, c, 4));
                            let value = k.load_lanes(DType::F32, width, from, true);
                            let sum = k.load_lanes(DType::F32, width, to, false);
                            let sum = k.b.ins().fadd(sum, value);
                            k.store_lanes(DType::F32, width, sum, to);
                        });
                    }
                });
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(
            format!("hla.scatter_add {} → {}", self.updates.ty, self.result.ty),
            "sums of rows, channels in lanes",
        )
    }
}
