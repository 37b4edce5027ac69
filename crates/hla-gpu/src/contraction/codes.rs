//! Ternary weights as an operand of tensor cores: 2-bit codes that become numbers in registers.
//!
//! A row of shared memory holds the codes of one output along k, four a byte. A lane needs of each of
//! its columns the codes of the elements that its words of B stand for (see [`super::fragment`]): two
//! bytes of them for numbers of 8 bits, two half bytes for 16, two codes for 32. `prmt`, which picks
//! any four of eight bytes by four half bytes, is a table of 2-bit codes then: it gives the bytes of
//! 0, 1 and −1. No multiplication, no conversion, and nothing is ever unpacked in memory.

use hla_ir::DType;

use super::fragment::Lane;
use super::index::{Int, Ints};
use super::staging::SPACE;
use super::tile::Tile;
use crate::Text;

/// Codes in shared memory.
pub(super) struct Codes {
    /// The memref of words, and its type.
    words: (String, String),
    /// Type of the numbers that codes become.
    dtype: DType,
    /// Words of a row.
    row: usize,
    /// What a lane picks its codes by: a selector of bytes for numbers of 8 bits, else a shift.
    pick: String,
}

impl Codes {
    /// Codes that [`super::staging`] brings, from a byte of shared memory on, for numbers of a type.
    pub(super) fn new(
        t: &mut Text,
        tile: &Tile,
        lane: &Lane,
        dtype: DType,
        (shared, byte): (&str, usize),
    ) -> Codes {
        let row = tile.depth / 16;
        let count = tile.stages * tile.extents[1] * row;
        let ty = format!("memref<{count}xi32, {SPACE}>");
        let at = t.index(byte as u64);
        let words = t.op(format_args!(
            "memref.view {shared}[{at}][] : memref<?xi8, {SPACE}> to {ty}"
        ));
        let ints = Ints::SHORT;
        let word = &lane.group[1];
        let pick = match dtype {
            // Bytes q, q, q + 4 and q + 4 of two words.
            DType::I8 => {
                let four = ints.mul(t, word, 0x1111);
                ints.add(t, &four, &Int::Known(0x4400))
            }
            DType::F16 | DType::BF16 => ints.mul(t, word, 4),
            _ => ints.mul(t, word, 2),
        };
        Codes {
            words: (words, ty),
            dtype,
            row,
            pick: ints.i32(t, &pick),
        }
    }

    /// Four registers of B as [`super::fragment::Multiply::b`] gives them; the stage begins at a byte.
    pub(super) fn b(
        &self,
        t: &mut Text,
        stage: &Int,
        lane: &Lane,
        column: &Int,
        step: usize,
    ) -> Vec<String> {
        let ints = Ints::SHORT;
        let stage = &ints.div(t, stage, 4);
        let mut registers = Vec::new();
        for more in [0, 8] {
            let row = ints.add(t, column, &lane.group[0]);
            let row = ints.add(t, &row, &Int::Known(more));
            let place = ints.mul(t, &row, self.row);
            let place = ints.add(t, stage, &place);
            let two = match self.dtype {
                DType::I8 => self.to_bytes(t, &place, step),
                DType::F16 | DType::BF16 => self.to_shorts(t, &place, step),
                _ => self.to_words(t, &place, step),
            };
            registers.extend(two);
        }
        registers
    }

    /// A word of the row that begins at a place.
    fn load(&self, t: &mut Text, place: &Int, word: usize) -> String {
        debug_assert!(word < self.row);
        let place = Ints::SHORT.add(t, place, &Int::Known(word as i64));
        let place = Ints::SHORT.index(t, &place);
        let (words, ty) = &self.words;
        t.op(format_args!("memref.load {words}[{place}] : {ty}"))
    }

