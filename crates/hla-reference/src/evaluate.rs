//! Running a function node by node.

use hla_ir::{Attrs, DType, Diagnostic, Function, Node, Op, Tensor, TensorType, verify};

use ndarray::ArrayD;

use crate::real::Real;
use crate::value::Value;
use crate::{contraction, elementwise, gradient, movement, pool, reduction, ternary, training};

/// The most elements that may be alive at once: more is an error, not an exhausted machine.
pub const MAX_LIVE_ELEMENTS: usize = 1 << 28;

/// What the evaluation of one node sees.
pub(crate) struct Step<'a, F> {
    /// The op.
    pub(crate) op: Op,
    /// Its attributes, defaults filled in.
    pub(crate) attrs: &'a Attrs,
    /// Its operands.
    pub(crate) operands: Vec<&'a Value<F>>,
    /// The type of its first result.
    pub(crate) result: &'a TensorType,
}

impl<F: Real> Step<'_, F> {
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
    pub(crate) fn float(&self, name: &str, default: f32) -> F {
        F::of(self.attrs.f32(name).unwrap_or(default).into())
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
    let types: Vec<TensorType> = inputs.iter().map(|input| input.ty().clone()).collect();
    let results = run_function::<f32>(function, &types, |i| Value::from_tensor(&inputs[i]))?;
    let stored = results.iter().map(Value::to_tensor);
    stored
        .map(|tensor| tensor.map_err(|m| Diagnostic::error(function.location.clone(), m)))
        .collect()
}

/// Runs a function in f64: every float tensor, whatever its declared type, is computed and held in
/// f64, never rounded to that type; integers and booleans are computed as [`evaluate`] does, and
/// pass in and out as f64. Only the float constants and attributes of the function itself are what
/// their types can hold. So a central difference of a function is accurate to some 1e-10 of its
/// magnitude, which is what gradients are checked against.
///
/// # Errors
/// As [`evaluate`]; also for an argument whose shape is not that declared, and for a number that an
/// integer argument cannot hold.
pub fn evaluate_f64(
    function: &Function,
    inputs: &[ArrayD<f64>],
) -> Result<Vec<ArrayD<f64>>, Diagnostic> {
    let declared = function.args.iter().map(|arg| arg.ty.tensor());
    let types: Vec<TensorType> = inputs
        .iter()
        .zip(declared.chain(std::iter::repeat(None)))
        .map(|(input, ty)| TensorType {
            shape: input.shape().to_vec(),
            dtype: ty.map_or(DType::F32, |ty| ty.dtype),
        })
        .collect();
    let input = |i: usize| Value::from_f64s(types[i].dtype, &inputs[i]);
    let results = run_function::<f64>(function, &types, input)?;
    Ok(results.iter().map(Value::to_f64s).collect())
}

/// Runs a function whose arguments have these types; `input` gives the value of one.
fn run_function<F: Real>(
    function: &Function,
    types: &[TensorType],
    input: impl Fn(usize) -> Result<Value<F>, String>,
) -> Result<Vec<Value<F>>, Diagnostic> {
    function.refuse_opaque("evaluation")?;
    verify::verify(function)?;
    check_inputs(function, types)?;
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
    let mut values: Vec<Option<Value<F>>> = vec![None; function.values.len()];
    for (i, ty) in types.iter().enumerate() {
        let location = &function.args[i].location;
        let value = reserve(&mut live, ty)
            .and_then(|()| input(i))
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
    function
        .results
        .iter()
        .map(|id| {
            let value = values[id.index()].clone();
            let lacking = || Diagnostic::error(function.location.clone(), "a result has no value");
            value.ok_or_else(lacking)
        })
        .collect()
}

fn check_inputs(function: &Function, inputs: &[TensorType]) -> Result<(), Diagnostic> {
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
        if arg.ty.tensor() != Some(input) {
            let name = arg.name.as_ref().or(arg.param.as_ref());
            let name = name.map(|n| format!(" ({n})")).unwrap_or_default();
            return Err(Diagnostic::error(
                arg.location.clone(),
                format!("argument {i}{name} is {}, but {input} is given", arg.ty),
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

fn run<F: Real>(
    function: &Function,
    node: &Node,
    values: &[Option<Value<F>>],
    live: &mut usize,
) -> Result<Vec<Value<F>>, String> {
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
        Op::BatchNorm => training::batch_norm(&step)?,
        Op::SgdUpdate => training::sgd_update(&step)?,
        _ => vec![one(&step)?],
    })
}

/// The only result of an op that has one.
fn one<F: Real>(step: &Step<'_, F>) -> Result<Value<F>, String> {
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
        Op::Identity | Op::Relayout | Op::StopGradient => step.operands[0].clone(),
        Op::StraightThrough => step.operands[1].clone(),
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
        Op::Normalize => training::normalize(step)?,
        Op::Threshold => training::threshold(step)?,
        Op::SteTernarize => training::ste_ternarize(step)?,
        Op::LossAware => training::loss_aware(step)?,
        Op::SoftmaxCrossEntropy => training::softmax_cross_entropy(step)?,
        Op::Conv2dInputGrad => gradient::conv2d_input(step)?,
        Op::Conv2dWeightGrad => gradient::conv2d_weight(step)?,
        Op::DepthwiseConv2dInputGrad => gradient::depthwise_conv2d_input(step)?,
        Op::DepthwiseConv2dWeightGrad => gradient::depthwise_conv2d_weight(step)?,
        Op::MaxPool2dGrad => gradient::max_pool2d(step)?,
        Op::AvgPool2dGrad => gradient::avg_pool2d(step)?,
        Op::ScatterAdd => gradient::scatter_add(step)?,
        Op::Const | Op::DynamicQuantize | Op::BatchNorm | Op::SgdUpdate | Op::Opaque => {
            return Err("this op is not evaluated to one result".to_owned());
        }
    })
}
