//! Matrix fragments: which lane holds which element, and the multiplication.
//!
//! Lane l has group g = l / 4 and t = l % 4. An element is found by its register and its place in it:
//! - A of 16 × k: rows g and g + 8, columns t·e … t·e + e − 1 with e elements in a register; the registers
//!   go over the rows first, then over blocks of 4·e columns;
//! - B of k × 8: column g, rows t·e … t·e + e − 1; the registers go over blocks of 4·e rows;
//! - C and D of 16 × 8: rows g and g + 8, columns 2·t and 2·t + 1.
//!
//! The products of a row and a column are added in f64 in the order of k, C is added last, and the sum is
//! rounded once to f32 (or f16). Tensor cores add with fewer bits and in an order of their own, so
//! their results differ in the last places.

use super::Machine;
use super::warp::Warp;
use crate::code::{Ldmatrix, Mma, MmaType, Where};
use crate::fault::Fault;
use crate::float::Short;

type Sums<T> = [[T; 8]; 16];

impl Machine<'_> {
    pub(super) fn ldmatrix(&mut self, warp: &mut Warp, op: &Ldmatrix) -> Result<(), Fault> {
        // Lanes 8·i … 8·i + 7 hold the addresses of the rows of matrix i.
        for (matrix, &register) in op.registers.iter().enumerate() {
            let mut rows = [[0u16; 8]; 8];
            for (r, row) in rows.iter_mut().enumerate() {
                let lane = 8 * matrix + r;
                let address = self.address(warp, op.address, lane);
                let bytes = match self.read(warp, lane, Where::Shared, address, 16) {
                    Ok(bytes) => bytes,
                    Err(fault) => return Err(self.blame(fault, warp, lane)),
                };
                for (c, element) in row.iter_mut().enumerate() {
                    *element = u16::from_le_bytes([bytes[2 * c], bytes[2 * c + 1]]);
                }
            }
            warp.regs.r32[register as usize] = std::array::from_fn(|lane| {
                let (row, column) = (lane / 4, lane % 4 * 2);
                let [low, high] = if op.transposed {
                    [rows[column][row], rows[column + 1][row]]
                } else {
                    [rows[row][column], rows[row][column + 1]]
                };
                u32::from(high) << 16 | u32::from(low)
            });
        }
        Ok(())
    }

    pub(super) fn mma(&mut self, warp: &mut Warp, op: &Mma) {
        self.report.mma += 1;
        match op.ty {
            MmaType::Short(short) => floats(warp, op, 2, |word, i| {
                short.widen((word >> (16 * i)) as u16)
            }),
            MmaType::Tf32 => floats(warp, op, 1, |word, _| f32::from_bits(word & 0xffff_e000)),
            MmaType::Int8(a, b) => integers(warp, op, a, b),
        }
    }
}

/// The elements of A and B as numbers.
fn operands<T: Copy + Default>(
    warp: &Warp,
    op: &Mma,
    each: usize,
    a_value: impl Fn(u32, usize) -> T,
    b_value: impl Fn(u32, usize) -> T,
) -> ([[T; 32]; 16], [[T; 8]; 32]) {
    let mut a = [[T::default(); 32]; 16];
    let mut b = [[T::default(); 8]; 32];
    for (r, &register) in op.a.iter().enumerate() {
        let words = &warp.regs.r32[register as usize];
        for (lane, &word) in words.iter().enumerate() {
            let row = lane / 4 + 8 * (r % 2);
            let column = lane % 4 * each + r / 2 * 4 * each;
            for i in 0..each {
                a[row][column + i] = a_value(word, i);
            }
        }
    }
    for (r, &register) in op.b.iter().enumerate() {
        let words = &warp.regs.r32[register as usize];
        for (lane, &word) in words.iter().enumerate() {
            let row = lane % 4 * each + r * 4 * each;
            for i in 0..each {
                b[row + i][lane / 4] = b_value(word, i);
            }
        }
    }
    (a, b)
}

fn floats(warp: &mut Warp, op: &Mma, each: usize, value: impl Fn(u32, usize) -> f32) {
    let wide = |word, i| f64::from(value(word, i));
    let (a, b) = operands(warp, op, each, wide, wide);
    let mut sums: Sums<f64> = [[0.0; 8]; 16];
    for (row, sum) in a.iter().zip(&mut sums) {
        for (a, b) in row[..op.k].iter().zip(&b) {
            for (sum, b) in sum.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    if op.half {
        for (r, (&d, &c)) in op.d.iter().zip(&op.c).enumerate() {
            let words = warp.regs.r32[c as usize];
            warp.regs.r32[d as usize] = std::array::from_fn(|lane| {
                let (row, column) = (lane / 4 + 8 * r, lane % 4 * 2);
                (0..2).fold(0, |word, i| {
                    let c = f64::from(Short::Half.widen((words[lane] >> (16 * i)) as u16));
                    let sum = Short::Half.narrow(sums[row][column + i] + c);
                    word | u32::from(sum) << (16 * i)
                })
            });
        }
        return;
    }
    store(warp, op, |c, row, column| {
        let sum = (sums[row][column] + f64::from(f32::from_bits(c))) as f32;
        crate::float::canonical(sum).to_bits()
    });
}

fn integers(warp: &mut Warp, op: &Mma, a_signed: bool, b_signed: bool) {
    let byte = |signed: bool| {
        move |word: u32, i: usize| {
            let byte = (word >> (8 * i)) as u8;
            if signed {
                i32::from(byte as i8)
            } else {
                i32::from(byte)
            }
        }
    };
    let (a, b) = operands(warp, op, 4, byte(a_signed), byte(b_signed));
    let mut sums: Sums<i32> = [[0; 8]; 16];
    for (row, sum) in a.iter().zip(&mut sums) {
        for (a, b) in row[..op.k].iter().zip(&b) {
            for (sum, b) in sum.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    let saturate = op.saturate;
    store(warp, op, |c, row, column| {
        let (sum, c) = (sums[row][column], c as i32);
        (if saturate {
            sum.saturating_add(c)
        } else {
            sum.wrapping_add(c)
        }) as u32
    });
}

/// Computes D of four registers from C.
fn store(warp: &mut Warp, op: &Mma, f: impl Fn(u32, usize, usize) -> u32) {
    let c: [[u32; 32]; 4] = std::array::from_fn(|r| warp.regs.r32[op.c[r] as usize]);
    for (r, &d) in op.d.iter().enumerate() {
        warp.regs.r32[d as usize] =
            std::array::from_fn(|lane| f(c[r][lane], lane / 4 + r / 2 * 8, lane % 4 * 2 + r % 2));
    }
}
