//! `hla-mixed-precision`: contractions read 16-bit floats and sum in f32; activations are stored so.
//!
//! Of a training step or an inference function in f32 it makes one in which
//! - every convolution, matrix product and gradient of one reads its factors as bf16 or f16 and
//!   gives f32: y = Σ round(x)·round(w); one with ternary weights reads its input and its residual so;
//! - an activation (what a contraction gives or reads that depends on the data, forward or
//!   backward) is rounded once, where it is computed: x′ = round(x), and whoever reads x reads x′.
//!   So only x′ need be kept.
//!
//! Parameters, thresholds, momenta, statistics, losses, logits, gradients of parameters and updates
//! stay f32. What only moves elements (reshape, transpose, max-pool, the mask of a ReLU's gradient, …)
//! moves the 16-bit ones, and the gradient of a max-pool, which moves gradients back, reads and gives
//! 16-bit ones. Where gradients of one activation meet, their sum is rounded as they are.
//!
//! bf16 has the range of f32. f16 has not: there gradients are kept as round(S·g), and steps in which
//! that overflows are skipped, see [`loss_scale`].
//!
//! - `survey` finds out which values are activations, and which of them gradients.

pub mod loss_scale;
mod survey;

use hla_ir::graph::UPDATES;
use hla_ir::{Attrs, DType, Diagnostic, Function, Node, NodeId, Op, Rewriter, Tensor, ValueId};

use crate::options::{OptionInfo, OptionKind, Options};
use crate::registry::PassInfo;
use crate::report::Report;
use loss_scale::LossScale;
use survey::Survey;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-mixed-precision",
    summary: "let contractions read 16-bit floats and sum in f32; store activations in 16 bits",
    options: &[
        OptionInfo {
            name: "precision",
            kind: OptionKind::Choice(&["bf16", "f16", "f32"]),
            default: "bf16",
            help: "the 16-bit type; f32 changes nothing",
        },
        OptionInfo {
            name: "growth-interval",
            kind: OptionKind::Int(1, 1 << 24),
            default: "2000",
            help: "f16: after so many steps without overflow the scale of gradients doubles",
        },
    ],
    run,
};

fn run(function: &Function, options: &Options) -> Result<(Function, Report), Diagnostic> {
    function.refuse_opaque(PASS.name)?;
    let half = match options.text("precision") {
        "bf16" => DType::BF16,
        "f16" => DType::F16,
        _ => return Ok((function.clone(), Report::default())),
    };
    let mut report = Report::default();
    let survey = Survey::of(function);
    let mut rewriter = Rewriter::new(function);
    let scaled = half == DType::F16 && survey.has_gradients;
    let scale = match scaled {
        true => {
            check_descent(function)?;
            Some(LossScale::new(&mut rewriter, &function.location)?)
        }
        false => None,
    };
    let mut pass = Pass {
        survey,
        half,
        scale,
        rewriter,
        users: function.users(),
        narrow: vec![None; function.values.len()],
        contractions: 0,
        stored: [0; 2],
    };
    for (id, node) in function.iter_nodes() {
        pass.node(id, node)?;
    }
    report.figure("contractions", pass.contractions);
    report.figure("activation-bytes-before", pass.stored[0]);
    report.figure("activation-bytes-after", pass.stored[1]);
    let Pass { mut rewriter, .. } = pass;
    let Some(scale) = scale else {
        return Ok((rewriter.finish(), report));
    };
    let gradients: Vec<ValueId> = descents(function)
        .map(|node| rewriter.get(node.operands[1]))
        .collect();
    let interval = options.int("growth-interval");
    let results = scale.guarded(&mut rewriter, &gradients, interval, &function.location)?;
    Ok((rewriter.finish_with(results), report))
}

/// The updates by gradients.
fn descents(function: &Function) -> impl Iterator<Item = &Node> {
    function.nodes.iter().filter(|n| n.op == Op::SgdUpdate)
}

