//! Sparse addition: for each output channel and block of flat pixels, the staged input is added at
//! the offsets of the +1 weights and subtracted at those of the −1 weights. Nothing is multiplied
//! but the sums, by their channel's scale.
//!
//! f32 uses one accumulator a pixel and the order of the lists, so the result is exact to the bit.
//!
//! Integers use staged bytes u = x + 128, sixteen pixels a vector. As eight 16-bit lanes the same
//! vector holds v = u₀ + 256·u₁ of two neighbouring pixels. Two accumulators take ±v and ±(v >> 8),
//! all modulo 2¹⁶: B = Σ±u₁ and A = Σ±u₀ + 256·B. They start at −128·e and −128·257·e, where e is
//! the excess of +1 over −1 weights, so the bias is gone at the end, and A − 256·B and B are the two
//! pixels' sums modulo 2¹⁶. A segment of at most 255 weights has |Σ±x| ≤ 255·128 = 32640 < 2¹⁵, so
//! these are the sums themselves. Segments are added up in 32 bits, which a fan-in of less than 2²⁴
//! cannot exceed.
//!
//! Where no activation is negative, bytes are u = x ≤ 127 and two of them add up to a byte: weights
//! are taken in pairs, and the rest is as above with no bias.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::Diagnostic;

use super::epilogue::{Epilogue, Tiles, stack};
use super::geometry::{Geometry, Stage};
use super::lists::{ENTRY, ListPlan};
use super::stage::BIAS;
use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport};

/// Non-zero weights whose sum of 8-bit activations fits 16 bits: 255·128 < 2¹⁵.
pub(super) const SEGMENT_LIMIT: usize = 255;
/// A larger fan-in could exceed 32 bits: 2²⁴·128 = 2³¹.
pub(super) const FAN_IN_LIMIT: usize = 1 << 24;

/// The main kernel of a ternary contraction by sparse addition.
pub(super) struct SparseKernel {
    pub geometry: Geometry,
    pub stage: Stage,
    /// Whether activations are f32.
    pub float: bool,
    /// Whether no integer activation is negative.
    pub non_negative: bool,
    /// Vectors of pixels in a block.
    pub vectors: usize,
    pub plan: ListPlan,
    pub staged: Buffer,
    pub table: Buffer,
    pub lists: Buffer,
    pub epilogue: Epilogue,
    /// Why it is this strategy, if the user asked for another.
    pub note: Option<&'static str>,
}

/// Memory on the stack.
#[derive(Clone, Copy)]
struct Scratch {
    /// The accumulators of a segment.
    accumulators: Value,
    /// 32-bit sums, if there is more than one segment.
    wide: Option<Value>,
}

/// Pixels in a vector of the staged input.
pub(super) fn lanes(float: bool) -> usize {
    if float { 4 } else { 16 }
}

/// Vectors in a block: at most as many as the registers hold accumulators for, and so that the
/// last block of a run has few pixels too many.
pub(super) fn vectors(run: usize, float: bool) -> usize {
    // More would spill: an integer vector takes two accumulators.
    let most = if float { 6 } else { 4 };
    let all = run.div_ceil(lanes(float)).max(1);
    let blocks = all.div_ceil(most);
    all.div_ceil(blocks)
}

impl SparseKernel {
    fn block_len(&self) -> usize {
        self.vectors * lanes(self.float)
    }

    fn blocks(&self) -> usize {
        self.stage.run.div_ceil(self.block_len())
    }

    /// Output channels of one item.
    fn group(&self) -> usize {
        let all = self.geometry.out_channels;
        // Few enough that small outputs still make many items.
        match self.blocks() * self.geometry.images {
            0..8 => 8.min(all),
            _ => 32.min(all),
        }
    }

    fn groups(&self) -> usize {
        self.geometry.out_channels.div_ceil(self.group().max(1))
    }

    fn bytes(&self) -> i64 {
        if self.float { 4 } else { 1 }
    }

    /// What the accumulators start from.
    fn start(&self, k: &mut KernelBuilder<'_>, entry: Value) -> Vec<Value> {
        if self.float {
            let zero = k.f32_const(types::F32X4, 0.0);
            return vec![zero; self.vectors];
        }
        if self.non_negative {
            let zero = k.int_const(types::I16X8, 0);
            return vec![zero; 2 * self.vectors];
        }
        let excess = k.read(types::I16, entry, 12);
        let high = k.b.ins().imul_imm_s(excess, -BIAS);
        let shifted = k.b.ins().ishl_imm_u(high, 8);
        let both = k.b.ins().iadd(shifted, high);
        let both = k.splat(types::I16X8, both);
        let high = k.splat(types::I16X8, high);
        [both, high].repeat(self.vectors)
    }

