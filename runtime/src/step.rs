//! Programs that are run again and again on a state they change: the steps of training.
//!
//! A step's arguments with `hla.param` are read from a [`State`]; the others are inputs, given by
//! name. A result with `hla.updates = P` becomes the new value of the state's `P`; the others are
//! handed back by name.

use hla_ir::{Diagnostic, Location, Tensor};

use crate::executable::{Executable, Signature};
use crate::pool::ThreadPool;
use crate::state::State;

/// A program that updates a state in place.
pub trait StepProgram {
    /// What it takes and gives: see [`Slot::param`](crate::Slot::param) and
    /// [`Slot::updates`](crate::Slot::updates).
    fn signature(&self) -> &Signature;

    /// Runs once: reads and updates the state, and gives the named outputs in the signature's
    /// order. The same state and inputs give the same bits, with any pool or none.
    ///
    /// An input that is missing, unknown or of another type is an error, as is a state that lacks a
    /// parameter; then nothing has changed.
    fn step(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<(String, Tensor)>, Diagnostic>;

    /// Begins what [`StepProgram::step`] does: the inputs may be changed when this returns, while a
    /// device may still be at work. The state counts as updated. Whoever begins a step finishes it
    /// before the next one.
    ///
    /// # Errors
    /// As those of a step.
    fn begin(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        pool: Option<&ThreadPool>,
    ) -> Result<Begun, Diagnostic> {
        self.step(state, inputs, pool).map(Begun::Done)
    }

    /// Waits for a step that was begun, and gives its named outputs.
    ///
    /// # Errors
    /// What went wrong since it began.
    fn finish(&mut self, begun: Begun) -> Result<Vec<(String, Tensor)>, Diagnostic> {
        match begun {
            Begun::Done(outputs) => Ok(outputs),
            Begun::Running => Err(refuse(
                "a step is to be finished by a program that did not begin it".to_owned(),
            )),
        }
    }

    /// Brings a tensor that this program changed in memory of its own [back](crate::state::away) into the
    /// state; does nothing where the state has its newest value. A program that works in the state's
    /// memory has nothing to bring.
    fn pull(&mut self, _state: &mut State, _name: &str) -> Result<(), Diagnostic> {
        Ok(())
    }
}

/// A step that was [begun](StepProgram::begin).
#[must_use = "a step that was begun is to be finished"]
#[derive(Debug)]
pub enum Begun {
    /// It is over already, with these outputs.
    Done(Vec<(String, Tensor)>),
    /// The program knows more.
    Running,
}

/// Where an argument of a step comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The state's tensor of this name.
    State(String),
    /// The input of this name.
    Input(String),
}

/// Where a result of a step goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// It is the new value of this argument, which is of the state.
    Update(usize),
    /// It is handed back under this name.
    Output(String),
}

/// How the slots of a signature meet a state and named tensors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// For each input slot.
    pub sources: Vec<Source>,
    /// For each output slot.
    pub targets: Vec<Target>,
}

fn refuse(message: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
}

impl Binding {
    /// The binding of a signature. Every argument and every result needs a name of its own, and an
    /// update the type of what it updates.
    pub fn of(signature: &Signature) -> Result<Binding, Diagnostic> {
        let mut sources: Vec<Source> = Vec::with_capacity(signature.inputs.len());
        for (i, slot) in signature.inputs.iter().enumerate() {
            let source = match (&slot.param, &slot.name) {
                (Some(param), _) => Source::State(param.to_string()),
                (None, Some(name)) => Source::Input(name.to_string()),
                (None, None) => {
                    return Err(refuse(format!(
                        "argument {i} of a step, {}, has no name",
                        slot.ty
                    ))
                    .help("give it an attribute hla.name, or hla.param if it is state"));
                }
            };
            if sources.contains(&source) {
                let (Source::State(name) | Source::Input(name)) = source;
                return Err(refuse(format!(
                    "two arguments of a step are named '{name}'"
                )));
            }
            sources.push(source);
        }
        let mut targets: Vec<Target> = Vec::with_capacity(signature.outputs.len());
        for (i, slot) in signature.outputs.iter().enumerate() {
            let target = match (&slot.updates, &slot.name) {
                (Some(param), _) => {
                    let source = Source::State(param.to_string());
                    let at = sources.iter().position(|s| *s == source).ok_or_else(|| {
                        refuse(format!(
                            "result {i} of a step updates '{param}', but no argument has that hla.param"
                        ))
                    })?;
                    if signature.inputs[at].ty != slot.ty {
                        return Err(refuse(format!(
                            "result {i} of a step updates '{param}', which is {}, but it is {}",
                            signature.inputs[at].ty, slot.ty
                        )));
                    }
                    Target::Update(at)
                }
                (None, Some(name)) => Target::Output(name.to_string()),
                (None, None) => {
                    return Err(
                        refuse(format!("result {i} of a step, {}, has no name", slot.ty))
                            .help("give it an attribute hla.name, or hla.updates if it is state"),
                    );
                }
            };
            if targets.contains(&target) {
                let name = slot.updates.as_ref().or(slot.name.as_ref());
                return Err(refuse(format!(
                    "two results of a step are for '{}'",
                    name.map_or("", |n| n)
                )));
            }
            targets.push(target);
        }
        Ok(Binding { sources, targets })
    }

