//! Building a new function from an old one: how every pass is written.
//!
//! A [`Rewriter`] maps values of the old function to values of the new. Equal nodes are built
//! once, and [`Rewriter::finish`] drops what no result needs, so a pass never cleans up.

use std::collections::HashMap;

use crate::attr::Attrs;
use crate::diagnostic::{Diagnostic, Location};
use crate::graph::{Def, Function, Node, NodeId, ValueId};
use crate::ops::Op;
use crate::tensor::Tensor;
use crate::types::Type;

/// A new function in the making.
pub struct Rewriter<'a> {
    old: &'a Function,
    new: Function,
    map: Vec<Option<ValueId>>,
    known: HashMap<(Op, Vec<ValueId>, Attrs), NodeId>,
}

impl<'a> Rewriter<'a> {
    /// Begins with the arguments, name and attributes of the old function.
    pub fn new(old: &'a Function) -> Rewriter<'a> {
        let mut rewriter = Rewriter::without_args(old);
        for i in 0..old.args.len() {
            rewriter.copy_arg(i);
        }
        rewriter
    }

    /// Begins with no argument: the pass adds those it wants with [`Rewriter::copy_arg`] or
    /// [`Rewriter::replace_arg`] before it pushes nodes.
    pub fn without_args(old: &'a Function) -> Rewriter<'a> {
        let mut new = Function::new(&old.name);
        new.attrs = old.attrs.clone();
        new.result_attrs = old.result_attrs.clone();
        new.location = old.location.clone();
        Rewriter {
            old,
            new,
            map: vec![None; old.values.len()],
            known: HashMap::new(),
        }
    }

    /// Copies argument `i`.
    pub fn copy_arg(&mut self, i: usize) -> ValueId {
        self.replace_arg(i, self.old.args[i].ty.clone())
    }

    /// Copies argument `i` with another type.
    pub fn replace_arg(&mut self, i: usize, ty: Type) -> ValueId {
        let mut arg = self.old.args[i].clone();
        arg.ty = ty;
        let id = self.new.add_arg(arg);
        self.map[i] = Some(id);
        id
    }

    /// The old function.
    pub fn old(&self) -> &'a Function {
        self.old
    }

    /// What has been built so far.
    pub fn new_function(&self) -> &Function {
        &self.new
    }

    /// The new value of an old one.
    ///
    /// # Panics
    /// If it has none yet: nodes are visited in order, and each must be mapped.
    pub fn get(&self, old: ValueId) -> ValueId {
        self.map[old.index()].expect("operands are mapped before their users")
    }

    /// The new value of an old one, if it has one.
    pub fn try_get(&self, old: ValueId) -> Option<ValueId> {
        self.map[old.index()]
    }

    /// The new values of old ones.
    pub fn get_all(&self, old: &[ValueId]) -> Vec<ValueId> {
        old.iter().map(|&v| self.get(v)).collect()
    }

    /// Says which new value stands for an old one.
    pub fn set(&mut self, old: ValueId, new: ValueId) {
        self.map[old.index()] = Some(new);
    }

    /// Copies a node of the old function with mapped operands; types are inferred anew, so operand
    /// types may have changed. Maps its results.
    pub fn copy(&mut self, id: NodeId) -> Result<NodeId, Diagnostic> {
        let old = self.old;
        let node = old.node(id);
        let operands = self.get_all(&node.operands);
        let new = if node.op == Op::Opaque {
            let types = node.results.iter().map(|&r| old.ty(r).clone()).collect();
            let name = node.name();
            let suffix = match node.attrs.get("mlir.suffix") {
                Some(crate::attr::Attr::Raw(text)) => text.clone(),
                _ => "".into(),
            };
            self.new
                .push_opaque(name, &operands, &suffix, types, node.location.clone())
        } else {
            self.push_node(
                node.op,
                &operands,
                node.attrs.clone(),
                node.location.clone(),
            )?
        };
        for (i, &result) in node.results.iter().enumerate() {
            self.set(result, self.new.node(new).results[i]);
        }
        Ok(new)
    }

    /// Appends a node, or finds an equal one; gives its (first) result.
    pub fn push(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attrs: Attrs,
        location: Location,
    ) -> Result<ValueId, Diagnostic> {
        let id = self.push_node(op, operands, attrs, location)?;
        Ok(self.new.node(id).result())
    }

    /// Appends a node, or finds an equal one.
    pub fn push_node(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attrs: Attrs,
        location: Location,
    ) -> Result<NodeId, Diagnostic> {
        // The key holds the attributes as they are after normalisation.
        let id = self.new.push_node(op, operands, attrs, location)?;
        let node = self.new.node(id);
        let key = (op, node.operands.clone(), node.attrs.clone());
        match self.known.get(&key) {
            Some(&known) => {
                let node = self.new.nodes.pop().expect("just pushed");
                let left = self.new.values.len() - node.results.len();
                self.new.values.truncate(left);
                Ok(known)
            }
            None => {
                self.known.insert(key, id);
                Ok(id)
            }
        }
    }

    /// Appends a constant, or finds an equal one.
    pub fn constant(&mut self, values: Tensor, location: Location) -> Result<ValueId, Diagnostic> {
        self.push(
            Op::Const,
            &[],
            Attrs::new().with("values", values),
            location,
        )
    }

    /// The constant a new value is.
    pub fn constant_value(&self, new: ValueId) -> Option<&Tensor> {
        self.new.constant_value(new)
    }

    /// The node that defines a new value.
    pub fn defining_node(&self, new: ValueId) -> Option<&Node> {
        self.new.defining_node(new)
    }

    /// Ends: results are mapped, and nodes that no result needs are dropped.
    pub fn finish(mut self) -> Function {
        self.new.results = self.get_all(&self.old.results);
        without_dead_nodes(&self.new)
    }

    /// Ends with results of its own, new values with their attributes, in place of the old
    /// function's; nodes that none needs are dropped.
    pub fn finish_with(mut self, results: Vec<(ValueId, Attrs)>) -> Function {
        (self.new.results, self.new.result_attrs) = results.into_iter().unzip();
        without_dead_nodes(&self.new)
    }

    /// The results of the old function as new values with their attributes: what a pass that adds
    /// results gives to [`Rewriter::finish_with`] first.
    pub fn mapped_results(&self) -> Vec<(ValueId, Attrs)> {
        let attrs = |i: usize| self.old.result_attrs.get(i).cloned().unwrap_or_default();
        let results = self.old.results.iter().enumerate();
        results.map(|(i, &r)| (self.get(r), attrs(i))).collect()
    }

    /// Adds an argument that the old function does not have.
    ///
    /// # Panics
    /// If nodes have been pushed already.
    pub fn add_arg(&mut self, arg: crate::graph::Arg) -> ValueId {
        self.new.add_arg(arg)
    }
}

/// Rewrites a function node by node: `rule` gives the new values of a node's results, or `None` to
/// copy it.
pub fn rewrite(
    old: &Function,
    mut rule: impl FnMut(&mut Rewriter<'_>, NodeId, &Node) -> Result<Option<Vec<ValueId>>, Diagnostic>,
) -> Result<Function, Diagnostic> {
    let mut rewriter = Rewriter::new(old);
    for (id, node) in old.iter_nodes() {
        match rule(&mut rewriter, id, node)? {
            Some(values) => {
                for (&result, value) in node.results.iter().zip(values) {
                    rewriter.set(result, value);
                }
            }
            None => {
                rewriter.copy(id)?;
            }
        }
    }
    Ok(rewriter.finish())
}

/// The same function without nodes that no result needs. Opaque nodes may have effects: they stay.
pub fn without_dead_nodes(function: &Function) -> Function {
    let mut live = vec![false; function.nodes.len()];
    let mark = |live: &mut [bool], values: &[ValueId]| {
        for value in values {
            if let Def::Node(id, _) = function.values[value.index()].def {
                live[id.index()] = true;
            }
        }
    };
    mark(&mut live, &function.results);
    for (id, node) in function.iter_nodes().rev() {
        if live[id.index()] || node.op == Op::Opaque {
            live[id.index()] = true;
            mark(&mut live, &node.operands);
        }
    }
    if live.iter().all(|&l| l) {
        return function.clone();
    }
    let mut new = Function {
        values: Vec::new(),
        nodes: Vec::new(),
        ..function.clone()
    };
    let mut map = vec![ValueId(u32::MAX); function.values.len()];
    for (i, value) in function.values[..function.args.len()].iter().enumerate() {
        map[i] = ValueId(i as u32);
        new.values.push(value.clone());
    }
    for (id, node) in function.iter_nodes() {
        if !live[id.index()] {
            continue;
        }
        let new_id = NodeId(new.nodes.len() as u32);
        let mut node = node.clone();
        for operand in &mut node.operands {
            *operand = map[operand.index()];
        }
        for (i, result) in node.results.iter_mut().enumerate() {
            let value = &function.values[result.index()];
            map[result.index()] = ValueId(new.values.len() as u32);
            *result = map[result.index()];
            new.values.push(crate::graph::Value {
                ty: value.ty.clone(),
                def: Def::Node(new_id, i),
            });
        }
        new.nodes.push(node);
    }
    for result in &mut new.results {
        *result = map[result.index()];
    }
    new
}
