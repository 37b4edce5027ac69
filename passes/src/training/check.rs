//! What a model must be for its graphs of training.

use hla_ir::{DType, Diagnostic, Function, Op};

/// Whether a model can be trained; gives the argument that is its input.
pub(crate) fn check(function: &Function) -> Result<usize, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    errors.extend(function.refuse_opaque("training").err());
    let inputs: Vec<usize> = (0..function.args.len())
        .filter(|&i| function.args[i].param.is_none())
        .collect();
    match inputs[..] {
        [_] => {}
        [] => errors.push(
            Diagnostic::error(
                function.location.clone(),
                format!("'{}' has no input besides its parameters", function.name),
            )
            .help("the input is the argument without hla.param"),
        ),
        [first, second, ..] => errors.push(
            Diagnostic::error(
                function.args[second].location.clone(),
                format!(
                    "'{}' has {} inputs, but training takes a model with one",
                    function.name,
                    inputs.len()
                ),
            )
            .note(function.args[first].location.clone(), "the first is here")
            .help("mark arguments that are weights with hla.param = \"name\""),
        ),
    }
    let is_contraction = |op| {
        matches!(
            op,
            Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d | Op::MatMul
        )
    };
    if function.args.iter().all(|a| a.param.is_none()) {
        let constant = function.nodes.iter().find(|n| is_contraction(n.op));
        let at = constant.map_or(&function.location, |n| &n.location);
        errors.push(
            Diagnostic::error(at.clone(), format!("'{}' has no parameters to train", function.name))
                .help("weights are arguments with hla.param = \"name\", not constants; --weights FILE gives their values to start from"),
        );
    }
    for arg in &function.args {
        if let Some(name) = &arg.param
            && arg.ty.tensor().is_none_or(|ty| ty.dtype != DType::F32)
        {
            errors.push(
                Diagnostic::error(
                    arg.location.clone(),
                    format!(
                        "parameter '{name}' is {}, but training computes in f32",
                        arg.ty
                    ),
                )
                .help("declare it as f32; what is no number to train is better a constant"),
            );
        }
    }
    match inputs[..] {
        [input] if errors.is_empty() => Ok(input),
        _ => Err(errors),
    }
}
