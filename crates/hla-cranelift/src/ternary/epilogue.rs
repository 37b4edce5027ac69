//! What follows the sums of a ternary contraction: scale, bias, residual, clamp and rounding.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value, types};
use hla_ir::DType;

use super::geometry::Strided;
use crate::kernel::{Buffer, KernelBuilder, READ, WRITE};

/// 1.5·2²³: adding it to an f32 of magnitude below 2²² leaves the number, rounded to nearest even,
/// in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// The fused end of a contraction.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Epilogue {
    /// f32 per output channel.
    pub scale: Buffer,
    /// f32 per output channel.
    pub bias: Buffer,
    /// Added to the result after a multiplication with its scale.
    pub residual: Option<(Strided, f32)>,
    /// Bounds of the clamp.
    pub clamp: [f32; 2],
    /// Whether no value before the clamp can be a NaN.
    pub never_nan: bool,
    /// Where results go.
    pub out: Strided,
    /// Rows and columns of the output.
    pub extents: [usize; 2],
    /// Padding of planar output that the kernel fills with zeros: before, between rows, after, in
    /// bytes. Nothing to fill where the output is row-major.
    pub halo: Option<[i64; 3]>,
}

/// Scratch memory on the stack for one block.
pub(super) struct Tiles {
    /// Results in the output's element type.
    pub out: Value,
    /// The residual as f32.
    pub residual: Option<Value>,
}

/// Values of the channel at hand, as vectors.
pub(super) struct Channel {
    scale: Value,
    bias: Value,
}

/// Where an epilogue's buffers are.
pub(super) struct Places {
    pub scale: Value,
    pub bias: Value,
    pub residual: Option<Value>,
    pub out: Value,
}

/// One element as f32.
pub(super) fn load_f32(k: &mut KernelBuilder<'_>, element: DType, at: Value) -> Value {
    let wide = match element {
        DType::F32 => return k.read(types::F32, at, 0),
        DType::I16 => k.b.ins().sload16(types::I32, READ, at, 0),
        _ => k.b.ins().sload8(types::I32, READ, at, 0),
    };
    k.b.ins().fcvt_from_sint(types::F32, wide)
}

/// The first lanes of a vector of f32; none is read that is not there.
fn load_lanes(k: &mut KernelBuilder<'_>, element: DType, at: Value, step: i64, lanes: u8) -> Value {
    if lanes == 4 && element == DType::F32 && step == 4 {
        return k.read(types::F32X4, at, 0);
    }
    let first = load_f32(k, element, at);
    let mut vector = k.b.ins().scalar_to_vector(types::F32X4, first);
    for lane in 1..lanes {
        let at = k.offset(at, i64::from(lane) * step);
        let value = load_f32(k, element, at);
        vector = k.b.ins().insertlane(vector, value, lane);
    }
    vector
}

/// `bytes` bytes on the stack.
pub(super) fn stack(k: &mut KernelBuilder<'_>, bytes: i64) -> Value {
    let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes as u32, 4);
    let slot = k.b.create_sized_stack_slot(data);
    k.b.ins().stack_addr(types::I64, slot, 0)
}

impl Epilogue {
    fn is_float(&self) -> bool {
        self.out.element == DType::F32
    }

    /// Stack memory for blocks of `len` pixels.
    pub fn tiles(&self, k: &mut KernelBuilder<'_>, len: i64) -> Tiles {
        Tiles {
            out: stack(k, len * self.out.element.bytes() as i64),
            residual: self.residual.is_some().then(|| stack(k, 4 * len)),
        }
    }

    /// Loads what belongs to a channel.
    pub fn channel(
        &self,
        k: &mut KernelBuilder<'_>,
        scale: Value,
        bias: Value,
        c: Value,
    ) -> Channel {
        let mut splat = |base: Value| {
            let at = k.index(base, c, 4);
            let value = k.read(types::F32, at, 0);
            k.splat(types::F32X4, value)
        };
        Channel {
            scale: splat(scale),
            bias: splat(bias),
        }
    }

    /// Scale, bias, residual and clamp of four sums.
    fn apply(
        &self,
        k: &mut KernelBuilder<'_>,
        channel: &Channel,
        sum: Value,
        residual: Option<Value>,
    ) -> Value {
        let mut y = k.fma(sum, channel.scale, channel.bias);
        if let (Some((_, scale)), Some(residual)) = (&self.residual, residual) {
            let scale = k.f32_const(types::F32X4, *scale);
            y = k.fma(residual, scale, y);
        }
        let [mut low, mut high] = self.clamp;
        if !self.is_float() {
            // Saturation to ±127 before rounding gives what it gives after.
            (low, high) = (low.clamp(-127.0, 127.0), high.clamp(-127.0, 127.0));
        }
        if low > f32::NEG_INFINITY {
            y = maximum(k, y, low);
        }
        if high < f32::INFINITY {
            y = minimum(k, y, high);
        }
        y
    }

    /// Loads the addresses of all buffers.
    pub fn places(&self, k: &mut KernelBuilder<'_>) -> Places {
        Places {
            scale: k.address(self.scale),
            bias: k.address(self.bias),
            residual: self.residual.as_ref().map(|(r, _)| k.address(r.origin)),
            out: k.address(self.out.origin),
        }
    }

