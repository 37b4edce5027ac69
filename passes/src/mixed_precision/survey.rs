//! Which values of a function are activations, and which of them gradients.

use hla_ir::{DType, Def, Function, Node, Op, ValueId};

use super::{factors, moved};

/// What is known of the values of a function, by index.
pub(super) struct Survey {
    /// It is rounded where it is computed, for all its readers.
    pub(super) rounded: Vec<bool>,
    /// It is computed for updates alone, as gradients are: no result of another kind depends on it.
    pub(super) gradient: Vec<bool>,
    /// Whether a contraction has such a factor.
    pub(super) has_gradients: bool,
}

impl Survey {
    pub(super) fn of(function: &Function) -> Survey {
        let data = depends_on_data(function);
        let feeds = feeds_contractions(function);
        let outward = reaches_results(function);
        let forward = needed_by_results(function);
        let gradient: Vec<bool> = (0..function.values.len())
            .map(|i| !forward[root(function, ValueId(i as u32)).index()])
            .collect();
        let mut has_gradients = false;
        let mut rounded = vec![false; function.values.len()];
        let is_activation = |value: ValueId| {
            let i = value.index();
            let ty = function.ty(value).tensor();
            let many = ty.is_some_and(|ty| ty.dtype == DType::F32 && ty.rank() > 1);
            many && data[i] && feeds[i] && !outward[i]
        };
        for node in &function.nodes {
            // What is an activation by this node, besides its result.
            let read = match node.op {
                Op::MaxPool2dGrad => &node.operands[1..],
                op => match factors(op) {
                    Some(count) => &node.operands[..count],
                    None => continue,
                },
            };
            let result = node.result();
            rounded[result.index()] = is_activation(result);
            for &operand in read {
                has_gradients |= gradient[operand.index()];
                let root = root(function, operand);
                if matches!(function.values[root.index()].def, Def::Node(..)) {
                    rounded[root.index()] = is_activation(root);
                }
            }
        }
        // Sums of gradients, in the order in which they are computed: each may be a term of the next.
        for node in function.nodes.iter().filter(|n| n.op == Op::Add) {
            let shape = |value: &ValueId| &function.tensor_ty(*value).shape;
            let is_term = |value: &ValueId| {
                let root = root(function, *value);
                rounded[root.index()] && gradient[root.index()]
            };
            let result = node.result();
            let alike = node.operands.iter().all(|o| shape(o) == shape(&result));
            if alike && node.operands.iter().all(is_term) {
                rounded[result.index()] = is_activation(result);
            }
        }
        Survey {
            rounded,
            gradient,
            has_gradients,
        }
    }
}

/// The value whose elements these are.
fn root(function: &Function, mut value: ValueId) -> ValueId {
    while let Some(node) = function.defining_node(value)
        && let Some(i) = moved(function, node)
    {
        value = node.operands[i];
    }
    value
}

/// Depends on an argument that is no parameter.
fn depends_on_data(function: &Function) -> Vec<bool> {
    let mut data = vec![false; function.values.len()];
    for (arg, value) in function.args.iter().zip(&mut data) {
        *value = arg.param.is_none();
    }
    for node in &function.nodes {
        let depends = node.operands.iter().any(|o| data[o.index()]);
        for result in &node.results {
            data[result.index()] = depends;
        }
    }
    data
}

/// For each value: whether it is read in a way that counts.
fn backwards(
    function: &Function,
    seed: Vec<bool>,
    through: impl Fn(&Node) -> Through,
) -> Vec<bool> {
    let mut marked = seed;
    for node in function.nodes.iter().rev() {
        let marks = match through(node) {
            Through::Always => true,
            Through::IfResults => node.results.iter().any(|r| marked[r.index()]),
            Through::Never => false,
        };
        if marks {
            for operand in &node.operands {
                marked[operand.index()] = true;
            }
        }
    }
    marked
}

/// How a mark on results reaches operands.
enum Through {
    Always,
    IfResults,
    Never,
}

/// A contraction reads it, or something computed from it. The gradient of a weight does not: it
/// only moves the weight.
fn feeds_contractions(function: &Function) -> Vec<bool> {
    let seed = vec![false; function.values.len()];
    backwards(function, seed, |node| match factors(node.op) {
        Some(_) => Through::Always,
        None => Through::IfResults,
    })
}

/// The results that are neither updates nor gradients: logits, losses.
fn outputs(function: &Function) -> Vec<bool> {
    let mut marked = vec![false; function.values.len()];
    for (i, result) in function.results.iter().enumerate() {
        if function.updates(i).is_none() && function.gradient_of(i).is_none() {
            marked[result.index()] = true;
        }
    }
    marked
}

/// Such a result depends on it.
fn needed_by_results(function: &Function) -> Vec<bool> {
    backwards(function, outputs(function), |_| Through::IfResults)
}

/// It reaches such a result by arithmetic and sums alone: logits and losses do.
fn reaches_results(function: &Function) -> Vec<bool> {
    backwards(function, outputs(function), |node| {
        let arithmetic = node.op.def().elementwise
            || matches!(
                node.op,
                Op::Reshape
                    | Op::Transpose
                    | Op::Slice
                    | Op::Reverse
                    | Op::Pad
                    | Op::Concat
                    | Op::ReduceSum
                    | Op::ReduceMax
                    | Op::ReduceMin
                    | Op::ReduceProduct
                    | Op::ArgMax
                    | Op::SoftmaxCrossEntropy
            );
        match arithmetic {
            true => Through::IfResults,
            false => Through::Never,
        }
    })
}
