//! Matrix products over views: what every contraction but the depthwise ones is.

use hla_ir::{DType, TensorType};

use super::epilogue::Epilogue;
use super::index::Ints;
use super::memory::Flat;
use super::view::{Operand, View};
use crate::Text;
use crate::kernel::NAME;
use crate::text::memref;

/// D\[batch, m, n\] = epilogue(Σ_k A\[batch, m, k\]·B\[batch, k, n\]).
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Gemm {
    /// What it computes, for people.
    pub(super) computes: String,
    pub(super) batch: usize,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// A: its rows or columns that are not summed over are m.
    pub(super) a: Operand,
    /// B: its rows or columns that are not summed over are n.
    pub(super) b: Operand,
    /// The tensors of A and B as they are in memory.
    pub(super) types: [TensorType; 2],
    /// What is subtracted from elements of A and B, but not from padding.
    pub(super) zero_points: [i64; 2],
    /// Into how many parts the sum is divided, each over `per_split` of k, each stored apart: the
    /// result then has an axis more, in front. There is one batch then.
    pub(super) splits: usize,
    pub(super) per_split: usize,
    pub(super) epilogue: Epilogue,
    /// The tensor that is written.
    pub(super) out: TensorType,
}

/// The arguments of a kernel, as runs of elements.
pub(super) struct Arguments {
    pub(super) operands: [Flat; 2],
    pub(super) extras: Vec<Flat>,
    pub(super) out: Flat,
}

impl Gemm {
    /// The type that sums are made in.
    pub(super) fn accumulator(&self) -> DType {
        match self.types[0].dtype.is_float() {
            true => DType::F32,
            false => DType::I32,
        }
    }

    /// Operands: A and B.
    pub(super) fn operands(&self) -> [&Operand; 2] {
        [&self.a, &self.b]
    }

    /// Integers wide enough for every place of the kernel.
    pub(super) fn ints(&self) -> Ints {
        let reach = self.operands().map(|operand| match &operand.view {
            View::Windows(windows) => windows.reach(),
            _ => 0,
        });
        let sizes = self.argument_types().into_iter();
        let largest = sizes.map(TensorType::elements).chain(reach).max();
        Ints::for_elements(largest.unwrap_or(0).max(self.k * self.splits))
    }

    /// All argument types: A, B, extras, result.
    pub(super) fn argument_types(&self) -> Vec<&TensorType> {
        let extras = self.epilogue.extras.iter().map(|extra| &extra.ty);
        let operands = self.types.iter().chain(extras);
        operands.chain([&self.out]).collect()
    }

    /// Opens the `gpu.func`.
    pub(super) fn open(&self, t: &mut Text, threads: u32) -> Arguments {
        let (operands, extras, out) = open(t, &self.argument_types(), threads);
        Arguments {
            operands,
            extras,
            out,
        }
    }
}

/// Opens a `gpu.func` with two operands, extras and a result.
pub(super) fn open(
    t: &mut Text,
    types: &[&TensorType],
    threads: u32,
) -> ([Flat; 2], Vec<Flat>, Flat) {
    let mut all = open_any(t, types, 2, threads);
    let out = all.swap_remove(types.len() - 1);
    let extras = all.split_off(2);
    let b = all.swap_remove(1);
    ([all.swap_remove(0), b], extras, out)
}

/// Opens a `gpu.func`. The first `apart` arguments are nowhere written: neither here nor, while
/// this runs, by another; another one that is read may be where the last one is written.
pub(super) fn open_any(
    t: &mut Text,
    types: &[&TensorType],
    apart: usize,
    threads: u32,
) -> Vec<Flat> {
    let mut list = Vec::new();
    for (i, ty) in types.iter().enumerate() {
        let noalias = if i < apart { "llvm.noalias, " } else { "" };
        list.push(format!(
            "%arg{i}: {} {{{noalias}llvm.align = 16 : i64}}",
            memref(ty)
        ));
    }
    t.open(format_args!(
        "gpu.func {NAME}({}) kernel attributes {{known_block_size = array<i32: {threads}, 1, 1>}} {{",
        list.join(", ")
    ));
    let all = types.iter().enumerate();
    all.map(|(i, ty)| Flat::of(t, &format!("%arg{i}"), ty))
        .collect()
}

/// Closes a `gpu.func`.
pub(super) fn close(t: &mut Text) {
    t.line("gpu.return");
    t.close("}");
}
