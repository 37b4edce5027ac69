//! Running a function node by node.

use hla_ir::{Attrs, Diagnostic, Function, Node, Op, Tensor, TensorType, ValueId, verify};

use crate::value::Value;
use crate::{contraction, elementwise, movement, pool, reduction, ternary};

/// The most elements that may be alive at once: more is an error, not an exhausted machine.
pub const MAX_LIVE_ELEMENTS: usize = 1 << 28;

/// What the evaluation of one node sees.
pub(crate) struct Step<'a> {
    /// The op.
    pub(crate) op: Op,
    /// Its attributes, defaults filled in.
    pub(crate) attrs: &'a Attrs,
    /// Its operands.
    pub(crate) operands: Vec<&'a Value>,
    /// The type of its first result.
    pub(crate) result: &'a TensorType,
}

impl Step<'_> {
    /// An integer array whose presence and entries the verifier has checked.
    pub(crate) fn usizes(&self, name: &str) -> Vec<usize> {
        let values = self.attrs.i64s(name).unwrap_or_default();
        values.iter().map(|&v| v as usize).collect()
    }

    /// The axis.
    pub(crate) fn axis(&self) -> usize {
        self.attrs.i64("axis").unwrap_or(0) as usize
    }

    /// Whether NaNs are ignored instead of propagated.
    pub(crate) fn ignores_nan(&self) -> bool {
        self.attrs.str("nan_mode") == Some("IGNORE")
    }

    /// An integer attribute, 0 if absent or a float.
    pub(crate) fn int(&self, name: &str) -> i64 {
        self.attrs.i64(name).unwrap_or(0)
    }

    /// A float attribute, or a default.
    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.attrs.f32(name).unwrap_or(default)
    }
}

/// Runs a function on arguments in order.
///
/// ```
/// use hla_ir::{Arg, Attrs, Function, Location, Op, Tensor, TensorType};
///
/// let mut f = Function::new("double");
/// let x = f.add_arg(Arg::new(TensorType::f32([3])));
/// let y = f.push(Op::Add, &[x, x], Attrs::new(), Location::unknown())?;
/// f.results = vec![y];
/// let input = Tensor::from_f32s([3], &[1.0, -0.5, f32::INFINITY])?;
/// let results = hla_reference::evaluate(&f, &[input])?;
/// assert_eq!(results[0].to_f32s(), [2.0, -1.0, f32::INFINITY]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the function is unsound or has ops hlac does not know, if the arguments do not fit its
/// signature, if more than [`MAX_LIVE_ELEMENTS`] would be alive at once, or if the program itself
/// fails: an index of `tosa.gather` out of range, an invalid 2-bit code, a weight that is not
/// ternary.
pub fn evaluate(function: &Function, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
    function.refuse_opaque("evaluation")?;
    verify::verify(function)?;
    check_inputs(function, inputs)?;
    let mut last_use = vec![0; function.values.len()];
    for (i, node) in function.nodes.iter().enumerate() {
        for operand in &node.operands {
            last_use[operand.index()] = i;
        }
    }
    for result in &function.results {
        last_use[result.index()] = usize::MAX;
    }
    let mut live = 0;
    let mut values: Vec<Option<Value>> = vec![None; function.values.len()];
    for (i, input) in inputs.iter().enumerate() {
        let location = &function.args[i].location;
        let widen = |()| Value::from_tensor(input);
        let value = reserve(&mut live, input.ty())
            .and_then(widen)
            .map_err(|message| Diagnostic::error(location.clone(), message))?;
        values[i] = Some(value);
    }
    for (i, node) in function.nodes.iter().enumerate() {
        let results = run(function, node, &values, &mut live).map_err(|message| {
            Diagnostic::error(
                node.location.clone(),
                format!("'{}': {message}", node.name()),
            )
        })?;
        for (&id, result) in node.results.iter().zip(results) {
            values[id.index()] = Some(result);
        }
        for id in node.operands.iter().chain(&node.results) {
            if last_use[id.index()] <= i
                && let Some(value) = values[id.index()].take()
            {
                live -= value.shape().iter().product::<usize>();
            }
        }
    }
    let finish = |id: &ValueId| {
        let value = values[id.index()].as_ref().ok_or("a result has no value")?;
        value.to_tensor()
    };
    function
        .results
        .iter()
        .map(|id| finish(id).map_err(|m| Diagnostic::error(function.location.clone(), m)))
        .collect()
}

