//! Batch norm in inference form: ((x − μ)·(σ² + ε)^−½)·γ + β, its factors in any order, or
//! x·s + (β − μ·s) with s = γ·(σ² + ε)^−½.

use std::collections::HashSet;

use hla_ir::{DType, Def, Function, Node, NodeId, Op, ValueId};

/// A batch norm whose μ and σ² are parameters.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct BatchNorm {
    /// The node that computes its result.
    pub end: NodeId,
    /// x.
    pub input: ValueId,
    /// The argument of μ.
    pub mean: usize,
    /// The argument of σ².
    pub variance: usize,
    /// γ: a parameter or a constant, as the function spreads it over the channels.
    pub scale: Option<ValueId>,
    /// β likewise.
    pub offset: Option<ValueId>,
    /// ε.
    pub epsilon: f32,
}

/// All batch norms of a function, in order.
pub(crate) fn find(function: &Function) -> Vec<BatchNorm> {
    let mut found: Vec<BatchNorm> = Vec::new();
    let mut inner = HashSet::new();
    let computed = computed(function);
    for (id, _) in function.iter_nodes() {
        let mut matcher = Matcher {
            function,
            computed: &computed,
            inside: Vec::new(),
        };
        if let Some(norm) = matcher.matched(id) {
            // A longer chain takes the place of those inside it.
            inner.extend(matcher.inside.into_iter().filter(|&inside| inside != id));
            found.push(norm);
        }
    }
    found.retain(|norm| !inner.contains(&norm.end));
    found
}

/// The parameter that a value is, as it is or under another shape.
pub(crate) fn parameter(function: &Function, mut value: ValueId) -> Option<usize> {
    loop {
        match function.values[value.index()].def {
            Def::Arg(arg) => return function.args[arg].param.is_some().then_some(arg),
            Def::Node(id, _) => value = unshaped(function.node(id))?,
        }
    }
}

/// Which values depend on an input, besides parameters and constants.
fn computed(function: &Function) -> Vec<bool> {
    let mut computed = vec![false; function.values.len()];
    for (computed, arg) in computed.iter_mut().zip(&function.args) {
        *computed = arg.param.is_none();
    }
    for node in &function.nodes {
        let any = node.op == Op::Opaque || node.operands.iter().any(|v| computed[v.index()]);
        for result in &node.results {
            computed[result.index()] = any;
        }
    }
    computed
}

/// The operand of a node that only changes shapes.
fn unshaped(node: &Node) -> Option<ValueId> {
    matches!(node.op, Op::Reshape | Op::Identity).then(|| node.operands[0])
}

/// (σ² + ε)^−½.
struct Power {
    variance: usize,
    epsilon: f32,
}

/// The factors of a product over channels, x left out.
struct Factors {
    power: Power,
    scale: Option<ValueId>,
}

struct Matcher<'a> {
    function: &'a Function,
    /// Which values depend on an input.
    computed: &'a [bool],
    /// Nodes that are part of the match, its end excepted.
    inside: Vec<NodeId>,
}

