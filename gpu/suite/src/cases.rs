//! The cases of the numeric suite, with what they give.

use hla_ir::{Function, Tensor};
use hla_reference::cases::{cases, training_cases};
use hla_reference::evaluate;
use serde_json::{Value, json};

/// A function to compile, and what it must give.
pub struct Entry {
    /// Its name, which is the function's.
    pub name: String,
    /// What is compiled.
    pub function: Function,
    /// What PyTorch is to compute: the function, or the one that it is the gradient of.
    pub graph: Function,
    /// For each result what it is of the graph.
    pub gives: Vec<Gives>,
    /// Arguments.
    pub inputs: Vec<Tensor>,
    /// Results, by `hla-reference`.
    pub outputs: Vec<Tensor>,
}

/// What a result is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gives {
    /// A result of the graph.
    Result(usize),
    /// The derivative of the graph's last result by one of its arguments.
    Gradient(usize),
}

impl Gives {
    /// As `["result", 0]`.
    pub fn json(self) -> Value {
        match self {
            Gives::Result(i) => json!(["result", i]),
            Gives::Gradient(i) => json!(["gradient", i]),
        }
    }
}

/// All of them. A case with a type that safetensors lacks is left out, as is one that the evaluator
/// refuses.
pub fn all() -> Vec<Entry> {
    let cases = cases().into_iter().chain(training_cases());
    cases
        .filter_map(|case| {
            let outputs = evaluate(&case.function, &case.inputs).ok()?;
            let known = |t: &Tensor| crate::dtype(t.dtype()).is_some();
            let all = case.inputs.iter().chain(&outputs).all(known);
            all.then(|| Entry {
                name: case.name,
                gives: (0..outputs.len()).map(Gives::Result).collect(),
                graph: case.function.clone(),
                function: case.function,
                inputs: case.inputs,
                outputs,
            })
        })
        .collect()
}
