//! Arithmetic on lanes: the same code for one element and for four.
//!
//! Elements are held in 32-bit lanes: floats of every width as f32, integers up to 32 bits sign
//! extended, booleans as masks (0 or −1). 64-bit integers are held one at a time.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use hla_ir::DType;

use super::KernelBuilder;

/// How many lanes a value has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// One.
    One,
    /// Four of 32 bits.
    Four,
}

impl Width {
    /// Number of lanes.
    pub fn lanes(self) -> i64 {
        match self {
            Width::One => 1,
            Width::Four => 4,
        }
    }

    /// The type that holds elements of a dtype.
    pub fn ty(self, dtype: DType) -> Type {
        let lane = match dtype {
            DType::F32 | DType::F16 | DType::BF16 => types::F32,
            DType::I1 | DType::I8 | DType::I16 | DType::I32 => types::I32,
            DType::I64 | DType::Index => types::I64,
        };
        match self {
            Width::One => lane,
            Width::Four => match lane {
                types::F32 => types::F32X4,
                _ => types::I32X4,
            },
        }
    }
}

impl KernelBuilder<'_> {
    /// Type of a value.
    pub fn ty(&self, value: Value) -> Type {
        self.b.func.dfg.value_type(value)
    }

    /// An f32 or f64 constant in the lanes of `like`.
    pub fn flike(&mut self, like: Value, value: f64) -> Value {
        let ty = self.ty(like);
        let scalar = if ty.lane_type() == types::F64 {
            self.b.ins().f64const(value)
        } else {
            self.b.ins().f32const(value as f32)
        };
        self.splat(ty, scalar)
    }

    /// An integer constant in the lanes of `like`.
    pub fn ilike(&mut self, like: Value, value: i64) -> Value {
        let ty = self.ty(like);
        self.int_const(ty, value)
    }

    /// The bits of floating-point lanes.
    pub fn bits(&mut self, value: Value) -> Value {
        let ty = self.ty(value).as_int();
        self.cast(ty, value)
    }

    /// Floating-point lanes of these bits.
    pub fn float(&mut self, bits: Value) -> Value {
        let ty = match self.ty(bits) {
            types::I32 => types::F32,
            types::I64 => types::F64,
            types::I32X4 => types::F32X4,
            types::I64X2 => types::F64X2,
            other => other,
        };
        self.cast(ty, bits)
    }

    /// A mask of where floats compare so.
    pub fn fmask(&mut self, cc: FloatCC, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        let flag = self.b.ins().fcmp(cc, a, b);
        if ty.is_vector() {
            flag
        } else {
            self.b.ins().bmask(ty.as_int(), flag)
        }
    }

    /// A mask of where integers compare so.
    pub fn imask(&mut self, cc: IntCC, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        let flag = self.b.ins().icmp(cc, a, b);
        if ty.is_vector() {
            flag
        } else {
            self.b.ins().bmask(ty, flag)
        }
    }

    /// `a` where the mask is set, else `b`.
    pub fn choose(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        if ty.is_vector() {
            let mask = self.cast(ty, mask);
            self.b.ins().bitselect(mask, a, b)
        } else {
            self.b.ins().select(mask, a, b)
        }
    }

    /// The larger of two floats; `b` where they are equal or one is NaN. One instruction on x86-64.
    pub fn max_or_second(&mut self, a: Value, b: Value) -> Value {
        let mask = self.fmask(FloatCC::LessThan, b, a);
        self.choose(mask, a, b)
    }

    /// The smaller of two floats; `b` where they are equal or one is NaN. One instruction on x86-64.
    pub fn min_or_second(&mut self, a: Value, b: Value) -> Value {
        let mask = self.fmask(FloatCC::LessThan, a, b);
        self.choose(mask, a, b)
    }

    /// Clamps floats between constants; NaN stays. Infinite bounds cost nothing.
    pub fn fclamp(&mut self, value: Value, min: f32, max: f32) -> Value {
        let mut value = value;
        if min > f32::NEG_INFINITY {
            let bound = self.flike(value, min.into());
            value = self.max_or_second(bound, value);
        }
        if max < f32::INFINITY {
            let bound = self.flike(value, max.into());
            value = self.min_or_second(bound, value);
        }
        value
    }

    /// Clamps integers between constants.
    pub fn iclamp(&mut self, value: Value, min: i64, max: i64) -> Value {
        let low = self.ilike(value, min);
        let value = self.b.ins().smax(value, low);
        let high = self.ilike(value, max);
        self.b.ins().smin(value, high)
    }

    /// Rounds f32 lanes to integers, to nearest even, and saturates them to ±`limit`, which is less
    /// than 2²²; NaN becomes 0.
    pub fn round_saturate(&mut self, value: Value, limit: i64) -> Value {
        let number = self.fmask(FloatCC::Equal, value, value);
        let clamped = self.fclamp(value, -(limit as f32), limit as f32);
        // In 1.5·2²³ + v the low bits of the significand are v, rounded to nearest even.
        let magic = self.flike(clamped, 12_582_912.0);
        let shifted = self.b.ins().fadd(clamped, magic);
        let bits = self.bits(shifted);
        let base = self.ilike(bits, 0x4b40_0000);
        let rounded = self.b.ins().isub(bits, base);
        self.b.ins().band(rounded, number)
    }

    /// Loads elements of a dtype into lanes. `READ` flags are used if `constant` says that nothing
    /// writes there while the kernel runs.
    pub fn load_lanes(&mut self, dtype: DType, width: Width, at: Value, constant: bool) -> Value {
        let flags = if constant { super::READ } else { super::WRITE };
        let ins = self.b.ins();
        match (width, dtype) {
            (_, DType::F32 | DType::I32 | DType::I64 | DType::Index) => {
                ins.load(width.ty(dtype), flags, at, 0)
            }
            (Width::One, DType::I8 | DType::I1) => {
                let value = ins.sload8(types::I32, flags, at, 0);
                self.mask_from_bool(dtype, value)
            }
            (Width::One, DType::I16) => ins.sload16(types::I32, flags, at, 0),
            (Width::Four, DType::I16) => ins.sload16x4(flags, at, 0),
            (Width::One, DType::F16 | DType::BF16) => {
                let bits = ins.uload16(types::I32, flags, at, 0);
                self.widen_float(dtype, bits)
            }
            (Width::Four, DType::F16 | DType::BF16) => {
                let bits = ins.uload16x4(flags, at, 0);
                self.widen_float(dtype, bits)
            }
            (Width::Four, DType::I8 | DType::I1) => {
                let word = ins.load(types::I32, flags, at, 0);
                let bytes = self.b.ins().scalar_to_vector(types::I32X4, word);
                let bytes = self.cast(types::I8X16, bytes);
                let halves = self.b.ins().swiden_low(bytes);
                let value = self.b.ins().swiden_low(halves);
                self.mask_from_bool(dtype, value)
            }
        }
    }

    fn mask_from_bool(&mut self, dtype: DType, value: Value) -> Value {
        if dtype == DType::I1 {
            self.b.ins().ineg(value)
        } else {
            value
        }
    }

    /// Stores lanes as elements of a dtype. Integers must be in its range; floats must be values of
    /// it ([`KernelBuilder::round_float`]).
    pub fn store_lanes(&mut self, dtype: DType, width: Width, value: Value, at: Value) {
        let value = match dtype {
            DType::F16 | DType::BF16 => self.narrow_float(dtype, value),
            _ => value,
        };
        match (width, dtype) {
            (_, DType::F32 | DType::I32 | DType::I64 | DType::Index) => self.write(value, at, 0),
            (Width::One, DType::I8 | DType::I1) => {
                let byte = self.b.ins().ireduce(types::I8, value);
                let byte = match dtype {
                    DType::I1 => self.b.ins().ineg(byte),
                    _ => byte,
                };
                self.write(byte, at, 0);
            }
            (Width::One, DType::I16 | DType::F16 | DType::BF16) => {
                let half = self.b.ins().ireduce(types::I16, value);
                self.write(half, at, 0);
            }
            (Width::Four, DType::I16 | DType::F16 | DType::BF16) => {
                let halves = match dtype {
                    DType::I16 => self.b.ins().snarrow(value, value),
                    _ => self.b.ins().unarrow(value, value),
                };
                let pairs = self.cast(types::I64X2, halves);
                let low = self.b.ins().extractlane(pairs, 0);
                self.write(low, at, 0);
            }
            (Width::Four, DType::I8 | DType::I1) => {
                let value = match dtype {
                    DType::I1 => self.b.ins().ineg(value),
                    _ => value,
                };
                let halves = self.b.ins().snarrow(value, value);
                let bytes = self.b.ins().snarrow(halves, halves);
                let words = self.cast(types::I32X4, bytes);
                let low = self.b.ins().extractlane(words, 0);
                self.write(low, at, 0);
            }
        }
    }

    /// Rounds f32 lanes to the nearest values of a float type, ties to even.
    pub fn round_float(&mut self, dtype: DType, value: Value) -> Value {
        if dtype == DType::F32 {
            return value;
        }
        let bits = self.narrow_float(dtype, value);
        self.widen_float(dtype, bits)
    }

    /// f32 lanes from the bits of f16 or bf16, zero-extended to 32 bits.
    fn widen_float(&mut self, dtype: DType, bits: Value) -> Value {
        if dtype == DType::BF16 {
            let wide = self.b.ins().ishl_imm_u(bits, 16);
            return self.float(wide);
        }
        let magnitude = self.band(bits, 0x7fff);
        let shifted = self.b.ins().ishl_imm_u(magnitude, 13);
        // The exponent counts from 15 instead of 127; the product also normalises subnormals.
        let shifted_float = self.float(shifted);
        let rebias = self.flike(shifted_float, 2f64.powi(112));
        let scaled = self.b.ins().fmul(shifted_float, rebias);
        let scaled = self.bits(scaled);
        let infinite = self.ilike(shifted, 0x0f80_0000);
        let special = self.imask(IntCC::SignedGreaterThanOrEqual, shifted, infinite);
        let exponent = self.band(special, 0x7f80_0000);
        let sign = self.band(bits, 0x8000);
        let sign = self.b.ins().ishl_imm_u(sign, 16);
        let value = self.b.ins().bor(scaled, exponent);
        let value = self.b.ins().bor(value, sign);
        self.float(value)
    }

    /// The bits of f16 or bf16 nearest to f32 lanes, in the low halves of 32-bit lanes.
    fn narrow_float(&mut self, dtype: DType, value: Value) -> Value {
        let bits = self.bits(value);
        let magnitude = self.band(bits, 0x7fff_ffff);
        let infinity = self.ilike(bits, 0x7f80_0000);
        let nan = self.imask(IntCC::SignedGreaterThan, magnitude, infinity);
        if dtype == DType::BF16 {
            let upper = self.b.ins().ushr_imm_u(bits, 16);
            let odd = self.band(upper, 1);
            let rounded = self.add_imm(bits, 0x7fff);
            let rounded = self.b.ins().iadd(rounded, odd);
            let rounded = self.b.ins().ushr_imm_u(rounded, 16);
            let quiet = self.ilike(upper, 0x40);
            let quiet = self.b.ins().bor(upper, quiet);
            return self.choose(nan, quiet, rounded);
        }
        let sign = self.b.ins().ushr_imm_u(bits, 16);
        let sign = self.band(sign, 0x8000);
        // Normal results: rebias, and round at bit 13.
        let odd = self.b.ins().ushr_imm_u(magnitude, 13);
        let odd = self.band(odd, 1);
        let normal = self.add_imm(magnitude, ((15 - 127) << 23) + 0xfff);
        let normal = self.b.ins().iadd(normal, odd);
        let normal = self.b.ins().ushr_imm_u(normal, 13);
        // Subnormal results: an addition aligns and rounds.
        let magic = 0x3f00_0000;
        let aligned = self.float(magnitude);
        let half = self.flike(aligned, 0.5);
        let aligned = self.b.ins().fadd(aligned, half);
        let aligned = self.bits(aligned);
        let subnormal = self.add_imm(aligned, -magic);
        let limit = self.ilike(bits, 113 << 23);
        let small = self.imask(IntCC::SignedLessThan, magnitude, limit);
        let limit = self.ilike(bits, 143 << 23);
        let large = self.imask(IntCC::SignedGreaterThanOrEqual, magnitude, limit);
        let finite = self.choose(small, subnormal, normal);
        let infinity = self.ilike(bits, 0x7c00);
        let value = self.choose(large, infinity, finite);
        let quiet = self.ilike(bits, 0x7e00);
        let value = self.choose(nan, quiet, value);
        self.b.ins().bor(value, sign)
    }

    /// Bytes of two vectors, chosen by position: 0–15 from the first, 16–31 from the second.
    pub fn shuffle(&mut self, ty: Type, a: Value, b: Value, positions: [u8; 16]) -> Value {
        let a = self.cast(types::I8X16, a);
        let b = self.cast(types::I8X16, b);
        let mask = self.b.func.dfg.immediates.push(positions.to_vec().into());
        let bytes = self.b.ins().shuffle(a, b, mask);
        self.cast(ty, bytes)
    }

    /// The lanes at even places of two vectors beside each other.
    pub fn even_lanes(&mut self, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        let bytes = ty.lane_type().bytes() as u8;
        let positions = std::array::from_fn(|i| {
            let i = i as u8;
            2 * (i / bytes) * bytes + i % bytes
        });
        self.shuffle(ty, a, b, positions)
    }

    /// `value & constant` in every lane.
    pub fn band(&mut self, value: Value, constant: i64) -> Value {
        let constant = self.ilike(value, constant);
        self.b.ins().band(value, constant)
    }

    /// `value + constant` in every lane.
    pub fn add_imm(&mut self, value: Value, constant: i64) -> Value {
        let constant = self.ilike(value, constant);
        self.b.ins().iadd(value, constant)
    }

    /// Wraps 32-bit lanes to an integer type.
    pub fn wrap_int(&mut self, dtype: DType, value: Value) -> Value {
        let shift = match dtype {
            DType::I8 => 24,
            DType::I16 => 16,
            _ => return value,
        };
        let high = self.b.ins().ishl_imm_u(value, shift);
        self.b.ins().sshr_imm_u(high, shift)
    }
}
