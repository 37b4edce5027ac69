//! `hla.scatter_add`: each thread has a few elements of one row of the result and looks for the
//! updates of that row, so that sums run in the order of the updates and nothing is added to by two
//! threads.

use hla_ir::{DType, Diagnostic, Node};

use crate::int::{Int, fold};
use crate::lower::Lowering;
use crate::pointwise::{Element, Pointwise, lanes, load};
use crate::reduce::{narrowed, widened};
use crate::text::{splat, stored, vector};

/// Adds the kernel.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let (indices, updates) = (cx.operand(node, 0)?, cx.operand(node, 1)?);
    let result = cx.result(node, 0)?;
    let (&[_, count], &[_, _, channels]) = (&indices.ty.shape[..], &result.ty.shape[..]) else {
        return Err(cx.unsupported(node));
    };
    let shape = result.ty.shape.clone();
    let (indices, updates, result) = (indices.flat(), updates.flat(), result.flat());
    let kernel = Pointwise {
        computes: format!("scatter_add of {count} {}", updates.ty.dtype),
        inputs: &[indices.clone(), updates.clone()],
        output: &result,
        shape,
        lanes: lanes(channels, &[&updates, &result]),
    };
    let code = kernel.code(|element| {
        let Element {
            t,
            ints,
            inputs,
            at,
            lanes,
        } = element;
        let ty = vector(lanes, "f32");
        let index_ty = stored(indices.ty.dtype);
        let row = ints.index(t, &at[1]);
        let row = t.op(format_args!("arith.index_cast {row} : index to {index_ty}"));
        let zero = splat(t, lanes, "0.0", "f32");
        let first = ints.mul(t, &at[0], count);
        let bounds = (Int::Known(0), Int::Known(count as i64), 1);
        let sums = fold(t, ints, bounds, (&[zero], &[&ty]), |t, w, sum| {
            let position = ints.add(t, &first, w);
            let index = load(t, ints, 1, (&inputs[0], &indices), &position);
            let same = t.op(format_args!("arith.cmpi eq, {index}, {row} : {index_ty}"));
            let result = t.fresh();
            t.open(format_args!("{result} = scf.if {same} -> ({ty}) {{"));
            let place = ints.mul(t, &position, channels);
            let place = ints.add(t, &place, &at[2]);
            let update = load(t, ints, lanes, (&inputs[1], &updates), &place);
            let update = widened(t, updates.ty.dtype, lanes, &update);
            let next = t.op(format_args!("arith.addf {}, {update} : {ty}", sum[0]));
            t.line(format_args!("scf.yield {next} : {ty}"));
            t.close("} else {");
            t.open_again();
            t.line(format_args!("scf.yield {} : {ty}", sum[0]));
            t.close("}");
            vec![result]
        });
        narrowed(t, DType::F32, result.ty.dtype, lanes, &sums[0])
    });
    cx.launch(code, vec![indices.read(), updates.read(), result.write()]);
    Ok(())
}
