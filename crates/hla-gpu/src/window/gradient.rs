//! Gradients of pooling by its input.

use hla_ir::{DType, Diagnostic, Node, Op};

use super::average::as_float;
use super::geometry::{Geometry, Run, count, visit};
use crate::Text;
use crate::int::{Int, Ints};
use crate::lower::{Lowering, Place};
use crate::pointwise::{Pointwise, lanes, load};
use crate::reduce::{is_larger, narrowed, widened};
use crate::text::{splat, vector};

/// Adds the kernel of a pool's gradient.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let maximum = node.op == Op::MaxPool2dGrad;
    let gradient = cx.operand(node, usize::from(maximum))?;
    let result = cx.result(node, 0)?;
    let Some(geometry) = Geometry::new(node, &result.ty.shape, &gradient.ty.shape) else {
        return Err(cx.unsupported(node));
    };
    let shape = result.ty.shape.clone();
    let (gradient, result) = (gradient.flat(), result.flat());
    let mut inputs = vec![gradient];
    if maximum {
        inputs.push(cx.operand(node, 0)?.flat());
    }
    let [kh, kw] = geometry.kernel;
    let all: Vec<&Place> = inputs.iter().chain([&result]).collect();
    let kernel = Pointwise {
        computes: format!("{} {kh}x{kw} {}", node.op.def().name, result.ty.dtype),
        inputs: &inputs,
        output: &result,
        shape,
        lanes: lanes(geometry.channels, &all),
    };
    let code = kernel.code(|element| {
        let own = Own {
            geometry,
            places: &inputs,
            ints: element.ints,
            inputs: element.inputs,
            at: element.at,
            lanes: element.lanes,
        };
        let sum = own.sum(element.t);
        narrowed(element.t, DType::F32, result.ty.dtype, own.lanes, &sum)
    });
    let mut args: Vec<_> = inputs.iter().map(Place::read).collect();
    args.push(result.write());
    cx.launch(code, args);
    Ok(())
}

/// An element of what was pooled, whose gradient is wanted.
struct Own<'a> {
    geometry: Geometry,
    /// The gradient of the result; what was pooled, for a maximum.
    places: &'a [Place],
    ints: Ints,
    inputs: &'a [String],
    at: &'a [Int],
    lanes: usize,
}

impl Own<'_> {
    fn read(
        &self,
        t: &mut Text,
        input: usize,
        extents: [usize; 2],
        [row, column]: [&Int; 2],
    ) -> String {
        let at = [&self.at[0], row, column, &self.at[3]];
        let place = self.geometry.place(t, self.ints, extents, at);
        let of = &self.places[input];
        let value = load(t, self.ints, self.lanes, (&self.inputs[input], of), &place);
        widened(t, of.ty.dtype, self.lanes, &value)
    }

    /// The sum of what the windows give that have the element.
    fn sum(&self, t: &mut Text) -> String {
        let (g, ints, lanes) = (self.geometry, self.ints, self.lanes);
        let ty = vector(lanes, "f32");
        let zero = splat(t, lanes, "0.0", "f32");
        let own = match self.places.len() {
            1 => None,
            _ => Some(self.read(t, 1, g.input, [&self.at[1], &self.at[2]])),
        };
        let rows = g.windows(t, ints, 0, &self.at[1]);
        let columns = g.windows(t, ints, 1, &self.at[2]);
        let visited = (&rows, &columns);
        visit(t, ints, visited, (&zero, &ty), |t, [row, column], sum| {
            let gradient = self.read(t, 0, g.output, [row, column]);
            let rows = g.taps(t, ints, 0, row);
            let columns = g.taps(t, ints, 1, column);
            let share = match &own {
                Some(own) => {
                    let loses = self.loses(t, own, (&rows, &columns));
                    let types = match lanes {
                        1 => ty.clone(),
                        _ => format!("{}, {ty}", vector(lanes, "i1")),
                    };
                    t.op(format_args!(
                        "arith.select {loses}, {zero}, {gradient} : {types}"
                    ))
                }
                None => {
                    let count = count(t, ints, &rows, &columns);
                    let count = as_float(t, lanes, &count);
                    t.op(format_args!("arith.divf {gradient}, {count} : {ty}"))
                }
            };
            t.op(format_args!("arith.addf {sum}, {share} : {ty}"))
        })
    }

    /// Whether another element of a window comes first: a larger one, or as large a one before.
    fn loses(&self, t: &mut Text, own: &str, window: (&Run, &Run)) -> String {
        let (ints, lanes) = (self.ints, self.lanes);
        let ty = vector(lanes, "i1");
        let (no, yes) = (
            splat(t, lanes, "false", "i1"),
            splat(t, lanes, "true", "i1"),
        );
        visit(t, ints, window, (&no, &ty), |t, [row, column], loses| {
            let other = self.read(t, 1, self.geometry.input, [row, column]);
            let above = ints.compare(t, "slt", row, &self.at[1]);
            let same = ints.compare(t, "eq", row, &self.at[1]);
            let left = ints.compare(t, "slt", column, &self.at[2]);
            let left = t.op(format_args!("arith.andi {same}, {left} : i1"));
            let before = t.op(format_args!("arith.ori {above}, {left} : i1"));
            let larger = is_larger(t, lanes, &other, own);
            let smaller = is_larger(t, lanes, own, &other);
            let not_smaller = t.op(format_args!("arith.xori {smaller}, {yes} : {ty}"));
            let wins = t.op(format_args!(
                "arith.select {before}, {not_smaller}, {larger} : {ty}"
            ));
            t.op(format_args!("arith.ori {loses}, {wins} : {ty}"))
        })
    }
}