    /// Finishes the sums of `lanes` neighbouring columns of a matrix product, at most four, and
    /// stores the results.
    pub fn finish_columns(
        &self,
        k: &mut KernelBuilder<'_>,
        places: &Places,
        sums: Value,
        [row, column]: [Value; 2],
        lanes: u8,
    ) {
        let place = |k: &mut KernelBuilder<'_>, base: Value, at: &Strided| {
            let base = k.index(base, row, at.strides[2]);
            k.index(base, column, at.strides[3])
        };
        let parameter = |k: &mut KernelBuilder<'_>, base: Value| {
            let at = k.index(base, column, 4);
            load_lanes(k, DType::F32, at, 4, lanes)
        };
        let channel = Channel {
            scale: parameter(k, places.scale),
            bias: parameter(k, places.bias),
        };
        let residual = match (&self.residual, places.residual) {
            (Some((from, _)), Some(base)) => {
                let at = place(k, base, from);
                Some(load_lanes(k, from.element, at, from.strides[3], lanes))
            }
            _ => None,
        };
        let y = self.apply(k, &channel, sums, residual);
        let at = place(k, places.out, &self.out);
        let step = self.out.strides[3];
        if self.is_float() && lanes == 4 && step == 4 {
            k.write(y, at, 0);
            return;
        }
        let values = if self.is_float() { y } else { self.round(k, y) };
        for lane in 0..lanes {
            let value = k.b.ins().extractlane(values, lane);
            let at = k.offset(at, i64::from(lane) * step);
            match self.out.element {
                DType::F32 => k.b.ins().store(WRITE, value, at, 0),
                DType::I16 => k.b.ins().istore16(WRITE, value, at, 0),
                _ => k.b.ins().istore8(WRITE, value, at, 0),
            };
        }
    }

    /// The integers nearest to four f32 of magnitude at most 127; a NaN gives 0.
    fn round(&self, k: &mut KernelBuilder<'_>, value: Value) -> Value {
        let round = k.f32_const(types::F32X4, ROUND);
        let shifted = k.b.ins().fadd(value, round);
        let bits = k.cast(types::I32X4, shifted);
        let offset = k.int_const(types::I32X4, i64::from(ROUND.to_bits()));
        let integer = k.b.ins().isub(bits, offset);
        if self.never_nan {
            return integer;
        }
        let number = k.b.ins().fcmp(FloatCC::Ordered, value, value);
        k.b.ins().band(integer, number)
    }

    /// Finishes the sums of neighbouring pixels, four to a vector of f32, and puts the results in
    /// the tile from position `at` on.
    pub fn finish(
        &self,
        k: &mut KernelBuilder<'_>,
        channel: &Channel,
        tiles: &Tiles,
        sums: &[Value],
        at: i64,
    ) {
        let bytes = self.out.element.bytes() as i64;
        let values: Vec<Value> = sums
            .iter()
            .enumerate()
            .map(|(i, &sum)| {
                let position = (4 * (at + 4 * i as i64)) as i32;
                let residual = tiles
                    .residual
                    .map(|tile| k.read_back(types::F32X4, tile, position));
                self.apply(k, channel, sum, residual)
            })
            .collect();
        if self.is_float() {
            for (i, &value) in values.iter().enumerate() {
                k.write(value, tiles.out, (4 * (at + 4 * i as i64)) as i32);
            }
            return;
        }
        let whole: Vec<Value> = values.iter().map(|&v| self.round(k, v)).collect();
        for (i, pair) in whole.chunks(2).enumerate() {
            let narrow = k.b.ins().snarrow(pair[0], pair[pair.len() - 1]);
            let position = ((at + 8 * i as i64) * bytes) as i32;
            let narrow = if self.out.element == DType::I16 {
                narrow
            } else {
                k.b.ins().snarrow(narrow, narrow)
            };
            let used = pair.len() as i64 * 4 * bytes;
            let part = match used {
                16 => narrow,
                8 => {
                    let lanes = k.cast(types::I64X2, narrow);
                    k.b.ins().extractlane(lanes, 0)
                }
                _ => {
                    let lanes = k.cast(types::I32X4, narrow);
                    k.b.ins().extractlane(lanes, 0)
                }
            };
            k.write(part, tiles.out, position);
        }
    }
}

/// max(x, low) where a NaN wins and −0 < +0.
fn maximum(k: &mut KernelBuilder<'_>, x: Value, low: f32) -> Value {
    let bound = k.f32_const(types::F32X4, low);
    let below = k.b.ins().fcmp(FloatCC::LessThan, x, bound);
    let below = k.cast(types::F32X4, below);
    let y = k.b.ins().bitselect(below, bound, x);
    if low == 0.0 && low.is_sign_positive() {
        // Of equal zeros the comparison keeps x's; adding +0 makes −0 +0.
        k.b.ins().fadd(y, bound)
    } else {
        y
    }
}

/// min(x, high) where a NaN wins and −0 < +0.
fn minimum(k: &mut KernelBuilder<'_>, x: Value, high: f32) -> Value {
    let bound = k.f32_const(types::F32X4, high);
    if high == 0.0 && high.is_sign_negative() {
        return k.b.ins().fmin(x, bound);
    }
    let above = k.b.ins().fcmp(FloatCC::LessThan, bound, x);
    let above = k.cast(types::F32X4, above);
    k.b.ins().bitselect(above, bound, x)
}
