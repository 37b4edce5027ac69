//! Fragments of operands in registers, and the instruction that multiplies them.
//!
//! A warp's `mma.sync` multiplies 16×k by k×8, k = 8 of tf32, 16 of f16 and bf16, 32 of i8. With
//! g = lane / 4 and q = lane mod 4 a lane holds of A the words (g, q), (g + 8, q), (g, q + 4),
//! (g + 8, q + 4), of B (q, g), (q + 4, g), a word being one f32, or two or four neighbours along k;
//! of the sums (g, 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1).
//!
//! `ldmatrix` gives four 8×8 matrices of such words at once, and transposes those of 16 bits.

use hla_ir::DType;

use super::index::{Int, Ints};
use super::staging::Staging;
use crate::Text;

/// A thread's place in its warp.
pub(super) struct Lane {
    /// lane mod 8, lane / 8.
    pub(super) eight: [Int; 2],
    /// lane mod 16, lane / 16.
    pub(super) sixteen: [Int; 2],
    /// lane / 4, lane mod 4.
    pub(super) group: [Int; 2],
}

impl Lane {
    /// Of the lane of this number.
    pub(super) fn new(t: &mut Text, lane: &Int) -> Lane {
        let ints = Ints::SHORT;
        let (row, eight) = ints.divide(t, lane, 8);
        let (half, sixteen) = ints.divide(t, lane, 16);
        let (group, word) = ints.divide(t, lane, 4);
        Lane {
            eight: [eight, row],
            sixteen: [sixteen, half],
            group: [group, word],
        }
    }
}

/// The type of operands in the instruction.
#[derive(Clone, Copy)]
pub(super) struct Multiply {
    dtype: DType,
}

impl Multiply {
    pub(super) fn new(dtype: DType) -> Multiply {
        Multiply { dtype }
    }

    /// Steps of k of an instruction.
    pub(super) fn depth(self) -> usize {
        32 / self.dtype.bytes()
    }

    /// Elements of a chunk of 16 bytes.
    fn chunk(self) -> usize {
        16 / self.dtype.bytes()
    }

