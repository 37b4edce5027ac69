//! The weights in the form that sparse addition reads, and the kernel that expands the packed
//! 2-bit codes to it.
//!
//! For each output channel, in order, and each *segment* of its fan-in (all of it for f32), the
//! list of the +1 weights' offsets, then that of the −1 weights'. An offset is the distance in
//! bytes, as a u32, from an output pixel's position in the first staged plane to what the weight
//! multiplies. A table has one entry of four u32 for each channel and segment: where its +1
//! offsets start, where they end and its −1 offsets start, where these end (bytes from the start
//! of the lists), and n₊ − n₋, the excess of +1 weights.
//!
//! Where offsets are read in pairs, a list of an odd number ends with the offset of zeros.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::geometry::{Geometry, Stage};
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, READ};

/// Bytes of a table entry.
pub(super) const ENTRY: i64 = 16;

/// Extents of the lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ListPlan {
    /// Weights of an output channel.
    pub fan_in: usize,
    /// Output channels.
    pub channels: usize,
    /// Weights in a segment; the last may have fewer.
    pub segment: usize,
    /// Non-zero weights altogether.
    pub non_zero: usize,
    /// Most non-zero weights in a segment of a channel.
    pub longest: usize,
    /// Offsets in the lists.
    entries: usize,
}

impl ListPlan {
    /// The fewest segments of which none has more than `limit` non-zero weights. With `pairs`, each
    /// list has an even number of offsets.
    pub fn new(trits: &[i8], g: &Geometry, limit: Option<usize>, pairs: bool) -> ListPlan {
        let fan_in = g.fan_in();
        let non_zero = |part: &[i8]| part.iter().filter(|&&t| t != 0).count();
        let longest = |segment: usize| {
            trits
                .chunks(fan_in.max(1))
                .flat_map(|channel| channel.chunks(segment))
                .map(non_zero)
                .max()
                .unwrap_or(0)
        };
        let limit = limit.unwrap_or(usize::MAX);
        let mut segments = longest(fan_in.max(1)).div_ceil(limit).max(1);
        let mut segment = fan_in.div_ceil(segments).max(1);
        while longest(segment) > limit {
            segments += 1;
            segment = fan_in.div_ceil(segments).max(1);
        }
        let count = |part: &[i8], sign| {
            let count = part.iter().filter(|&&t| t == sign).count();
            if pairs {
                count.next_multiple_of(2)
            } else {
                count
            }
        };
        let entries = trits
            .chunks(fan_in.max(1))
            .flat_map(|channel| channel.chunks(segment))
            .map(|part| count(part, 1) + count(part, -1))
            .sum();
        ListPlan {
            fan_in,
            channels: g.out_channels,
            segment,
            non_zero: non_zero(trits),
            longest: longest(segment),
            entries,
        }
    }

    /// Segments of a channel.
    pub fn segments(&self) -> usize {
        self.fan_in.div_ceil(self.segment).max(1)
    }

    /// Bytes of the table.
    pub fn table_bytes(&self) -> u64 {
        (self.channels * self.segments()) as u64 * ENTRY as u64
    }

    /// Bytes of the lists, with one entry more that the expansion may write.
    pub fn list_bytes(&self) -> u64 {
        4 * (self.entries as u64 + 1)
    }
}

/// Expands packed codes into table and lists.
pub(super) struct ExpandKernel {
    pub plan: ListPlan,
    pub walk: Walk,
    /// The offset of zeros, if lists are filled up to pairs with it.
    pub filler: Option<i64>,
    /// Rows of codes, each starting on a byte.
    pub codes: Buffer,
    /// For each tap a u32: bytes to what it reads in channel 0; and one entry more.
    pub taps: Buffer,
    pub table: Buffer,
    pub lists: Buffer,
}

/// The table of taps in bytes that [`ExpandKernel`] reads.
pub(super) fn tap_table(stage: &Stage, element_bytes: usize) -> Vec<u8> {
    stage
        .taps
        .iter()
        .chain(&[0])
        .flat_map(|&t| ((t * element_bytes) as u32).to_le_bytes())
        .collect()
}

/// How offsets follow each other from one weight of a channel to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Walk {
    /// Distance in bytes between the planes of two input channels.
    pub plane_bytes: i64,
    /// Input channels.
    pub in_channels: i64,
}