/// A step can be skipped only if what it updates is known.
fn check_descent(function: &Function) -> Result<(), Diagnostic> {
    let updates = |i| function.updates(i).is_some();
    if descents(function).next().is_some() && (0..function.results.len()).any(updates) {
        return Ok(());
    }
    Err(Diagnostic::error(
        function.location.clone(),
        format!(
            "'{}' has gradients, but no step that could be skipped when they overflow f16",
            function.name
        ),
    )
    .help(format!(
        "run hla-sgd first, whose results have {UPDATES}; or use precision=bf16, which has the range of f32"
    )))
}

/// The operands of a contraction that are its factors.
pub(crate) fn factors(op: Op) -> Option<usize> {
    match op {
        Op::Conv2d
        | Op::DepthwiseConv2d
        | Op::TransposeConv2d
        | Op::MatMul
        | Op::Conv2dInputGrad
        | Op::Conv2dWeightGrad
        | Op::DepthwiseConv2dInputGrad
        | Op::DepthwiseConv2dWeightGrad => Some(2),
        // Its weights are no floats.
        Op::TernaryConv2d | Op::TernaryMatMul => Some(1),
        _ => None,
    }
}

/// Whether a contraction gives what a function computes, not a gradient.
fn is_forward(op: Op) -> bool {
    matches!(
        op,
        Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d | Op::MatMul
    )
}

/// The operand of which a node gives elements as they are, with zeros among them at most.
fn moved(function: &Function, node: &Node) -> Option<usize> {
    let is_zero = |value: ValueId| {
        let constant = function.constant_value(value);
        constant.and_then(Tensor::splat_value) == Some(0.0)
    };
    match node.op {
        Op::Reshape
        | Op::Transpose
        | Op::Slice
        | Op::Reverse
        | Op::Identity
        | Op::Tile
        | Op::MaxPool2d
        | Op::Gather => Some(0),
        Op::Pad => (node.attrs.f32("pad_const") == Some(0.0)).then_some(0),
        // The gradient of a ReLU.
        Op::Select if is_zero(node.operands[2]) => Some(1),
        Op::Select if is_zero(node.operands[1]) => Some(2),
        _ => None,
    }
}

/// A value of 16 bits.
#[derive(Clone, Copy)]
struct Narrow {
    value: ValueId,
    /// It holds S·x.
    scaled: bool,
}

struct Pass<'a> {
    survey: Survey,
    half: DType,
    /// S, if there is one.
    scale: Option<LossScale>,
    rewriter: Rewriter<'a>,
    /// The nodes that read each old value.
    users: Vec<Vec<NodeId>>,
    /// For old values that are kept in 16 bits: the new value of that type.
    narrow: Vec<Option<Narrow>>,
    contractions: u64,
    /// Bytes of stored activations, before and after.
    stored: [u64; 2],
}

