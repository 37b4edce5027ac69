//! Packing and unpacking of 2-bit codes: 00 = 0, 01 = +1, 10 = −1, four to a byte, each row of the
//! outermost dimension beginning on a byte.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{Diagnostic, Tensor};

use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View};

/// Values of one row.
fn row_values(shape: &[usize]) -> i64 {
    shape.iter().skip(1).product::<usize>() as i64
}

fn rows(shape: &[usize]) -> u64 {
    let rows = shape.first().copied().unwrap_or(1) as u64;
    if row_values(shape) == 0 { 0 } else { rows }
}

/// Refuses the invalid code 11 and fillings that are not zero.
pub(super) fn check(packed: &Tensor, shape: &[usize]) -> Result<(), String> {
    let values = row_values(shape) as usize;
    if values == 0 {
        return Ok(());
    }
    let bytes = packed.to_bytes();
    for (r, row) in bytes.chunks(values.div_ceil(4)).enumerate() {
        for (i, byte) in row.iter().enumerate() {
            if byte & (byte >> 1) & 0x55 != 0 {
                return Err(format!(
                    "row {r}: byte {i} holds the code 11, which is invalid"
                ));
            }
        }
        let filled = values % 4;
        if filled != 0 && row.last().is_some_and(|b| b >> (2 * filled) != 0) {
            return Err(format!("row {r}: the filling of its last byte is not zero"));
        }
    }
    Ok(())
}

/// Runs the body for each byte of the rows `begin..end`: address of the values, of the byte, and
/// how many values it holds.
fn for_bytes(
    k: &mut KernelBuilder<'_>,
    values: Value,
    bytes: Value,
    shape: &[usize],
    body: impl Fn(&mut KernelBuilder<'_>, Value, Value, i64),
) {
    let row = row_values(shape);
    let row_bytes = (row + 3) / 4;
    let (begin, end) = (k.begin(), k.end());
    k.for_range(begin, end, 1, |k, item| {
        let values = k.index(values, item, row);
        let bytes = k.index(bytes, item, row_bytes);
        k.repeat(row / 4, 1, |k, i| {
            let values = k.index(values, i, 4);
            let byte = k.b.ins().iadd(bytes, i);
            body(k, values, byte, 4);
        });
        if row % 4 != 0 {
            let values = k.offset(values, row & !3);
            let byte = k.offset(bytes, row / 4);
            body(k, values, byte, row % 4);
        }
    });
}

/// Ternary values to codes.
pub(super) struct Pack {
    pub input: View,
    pub result: View,
}

impl EmitKernel for Pack {
    fn name(&self) -> String {
        "pack".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        rows(&self.input.ty.shape)
    }

    fn grain(&self) -> u64 {
        (4096 / row_values(&self.input.ty.shape).max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let values = k.address(self.input.buffer);
        let bytes = k.address(self.result.buffer);
        for_bytes(
            k,
            values,
            bytes,
            &self.input.ty.shape,
            |k, values, at, n| {
                let mut byte = k.b.ins().iconst(types::I8, 0);
                for i in 0..n {
                    let value = k.read(types::I8, values, i as i32);
                    let zero = k.b.ins().iconst(types::I8, 0);
                    let plus = k.b.ins().icmp(IntCC::SignedGreaterThan, value, zero);
                    let minus = k.b.ins().icmp(IntCC::SignedLessThan, value, zero);
                    let minus = k.b.ins().ishl_imm_u(minus, 1);
                    let code = k.b.ins().bor(plus, minus);
                    let code = k.b.ins().ishl_imm_u(code, 2 * i);
                    byte = k.b.ins().bor(byte, code);
                }
                k.write(byte, at, 0);
            },
        );
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(format!("hla.pack {}", self.input.ty), "scalar")
    }
}

/// Codes to ternary values.
pub(super) struct Unpack {
    pub input: View,
    pub result: View,
}

impl EmitKernel for Unpack {
    fn name(&self) -> String {
        "unpack".to_owned()
    }

    fn parallel_items(&self) -> u64 {
        rows(&self.result.ty.shape)
    }

    fn grain(&self) -> u64 {
        (4096 / row_values(&self.result.ty.shape).max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let values = k.address(self.result.buffer);
        let bytes = k.address(self.input.buffer);
        for_bytes(
            k,
            values,
            bytes,
            &self.result.ty.shape,
            |k, values, at, n| {
                let byte = k.read(types::I8, at, 0);
                for i in 0..n {
                    let code = k.b.ins().ushr_imm_u(byte, 2 * i);
                    let plus = k.b.ins().band_imm_u(code, 1);
                    let minus = k.b.ins().ushr_imm_u(code, 1);
                    let minus = k.b.ins().band_imm_u(minus, 1);
                    let value = k.b.ins().isub(plus, minus);
                    k.write(value, values, i as i32);
                }
            },
        );
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        KernelReport::new(format!("hla.unpack {}", self.result.ty), "scalar")
    }
}
