//! From the chosen expressions back to a function. Constants are computed here, in f64, and rounded
//! to f32 once.

use egg::Id;
use hla_ir::graph::NodeId;
use hla_ir::{Diagnostic, Function, Location, Op, Rewriter, Tensor, ValueId};

use super::constants::indices;
use super::extract::{Choice, Space};
use super::language::{Apply, Constness, Expr, Graph, Head, params_of, tensor_type};

/// Builds the function. `None` if the choice does not respect the order of opaque ops, or if a
/// weight would overflow: the function as written is then the result.
pub(crate) fn rebuild(
    old: &Function,
    graph: &Graph,
    space: &Space,
    choice: &Choice,
    classes: &[Id],
) -> Result<Option<Function>, Diagnostic> {
    let mut builder = Builder {
        graph,
        space,
        choice,
        rewriter: Rewriter::new(old),
        built: vec![None; space.ids.len()],
    };
    for (id, node) in old.iter_nodes() {
        if node.op == Op::Opaque {
            if !builder.map(&node.operands, classes)? {
                return Ok(None);
            }
            builder.rewriter.copy(id)?;
        }
    }
    if !builder.map(&old.results, classes)? {
        return Ok(None);
    }
    Ok(Some(builder.rewriter.finish()))
}

struct Builder<'a> {
    graph: &'a Graph,
    space: &'a Space,
    choice: &'a Choice,
    rewriter: Rewriter<'a>,
    built: Vec<Option<ValueId>>,
}

impl Builder<'_> {
    /// Builds what stands for these values of the old function.
    fn map(&mut self, values: &[ValueId], classes: &[Id]) -> Result<bool, Diagnostic> {
        for &value in values {
            let root = self.space.class(self.graph, classes[value.index()]);
            let Some(order) = self.space.order(self.choice, &[root]) else {
                return Ok(false);
            };
            for class in order {
                if self.built[class].is_none() {
                    self.built[class] = self.build(class)?;
                }
            }
            match self.built[root] {
                Some(new) => self.rewriter.set(value, new),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn expr(&self, class: usize) -> &Expr {
        &self.space.candidates[class][self.choice[class]].expr
    }

    fn build(&mut self, class: usize) -> Result<Option<ValueId>, Diagnostic> {
        let expr = self.expr(class).clone();
        let location = self.location(&expr);
        let is_original_constant = expr.original
            && self
                .rewriter
                .old()
                .nodes
                .get(expr.origin as usize)
                .is_some_and(|n| n.op == Op::Const);
        match expr.head {
            _ if is_original_constant => {
                let id = self.rewriter.copy(NodeId(expr.origin))?;
                Ok(Some(self.rewriter.new_function().node(id).result()))
            }
            Head::Leaf(value) => Ok(self.rewriter.try_get(value)),
            Head::Constant(_) | Head::Flip => self.computed(class, location),
            Head::Apply(_) if self.is_computed(class) => self.computed(class, location),
            Head::Apply(apply) => self.op(class, apply, location).map(Some),
        }
    }

    /// Weights scaled by a rule: a product of constants.
    fn is_computed(&self, class: usize) -> bool {
        let expr = self.expr(class);
        let is_constant = |&id: &Id| self.graph[id].data.constant != Constness::No;
        let is_product = expr.apply().is_some_and(|a| a.op == Op::Mul);
        is_product && !expr.original && expr.children.iter().all(is_constant)
    }

    fn location(&self, expr: &Expr) -> Location {
        match self.rewriter.old().nodes.get(expr.origin as usize) {
            Some(node) => node.location.clone(),
            None => self.rewriter.old().location.clone(),
        }
    }

    fn op(
        &mut self,
        class: usize,
        apply: Apply,
        location: Location,
    ) -> Result<ValueId, Diagnostic> {
        let children = &self.space.candidates[class][self.choice[class]].children;
        let operands: Vec<ValueId> = children.iter().filter_map(|&c| self.built[c]).collect();
        let mut attrs = self.graph.analysis.attrs.get(apply.attrs).clone();
        let params = self.graph.analysis.constants.get(apply.params);
        for (name, &value) in params_of(apply.op).iter().zip(&params.values) {
            attrs.set(name, value as f32);
        }
        let id = self
            .rewriter
            .push_node(apply.op, &operands, attrs, location)?;
        Ok(self.rewriter.new_function().node(id).results[apply.result as usize])
    }

    /// A constant, rounded to its type; `None` if that overflows.
    fn computed(
        &mut self,
        class: usize,
        location: Location,
    ) -> Result<Option<ValueId>, Diagnostic> {
        let (Some(values), Some(ty)) = (
            self.values(class),
            tensor_type(self.graph, self.space.ids[class]).cloned(),
        ) else {
            return Ok(None);
        };
        let tensor = match values.split_first() {
            _ if values.iter().any(|&v| !(v as f32).is_finite()) => return Ok(None),
            Some((&first, rest)) if rest.iter().all(|v| v.to_bits() == first.to_bits()) => {
                Tensor::splat(ty, first)
            }
            _ => Tensor::from_f64s(ty, values)
                .map_err(|message| Diagnostic::error(location.clone(), message))?,
        };
        self.rewriter.constant(tensor, location).map(Some)
    }

    /// The values of a constant class, unrounded.
    fn values(&self, class: usize) -> Option<Vec<f64>> {
        let candidate = &self.space.candidates[class][self.choice[class]];
        match candidate.expr.head {
            Head::Constant(id) => Some(self.graph.analysis.constants.get(id).values.clone()),
            Head::Leaf(value) => {
                let tensor = self.rewriter.old().constant_value(value)?;
                Some(tensor.iter_f64().collect())
            }
            Head::Flip | Head::Apply(_) => {
                let [weight, factor] = candidate.children[..] else {
                    return None;
                };
                let shape = |class: usize| {
                    let ty = tensor_type(self.graph, self.space.ids[class]);
                    ty.map(|ty| ty.shape.clone())
                };
                let mut factor_shape = shape(factor)?;
                let to = shape(weight)?;
                // Rows of trits: the factor stands along the first dimension.
                factor_shape.resize(to.len(), 1);
                let mut values = self.values(weight)?;
                let factors = self.values(factor)?;
                for (value, i) in values.iter_mut().zip(indices(&factor_shape, &to)) {
                    *value *= factors[i];
                }
                Some(values)
            }
        }
    }
}