fn check_inputs(function: &Function, inputs: &[Tensor]) -> Result<(), Diagnostic> {
    if inputs.len() != function.args.len() {
        return Err(Diagnostic::error(
            function.location.clone(),
            format!(
                "'{}' takes {} arguments, but {} are given",
                function.name,
                function.args.len(),
                inputs.len()
            ),
        )
        .help("give one tensor for each argument, in order"));
    }
    for (i, (arg, input)) in function.args.iter().zip(inputs).enumerate() {
        if arg.ty.tensor() != Some(input.ty()) {
            let name = arg.name.as_ref().or(arg.param.as_ref());
            let name = name.map(|n| format!(" ({n})")).unwrap_or_default();
            return Err(Diagnostic::error(
                arg.location.clone(),
                format!(
                    "argument {i}{name} is {}, but {} is given",
                    arg.ty,
                    input.ty()
                ),
            )
            .help("convert the value to the argument's type and shape"));
        }
    }
    Ok(())
}

/// Counts a tensor as alive, unless that would be too much.
fn reserve(live: &mut usize, ty: &TensorType) -> Result<(), String> {
    let total = live.saturating_add(ty.elements());
    if total > MAX_LIVE_ELEMENTS {
        return Err(format!(
            "evaluation would hold {total} elements at once with {ty}; at most {MAX_LIVE_ELEMENTS} are allowed"
        ));
    }
    *live = total;
    Ok(())
}

fn run(
    function: &Function,
    node: &Node,
    values: &[Option<Value>],
    live: &mut usize,
) -> Result<Vec<Value>, String> {
    for &result in &node.results {
        reserve(live, function.tensor_ty(result))?;
    }
    if let Some(values) = node.constant() {
        return Ok(vec![Value::from_tensor(values)?]);
    }
    let operands = node
        .operands
        .iter()
        .map(|id| values[id.index()].as_ref().ok_or("an operand has no value"))
        .collect::<Result<Vec<_>, _>>()?;
    let step = Step {
        op: node.op,
        attrs: &node.attrs,
        operands,
        result: function.tensor_ty(node.result()),
    };
    Ok(match step.op {
        Op::DynamicQuantize => ternary::dynamic_quantize(&step)?.into(),
        _ => vec![one(&step)?],
    })
}

/// The only result of an op that has one.
fn one(step: &Step<'_>) -> Result<Value, String> {
    Ok(match step.op {
        Op::Conv2d => contraction::conv2d(step)?,
        Op::DepthwiseConv2d => contraction::depthwise_conv2d(step)?,
        Op::TransposeConv2d => contraction::transpose_conv2d(step)?,
        Op::MatMul => contraction::matmul(step)?,
        Op::AvgPool2d => pool::avg_pool2d(step)?,
        Op::MaxPool2d => pool::max_pool2d(step)?,
        Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Pow
        | Op::Maximum
        | Op::Minimum
        | Op::Equal
        | Op::Greater
        | Op::GreaterEqual
        | Op::LogicalAnd
        | Op::LogicalOr => elementwise::binary(step)?,
        Op::LogicalNot
        | Op::Negate
        | Op::Abs
        | Op::Reciprocal
        | Op::Rsqrt
        | Op::Exp
        | Op::Log
        | Op::Tanh
        | Op::Sigmoid
        | Op::Erf
        | Op::Ceil
        | Op::Floor
        | Op::Clamp => elementwise::unary(step)?,
        Op::Select => elementwise::select(step)?,
        Op::Cast => elementwise::cast(step)?,
        Op::Identity | Op::Relayout => step.operands[0].clone(),
        Op::ReduceSum | Op::ReduceMax | Op::ReduceMin | Op::ReduceProduct => {
            reduction::reduce(step)?
        }
        Op::ArgMax => reduction::argmax(step)?,
        Op::Reshape => movement::reshape(step)?,
        Op::Transpose => movement::transpose(step),
        Op::Concat => movement::concat(step)?,
        Op::Pad => movement::pad(step),
        Op::Slice => movement::slice(step),
        Op::Tile => movement::tile(step),
        Op::Reverse => movement::reverse(step),
        Op::Gather => movement::gather(step)?,
        Op::Ternarize => ternary::ternarize(step)?,
        Op::TernaryConv2d => ternary::conv2d(step)?,
        Op::TernaryMatMul => ternary::matmul(step)?,
        Op::Pack => ternary::pack(step)?,
        Op::Unpack => ternary::unpack(step)?,
        Op::Quantize => ternary::quantize(step)?,
        Op::Dequantize => ternary::dequantize(step)?,
        Op::Const | Op::DynamicQuantize | Op::Opaque => {
            return Err("this op is not evaluated to one result".to_owned());
        }
    })
}
