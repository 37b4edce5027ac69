//! Ternary values and their 2-bit codes: 00 = 0, 01 = +1, 10 = −1, four to a byte, the first in its low
//! bits; each row of the outermost dimension begins on a byte.

use hla_ir::{Diagnostic, Node, TensorType};

use crate::Text;
use crate::contraction;
use crate::int::{Int, Ints};
use crate::lower::{Lowering, Place};
use crate::pointwise::{Element, Pointwise, lanes, load};

/// Codes of a byte.
const FOUR: usize = 4;

/// Values of a row of the outermost dimension.
fn row_values(ty: &TensorType) -> usize {
    ty.shape.iter().skip(1).product()
}

/// Adds the kernel of `hla.pack`: a thread makes one byte of four values.
pub(crate) fn pack(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let (values, result) = (cx.operand(node, 0)?, cx.result(node, 0)?);
    let row = row_values(&values.ty);
    let row_bytes = row.div_ceil(FOUR).max(1);
    let (values, result) = (values.flat(), result.flat());
    let kernel = Pointwise {
        computes: "pack".to_owned(),
        inputs: std::slice::from_ref(&values),
        output: &result,
        shape: vec![result.ty.elements() / row_bytes, row_bytes],
        lanes: 1,
    };
    let code = kernel.code(|element| {
        let Element {
            t,
            ints,
            inputs,
            at,
            ..
        } = element;
        let four = Four {
            ints,
            row,
            memory: &inputs[0],
            values: &values,
        };
        let mut byte = t.i32(0);
        for place in 0..FOUR.min(row) {
            let code = four.code(t, at, place);
            byte = t.i32_op("ori", &byte, &code);
        }
        t.op(format_args!("arith.trunci {byte} : i32 to i8"))
    });
    cx.launch(code, vec![values.read(), result.write()]);
    Ok(())
}

/// The values of a byte.
struct Four<'a> {
    ints: Ints,
    row: usize,
    memory: &'a str,
    values: &'a Place,
}

impl Four<'_> {
    /// The code of a value in its place in the byte; that of what is beyond the row is 0.
    fn code(&self, t: &mut Text, at: &[Int], place: usize) -> String {
        let ints = self.ints;
        let first = ints.mul(t, &at[1], FOUR);
        let column = ints.add(t, &first, &Int::Known(place as i64));
        let last = Int::Known(self.row as i64 - 1);
        let may_end = place > 0 && !self.row.is_multiple_of(FOUR);
        let read = match may_end {
            true => ints.min(t, &column, &last),
            false => column.clone(),
        };
        let start = ints.mul(t, &at[0], self.row);
        let from = ints.add(t, &start, &read);
        let value = load(t, ints, 1, (self.memory, self.values), &from);
        let zero = t.constant("0 : i8");
        let plus = t.op(format_args!("arith.cmpi sgt, {value}, {zero} : i8"));
        let minus = t.op(format_args!("arith.cmpi slt, {value}, {zero} : i8"));
        let [none, one, two] = [0, 1, 2].map(|code| t.i32(code << (2 * place)));
        let code = t.op(format_args!("arith.select {minus}, {two}, {none} : i32"));
        let code = t.op(format_args!("arith.select {plus}, {one}, {code} : i32"));
        if !may_end {
            return code;
        }
        let inside = ints.compare(t, "sle", &column, &last);
        t.op(format_args!("arith.select {inside}, {code}, {none} : i32"))
    }
}

/// Adds the kernel of `hla.unpack`, unless the contractions that use its result read the codes: a
/// thread makes up to eight values.
///
/// # Errors
/// If the codes are a constant in which one is invalid.
pub(crate) fn unpack(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let ty = cx.function.tensor_ty(node.result());
    let row = row_values(ty);
    if let (Some(packed), true) = (cx.constant(node, 0), row > 0) {
        let rows = ty.elements() / row;
        hla_quant::pack::unpack(&packed.to_bytes(), rows, row)
            .map_err(|e| Diagnostic::error(node.location.clone(), e.to_string()))?;
    }
    if contraction::is_read_in_place(cx.function, node) {
        return Ok(());
    }
    let (packed, result) = (cx.operand(node, 0)?, cx.result(node, 0)?);
    let row_bytes = row.div_ceil(FOUR);
    let (packed, result) = (packed.flat(), result.flat());
    let kernel = Pointwise {
        computes: "unpack".to_owned(),
        inputs: std::slice::from_ref(&packed),
        output: &result,
        shape: vec![result.ty.elements() / row.max(1), row],
        lanes: lanes(row, &[&result]),
    };
    let code = kernel.code(|element| {
        let Element {
            t,
            ints,
            inputs,
            at,
            lanes,
        } = element;
        let start = ints.mul(t, &at[0], row_bytes);
        let (byte, place) = ints.divide(t, &at[1], FOUR);
        let first = ints.add(t, &start, &byte);
        let mut values = Vec::with_capacity(lanes);
        for lane in (0..lanes).step_by(FOUR) {
            let at = ints.add(t, &first, &Int::Known((lane / FOUR) as i64));
            let byte = load(t, ints, 1, (&inputs[0], &packed), &at);
            let mut codes = t.op(format_args!("arith.extui {byte} : i8 to i32"));
            if lanes < FOUR {
                let place = ints.i32(t, &place);
                let two = t.i32(2);
                let bits = t.i32_op("muli", &place, &two);
                codes = t.i32_op("shrui", &codes, &bits);
            }
            for place in 0..FOUR.min(lanes) {
                values.push(value(t, &codes, place));
            }
        }
        match &values[..] {
            [value] => value.clone(),
            _ => t.op(format_args!(
                "vector.from_elements {} : vector<{lanes}xi8>",
                values.join(", ")
            )),
        }
    });
    cx.launch(code, vec![packed.read(), result.write()]);
    Ok(())
}

/// The value of a code, as i8.
fn value(t: &mut Text, codes: &str, place: usize) -> String {
    let (one, place) = (t.i32(1), 2 * place as i64);
    let bit = |t: &mut Text, bit: i64| {
        let by = t.i32(bit);
        let bit = t.i32_op("shrui", codes, &by);
        t.i32_op("andi", &bit, &one)
    };
    let (plus, minus) = (bit(t, place), bit(t, place + 1));
    let value = t.i32_op("subi", &plus, &minus);
    t.op(format_args!("arith.trunci {value} : i32 to i8"))
}
