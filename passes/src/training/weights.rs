//! The weights of contractions that are parameters, and which of them become ternary.

use std::collections::BTreeMap;
use std::sync::Arc;

use hla_ir::{Def, Diagnostic, Function, Location, NodeId, Op, ValueId};

use crate::options::Options;
use crate::selection::{self, Candidate, layer_name};

/// A parameter that contractions read as their weight.
pub(crate) struct Weight {
    /// Its argument.
    pub arg: usize,
    /// Its name.
    pub name: Arc<str>,
    /// The contractions that read it, in order.
    pub contractions: Vec<NodeId>,
    /// Its axis that the output channels lie on.
    pub axis: usize,
    /// Number of columns.
    pub columns: usize,
    /// Length of a column.
    pub fan_in: usize,
    /// The `hla.normalize` on the way to a contraction.
    pub normalize: Option<NodeId>,
    /// The `hla.ste_ternarize` on the way to a contraction.
    pub ternarize: Option<NodeId>,
    /// Where the first contraction stands.
    pub location: Location,
}

impl Weight {
    /// W as the layer has it: on the sphere, if there is one.
    pub fn value(&self, function: &Function) -> ValueId {
        match self.normalize {
            Some(id) => function.node(id).result(),
            None => ValueId(self.arg as u32),
        }
    }

    /// The name of a tensor that belongs to this weight: `conv2.weight.threshold`.
    pub fn companion(&self, what: &str) -> String {
        super::companion(&self.name, what)
    }
}

/// The weights of a function.
pub(crate) struct Weights {
    /// All of them, in the order of the first contraction.
    pub all: Vec<Weight>,
    /// The contractions that read them, in order, with the index into `all`.
    contractions: Vec<(NodeId, usize)>,
}

impl Weights {
    /// Finds the weights of convolutions and matrix products that output channels can be told in.
    pub fn find(function: &Function) -> Weights {
        let mut weights = Weights {
            all: Vec::new(),
            contractions: Vec::new(),
        };
        for (id, node) in function.iter_nodes() {
            let axis = match node.op {
                Op::Conv2d => 0,
                Op::MatMul if is_unbatched(function, node.operands[1]) => 2,
                _ => continue,
            };
            let Some(weight) = trace(function, id, axis) else {
                continue;
            };
            let index = match weights.all.iter().position(|w| w.arg == weight.arg) {
                Some(index) => {
                    weights.all[index].contractions.push(id);
                    index
                }
                None => {
                    weights.all.push(weight);
                    weights.all.len() - 1
                }
            };
            weights.contractions.push((id, index));
        }
        weights
    }

    /// The weights that become hyperspherical and ternary, by the options `skip` and
    /// `quantize-all`. A weight that any layer wants as it is stays as it is.
    pub fn quantized(
        &self,
        function: &Function,
        pass: &str,
        options: &Options,
    ) -> Result<Vec<&Weight>, Diagnostic> {
        let names: Vec<String> = (self.contractions.iter().enumerate())
            .map(|(i, &(node, w))| layer_name(function.node(node), Some(&self.all[w].name), i))
            .collect();
        let candidates: Vec<Candidate<'_>> = (self.contractions.iter().zip(&names))
            .map(|(&(node, w), name)| Candidate {
                node,
                name,
                weight: Some(&self.all[w].name),
            })
            .collect();
        let reasons = selection::skipped(function, pass, &candidates, options)?;
        let float: BTreeMap<usize, &str> = (reasons.iter())
            .map(|(&i, &reason)| (self.contractions[i].1, reason))
            .collect();
        let all = self.all.iter().enumerate();
        Ok(all
            .filter(|(i, _)| !float.contains_key(i))
            .map(|(_, w)| w)
            .collect())
    }
}

/// Whether a matrix is the same for the whole batch.
fn is_unbatched(function: &Function, value: ValueId) -> bool {
    let ty = function.ty(value).tensor();
    ty.is_some_and(|ty| ty.shape[0] == 1)
}

/// Follows a contraction's weight to the parameter it is, through permutations, the sphere and the
/// quantizer.
fn trace(function: &Function, contraction: NodeId, axis: usize) -> Option<Weight> {
    let node = function.node(contraction);
    let (mut value, mut axis) = (node.operands[1], axis);
    let (mut normalize, mut ternarize) = (None, None);
    loop {
        let id = match function.values[value.index()].def {
            Def::Arg(arg) => {
                let name = function.args[arg].param.clone()?;
                let ty = function.ty(value).tensor().filter(|t| t.dtype.is_float())?;
                let columns = ty.shape[axis];
                return Some(Weight {
                    arg,
                    name,
                    contractions: vec![contraction],
                    axis,
                    columns,
                    fan_in: ty.elements() / columns.max(1),
                    normalize,
                    ternarize,
                    location: node.location.clone(),
                });
            }
            Def::Node(id, _) => id,
        };
        let inner = function.node(id);
        match inner.op {
            Op::Identity | Op::StraightThrough => {}
            Op::Normalize => normalize = Some(id),
            Op::SteTernarize => ternarize = Some(id),
            Op::Transpose => {
                axis = usize::try_from(*inner.attrs.i64s("perms")?.get(axis)?).ok()?;
            }
            Op::Reshape => {
                let of = |v: ValueId| function.ty(v).tensor().map(|t| &t.shape[..]);
                axis = axis_before_reshape(of(inner.operands[0])?, of(value)?, axis)?;
            }
            _ => return None,
        }
        value = inner.operands[0];
    }
}

/// The axis of a shape that becomes `axis` of another by a reshape that keeps it whole.
fn axis_before_reshape(old: &[usize], new: &[usize], axis: usize) -> Option<usize> {
    let before = |shape: &[usize], axis: usize| shape[..axis].iter().product::<usize>();
    let same = |&a: &usize| old[a] == new[axis] && before(old, a) == before(new, axis);
    let mut hits = (0..old.len()).filter(same);
    let hit = hits.next()?;
    // Of several unit extents none is the one.
    (old[hit] > 1 || hits.next().is_none()).then_some(hit)
}
