//! Matrix products over views: what every contraction but the depthwise ones is.

use hla_ir::{DType, TensorType};

use super::epilogue::Epilogue;
use super::index::Ints;
use super::memory::Flat;
use super::tile::Tile;
use super::view::{Operand, View};
use crate::Text;
use crate::kernel::NAME;
use crate::options::Precision;
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

    /// Whether tensor cores can multiply this, in an instruction of this precision.
    pub(super) fn on_tensor_cores(&self, precision: Precision) -> bool {
        let [a, b] = [0, 1].map(|i| self.types[i].dtype);
        let (codes, fast) = match self.operands() {
            [a, b] => (
                matches!(b.view, View::Codes { .. }),
                a.sums_fast && b.sums_fast,
            ),
        };
        let known = match a {
            DType::F16 | DType::BF16 => true,
            DType::F32 => precision == Precision::Tf32,
            // Eight bits are not transposed on their way to registers.
            DType::I8 => fast && self.zero_points == [0, 0],
            _ => false,
        };
        known && (a == b || codes)
    }

    /// The tile on tensor cores, if there are so many parts.
    pub(super) fn tile(&self, parts: usize) -> Tile {
        let dtype = self.types[0].dtype;
        let coarse = |operand: &Operand| match operand.view {
            // Codes are few.
            View::Codes { .. } => true,
            ref view => view.run(16) * dtype.bytes() >= 8,
        };
        let coarse = self.operands().into_iter().all(coarse);
        Tile::choose([self.m, self.n], parts, dtype, coarse)
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
    pub(super) fn open(&self, t: &mut Text, block: Block) -> Arguments {
        let (operands, extras, out) = open(t, &self.argument_types(), block);
        Arguments {
            operands,
            extras,
            out,
        }
    }
}

/// Blocks of a kernel.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Threads of a block.
    pub(super) threads: usize,
    /// How many must fit on a multiprocessor at once, so how many registers a thread may have; 0
    /// leaves it to the assembler.
    pub(super) resident: usize,
}

impl Block {
    /// Of so many threads.
    pub(super) fn of(threads: usize) -> Block {
        Block {
            threads,
            resident: 0,
        }
    }
}

/// Opens a `gpu.func` with two operands, extras and a result.
pub(super) fn open(
    t: &mut Text,
    types: &[&TensorType],
    block: Block,
) -> ([Flat; 2], Vec<Flat>, Flat) {
    let mut all = open_any(t, types, 2, block);
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
    block: Block,
) -> Vec<Flat> {
    let mut list = Vec::new();
    for (i, ty) in types.iter().enumerate() {
        let noalias = if i < apart { "llvm.noalias, " } else { "" };
        list.push(format!(
            "%arg{i}: {} {{{noalias}llvm.align = 16 : i64}}",
            memref(ty)
        ));
    }
    let resident = match block.resident {
        0 => String::new(),
        blocks => format!(", nvvm.minctasm = {blocks} : i32"),
    };
    t.open(format_args!(
        "gpu.func {NAME}({}) kernel attributes {{known_block_size = array<i32: {}, 1, 1>{resident}}} {{",
        list.join(", "),
        block.threads
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
