//! What a contraction multiplies and adds: words of four bytes.
//!
//! A word is one f32, one i32, or two neighbouring i16 whose products are summed in pairs into i32
//! (`vpmaddwd`; `smull`, `smull2`, `addp`). Int8 operands are widened to i16 when they are prepared,
//! zero points subtracted: they lie in −255..255, so a pair of products needs 18 bits and the sum in
//! i32 wraps only where the reference's does.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use hla_ir::DType;

use crate::kernel::KernelBuilder;

/// Bytes of a word, and of an accumulator's lane.
pub(super) const WORD: u64 = 4;
/// Lanes of a vector of words or accumulators.
pub(super) const LANES: u64 = 4;

/// The number system of a contraction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    /// f32 words, fused multiply-add.
    F32,
    /// Pairs of i16 as words, accumulated in i32.
    I16,
    /// i32 words, for sums over windows of one channel, which have no pairs.
    I32,
}

impl Arithmetic {
    /// Element type of the prepared operands.
    pub fn element(self) -> DType {
        match self {
            Arithmetic::F32 => DType::F32,
            Arithmetic::I16 => DType::I16,
            Arithmetic::I32 => DType::I32,
        }
    }

    /// Elements in a word.
    pub fn per_word(self) -> u64 {
        WORD / self.element().bytes() as u64
    }

    /// Words that hold a run of elements.
    pub fn words_of(self, elements: u64) -> u64 {
        elements.div_ceil(self.per_word())
    }

    /// A vector of words.
    fn words_type(self) -> Type {
        match self {
            Arithmetic::F32 => types::F32X4,
            Arithmetic::I16 => types::I16X8,
            Arithmetic::I32 => types::I32X4,
        }
    }

    /// A vector of accumulators.
    pub fn sums(self) -> Type {
        match self {
            Arithmetic::F32 => types::F32X4,
            Arithmetic::I16 | Arithmetic::I32 => types::I32X4,
        }
    }

    /// Zero in every lane.
    pub fn zero(self, k: &mut KernelBuilder<'_>) -> Value {
        match self {
            Arithmetic::F32 => k.f32_const(types::F32X4, 0.0),
            Arithmetic::I16 | Arithmetic::I32 => k.int_const(types::I32X4, 0),
        }
    }

    /// One word of the input in every lane.
    pub fn broadcast(self, k: &mut KernelBuilder<'_>, address: Value, offset: i32) -> Value {
        match self {
            Arithmetic::F32 => {
                let word = k.read(types::F32, address, offset);
                k.splat(types::F32X4, word)
            }
            Arithmetic::I16 | Arithmetic::I32 => {
                let word = k.read(types::I32, address, offset);
                let words = k.splat(types::I32X4, word);
                k.cast(self.words_type(), words)
            }
        }
    }

    /// Four neighbouring words.
    pub fn words(self, k: &mut KernelBuilder<'_>, address: Value, offset: i32) -> Value {
        k.read(self.words_type(), address, offset)
    }

    /// sum + x·w, lane by lane.
    pub fn multiply_add(self, k: &mut KernelBuilder<'_>, x: Value, w: Value, sum: Value) -> Value {
        match self {
            Arithmetic::F32 => k.fma(x, w, sum),
            Arithmetic::I32 => {
                let product = k.b.ins().imul(x, w);
                k.b.ins().iadd(sum, product)
            }
            Arithmetic::I16 => {
                let (xl, wl) = (k.b.ins().swiden_low(x), k.b.ins().swiden_low(w));
                let (xh, wh) = (k.b.ins().swiden_high(x), k.b.ins().swiden_high(w));
                let (low, high) = (k.b.ins().imul(xl, wl), k.b.ins().imul(xh, wh));
                let pairs = k.b.ins().iadd_pairwise(low, high);
                k.b.ins().iadd(sum, pairs)
            }
        }
    }

    /// a + b, lane by lane.
    pub fn add(self, k: &mut KernelBuilder<'_>, a: Value, b: Value) -> Value {
        match self {
            Arithmetic::F32 => k.b.ins().fadd(a, b),
            Arithmetic::I16 | Arithmetic::I32 => k.b.ins().iadd(a, b),
        }
    }
}
