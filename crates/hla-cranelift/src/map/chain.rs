//! Chains of elementwise ops: what the map kernel computes over memory, and other kernels over what
//! they have in registers.

use std::collections::HashMap;

use cranelift_codegen::ir::Value;
use hla_ir::{Attrs, DType, Diagnostic, NodeId, Op, Tensor, ValueId};

use super::ops;
use crate::kernel::{KernelBuilder, View, Width};
use crate::lower::{Lowering, root};

/// Where an operand of a step comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Source {
    /// What the kernel has computed itself.
    Given,
    /// Input number i.
    Input(usize),
    /// The result of an earlier step.
    Step(usize),
    /// The same number everywhere.
    Constant(DType, f64),
}

/// One op of a chain.
pub(super) struct Step {
    pub op: Op,
    pub attrs: Attrs,
    pub args: Vec<Source>,
    /// Element type of the first operand.
    pub from: DType,
    /// Element type of the result.
    pub to: DType,
}

/// Elementwise ops from inputs to results.
pub(crate) struct Chain {
    /// What is read from memory.
    pub inputs: Vec<View>,
    pub(super) steps: Vec<Step>,
    /// The results.
    outputs: Vec<Source>,
    /// The ops' names.
    pub computes: String,
}

impl Chain {
    /// A chain of one op.
    pub(super) fn single(op: Op, inputs: Vec<View>, to: DType, computes: String) -> Chain {
        let step = Step {
            op,
            attrs: Attrs::new(),
            args: (0..inputs.len()).map(Source::Input).collect(),
            from: inputs.first().map_or(to, |v| v.ty.dtype),
            to,
        };
        Chain {
            inputs,
            steps: vec![step],
            outputs: vec![Source::Step(0)],
            computes,
        }
    }

    /// A chain of no op.
    pub fn input(input: View) -> Chain {
        Chain {
            inputs: vec![input],
            steps: Vec::new(),
            outputs: vec![Source::Input(0)],
            computes: String::new(),
        }
    }

    /// The chain of a group of nodes whose results at `roots` are stored.
    pub fn stored(
        cx: &mut Lowering<'_>,
        group: &[NodeId],
        roots: &[NodeId],
    ) -> Result<Chain, Diagnostic> {
        let (mut chain, known) = Chain::build(cx, group, None)?;
        for &root in roots {
            chain
                .outputs
                .extend(known.get(&cx.function.node(root).result()));
        }
        Ok(chain)
    }

    /// The chain of a group of nodes before reductions: what each of these reduces.
    pub fn reduced(
        cx: &mut Lowering<'_>,
        group: &[NodeId],
        reductions: &[NodeId],
    ) -> Result<Chain, Diagnostic> {
        let (mut chain, mut known) = Chain::build(cx, group, None)?;
        for &reduction in reductions {
            let operand = cx.function.node(reduction).operands[0];
            let named = root(cx.function, operand);
            let source = match known.get(&named).or_else(|| known.get(&operand)) {
                Some(&source) => source,
                None => {
                    chain.inputs.push(cx.view(operand)?);
                    Source::Input(chain.inputs.len() - 1)
                }
            };
            // The same buffer is read once, whatever it is called.
            known.insert(named, source);
            chain.outputs.push(source);
        }
        Ok(chain)
    }

    /// The chain of a group of nodes; `given` is what the kernel computes itself.
    pub fn of(
        cx: &mut Lowering<'_>,
        group: &[NodeId],
        given: Option<ValueId>,
    ) -> Result<Chain, Diagnostic> {
        let (mut chain, _) = Chain::build(cx, group, given)?;
        let last = chain.steps.len().checked_sub(1);
        chain.outputs.extend(last.map(Source::Step));
        Ok(chain)
    }

    /// The steps of a group of nodes, and where values come from.
    fn build(
        cx: &mut Lowering<'_>,
        group: &[NodeId],
        given: Option<ValueId>,
    ) -> Result<(Chain, HashMap<ValueId, Source>), Diagnostic> {
        let mut chain = Chain {
            inputs: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
            computes: String::new(),
        };
        let mut known: HashMap<ValueId, Source> = HashMap::new();
        known.extend(given.map(|value| (value, Source::Given)));
        for &id in group {
            let node = cx.function.node(id);
            let mut args = Vec::new();
            for &operand in &node.operands {
                let source = match known.get(&operand) {
                    Some(&source) => source,
                    None => chain.source(cx, operand)?,
                };
                known.insert(operand, source);
                args.push(source);
            }
            known.insert(node.result(), Source::Step(chain.steps.len()));
            chain.steps.push(Step {
                op: node.op,
                attrs: node.attrs.clone(),
                args,
                from: cx.function.tensor_ty(node.operands[0]).dtype,
                to: cx.function.tensor_ty(node.result()).dtype,
            });
        }
        let names: Vec<&str> = group
            .iter()
            .map(|&id| cx.function.node(id).name())
            .collect();
        chain.computes = names.join(" → ");
        Ok((chain, known))
    }

    fn source(&mut self, cx: &mut Lowering<'_>, value: ValueId) -> Result<Source, Diagnostic> {
        let constant = cx.function.constant_value(value);
        if let Some(number) = constant.and_then(exact_splat) {
            return Ok(Source::Constant(cx.function.tensor_ty(value).dtype, number));
        }
        self.inputs.push(cx.view(value)?);
        Ok(Source::Input(self.inputs.len() - 1))
    }

    /// How many ops there are.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Whether several elements can be computed at once: those of at most 32 bits, but for one op.
    pub fn is_wide(&self) -> bool {
        let narrow = |d: DType| d.bytes() <= 4;
        self.inputs.iter().all(|i| narrow(i.ty.dtype))
            && self
                .steps
                .iter()
                .all(|s| narrow(s.from) && narrow(s.to) && ops::is_wide(s.op, &s.attrs))
    }

    /// Computes the only result from what is given and from the inputs' elements.
    pub fn emit(
        &self,
        k: &mut KernelBuilder<'_>,
        width: Width,
        given: Option<Value>,
        inputs: &[Value],
    ) -> Option<Value> {
        self.emit_all(k, width, given, inputs).pop()
    }

    /// Computes the results from what is given and from the inputs' elements.
    pub fn emit_all(
        &self,
        k: &mut KernelBuilder<'_>,
        width: Width,
        given: Option<Value>,
        inputs: &[Value],
    ) -> Vec<Value> {
        let mut results: Vec<Value> = Vec::with_capacity(self.steps.len());
        let find = |k: &mut KernelBuilder<'_>, results: &[Value], source: Source| match source {
            Source::Given => given,
            Source::Input(n) => inputs.get(n).copied(),
            Source::Step(n) => results.get(n).copied(),
            Source::Constant(dtype, value) => Some(ops::constant(k, width, dtype, value)),
        };
        for step in &self.steps {
            let args: Vec<Value> = step
                .args
                .iter()
                .filter_map(|&arg| find(k, &results, arg))
                .collect();
            results.push(ops::emit(k, step, &args, width));
        }
        let outputs = self.outputs.iter();
        outputs
            .filter_map(|&output| find(k, &results, output))
            .collect()
    }
}

/// The only value of a tensor, if there is one and f64 holds it exactly.
fn exact_splat(tensor: &Tensor) -> Option<f64> {
    let value = tensor
        .splat_value()
        .filter(|_| tensor.ty().elements() > 0)?;
    let wide = matches!(tensor.dtype(), DType::I64 | DType::Index);
    (!value.is_nan() && (!wide || value.abs() < 9e15)).then_some(value)
}
