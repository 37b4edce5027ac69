//! Gather: rows chosen by indices.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use hla_ir::{Diagnostic, Node};

use super::row_major;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View};
use crate::lower::Lowering;

/// The status that `NAME_run` returns after an index out of range.
pub(super) const INDEX_OUT_OF_RANGE: i32 = 1;

pub(super) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let values = cx.operand(node, 0)?;
    let indices = cx.operand(node, 1)?;
    let result = cx.result(node, 0)?;
    for view in [&values, &indices, &result] {
        row_major(cx, node, view)?;
    }
    cx.run(Gather {
        values,
        indices,
        result,
    });
    Ok(())
}

/// result[n, w, c] = values[n, indices[n, w], c]; an index out of range is clamped, and reported.
struct Gather {
    values: View,
    indices: View,
    result: View,
}

impl Gather {
    fn row_bytes(&self) -> i64 {
        (self.result.ty.shape[2] * self.result.ty.dtype.bytes()) as i64
    }
}

impl EmitKernel for Gather {
    fn name(&self) -> String {
        "gather".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        (self.result.ty.shape[0] * self.result.ty.shape[1]) as u64
    }

    fn grain(&self) -> u64 {
        (32768 / self.row_bytes().max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let values = k.address(self.values.buffer);
        let indices = k.address(self.indices.buffer);
        let result = k.address(self.result.buffer);
        let row = self.row_bytes();
        let rows = self.values.ty.shape[1] as i64;
        let per_batch = self.result.ty.shape[1] as i64;
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let at = k.index(indices, item, 4);
            let index = k.read(types::I32, at, 0);
            let index = k.b.ins().sextend(types::I64, index);
            let extent = k.int(rows);
            let outside =
                k.b.ins()
                    .icmp(IntCC::UnsignedGreaterThanOrEqual, index, extent);
            k.when(outside, |k| k.fail(INDEX_OUT_OF_RANGE));
            let inside = k.iclamp(index, 0, rows - 1);
            let batch = k.unravel(item, &[self.result.ty.shape[0] as i64, per_batch])[0];
            let first = k.scale(batch, rows);
            let source = k.b.ins().iadd(first, inside);
            let from = k.index(values, source, row);
            let to = k.index(result, item, row);
            k.copy_bytes(from, to, row);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(format!("tosa.gather {}", self.result.ty), "copy of rows")
    }
}