impl Pass<'_> {
    fn node(&mut self, id: NodeId, node: &Node) -> Result<(), Diagnostic> {
        let old = self.rewriter.old();
        let f32s = |v: &ValueId| old.ty(*v).tensor().is_some_and(|ty| ty.dtype == DType::F32);
        if let Some(count) = factors(node.op)
            && node.operands[..count].iter().all(f32s)
        {
            self.contraction(node, count)?;
        } else if node.op == Op::MaxPool2dGrad && self.survey.rounded[node.result().index()] {
            self.pool_gradient(node)?;
        } else if let Some(i) = moved(old, node)
            && !self.is_summed(node)
            && let Some(narrow) = self.narrow[node.operands[i].index()]
        {
            self.movement(node, i, narrow)?;
        } else {
            self.rewriter.copy(id)?;
        }
        for &result in &node.results {
            if self.survey.rounded[result.index()] && self.narrow[result.index()].is_none() {
                let value = self.rewriter.get(result);
                let narrow = self.round(result, value, node)?;
                self.keep(result, narrow, node)?;
                let count = old.tensor_ty(result).elements() as u64;
                self.stored[0] += count * DType::F32.bytes() as u64;
                self.stored[1] += count * self.half.bytes() as u64;
            }
        }
        Ok(())
    }

    /// An old value, which is `value` now, in 16 bits.
    fn round(&mut self, old: ValueId, value: ValueId, at: &Node) -> Result<Narrow, Diagnostic> {
        let scale = self.scale.filter(|_| self.survey.gradient[old.index()]);
        let scaled = match scale {
            Some(scale) => scale.scaled(&mut self.rewriter, value, &at.location)?,
            None => value,
        };
        Ok(Narrow {
            value: self.cast(scaled, self.half, at)?,
            scaled: scale.is_some(),
        })
    }

    /// From now on a value is this 16-bit one; who needs f32 casts it back.
    fn keep(&mut self, old: ValueId, narrow: Narrow, at: &Node) -> Result<(), Diagnostic> {
        self.narrow[old.index()] = Some(narrow);
        let mut wide = self.cast(narrow.value, DType::F32, at)?;
        if let Some(scale) = self.scale.filter(|_| narrow.scaled) {
            wide = scale.unscaled(&mut self.rewriter, wide, &at.location)?;
        }
        self.rewriter.set(old, wide);
        Ok(())
    }

    fn contraction(&mut self, node: &Node, count: usize) -> Result<(), Diagnostic> {
        let mut operands = self.rewriter.get_all(&node.operands);
        let mut scaled = 0;
        for (new, &old) in operands.iter_mut().zip(&node.operands).take(count) {
            let narrow = match self.narrow[old.index()] {
                Some(narrow) => narrow,
                None => self.round(old, *new, node)?,
            };
            *new = narrow.value;
            scaled += usize::from(narrow.scaled);
        }
        let mut attrs = node.attrs.clone();
        if is_forward(node.op) {
            attrs.set("out_type", DType::F32);
        }
        // The residual of a ternary one.
        let residual = node.operands.get(4).filter(|_| count == 1);
        if let Some(narrow) = residual.and_then(|old| self.narrow[old.index()]) {
            operands[4] = narrow.value;
        }
        let location = &node.location;
        let mut result = self
            .rewriter
            .push(node.op, &operands, attrs, location.clone())?;
        for scale in self.scale.iter().take(scaled) {
            result = scale.unscaled(&mut self.rewriter, result, location)?;
        }
        self.rewriter.set(node.result(), result);
        self.contractions += 1;
        Ok(())
    }

    /// Whether a reshape is for reductions alone, of what others read as it was: then all widen it once.
    fn is_summed(&self, node: &Node) -> bool {
        let old = self.rewriter.old();
        let reduces = |id: &NodeId| {
            matches!(
                old.node(*id).op,
                Op::ReduceSum | Op::ReduceMax | Op::ReduceMin | Op::ReduceProduct
            )
        };
        node.op == Op::Reshape && self.users[node.result().index()].iter().all(reduces)
    }

    /// Moves elements of operand `i`, which is `narrow` now.
    fn movement(&mut self, node: &Node, i: usize, narrow: Narrow) -> Result<(), Diagnostic> {
        let mut operands = self.rewriter.get_all(&node.operands);
        operands[i] = narrow.value;
        let location = node.location.clone();
        if node.op == Op::Select {
            let zeros = &node.operands[3 - i];
            let ty = self.rewriter.old().tensor_ty(*zeros).with_dtype(self.half);
            operands[3 - i] = self
                .rewriter
                .constant(Tensor::splat(ty, 0.0), location.clone())?;
        }
        let attrs = node.attrs.clone();
        let value = self.rewriter.push(node.op, &operands, attrs, location)?;
        self.keep(node.result(), Narrow { value, ..narrow }, node)
    }

    /// The gradient of a max-pool: of what was pooled, and of the gradient of its result.
    fn pool_gradient(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let mut operands = self.rewriter.get_all(&node.operands);
        let mut scaled = false;
        for (new, &old) in operands.iter_mut().zip(&node.operands) {
            let narrow = match self.narrow[old.index()] {
                Some(narrow) => narrow,
                None => self.round(old, *new, node)?,
            };
            *new = narrow.value;
            // What was pooled is compared only.
            scaled = narrow.scaled;
        }
        let (attrs, location) = (node.attrs.clone(), node.location.clone());
        let value = self.rewriter.push(node.op, &operands, attrs, location)?;
        self.keep(node.result(), Narrow { value, scaled }, node)
    }

    fn cast(&mut self, value: ValueId, to: DType, at: &Node) -> Result<ValueId, Diagnostic> {
        let attrs = Attrs::new().with("out_type", to);
        self.rewriter
            .push(Op::Cast, &[value], attrs, at.location.clone())
    }
}