impl Walk {
    /// Writes the offsets of the weights `range` whose code has bit `sign`, one every `distance`
    /// bytes, a power of two; what follows the last is overwritten. `start` is where to write, and
    /// the position (tap, channel, offset) of the first weight; gives both after the last.
    pub fn append(
        self,
        k: &mut KernelBuilder<'_>,
        [row, taps]: [Value; 2],
        range: [Value; 2],
        sign: i64,
        distance: i64,
        start: [Value; 4],
    ) -> [Value; 4] {
        let out = k.for_range_carry(range[0], range[1], 1, &start, |k, i, at| {
            let (end, tap, channel, offset) = (at[0], at[1], at[2], at[3]);
            let narrow = k.b.ins().ireduce(types::I32, offset);
            k.write(narrow, end, 0);
            let byte = k.b.ins().ushr_imm_u(i, 2);
            let byte = k.b.ins().iadd(row, byte);
            let byte = k.b.ins().uload8(types::I64, READ, byte, 0);
            let shift = k.b.ins().band_imm_u(i, 3);
            let shift = k.b.ins().ishl_imm_u(shift, 1);
            let code = k.b.ins().ushr(byte, shift);
            // The entry stays if the code's bit is set.
            let kept =
                k.b.ins()
                    .ishl_imm_u(code, i64::from(distance.trailing_zeros()) - sign);
            let kept = k.b.ins().band_imm_u(kept, distance);
            let end = k.b.ins().iadd(end, kept);
            let channel = k.offset(channel, 1);
            let all = k.int(self.in_channels);
            let wraps = k.b.ins().icmp(IntCC::Equal, channel, all);
            let next_tap = k.offset(tap, 4);
            let tap = k.b.ins().select(wraps, next_tap, tap);
            let zero = k.int(0);
            let channel = k.b.ins().select(wraps, zero, channel);
            let at_tap = k.b.ins().iadd(taps, tap);
            let first = k.b.ins().uload32(READ, at_tap, 0);
            let next = k.offset(offset, self.plane_bytes);
            let offset = k.b.ins().select(wraps, first, next);
            vec![end, tap, channel, offset]
        });
        [out[0], out[1], out[2], out[3]]
    }
}

impl EmitKernel for ExpandKernel {
    fn name(&self) -> String {
        "ternary_expand".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        1
    }

    fn grain(&self) -> u64 {
        1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let plan = &self.plan;
        let codes = k.address(self.codes);
        let taps = k.address(self.taps);
        let table = k.address(self.table);
        let lists = k.address(self.lists);
        let zero = k.int(0);
        let first = k.b.ins().uload32(READ, taps, 0);
        let channels = k.int(plan.channels as i64);
        k.for_range_carry(zero, channels, 1, &[lists, table, codes], |k, _, at| {
            let row = at[2];
            let segments = k.int(plan.segments() as i64);
            let start = [at[0], at[1], zero, zero, zero, first];
            let out = k.for_range_carry(zero, segments, 1, &start, |k, _, at| {
                let [start, entry, from, tap, channel, offset] = *at else {
                    unreachable!("six values are carried")
                };
                let to = k.offset(from, plan.segment as i64);
                let fan_in = k.int(plan.fan_in as i64);
                let to = k.b.ins().smin(to, fan_in);
                let range = [from, to];
                let append = |k: &mut KernelBuilder<'_>, sign, to| {
                    let at = [to, tap, channel, offset];
                    let mut out = self.walk.append(k, [row, taps], range, sign, 4, at);
                    if let Some(filler) = self.filler {
                        let filler = k.int_const(types::I32, filler);
                        k.write(filler, out[0], 0);
                        let bytes = k.b.ins().isub(out[0], to);
                        let odd = k.b.ins().band_imm_u(bytes, 4);
                        out[0] = k.b.ins().iadd(out[0], odd);
                    }
                    out
                };
                let [middle, ..] = append(k, 0, start);
                let [end, tap, channel, offset] = append(k, 1, middle);
                for (i, position) in [start, middle, end].into_iter().enumerate() {
                    let bytes = k.b.ins().isub(position, lists);
                    let bytes = k.b.ins().ireduce(types::I32, bytes);
                    k.write(bytes, entry, 4 * i as i32);
                }
                let plus = k.b.ins().isub(middle, start);
                let minus = k.b.ins().isub(end, middle);
                let excess = k.b.ins().isub(plus, minus);
                let excess = k.b.ins().sshr_imm_u(excess, 2);
                let excess = k.b.ins().ireduce(types::I32, excess);
                k.write(excess, entry, 12);
                vec![end, k.offset(entry, ENTRY), to, tap, channel, offset]
            });
            let row = k.offset(row, plan.fan_in.div_ceil(4) as i64);
            vec![out[0], out[1], row]
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let plan = &self.plan;
        let weights = plan.fan_in * plan.channels;
        let bytes = plan.table_bytes() + plan.list_bytes();
        let mut report = KernelReport::new(
            format!("{} × {} packed codes", plan.channels, plan.fan_in),
            "offset lists of +1 and -1",
        );
        report.state_bytes = bytes;
        report.notes.push(format!(
            "{} of {weights} weights are not zero; {:.2} bits a weight",
            plan.non_zero,
            8.0 * bytes as f64 / weights.max(1) as f64
        ));
        report
    }
}
