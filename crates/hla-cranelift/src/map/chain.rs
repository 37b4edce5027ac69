//! Chains of elementwise ops: what the map kernel computes over memory, and other kernels over what
//! they have in registers.

use std::collections::HashMap;

use cranelift_codegen::ir::Value;
use hla_ir::{Attrs, DType, Diagnostic, NodeId, Op, Tensor, ValueId};

use super::ops;
use crate::kernel::{KernelBuilder, View, Width};
use crate::lower::Lowering;

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

/// Elementwise ops from inputs to one result.
pub(crate) struct Chain {
    /// What is read from memory.
    pub inputs: Vec<View>,
    pub(super) steps: Vec<Step>,
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
            computes,
        }
    }

    /// The chain of a group of nodes; `given` is what the kernel computes itself.
    pub fn of(
        cx: &mut Lowering<'_>,
        group: &[NodeId],
        given: Option<ValueId>,
    ) -> Result<Chain, Diagnostic> {
        let mut chain = Chain {
            inputs: Vec::new(),
            steps: Vec::new(),
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
        Ok(chain)
    }

    fn source(&mut self, cx: &mut Lowering<'_>, value: ValueId) -> Result<Source, Diagnostic> {
        let constant = cx.function.constant_value(value);
        if let Some(number) = constant.and_then(exact_splat) {
            return Ok(Source::Constant(cx.function.tensor_ty(value).dtype, number));
        }
        self.inputs.push(cx.view(value)?);
        Ok(Source::Input(self.inputs.len() - 1))
    }

    /// Whether several elements can be computed at once: those of at most 32 bits, but for one op.
    pub(super) fn is_wide(&self) -> bool {
        let narrow = |d: DType| d.bytes() <= 4;
        self.inputs.iter().all(|i| narrow(i.ty.dtype))
            && self
                .steps
                .iter()
                .all(|s| narrow(s.from) && narrow(s.to) && ops::is_wide(s.op, &s.attrs))
    }

    /// Computes the result from what is given and from the inputs' elements.
    pub fn emit(
        &self,
        k: &mut KernelBuilder<'_>,
        width: Width,
        given: Option<Value>,
        inputs: &[Value],
    ) -> Option<Value> {
        let mut results: Vec<Value> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let args: Option<Vec<Value>> = step
                .args
                .iter()
                .map(|arg| match *arg {
                    Source::Given => given,
                    Source::Input(n) => inputs.get(n).copied(),
                    Source::Step(n) => results.get(n).copied(),
                    Source::Constant(dtype, value) => Some(ops::constant(k, width, dtype, value)),
                })
                .collect();
            results.push(ops::emit(k, step, &args?, width));
        }
        results.pop()
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
