//! The table: for each op and operand, what the operand's cotangent is.
//!
//! g is the cotangent of the result r. What the table lacks has no derivative: the inference ops,
//! ops that are gradients themselves, ops hlac does not know.

use hla_ir::Op;

use super::vjp::{Built, Vjp};
use super::{batch_norm, contraction, elementwise, movement, reduction, training};

/// A vector-Jacobian product.
pub(super) type Build = fn(&mut Vjp<'_, '_>) -> Built;

/// The derivative by one operand.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// Its equation.
    pub equation: &'static str,
    /// Builds it; `None` where it is zero everywhere, so that no path leads through.
    pub build: Option<Build>,
}

/// The derivatives of an op by each of its operands; the last stands for further ones.
pub(super) struct Row {
    /// The op.
    pub op: Op,
    /// One for each operand.
    pub rules: &'static [Rule],
}

const fn row(op: Op, rules: &'static [Rule]) -> Row {
    Row { op, rules }
}

const fn by(equation: &'static str, build: Build) -> Rule {
    Rule {
        equation,
        build: Some(build),
    }
}

const fn zero(reason: &'static str) -> Rule {
    Rule {
        equation: reason,
        build: None,
    }
}

const STEP: Rule = zero("0: constant but for jumps");
const INTEGER: Rule = zero("none: integers");
const CONDITION: Rule = zero("none: a condition");
const CUT: Rule = zero("0: by definition");
const PASS: Rule = by("g", elementwise::pass);
const FACTOR: Rule = by("g·(the other factor)", elementwise::other_factor);
const SHARED: Rule = by(
    "g where x = r, divided by the number of such x",
    reduction::extremum,
);
const BIAS: Rule = by("Σ g over all but the channels", contraction::bias);

/// All rules, in the order of the ops' declarations.
pub(super) static RULES: &[Row] = &[
    row(
        Op::Conv2d,
        &[
            by("hla.conv2d_input_grad(g, w)", contraction::conv2d_input),
            by("hla.conv2d_weight_grad(x, g)", contraction::conv2d_weight),
            BIAS,
        ],
    ),
    row(
        Op::DepthwiseConv2d,
        &[
            by(
                "hla.depthwise_conv2d_input_grad(g, w)",
                contraction::depthwise_input,
            ),
            by(
                "hla.depthwise_conv2d_weight_grad(x, g)",
                contraction::depthwise_weight,
            ),
            BIAS,
        ],
    ),
    row(
        Op::TransposeConv2d,
        &[
            by(
                "tosa.conv2d(g, w with its channels exchanged)",
                contraction::transposed_input,
            ),
            by(
                "hla.conv2d_weight_grad(g, x) with its channels exchanged",
                contraction::transposed_weight,
            ),
            BIAS,
        ],
    ),
    row(
        Op::MatMul,
        &[
            by("g·bᵀ", contraction::matmul_left),
            by("aᵀ·g", contraction::matmul_right),
        ],
    ),
    row(
        Op::AvgPool2d,
        &[by("hla.avg_pool2d_grad(g)", contraction::avg_pool)],
    ),
    row(
        Op::MaxPool2d,
        &[by("hla.max_pool2d_grad(x, g)", contraction::max_pool)],
    ),
    row(Op::Add, &[PASS, PASS]),
    row(Op::Sub, &[PASS, by("−g", elementwise::negated)]),
    row(Op::Mul, &[FACTOR, FACTOR]),
    row(
        Op::Pow,
        &[
            by("g·y·xʸ⁻¹, 0 where y = 0", elementwise::pow_base),
            by("g·r·ln x, 0 where x = 0", elementwise::pow_exponent),
        ],
    ),
    row(
        Op::Maximum,
        &[by(
            "g where it is larger, g/2 where both are equal",
            elementwise::maximum,
        )],
    ),
    row(
        Op::Minimum,
        &[by(
            "g where it is smaller, g/2 where both are equal",
            elementwise::minimum,
        )],
    ),
    row(Op::Equal, &[STEP]),
    row(Op::Greater, &[STEP]),
    row(Op::GreaterEqual, &[STEP]),
    row(Op::LogicalAnd, &[CONDITION]),
    row(Op::LogicalOr, &[CONDITION]),
    row(Op::LogicalNot, &[CONDITION]),
    row(
        Op::Select,
        &[
            CONDITION,
            by("g where the condition holds", elementwise::chosen),
            by("g where it does not", elementwise::not_chosen),
        ],
    ),
    row(Op::Negate, &[by("−g", elementwise::negated)]),
    row(Op::Abs, &[by("g·sign(x), 0 at 0", elementwise::abs)]),
    row(Op::Reciprocal, &[by("−g·r²", elementwise::reciprocal)]),
    row(Op::Rsqrt, &[by("−g·r³/2", elementwise::rsqrt)]),
    row(Op::Exp, &[by("g·r", elementwise::exp)]),
    row(Op::Log, &[by("g/x", elementwise::log)]),
    row(Op::Tanh, &[by("g·(1 − r²)", elementwise::tanh)]),
    row(Op::Sigmoid, &[by("g·r·(1 − r)", elementwise::sigmoid)]),
    row(Op::Erf, &[by("g·(2/√π)·e^(−x²)", elementwise::erf)]),
    row(Op::Ceil, &[STEP]),
    row(Op::Floor, &[STEP]),
    row(
        Op::Clamp,
        &[by("g where min_val < r < max_val", elementwise::clamp)],
    ),
    row(Op::Cast, &[by("g, between float types", elementwise::pass)]),
    row(Op::Identity, &[PASS]),
    row(Op::ReduceSum, &[by("g along the axis", reduction::sum)]),
    row(Op::ReduceMax, &[SHARED]),
    row(Op::ReduceMin, &[SHARED]),
    row(
        Op::ReduceProduct,
        &[by("g·(the product of the others)", reduction::product)],
    ),
    row(Op::ArgMax, &[STEP]),
    row(Op::Reshape, &[by("g, reshaped back", movement::reshape)]),
    row(
        Op::Transpose,
        &[by("g, permuted back", movement::transpose)],
    ),
    row(
        Op::Concat,
        &[by("the operand's slice of g", movement::concat)],
    ),
    row(Op::Pad, &[by("the slice of g inside", movement::pad)]),
    row(Op::Slice, &[by("g, zeros around it", movement::slice)]),
    row(Op::Tile, &[by("Σ g over the copies", movement::tile)]),
    row(Op::Reverse, &[by("g, reversed", movement::reverse)]),
    row(
        Op::Gather,
        &[by("hla.scatter_add(indices, g)", movement::gather), INTEGER],
    ),
    row(Op::Ternarize, &[STEP]),
    row(
        Op::Normalize,
        &[by(
            "(g − r·Σ_column g·r)/√(Σ_column w² + ε)",
            training::normalize,
        )],
    ),
    row(Op::Threshold, &[STEP]),
    row(
        Op::SteTernarize,
        &[
            by("g ⊙ S, Eq. 11–12", training::ste_weight),
            by("Eq. 13", training::ste_threshold),
        ],
    ),
    row(
        Op::StraightThrough,
        &[by("g ⊙ slope", training::straight_through), PASS, CUT],
    ),
    row(Op::StopGradient, &[CUT]),
    row(
        Op::LossAware,
        &[by("g·(2/n)·(w_jᵀŵ_j − 1)·ŵ", training::loss_aware), CUT],
    ),
    row(
        Op::SoftmaxCrossEntropy,
        &[
            by("g·(softmax − target)/N", training::softmax_cross_entropy),
            INTEGER,
        ],
    ),
    row(
        Op::BatchNorm,
        &[
            by(
                "γρ·(g − Σg/M − x̂·Σ(g·x̂)/M) + (g_μ + 2·g_σ²·(x − μ))/M",
                batch_norm::input,
            ),
            by("Σ g·x̂", batch_norm::scale),
            by("Σ g", batch_norm::offset),
        ],
    ),
];