impl Matcher<'_> {
    fn node(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        match self.function.values[value.index()].def {
            Def::Node(id, _) => Some((id, self.function.node(id))),
            Def::Arg(_) => None,
        }
    }

    /// The operands of the node that a value is, if it is of this op.
    fn operands(&self, value: ValueId, op: Op) -> Option<[ValueId; 2]> {
        let (_, node) = self.node(value).filter(|(_, n)| n.op == op)?;
        Some([node.operands[0], node.operands[1]])
    }

    fn matched(&mut self, end: NodeId) -> Option<BatchNorm> {
        let node = self.function.node(end);
        let ty = self.function.ty(*node.results.first()?).tensor()?;
        if ty.dtype != DType::F32 || ty.rank() < 2 {
            return None;
        }
        let result = node.result();
        match node.op {
            Op::Mul => self.product(result, end, None),
            Op::Add => {
                let [a, b] = [node.operands[0], node.operands[1]];
                [(a, b), (b, a)].into_iter().find_map(|(product, offset)| {
                    if self.computed[offset.index()] {
                        return None;
                    }
                    let plain = self.is_channel_value(offset, product);
                    (plain
                        .then(|| self.product(product, end, Some(offset)))
                        .flatten())
                    .or_else(|| self.folded(product, offset, end))
                })
            }
            _ => None,
        }
    }

    /// (x − μ)·factors, + β.
    fn product(
        &mut self,
        value: ValueId,
        end: NodeId,
        offset: Option<ValueId>,
    ) -> Option<BatchNorm> {
        let mut leaves = Vec::new();
        let mark = self.inside.len();
        let base = self.strip(value, &mut leaves);
        let matched = (|| {
            let [input, mean] = self.operands(base, Op::Sub)?;
            let mean = self.statistic(mean, input)?;
            let Factors { power, scale } = self.factors(&leaves, input)?;
            Some(BatchNorm {
                end,
                input,
                mean,
                variance: power.variance,
                scale,
                offset,
                epsilon: power.epsilon,
            })
        })();
        if matched.is_none() {
            self.inside.truncate(mark);
        }
        matched
    }

    /// x·s + (β − μ·s).
    fn folded(&mut self, product: ValueId, offset: ValueId, end: NodeId) -> Option<BatchNorm> {
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        let input = self.strip(product, &mut outer);
        let Factors { power, scale } = self.factors(&outer, input)?;
        let [beta, shift] = self.operands(self.reshaped(offset), Op::Sub)?;
        self.flatten(shift, &mut inner);
        let at = inner.iter().position(|&v| {
            let arg = parameter(self.function, v);
            arg.is_some() && arg != scale.and_then(|s| parameter(self.function, s))
        })?;
        let mean = self.statistic(inner.remove(at), input)?;
        let again = self.factors(&inner, input)?;
        let same = again.power.variance == power.variance
            && again.power.epsilon.to_bits() == power.epsilon.to_bits()
            && again.scale.map(|s| self.reshaped(s)) == scale.map(|s| self.reshaped(s));
        (same && self.is_channel_value(beta, input)).then_some(BatchNorm {
            end,
            input,
            mean,
            variance: power.variance,
            scale,
            offset: Some(beta),
            epsilon: power.epsilon,
        })
    }

    /// Takes factors over channels off a product, outermost first; gives what is left.
    fn strip(&mut self, value: ValueId, leaves: &mut Vec<ValueId>) -> ValueId {
        let Some([a, b]) = self.operands(value, Op::Mul) else {
            return value;
        };
        let (rest, factor) = match (self.computed[a.index()], self.computed[b.index()]) {
            (true, false) => (a, b),
            (false, true) => (b, a),
            _ => return value,
        };
        self.inside.extend(self.node(value).map(|(id, _)| id));
        self.flatten(factor, leaves);
        self.strip(rest, leaves)
    }

    /// The factors of a product over channels.
    fn flatten(&self, value: ValueId, leaves: &mut Vec<ValueId>) {
        match self.operands(self.reshaped(value), Op::Mul) {
            Some([a, b]) => {
                self.flatten(a, leaves);
                self.flatten(b, leaves);
            }
            None => leaves.push(value),
        }
    }

    /// One of the factors is (σ² + ε)^−½; at most one other is there, γ.
    fn factors(&self, leaves: &[ValueId], input: ValueId) -> Option<Factors> {
        let at = leaves.iter().position(|&v| self.power(v).is_some())?;
        let power = self.power(leaves[at])?;
        let mut others = (leaves.iter().enumerate()).filter_map(|(i, &v)| (i != at).then_some(v));
        let scale = others.next();
        let of = |v: ValueId| self.function.ty(v).tensor();
        let channels = *of(input)?.shape.last()?;
        let is_scale = |v| self.is_plain(v) && of(v).is_some_and(|ty| ty.elements() == channels);
        let of_variance = of(ValueId(power.variance as u32))?.elements();
        let fits = others.next().is_none() && scale.is_none_or(is_scale) && of_variance == channels;
        fits.then_some(Factors { power, scale })
    }

    /// (σ² + ε)^−½, however it is spelled.
    fn power(&self, mut value: ValueId) -> Option<Power> {
        let mut exponent = 1.0;
        loop {
            let (_, node) = self.node(value)?;
            match node.op {
                Op::Reshape | Op::Identity => {}
                Op::Rsqrt => exponent *= -0.5,
                Op::Reciprocal => exponent *= -1.0,
                Op::Pow => exponent *= self.constant(node.operands[1])?,
                Op::Add if exponent == -0.5 => {
                    let [a, b] = [node.operands[0], node.operands[1]];
                    return [(a, b), (b, a)]
                        .into_iter()
                        .find_map(|(variance, epsilon)| {
                            Some(Power {
                                variance: parameter(self.function, variance)?,
                                epsilon: self.constant(epsilon).filter(|&e| e >= 0.0)? as f32,
                            })
                        });
                }
                _ => return None,
            }
            value = node.operands[0];
        }
    }

    /// The one value of a constant.
    fn constant(&self, value: ValueId) -> Option<f64> {
        self.function
            .constant_value(self.reshaped(value))?
            .splat_value()
    }

    fn reshaped(&self, mut value: ValueId) -> ValueId {
        while let Some(inner) = self.node(value).and_then(|(_, n)| unshaped(n)) {
            value = inner;
        }
        value
    }

    /// Whether a value is a parameter or a constant with one element for each channel of another.
    fn is_channel_value(&self, value: ValueId, of: ValueId) -> bool {
        let (Some(ty), Some(full)) = (
            self.function.ty(value).tensor(),
            self.function.ty(of).tensor(),
        ) else {
            return false;
        };
        let Some((&channels, rest)) = ty.shape.split_last() else {
            return false;
        };
        ty.rank() == full.rank()
            && Some(&channels) == full.shape.last()
            && rest.iter().all(|&d| d == 1)
            && self.is_plain(value)
    }

    /// Whether a value is a parameter or a constant.
    fn is_plain(&self, value: ValueId) -> bool {
        let constant = self.function.constant_value(self.reshaped(value));
        constant.is_some() || parameter(self.function, value).is_some()
    }

    /// The argument of a statistic over the channels of a value.
    fn statistic(&self, value: ValueId, of: ValueId) -> Option<usize> {
        self.is_channel_value(value, of)
            .then(|| parameter(self.function, value))
            .flatten()
    }
}
