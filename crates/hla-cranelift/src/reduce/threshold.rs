//! The k-th smallest magnitude, 0 for k = 0: selection by the digits of the bits.
//!
//! Magnitudes of floats are ordered as their bits without the sign are, NaNs last. Three passes
//! over the values count the digits of those whose higher digits are the ones found before: 11, 10
//! and 10 bits. The result is exact whatever the values are, and no value is moved.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{Diagnostic, Layout, Node};

use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, View};
use crate::lower::Lowering;

/// Lowest bit and number of bits of each digit, the highest first.
const DIGITS: [(i64, i64); 3] = [(20, 11), (10, 10), (0, 10)];

/// Adds the kernel of `hla.threshold`.
pub(super) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let weight = cx.operand(node, 0)?;
    let share = cx.operand(node, 1)?;
    let result = cx.result(node, 0)?;
    if weight.layout != Layout::RowMajor {
        return Err(cx
            .unsupported(node)
            .help("a planar value needs hla.relayout before this op"));
    }
    let counts = cx.temp(4 << DIGITS[0].1);
    cx.run(Threshold {
        weight,
        share,
        result,
        counts,
    });
    Ok(())
}

struct Threshold {
    weight: View,
    share: View,
    result: View,
    /// How many values have each digit.
    counts: Buffer,
}

impl Threshold {
    fn elements(&self) -> usize {
        self.weight.ty.elements()
    }

    /// Counts the digits at `low` of the values whose bits above them are `prefix`.
    fn count(
        &self,
        k: &mut KernelBuilder<'_>,
        (weight, counts): (Value, Value),
        (low, bits): (i64, i64),
        prefix: Option<Value>,
    ) {
        k.zero_fill(counts, 4 << bits);
        k.repeat(self.elements() as i64, 1, |k, i| {
            let at = k.index(weight, i, 4);
            let value = k.read(types::I32, at, 0);
            let value = k.band(value, 0x7fff_ffff);
            let digit = k.b.ins().ushr_imm_u(value, low);
            let add = |k: &mut KernelBuilder<'_>| {
                let digit = k.band(digit, (1 << bits) - 1);
                let digit = k.b.ins().uextend(types::I64, digit);
                let at = k.index(counts, digit, 4);
                let count = k.read_back(types::I32, at, 0);
                let count = k.add_imm(count, 1);
                k.write(count, at, 0);
            };
            match prefix {
                None => add(k),
                Some(prefix) => {
                    let above = k.b.ins().ushr_imm_u(digit, bits);
                    let same = k.b.ins().icmp(IntCC::Equal, above, prefix);
                    k.when(same, add);
                }
            }
        });
    }

    /// The digit of the value of rank `rank` among those counted, and its rank among those that
    /// have this digit.
    fn find(
        &self,
        k: &mut KernelBuilder<'_>,
        counts: Value,
        bits: i64,
        rank: Value,
    ) -> (Value, Value) {
        let (zero, one, end) = (k.int(0), k.int(1), k.int(1 << bits));
        // (digit found, values with smaller digits, all values so far)
        let init = [zero, zero, zero];
        let found = k.for_range_carry(zero, end, 1, &init, |k, digit, carried| {
            let at = k.index(counts, digit, 4);
            let count = k.read_back(types::I32, at, 0);
            let count = k.b.ins().uextend(types::I64, count);
            let before = carried[2];
            let past = k.b.ins().iadd(before, count);
            // The last digit of which not more than `rank` values come before, and that has any.
            let reached = k.b.ins().icmp(IntCC::SignedLessThanOrEqual, before, rank);
            let any = k.b.ins().icmp(IntCC::SignedGreaterThanOrEqual, count, one);
            let here = k.b.ins().band(reached, any);
            vec![
                k.b.ins().select(here, digit, carried[0]),
                k.b.ins().select(here, before, carried[1]),
                past,
            ]
        });
        let digit = k.b.ins().ireduce(types::I32, found[0]);
        (digit, k.b.ins().isub(rank, found[1]))
    }
}

impl EmitKernel for Threshold {
    fn name(&self) -> String {
        "threshold".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        1
    }

    fn grain(&self) -> u64 {
        1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let weight = k.address(self.weight.buffer);
        let counts = k.address(self.counts);
        let share = k.address(self.share.buffer);
        let result = k.address(self.result.buffer);
        let share = k.read(types::F32, share, 0);
        let elements = k.flike(share, self.elements() as f64);
        let product = k.b.ins().fmul(share, elements);
        let floor = k.b.ins().floor(product);
        let rank = k.b.ins().fcvt_to_sint_sat(types::I64, floor);
        let last = self.elements() as i64 - 1;
        // Clamped first: one less than the least integer would be the greatest.
        let rank = k.iclamp(rank, 0, last + 1);
        let before = k.add_imm(rank, -1);
        let none = k.b.ins().icmp_imm_s(IntCC::SignedLessThan, before, 0);
        let mut rank = k.iclamp(before, 0, last);
        let mut prefix = None;
        for (low, bits) in DIGITS {
            self.count(k, (weight, counts), (low, bits), prefix);
            let (digit, rest) = self.find(k, counts, bits, rank);
            rank = rest;
            prefix = Some(match prefix {
                None => digit,
                Some(above) => {
                    let above = k.b.ins().ishl_imm_u(above, bits);
                    k.b.ins().bor(above, digit)
                }
            });
        }
        if let Some(bits) = prefix {
            let zero = k.b.ins().iconst(types::I32, 0);
            let bits = k.b.ins().select(none, zero, bits);
            k.write(bits, result, 0);
        }
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(
            format!("hla.threshold {} → {}", self.weight.ty, self.result.ty),
            "selection by digits",
        )
    }
}