    /// Checks a state and inputs against the signature that the binding is of; gives the tensor of
    /// each input slot that is not state.
    pub fn check<'t>(
        &self,
        signature: &Signature,
        state: &State,
        inputs: &[(&str, &'t Tensor)],
    ) -> Result<Vec<Option<&'t Tensor>>, Diagnostic> {
        for (i, (name, _)) in inputs.iter().enumerate() {
            if !self
                .sources
                .iter()
                .any(|s| matches!(s, Source::Input(n) if n == name))
            {
                return Err(refuse(format!("the step takes no input '{name}'"))
                    .help(format!("its inputs are {}", self.input_names())));
            }
            if inputs[..i].iter().any(|(n, _)| n == name) {
                return Err(refuse(format!("the input '{name}' is given twice")));
            }
        }
        let mut given = Vec::with_capacity(self.sources.len());
        for (source, slot) in self.sources.iter().zip(&signature.inputs) {
            let (what, name, ty) = match source {
                Source::State(name) => {
                    let ty = state.ty(name).ok_or_else(|| {
                        refuse(format!("the state has no '{name}', which the step reads"))
                    })?;
                    given.push(None);
                    ("'", name, ty)
                }
                Source::Input(name) => {
                    let (_, tensor) = inputs.iter().find(|(n, _)| n == name).ok_or_else(|| {
                        refuse(format!("the input '{name}' of the step is missing"))
                            .help(format!("its inputs are {}", self.input_names()))
                    })?;
                    given.push(Some(*tensor));
                    ("the input '", name, tensor.ty())
                }
            };
            if *ty != slot.ty {
                return Err(refuse(format!(
                    "{what}{name}' is {ty}, but the step takes {}",
                    slot.ty
                )));
            }
        }
        Ok(given)
    }

    fn input_names(&self) -> String {
        let names = self.sources.iter().filter_map(|s| match s {
            Source::Input(name) => Some(&**name),
            Source::State(_) => None,
        });
        names.collect::<Vec<&str>>().join(", ")
    }
}

/// Any executable as a step program: the state is copied in and out.
#[derive(Debug)]
pub struct Rebind<E> {
    program: E,
    binding: Binding,
}

impl<E: Executable> Rebind<E> {
    /// Binds the signature of an executable: see [`Binding::of`].
    pub fn new(program: E) -> Result<Rebind<E>, Diagnostic> {
        let binding = Binding::of(program.signature())?;
        Ok(Rebind { program, binding })
    }
}

impl<E: Executable> StepProgram for Rebind<E> {
    fn signature(&self) -> &Signature {
        self.program.signature()
    }

    fn step(
        &mut self,
        state: &mut State,
        inputs: &[(&str, &Tensor)],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<(String, Tensor)>, Diagnostic> {
        let given = self
            .binding
            .check(self.program.signature(), state, inputs)?;
        let mut tensors = Vec::with_capacity(given.len());
        for (tensor, source) in given.into_iter().zip(&self.binding.sources) {
            tensors.push(match (tensor, source) {
                (Some(tensor), _) => tensor.clone(),
                (None, Source::State(name) | Source::Input(name)) => {
                    state.check_here(name)?;
                    state
                        .get(name)
                        .ok_or_else(|| refuse(format!("the state has no '{name}'")))?
                }
            });
        }
        let results = self.program.run(&tensors, pool)?;
        let mut outputs = Vec::new();
        for (result, target) in results.into_iter().zip(&self.binding.targets) {
            match target {
                Target::Output(name) => outputs.push((name.clone(), result)),
                Target::Update(at) => {
                    if let Source::State(name) = &self.binding.sources[*at] {
                        state.set(name, &result)?;
                    }
                }
            }
        }
        Ok(outputs)
    }
}