    /// Adds or subtracts the input at the offsets in `from..to`.
    fn add_list(
        &self,
        k: &mut KernelBuilder<'_>,
        base: Value,
        [from, to]: [Value; 2],
        plus: bool,
        start: &[Value],
    ) -> Vec<Value> {
        let offsets = if self.non_negative { 2 } else { 1 };
        k.for_range_carry(from, to, 4 * offsets, start, |k, at, sums| {
            let addresses: Vec<Value> = (0..offsets as i32)
                .map(|i| {
                    let offset = k.b.ins().uload32(crate::kernel::READ, at, 4 * i);
                    k.b.ins().iadd(base, offset)
                })
                .collect();
            let address = addresses[0];
            let mut next = Vec::with_capacity(sums.len());
            for v in 0..self.vectors {
                let position = 16 * v as i32;
                if self.float {
                    let x = k.read(types::F32X4, address, position);
                    next.push(if plus {
                        k.b.ins().fadd(sums[v], x)
                    } else {
                        k.b.ins().fsub(sums[v], x)
                    });
                    continue;
                }
                let mut bytes = k.read(types::I8X16, address, position);
                for &other in &addresses[1..] {
                    let more = k.read(types::I8X16, other, position);
                    bytes = k.b.ins().iadd(bytes, more);
                }
                let pair = k.cast(types::I16X8, bytes);
                let high = k.b.ins().ushr_imm_u(pair, 8);
                for (i, x) in [pair, high].into_iter().enumerate() {
                    let sum = sums[2 * v + i];
                    next.push(if plus {
                        k.b.ins().iadd(sum, x)
                    } else {
                        k.b.ins().isub(sum, x)
                    });
                }
            }
            next
        })
    }

    /// The sums of one segment.
    fn segment(
        &self,
        k: &mut KernelBuilder<'_>,
        scratch: Scratch,
        base: Value,
        lists: Value,
        entry: Value,
    ) -> Vec<Value> {
        let position = |k: &mut KernelBuilder<'_>, i: i32| {
            let bytes = k.b.ins().uload32(crate::kernel::READ, entry, 4 * i);
            k.b.ins().iadd(lists, bytes)
        };
        let [first, middle, last] = [0, 1, 2].map(|i| position(k, i));
        let sums = self.start(k, entry);
        let sums = self.add_list(k, base, [first, middle], true, &sums);
        let sums = self.add_list(k, base, [middle, last], false, &sums);
        // What follows needs many registers too. The way through memory lets both have their own;
        // the change of type keeps Cranelift from taking a short cut.
        for (i, &sum) in sums.iter().enumerate() {
            k.write(sum, scratch.accumulators, 16 * i as i32);
        }
        sums.iter()
            .enumerate()
            .map(|(i, &sum)| {
                let ty = k.b.func.dfg.value_type(sum);
                let bytes = k.read_back(types::I8X16, scratch.accumulators, 16 * i as i32);
                k.cast(ty, bytes)
            })
            .collect()
    }

    /// The 32-bit sums in a pair of accumulators, four pixels a vector.
    fn widen(&self, k: &mut KernelBuilder<'_>, both: Value, high: Value) -> [Value; 4] {
        let shifted = k.b.ins().ishl_imm_u(high, 8);
        let low = k.b.ins().isub(both, shifted);
        let [a, b] = interleave(k, low, high);
        [
            k.b.ins().swiden_low(a),
            k.b.ins().swiden_high(a),
            k.b.ins().swiden_low(b),
            k.b.ins().swiden_high(b),
        ]
    }

    /// The sums of a channel over all segments, four pixels a vector of f32.
    fn sums(
        &self,
        k: &mut KernelBuilder<'_>,
        base: Value,
        lists: Value,
        entry: Value,
        scratch: Scratch,
    ) -> Vec<Value> {
        let Some(tile) = scratch.wide else {
            let sums = self.segment(k, scratch, base, lists, entry);
            if self.float {
                return sums;
            }
            let wide: Vec<Value> = sums
                .chunks(2)
                .flat_map(|pair| self.widen(k, pair[0], pair[1]))
                .collect();
            return wide
                .into_iter()
                .map(|w| k.b.ins().fcvt_from_sint(types::F32X4, w))
                .collect();
        };
        k.zero_fill(tile, 4 * self.block_len() as i64);
        let segments = k.int(self.plan.segments() as i64);
        let zero = k.int(0);
        k.for_range_carry(zero, segments, 1, &[entry], |k, _, at| {
            let sums = self.segment(k, scratch, base, lists, at[0]);
            for (v, pair) in sums.chunks(2).enumerate() {
                for (i, part) in self.widen(k, pair[0], pair[1]).into_iter().enumerate() {
                    let position = 16 * (4 * v + i) as i32;
                    let before = k.read_back(types::I32X4, tile, position);
                    let sum = k.b.ins().iadd(before, part);
                    k.write(sum, tile, position);
                }
            }
            vec![k.offset(at[0], ENTRY)]
        });
        (0..4 * self.vectors)
            .map(|i| {
                let sum = k.read_back(types::I32X4, tile, 16 * i as i32);
                k.b.ins().fcvt_from_sint(types::F32X4, sum)
            })
            .collect()
    }
}

