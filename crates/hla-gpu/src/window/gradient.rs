//! Gradients of pooling by its input.

use hla_ir::{DType, Diagnostic, Node, Op};

use super::average::as_float;
use super::geometry::{Geometry, Run, count, visit};
use super::winner::{in_all_lanes, number};
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
    let (shape, windows) = (result.ty.shape.clone(), gradient.ty.shape.clone());
    let (gradient, result) = (gradient.flat(), result.flat());
    let mut inputs = vec![gradient];
    let mut takes = Takes::Share;
    if maximum {
        let pooled = cx.operand(node, 0)?.flat();
        let overlap = (0..2).any(|axis| geometry.kernel[axis] > geometry.stride[axis]);
        (takes, inputs) = match overlap {
            true => {
                let winners = super::winner::lower(cx, geometry, &pooled, &windows);
                (Takes::IfNoted, vec![inputs.remove(0), winners])
            }
            false => (Takes::IfFound, vec![inputs.remove(0), pooled]),
        };
    }
    let [kh, kw] = geometry.kernel;
    // Numbers of taps are small, and not what a thread's reads are measured by.
    let all: Vec<&Place> = match takes {
        Takes::IfNoted => vec![&inputs[0], &result],
        _ => inputs.iter().chain([&result]).collect(),
    };
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
            takes,
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

/// What of a window's gradient an element takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// What is its share of an average.
    Share,
    /// All, if it is found to be the first maximum.
    IfFound,
    /// All, if it is noted as that.
    IfNoted,
}

/// An element of what was pooled, whose gradient is wanted.
struct Own<'a> {
    geometry: Geometry,
    takes: Takes,
    /// The gradient of the result; what was pooled, or the number of each window's maximum.
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
        let types = match lanes {
            1 => ty.clone(),
            _ => format!("{}, {ty}", vector(lanes, "i1")),
        };
        let zero = splat(t, lanes, "0.0", "f32");
        let own = match self.takes {
            Takes::IfFound => Some(self.read(t, 1, g.input, [&self.at[1], &self.at[2]])),
            Takes::Share | Takes::IfNoted => None,
        };
        let rows = g.windows(t, ints, 0, &self.at[1]);
        let columns = g.windows(t, ints, 1, &self.at[2]);
        let visited = (&rows, &columns);
        visit(t, ints, visited, (&zero, &ty), |t, window, sum| {
            let gradient = self.read(t, 0, g.output, window);
            let taps = |t: &mut Text| [0, 1].map(|axis| g.taps(t, ints, axis, window[axis]));
            let share = match (self.takes, &own) {
                (Takes::IfNoted, _) => {
                    let wins = self.is_noted(t, window);
                    t.op(format_args!(
                        "arith.select {wins}, {gradient}, {zero} : {types}"
                    ))
                }
                (_, Some(own)) => {
                    let [rows, columns] = taps(t);
                    let loses = self.loses(t, own, (&rows, &columns));
                    t.op(format_args!(
                        "arith.select {loses}, {zero}, {gradient} : {types}"
                    ))
                }
                (_, None) => {
                    let [rows, columns] = taps(t);
                    let count = count(t, ints, &rows, &columns);
                    let count = as_float(t, lanes, &count);
                    t.op(format_args!("arith.divf {gradient}, {count} : {ty}"))
                }
            };
            t.op(format_args!("arith.addf {sum}, {share} : {ty}"))
        })
    }

    /// Whether the element is noted as the maximum of a window.
    fn is_noted(&self, t: &mut Text, window: [&Int; 2]) -> String {
        let (ints, lanes) = (self.ints, self.lanes);
        let noted = self.read(t, 1, self.geometry.output, window);
        let tap = [&self.at[1], &self.at[2]];
        let own = number(t, ints, &self.geometry, tap, window);
        let own = in_all_lanes(t, ints, lanes, &own);
        t.op(format_args!(
            "arith.cmpi eq, {noted}, {own} : {}",
            vector(lanes, "i32")
        ))
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
