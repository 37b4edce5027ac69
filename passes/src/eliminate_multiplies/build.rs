//! From a function to the graph of expressions.

use egg::Id;
use hla_ir::{Attrs, Function, Node, Op, ValueId};

use super::constants::Constant;
use super::language::{Apply, Context, Demand, Expr, Graph, Head, params_of};

/// The graph of a function, and the class of each of its values.
pub(crate) fn build(function: &Function, node_limit: usize) -> (Graph, Vec<Id>) {
    let mut graph = Graph::new(Context::new(function, node_limit));
    let mut classes = Vec::with_capacity(function.values.len());
    for i in 0..function.args.len() {
        classes.push(graph.add(leaf(ValueId(i as u32), u32::MAX)));
    }
    for (id, node) in function.iter_nodes() {
        for (index, &result) in node.results.iter().enumerate() {
            let mut expr = expression(&mut graph, function, node, index, id.0, &classes);
            expr.original = true;
            debug_assert_eq!(result.index(), classes.len());
            classes.push(graph.add(expr));
        }
    }
    graph.rebuild();
    for (i, demand) in demands(function).into_iter().enumerate() {
        let class = graph.find(classes[i]);
        let data = &mut graph[class].data;
        data.demand = data.demand.max(demand);
    }
    (graph, classes)
}

fn leaf(value: ValueId, origin: u32) -> Expr {
    Expr {
        head: Head::Leaf(value),
        children: Box::new([]),
        origin,
        original: true,
    }
}

fn expression(
    graph: &mut Graph,
    function: &Function,
    node: &Node,
    result: usize,
    origin: u32,
    classes: &[Id],
) -> Expr {
    let value = node.results[result];
    if let Some(tensor) = node.constant() {
        return match Constant::from_tensor(tensor) {
            Some(constant) => {
                let id = graph.analysis.constants.intern(constant);
                Expr::new(Head::Constant(id), [], origin)
            }
            None => leaf(value, origin),
        };
    }
    if node.op == Op::Opaque {
        return leaf(value, origin);
    }
    let children: Vec<Id> = node.operands.iter().map(|o| classes[o.index()]).collect();
    let ty = graph.analysis.types.intern(function.ty(value).clone());
    let (attrs, params) = split_attrs(node);
    let head = Head::Apply(Apply {
        op: node.op,
        attrs: graph.analysis.attrs.intern(attrs),
        params: match params {
            Some(params) => graph.analysis.constants.intern(params),
            None => graph.analysis.no_params(),
        },
        ty,
        result: result as u32,
    });
    Expr::new(head, children, origin)
}

/// Takes the attributes of [`params_of`] out of a node's. A clamp of integers keeps its bounds.
fn split_attrs(node: &Node) -> (Attrs, Option<Constant>) {
    let names = params_of(node.op);
    let values: Option<Vec<f64>> = names
        .iter()
        .map(|name| match node.attrs.get(name) {
            Some(hla_ir::Attr::F32(v)) => Some(f64::from(*v)),
            _ => None,
        })
        .collect();
    let mut attrs = node.attrs.clone();
    match values {
        Some(values) if !names.is_empty() => {
            for name in names {
                attrs.remove(name);
            }
            (attrs, Some(Constant::new([values.len()], values)))
        }
        _ => (attrs, None),
    }
}

/// What the users of each value would take off it.
fn demands(function: &Function) -> Vec<Demand> {
    let mut demands = vec![Demand::Nothing; function.values.len()];
    let is_constant = |value: ValueId| function.constant_value(value).is_some();
    for node in function.nodes.iter().rev() {
        let Some(&result) = node.results.first() else {
            continue;
        };
        let passed_on = demands[result.index()];
        for (i, operand) in node.operands.iter().enumerate() {
            let demand = match (node.op, i) {
                (Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d, 0)
                    if is_constant(node.operands[1]) =>
                {
                    Demand::Channel
                }
                (Op::MatMul, 0) if is_constant(node.operands[1]) => Demand::Channel,
                (Op::MatMul, _) | (Op::TernaryConv2d | Op::TernaryMatMul, 0 | 4) => Demand::Scalar,
                (Op::Quantize, _) => Demand::Scalar,
                (
                    Op::Clamp
                    | Op::MaxPool2d
                    | Op::AvgPool2d
                    | Op::ReduceSum
                    | Op::Reshape
                    | Op::Transpose
                    | Op::Slice
                    | Op::Pad
                    | Op::Concat
                    | Op::Identity
                    | Op::Reverse
                    | Op::Add
                    | Op::Sub
                    | Op::Maximum
                    | Op::Minimum,
                    _,
                ) => passed_on,
                _ => Demand::Nothing,
            };
            let slot = &mut demands[operand.index()];
            *slot = (*slot).max(demand);
        }
    }
    demands
}
