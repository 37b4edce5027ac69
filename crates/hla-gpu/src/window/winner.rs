//! Which tap of each window is the maximum: the first kernel of the gradient of a max-pool whose
//! windows overlap, so that an element need not look through all windows that it lies in.

use hla_ir::{DType, TensorType};

use super::geometry::{Geometry, visit_all};
use crate::Text;
use crate::int::{Int, Ints};
use crate::lower::{Lowering, Place};
use crate::pointwise::{Element, Pointwise, lanes, load};
use crate::reduce::{is_larger, narrowed, widened};
use crate::text::{splat, vector};

/// A tap's number in its window, row-major and counted over padding too.
pub(super) fn number(
    t: &mut Text,
    ints: Ints,
    geometry: &Geometry,
    [row, column]: [&Int; 2],
    window: [&Int; 2],
) -> Int {
    let [from_row, from_column] = [0, 1].map(|axis| {
        let start = ints.mul(t, window[axis], geometry.stride[axis]);
        ints.add(t, &start, &Int::Known(-(geometry.pad[axis] as i64)))
    });
    let row = ints.sub(t, row, &from_row);
    let column = ints.sub(t, column, &from_column);
    let row = ints.mul(t, &row, geometry.kernel[1]);
    ints.add(t, &row, &column)
}

/// A whole number in all lanes, as i32.
pub(super) fn in_all_lanes(t: &mut Text, ints: Ints, lanes: usize, value: &Int) -> String {
    let value = ints.i32(t, value);
    match lanes {
        1 => value,
        _ => t.op(format_args!(
            "vector.broadcast {value} : i32 to {}",
            vector(lanes, "i32")
        )),
    }
}

/// Adds the kernel; gives, for each element of the pool's result, the number of the tap that is the
/// first maximum of its window. `pooled` and the result have one dimension, `shape` is the pool's.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    geometry: Geometry,
    pooled: &Place,
    shape: &[usize],
) -> Place {
    let [kh, kw] = geometry.kernel;
    let dtype = match kh.saturating_mul(kw) <= 128 {
        true => DType::I8,
        false => DType::I32,
    };
    let winners = cx.temp(TensorType::new(shape, dtype)).flat();
    let of = pooled.ty.dtype;
    let kernel = Pointwise {
        computes: format!("hla.max_pool2d_grad: first maxima, {kh}x{kw} {of}"),
        inputs: std::slice::from_ref(pooled),
        output: &winners,
        shape: shape.to_vec(),
        lanes: lanes(geometry.channels, &[pooled]),
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
        let window = [&at[1], &at[2]];
        let first = number(t, ints, &geometry, [&rows.0, &columns.0], window);
        let first = in_all_lanes(t, ints, lanes, &first);
        // −∞, of which the first tap may be no more.
        let least = splat(t, lanes, "0xFF800000", "f32");
        let types = [vector(lanes, "f32"), vector(lanes, "i32")];
        let init = [least, first];
        let visited = (&rows, &columns);
        let best = visit_all(
            t,
            ints,
            visited,
            (&init, &types),
            |t, [row, column], best| {
                let place = [&at[0], row, column, &at[3]];
                let place = geometry.place(t, ints, geometry.input, place);
                let value = load(t, ints, lanes, (&inputs[0], pooled), &place);
                let value = widened(t, of, lanes, &value);
                let number = number(t, ints, &geometry, [row, column], window);
                let number = in_all_lanes(t, ints, lanes, &number);
                let larger = is_larger(t, lanes, &value, &best[0]);
                let condition = match lanes {
                    1 => String::new(),
                    _ => format!("{}, ", vector(lanes, "i1")),
                };
                let mut choose = |yes: &str, no: &str, ty: &str| {
                    t.op(format_args!(
                        "arith.select {larger}, {yes}, {no} : {condition}{ty}"
                    ))
                };
                vec![
                    choose(&value, &best[0], &types[0]),
                    choose(&number, &best[1], &types[1]),
                ]
            },
        );
        narrowed(t, DType::I32, dtype, lanes, &best[1])
    });
    cx.launch(code, vec![pooled.read(), winners.write()]);
    winners
}
