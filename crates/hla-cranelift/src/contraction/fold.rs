//! Sums of neighbouring elements: what a channel's gradient is of those of its multiples.

use cranelift_codegen::ir::{InstBuilder, types};
use hla_ir::Diagnostic;

use super::arithmetic::WORD;
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// Elements that make a parallel item.
const ITEM: u64 = 1 << 10;

/// target\[i\] = Σ_m source\[i·M + m\], f32, in the order of m.
pub(super) struct Fold {
    pub source: Buffer,
    pub target: Buffer,
    /// Elements of the target.
    pub elements: u64,
    /// M.
    pub multiplier: u64,
}

impl EmitKernel for Fold {
    fn name(&self) -> String {
        "fold".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.elements.div_ceil(ITEM)
    }

    fn grain(&self) -> u64 {
        (1_u64 << 5).div_ceil(self.multiplier)
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let source = k.address(self.source);
        let target = k.address(self.target);
        let (begin, end) = (k.begin(), k.end());
        let first = k.scale(begin, ITEM as i64);
        let last = k.scale(end, ITEM as i64);
        let limit = k.int(self.elements as i64);
        let last = k.b.ins().smin(last, limit);
        k.for_range(first, last, 1, |k, i| {
            let from = k.index(source, i, (self.multiplier * WORD) as i64);
            let to = k.index(target, i, WORD as i64);
            let zero = k.f32_const(types::F32, 0.0);
            let end = k.offset(from, (self.multiplier * WORD) as i64);
            let sum = k.for_range_carry(from, end, WORD as i64, &[zero], |k, at, sum| {
                let value = k.read(types::F32, at, 0);
                vec![k.b.ins().fadd(sum[0], value)]
            });
            k.write(sum[0], to, 0);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let computes = format!("{} sums of {} neighbours", self.elements, self.multiplier);
        KernelReport::new(computes, "one at a time")
    }
}