    /// The type of sums.
    fn sum(self) -> &'static str {
        match self.dtype {
            DType::I8 => "i32",
            _ => "f32",
        }
    }

    /// A·B + C.
    pub(super) fn multiply(
        self,
        t: &mut Text,
        a: &[String],
        b: &[String],
        c: &[String],
    ) -> Vec<String> {
        let (ty, register) = match self.dtype {
            DType::F16 => ("f16", "vector<2xf16>"),
            DType::BF16 => ("bf16", "i32"),
            DType::I8 => ("s8", "i32"),
            _ => ("tf32", "i32"),
        };
        let overflow = match self.dtype {
            DType::I8 => "intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, ",
            _ => "",
        };
        let sum = self.sum();
        let all = format!("!llvm.struct<({sum}, {sum}, {sum}, {sum})>");
        let sums = t.op(format_args!(
            "nvvm.mma.sync A[{}] B[{}] C[{}] {{{overflow}layoutA = #nvvm.mma_layout<row>, \
             layoutB = #nvvm.mma_layout<col>, shape = #nvvm.shape<m = 16, n = 8, k = {}>, \
             multiplicandAPtxType = #nvvm.mma_type<{ty}>, \
             multiplicandBPtxType = #nvvm.mma_type<{ty}>}} : ({register}, {register}, {sum}) -> {all}",
            a.join(", "),
            b.join(", "),
            c.join(", "),
            self.depth()
        ));
        (0..4)
            .map(|i| t.op(format_args!("llvm.extractvalue {sums}[{i}] : {all}")))
            .collect()
    }

    /// Four registers of A: rows from `row` of the warp's tile on, k from step `step`.
    pub(super) fn a(
        self,
        t: &mut Text,
        staging: &Staging<'_>,
        stage: &Int,
        lane: &Lane,
        row: &Int,
        step: usize,
    ) -> Vec<String> {
        let ints = Ints::SHORT;
        if staging.sums_fast() {
            let row = ints.add(t, row, &lane.sixteen[0]);
            let chunk = ints.add(t, &lane.sixteen[1], &Int::Known(2 * step as i64));
            return self.matrices(t, staging, stage, &row, &chunk, false);
        }
        if self.dtype.bytes() == 2 {
            let half = ints.mul(t, &lane.sixteen[1], 8);
            let k = ints.add(t, &half, &lane.eight[0]);
            let k = ints.add(t, &k, &Int::Known((step * self.depth()) as i64));
            let first = ints.div(t, row, self.chunk());
            let odd = ints.rem(t, &lane.eight[1], 2);
            let chunk = ints.add(t, &first, &odd);
            return self.matrices(t, staging, stage, &k, &chunk, true);
        }
        let places = [(0, 0), (8, 0), (0, 4), (8, 4)];
        self.words(t, staging, stage, lane, row, step, &places)
    }

    /// Four registers of B: two each for columns from `column` and from 8 more on.
    pub(super) fn b(
        self,
        t: &mut Text,
        staging: &Staging<'_>,
        stage: &Int,
        lane: &Lane,
        column: &Int,
        step: usize,
    ) -> Vec<String> {
        let ints = Ints::SHORT;
        if staging.sums_fast() {
            let half = ints.mul(t, &lane.sixteen[1], 8);
            let row = ints.add(t, &half, &lane.eight[0]);
            let row = ints.add(t, column, &row);
            let odd = ints.rem(t, &lane.eight[1], 2);
            let chunk = ints.add(t, &odd, &Int::Known(2 * step as i64));
            return self.matrices(t, staging, stage, &row, &chunk, false);
        }
        if self.dtype.bytes() == 2 {
            let first = Int::Known((step * self.depth()) as i64);
            let k = ints.add(t, &lane.sixteen[0], &first);
            let first = ints.div(t, column, self.chunk());
            let chunk = ints.add(t, &first, &lane.sixteen[1]);
            return self.matrices(t, staging, stage, &k, &chunk, true);
        }
        let places = [(0, 0), (0, 4), (8, 0), (8, 4)];
        self.words(t, staging, stage, lane, column, step, &places)
    }

    /// Four matrices, whose rows are at the lanes' chunks.
    fn matrices(
        self,
        t: &mut Text,
        staging: &Staging<'_>,
        stage: &Int,
        row: &Int,
        chunk: &Int,
        transpose: bool,
    ) -> Vec<String> {
        let place = staging.chunk(t, row, chunk);
        let place = Ints::SHORT.add(t, stage, &place);
        let place = Ints::SHORT.index(t, &place);
        let words = 4 / self.dtype.bytes();
        let ty = format!("vector<4x{words}x{}>", self.dtype);
        let vector = t.op(format_args!(
            "nvgpu.ldmatrix {}[{place}] {{numTiles = 4 : i32, transpose = {transpose}}} : {} -> {ty}",
            staging.shared, staging.ty
        ));
        match self.dtype {
            DType::F16 => (0..4)
                .map(|i| {
                    t.op(format_args!(
                        "vector.extract {vector}[{i}] : vector<2xf16> from {ty}"
                    ))
                })
                .collect(),
            DType::BF16 | DType::I8 => {
                let bits = t.op(format_args!(
                    "vector.bitcast {vector} : {ty} to vector<4x1xi32>"
                ));
                (0..4)
                    .map(|i| {
                        t.op(format_args!(
                            "vector.extract {bits}[{i}, 0] : i32 from vector<4x1xi32>"
                        ))
                    })
                    .collect()
            }
            _ => (0..4)
                .map(|i| {
                    let word = t.op(format_args!(
                        "vector.extract {vector}[{i}, 0] : f32 from {ty}"
                    ));
                    rounded(t, &word)
                })
                .collect(),
        }
    }

    /// Words of f32, of which the rows are k: offsets along m or n, and along k.
    #[allow(clippy::too_many_arguments)]
    fn words(
        self,
        t: &mut Text,
        staging: &Staging<'_>,
        stage: &Int,
        lane: &Lane,
        first: &Int,
        step: usize,
        places: &[(i64, i64); 4],
    ) -> Vec<String> {
        let ints = Ints::SHORT;
        let mut words = Vec::new();
        for &(along, k) in places {
            let k = Int::Known((step * self.depth()) as i64 + k);
            let row = ints.add(t, &lane.group[1], &k);
            let column = ints.add(t, first, &lane.group[0]);
            let column = ints.add(t, &column, &Int::Known(along));
            let place = staging.place(t, &row, &column);
            let place = ints.add(t, stage, &place);
            let place = ints.index(t, &place);
            let word = t.op(format_args!(
                "memref.load {}[{place}] : {}",
                staging.shared, staging.ty
            ));
            words.push(rounded(t, &word));
        }
        words
    }
}

/// An f32 rounded to tf32: to nearest, ties away from zero.
fn rounded(t: &mut Text, word: &str) -> String {
    t.op(format_args!(
        "nvvm.convert.float.to.tf32 {word} {{rnd = #nvvm.fp_rnd_mode<rna>}}"
    ))
}
