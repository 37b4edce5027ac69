//! A compiled graph together with what it must be given.

use std::sync::Arc;

use hla_ir::{Diagnostic, Function, Location, Tensor, TensorType};
use hla_passes::training::TrainingGraphs;
use hla_runtime::{Begun, State, StepProgram, ThreadPool};

use crate::blueprint::Part;

/// Gives the program of a part: compiles its graph, or finds it in a file of compiled ones.
pub type Compile<'c> = dyn FnMut(Part) -> Result<Box<dyn StepProgram>, Diagnostic> + 'c;

/// Gives programs by compiling the graphs of a training.
pub fn compiling<'g>(
    graphs: &'g TrainingGraphs,
    mut compile: impl FnMut(&Function) -> Result<Box<dyn StepProgram>, Diagnostic> + 'g,
) -> impl FnMut(Part) -> Result<Box<dyn StepProgram>, Diagnostic> + 'g {
    move |part| match part.graph(graphs) {
        Some(function) => compile(function),
        None => Err(Diagnostic::error(
            Location::unknown(),
            format!("this training has no '{}'", part.name()),
        )),
    }
}

/// What steps may ask for by name.
pub(crate) struct Feed<'a> {
    /// Name of the model's input, and the images.
    pub images: Option<(&'a str, &'a Tensor)>,
    pub labels: Option<&'a Tensor>,
    pub learning_rate: f64,
    pub loss_aware_weight: f64,
    pub sparsity: f64,
}

/// The named results of a step.
pub(crate) struct Outputs(Vec<(String, Tensor)>);

impl Outputs {
    /// The result of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, tensor)| tensor)
    }

    /// The first number of the result of this name.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.iter_f64().next()
    }
}

/// A program that is stepped.
pub(crate) struct Program {
    program: Box<dyn StepProgram>,
    /// Names and types of its inputs.
    needs: Vec<(Arc<str>, TensorType)>,
    /// Names of the state that it reads.
    reads: Vec<Arc<str>>,
}

impl Program {
    /// The program of a part.
    pub fn new(part: Part, compile: &mut Compile<'_>) -> Result<Program, Diagnostic> {
        let program = compile(part)?;
        let mut needs = Vec::new();
        let mut reads = Vec::new();
        for slot in &program.signature().inputs {
            match (&slot.param, &slot.name) {
                (Some(param), _) => reads.push(Arc::clone(param)),
                (None, Some(name)) => needs.push((Arc::clone(name), slot.ty.clone())),
                (None, None) => {
                    return Err(Diagnostic::error(
                        Location::unknown(),
                        format!("'{}' has an input without a name", part.name()),
                    )
                    .help("name it with hla.name"));
                }
            }
        }
        Ok(Program {
            program,
            needs,
            reads,
        })
    }

    /// Whether it gives a result of this name.
    pub fn gives(&self, name: &str) -> bool {
        let outputs = &self.program.signature().outputs;
        outputs
            .iter()
            .any(|slot| slot.name.as_deref() == Some(name))
    }

    /// Whether it minimises a squared error: it is given targets.
    pub fn takes_targets(&self) -> bool {
        self.needs.iter().any(|(name, _)| &**name == "targets")
    }

    /// Steps once.
    pub fn step(
        &mut self,
        state: &mut State,
        feed: &Feed<'_>,
        pool: Option<&ThreadPool>,
    ) -> Result<Outputs, Diagnostic> {
        let begun = self.begin(state, feed, pool)?;
        self.finish(begun)
    }

    /// Begins a step, which a device may still be at when this returns.
    pub fn begin(
        &mut self,
        state: &mut State,
        feed: &Feed<'_>,
        pool: Option<&ThreadPool>,
    ) -> Result<Begun, Diagnostic> {
        let mut made = Vec::with_capacity(self.needs.len());
        for (name, ty) in &self.needs {
            made.push(feed.tensor(name, ty)?);
        }
        let inputs: Vec<(&str, &Tensor)> = self
            .needs
            .iter()
            .map(|(name, _)| &**name)
            .zip(&made)
            .collect();
        self.program.begin(state, &inputs, pool)
    }

    /// Waits for a step that was begun.
    pub fn finish(&mut self, begun: Begun) -> Result<Outputs, Diagnostic> {
        self.program.finish(begun).map(Outputs)
    }

    /// What it makes of the tensors of a state, which stays as it is: the state that it would
    /// become, as far as the program knows it.
    pub fn derive(
        &mut self,
        state: &State,
        feed: &Feed<'_>,
        pool: Option<&ThreadPool>,
    ) -> Result<State, Diagnostic> {
        let mut scratch = state.part(self.reads.iter().map(|name| &**name))?;
        self.step(&mut scratch, feed, pool)?;
        self.pull(&mut scratch)?;
        Ok(scratch)
    }

    /// Brings back what its steps keep of a state in memory of their own.
    pub fn pull(&mut self, state: &mut State) -> Result<(), Diagnostic> {
        let away: Vec<String> = state.away().map(str::to_owned).collect();
        self.pull_these(state, away.iter().map(String::as_str))
    }

    /// The same for some tensors.
    pub fn pull_these<'n>(
        &mut self,
        state: &mut State,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), Diagnostic> {
        for name in names {
            self.program.pull(state, name)?;
        }
        Ok(())
    }
}

impl Feed<'_> {
    /// Nothing but t.
    pub fn of_state(sparsity: f64) -> Feed<'static> {
        Feed {
            images: None,
            labels: None,
            learning_rate: 0.0,
            loss_aware_weight: 0.0,
            sparsity,
        }
    }

    fn tensor(&self, name: &str, ty: &TensorType) -> Result<Tensor, Diagnostic> {
        let scalar = |value: f64| Ok(Tensor::splat(ty.clone(), value));
        match (name, self.images, self.labels) {
            (name, Some((input, images)), _) if name == input => Ok(images.clone()),
            ("labels", _, Some(labels)) => Ok(labels.clone()),
            ("targets", _, Some(labels)) => one_hot(labels, ty),
            ("learning_rate", ..) => scalar(self.learning_rate),
            ("loss_aware_weight", ..) => scalar(self.loss_aware_weight),
            ("sparsity", ..) => scalar(self.sparsity),
            _ => Err(Diagnostic::error(
                Location::unknown(),
                format!("a step takes the input '{name}', which training does not know"),
            )
            .help("a model has one input besides its parameters")),
        }
    }
}

/// 1 at each label, 0 elsewhere: targets `[N, …, C]` of a squared error. A label out of range has a
/// row of zeros.
fn one_hot(labels: &Tensor, ty: &TensorType) -> Result<Tensor, Diagnostic> {
    let classes = ty.shape.last().copied().unwrap_or(1).max(1);
    let mut values = vec![0.0_f32; ty.elements()];
    let labels = labels.to_i64s().unwrap_or_default();
    for (row, label) in values.chunks_exact_mut(classes).zip(labels) {
        if let Some(value) = usize::try_from(label).ok().and_then(|l| row.get_mut(l)) {
            *value = 1.0;
        }
    }
    Tensor::from_f32s(ty.shape.clone(), &values)
        .map_err(|e| Diagnostic::error(Location::unknown(), e))
}

#[cfg(test)]
mod tests {
    use hla_ir::DType;

    use super::*;

    #[test]
    fn targets_are_one_at_the_label() {
        let labels = Tensor::from_i64s(TensorType::new([3], DType::I32), &[2, -1, 0]).unwrap();
        let targets = one_hot(&labels, &TensorType::f32([3, 3])).unwrap();
        assert_eq!(
            targets.to_f32s(),
            [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
        );
    }
}