/// The lanes of two vectors of 16-bit lanes in turn.
pub(super) fn interleave(k: &mut KernelBuilder<'_>, low: Value, high: Value) -> [Value; 2] {
    let (low, high) = (k.cast(types::I8X16, low), k.cast(types::I8X16, high));
    [0, 8].map(|first| {
        let mask: Vec<u8> = (0..4)
            .flat_map(|i| [0, 1, 16, 17].map(|b| first + 2 * i + b))
            .collect();
        let mask = k.b.func.dfg.immediates.push(mask.into());
        let words = k.b.ins().shuffle(low, high, mask);
        k.cast(types::I16X8, words)
    })
}

impl EmitKernel for SparseKernel {
    fn name(&self) -> String {
        "ternary_sparse_add".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        (self.geometry.images * self.blocks() * self.groups()) as u64
    }

    fn grain(&self) -> u64 {
        let per_channel = self.plan.non_zero / self.geometry.out_channels.max(1) + 32;
        let work = per_channel * self.group() * self.vectors;
        (1 << 15) / work.max(1) as u64 + 1
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (g, s, epilogue) = (&self.geometry, &self.stage, &self.epilogue);
        let block_len = self.block_len() as i64;
        let staged = k.address(self.staged);
        let table = k.address(self.table);
        let lists = k.address(self.lists);
        let places = epilogue.places(k);
        let out = places.out;
        let tiles: Tiles = epilogue.tiles(k, block_len);
        let scratch = Scratch {
            accumulators: stack(k, 32 * self.vectors as i64),
            wide: (self.plan.segments() > 1).then(|| stack(k, 4 * block_len)),
        };
        let extents = [g.images, self.blocks(), self.groups()].map(|e| e as i64);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &extents);
            let (image, number, group) = (at[0], at[1], at[2]);
            let first = k.scale(number, block_len);
            let block = epilogue.block(k, image, first, block_len, s.row);
            let base = k.index(staged, image, s.image as i64 * self.bytes());
            let base = k.index(base, first, self.bytes());
            let from = k.scale(group, self.group() as i64);
            let to = k.offset(from, self.group() as i64);
            let all = k.int(g.out_channels as i64);
            let to = k.b.ins().smin(to, all);
            let entry = k.index(table, from, ENTRY * self.plan.segments() as i64);
            k.for_range_carry(from, to, 1, &[entry], |k, c, at| {
                epilogue.when_first(k, number, |k| epilogue.fill_halo(k, image, out, c));
                if let Some(residual) = places.residual {
                    epilogue.load_residual(k, &tiles, &block, residual, c);
                }
                let sums = self.sums(k, base, lists, at[0], scratch);
                let channel = epilogue.channel(k, places.scale, places.bias, c);
                for (i, four) in sums.chunks(4).enumerate() {
                    epilogue.finish(k, &channel, &tiles, four, 16 * i as i64);
                }
                epilogue.store(k, &tiles, &block, out, c);
                vec![k.offset(at[0], ENTRY * self.plan.segments() as i64)]
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let (g, plan) = (&self.geometry, &self.plan);
        let mut report = KernelReport::new(
            format!(
                "{}x{}x{}x{} → {}x{}x{}x{}, kernel {}x{}",
                g.images,
                g.input[0],
                g.input[1],
                g.in_channels,
                g.images,
                g.output[0],
                g.output[1],
                g.out_channels,
                g.kernel[0],
                g.kernel[1],
            ),
            match (self.float, self.non_negative) {
                (true, _) => "sparse-add f32",
                (false, false) => "sparse-add i16",
                (false, true) => "sparse-add i16, two weights at once",
            },
        );
        report.state_bytes = plan.table_bytes() + plan.list_bytes();
        report.multiply_free = true;
        report.notes.push(format!(
            "{} of {} weights are not zero; blocks of {} pixels; {} segments of at most {} weights",
            plan.non_zero,
            plan.fan_in * plan.channels,
            self.block_len(),
            plan.segments(),
            plan.longest,
        ));
        report.notes.extend(self.note.map(str::to_owned));
        report
    }
}