    /// 32 codes a step: a lane takes byte q of each of two words.
    fn to_bytes(&self, t: &mut Text, place: &Int, step: usize) -> [String; 2] {
        let [low, high] = [0, 1].map(|i| self.load(t, place, 2 * step + i));
        let all = permute(t, &low, &high, &self.pick);
        // Two codes in the low half of each byte, then one in each half byte.
        let even = and(t, &all, 0x000f_000f);
        let odd = shift(t, "shrui", &all, 4);
        let odd = and(t, &odd, 0x0f00_0f00);
        let halves = or(t, &even, &odd);
        let apart = shift(t, "shli", &halves, 2);
        let both = or(t, &halves, &apart);
        let selector = and(t, &both, 0x3333_3333);
        // The bytes 00, 01 and ff.
        let table = constant(t, 0x00ff_0100);
        let zero = constant(t, 0);
        self.pair(t, &table, &zero, &selector)
    }

    /// 16 codes a step: a lane takes half byte q of each half of a word.
    fn to_shorts(&self, t: &mut Text, place: &Int, step: usize) -> [String; 2] {
        let word = self.load(t, place, step);
        let mine = t.op(format_args!("arith.shrui {word}, {} : i32", self.pick));
        let mine = and(t, &mine, 0x000f_000f);
        let apart = shift(t, "shli", &mine, 6);
        let both = or(t, &mine, &apart);
        let codes = and(t, &both, 0x0303_0303);
        let again = shift(t, "shli", &codes, 4);
        let selector = or(t, &codes, &again);
        let upper = constant(t, 0x4040_4040);
        let selector = or(t, &selector, &upper);
        // Low bytes of 0, 1 and −1, then their high bytes.
        let [low, high] = match self.dtype {
            DType::F16 => [0, 0x00bc_3c00],
            _ => [0x0080_8000, 0x00bf_3f00],
        };
        let (low, high) = (constant(t, low), constant(t, high));
        let registers = self.pair(t, &low, &high, &selector);
        match self.dtype {
            DType::F16 => registers.map(|register| {
                t.op(format_args!(
                    "llvm.bitcast {register} : i32 to vector<2xf16>"
                ))
            }),
            _ => registers,
        }
    }

    /// 8 codes a step: a lane takes code q of each of two bytes.
    fn to_words(&self, t: &mut Text, place: &Int, step: usize) -> [String; 2] {
        let word = self.load(t, place, step / 2);
        let mine = t.op(format_args!("arith.shrui {word}, {} : i32", self.pick));
        let mine = match step % 2 {
            0 => mine,
            _ => shift(t, "shrui", &mine, 16),
        };
        let codes = and(t, &mine, 0x0303);
        let again = shift(t, "shli", &codes, 4);
        let both = or(t, &codes, &again);
        // The two high bytes of 0, 1 and −1: 0000, 3f80 and bf80. The low ones are zero.
        let (low, high) = (constant(t, 0x0080_8000), constant(t, 0x00bf_3f00));
        let upper = constant(t, 0x4000);
        let first = shift(t, "shli", &both, 8);
        let second = and(t, &both, 0x3300);
        [first, second].map(|selector| {
            let selector = or(t, &selector, &upper);
            permute(t, &low, &high, &selector)
        })
    }

    /// What a table gives for the lower and the upper four half bytes of a selector.
    fn pair(&self, t: &mut Text, low: &str, high: &str, selector: &str) -> [String; 2] {
        let upper = shift(t, "shrui", selector, 16);
        [selector, &upper].map(|selector| permute(t, low, high, selector))
    }
}

fn constant(t: &mut Text, value: u32) -> String {
    t.constant(format_args!("{value} : i32"))
}

fn and(t: &mut Text, value: &str, mask: u32) -> String {
    let mask = constant(t, mask);
    t.op(format_args!("arith.andi {value}, {mask} : i32"))
}

fn or(t: &mut Text, a: &str, b: &str) -> String {
    t.op(format_args!("arith.ori {a}, {b} : i32"))
}

fn shift(t: &mut Text, op: &str, value: &str, by: u32) -> String {
    let by = constant(t, by);
    t.op(format_args!("arith.{op} {value}, {by} : i32"))
}

/// Of the eight bytes of two words those that four half bytes name.
fn permute(t: &mut Text, low: &str, high: &str, selector: &str) -> String {
    t.op(format_args!(
        "llvm.call_intrinsic \"llvm.nvvm.prmt\"({low}, {high}, {selector}) : (i32, i32, i32) -> i32"
    ))
}
