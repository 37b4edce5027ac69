//! The average or the largest of windows.

use hla_ir::{Diagnostic, Node, Op};

use super::average::{as_float, fixed_point};
use super::geometry::{Geometry, count, visit};
use crate::lower::Lowering;
use crate::pointwise::{Element, Pointwise, lanes, load};
use crate::reduce::{Combine, narrowed, wide, widened};
use crate::text::{splat, stored, vector};

/// Adds the kernel of `tosa.avg_pool2d` or `tosa.max_pool2d`.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let (input, result) = (cx.operand(node, 0)?, cx.result(node, 0)?);
    let Some(geometry) = Geometry::new(node, &input.ty.shape, &result.ty.shape) else {
        return Err(cx.unsupported(node));
    };
    let shape = result.ty.shape.clone();
    let (input, result) = (input.flat(), result.flat());
    let averages = node.op == Op::AvgPool2d;
    let combine = match averages {
        true => Combine::Sum,
        false => Combine::Max {
            ignore_nan: node.attrs.str("nan_mode") == Some("IGNORE"),
        },
    };
    let dtype = input.ty.dtype;
    let zero_points = ["input_zp", "output_zp"].map(|name| node.attrs.i64(name).unwrap_or(0));
    let [kh, kw] = geometry.kernel;
    let kernel = Pointwise {
        computes: format!("{} {kh}x{kw} {dtype}", node.op.def().name),
        inputs: std::slice::from_ref(&input),
        output: &result,
        shape,
        // The fixed-point average is scalar code.
        lanes: match averages && !dtype.is_float() {
            true => 1,
            false => lanes(geometry.channels, &[&input, &result]),
        },
    };
    let code = kernel.code(|element| {
        let Element {
            t,
            ints,
            inputs,
            at,
            lanes,
        } = element;
        let rows = geometry.taps(t, ints, 0, &at[1]);
        let columns = geometry.taps(t, ints, 1, &at[2]);
        let ty = vector(lanes, stored(wide(dtype)));
        // Even where NaNs are ignored, a pool of nothing else is the least number.
        let start = splat(
            t,
            lanes,
            &combine.start(dtype, true)[0],
            stored(wide(dtype)),
        );
        let visited = (&rows, &columns);
        let state = visit(
            t,
            ints,
            visited,
            (&start, &ty),
            |t, [row, column], state| {
                let tap = [&at[0], row, column, &at[3]];
                let place = geometry.place(t, ints, geometry.input, tap);
                let value = load(t, ints, lanes, (&inputs[0], &input), &place);
                let value = widened(t, dtype, lanes, &value);
                combine
                    .combine(t, dtype, lanes, &[state.to_owned()], &[value])
                    .remove(0)
            },
        );
        if !averages {
            return narrowed(t, wide(dtype), dtype, lanes, &state);
        }
        let count = count(t, ints, &rows, &columns);
        let average = if dtype.is_float() {
            let count = as_float(t, lanes, &count);
            t.op(format_args!("arith.divf {state}, {count} : {ty}"))
        } else {
            fixed_point(t, (&state, &count, kh * kw), dtype, zero_points)
        };
        narrowed(t, wide(dtype), dtype, lanes, &average)
    });
    cx.launch(code, vec![input.read(), result.write()]);
    Ok(())
}
