//! Quantization at run time: activations with a measured scale, and the ops on ternary values that
//! are usually folded into constants.

mod codes;
mod dynamic;
mod ternarize;

use hla_ir::{Diagnostic, Layout, Node, Op};

use crate::lower::Lowering;

/// Adds the kernels of one of these ops.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let input = cx.operand(node, 0)?;
    if node.op == Op::DynamicQuantize {
        return dynamic::lower(cx, node, input);
    }
    let result = cx.result(node, 0)?;
    if input.layout != Layout::RowMajor || result.layout != Layout::RowMajor {
        return Err(cx
            .unsupported(node)
            .help("a planar value needs hla.relayout before this op"));
    }
    match node.op {
        Op::Pack => cx.run(codes::Pack { input, result }),
        Op::Unpack => {
            if let Some(packed) = cx.constant(node, 0) {
                codes::check(packed, &result.ty.shape)
                    .map_err(|m| Diagnostic::error(node.location.clone(), m))?;
            }
            cx.run(codes::Unpack { input, result });
        }
        Op::Ternarize => cx.run(ternarize::Ternarize::new(node, input, result)),
        _ => return Err(cx.unsupported(node)),
    }
    Ok(())
}