/// The rule of an op by an operand.
pub(super) fn find(op: Op, operand: usize) -> Option<Rule> {
    let row = RULES.iter().find(|row| row.op == op)?;
    row.rules.get(operand).or(row.rules.last()).copied()
}

/// The table as the Markdown that stands in `docs/autodiff.md`; neighbours with equal rules share a
/// row.
pub fn manual() -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    for row in RULES {
        let rules = describe(row);
        let op = format!("`{}`", row.op.def().name);
        match rows.last_mut() {
            Some((ops, same)) if *same == rules => *ops = format!("{ops}, {op}"),
            _ => rows.push((op, rules)),
        }
    }
    let mut text = String::from("| op | cotangents of its operands |\n|---|---|\n");
    for (ops, rules) in rows {
        text.push_str(&format!("| {ops} | {rules} |\n"));
    }
    text
}

/// The equations of an op; with the operands' names, where they differ.
fn describe(row: &Row) -> String {
    let operands = row.op.def().operands;
    let equation = |i: usize| find(row.op, i).map_or("", |rule| rule.equation);
    if (1..operands.len()).all(|i| equation(i) == equation(0)) {
        return equation(0).to_owned();
    }
    let each = operands.iter().enumerate();
    let each = each.map(|(i, operand)| format!("{}: {}", operand.name, equation(i)));
    each.collect::<Vec<String>>().join("; ")
}

/// The ops that have a derivative other than zero by some operand.
pub fn smooth() -> impl Iterator<Item = Op> {
    let smooth = |row: &&Row| row.rules.iter().any(|rule| rule.build.is_some());
    RULES.iter().filter(smooth).map(|row| row.op)
}

/// The ops that have no derivative, in the order of their declarations.
pub fn without_derivative() -> impl Iterator<Item = Op> {
    let ops = hla_ir::ops::OPS.iter().map(|def| def.op);
    ops.filter(|&op| RULES.iter().all(|row| row.op != op))
}
