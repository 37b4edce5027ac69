//! Shapes that the model leaves open, or that the user wants otherwise.

mod arguments;
mod batch;

pub(crate) use arguments::Inputs;
pub(crate) use batch::rebatch;

/// An input, as a user names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InputName {
    /// By its position among the arguments that are no parameters.
    Position(usize),
    /// By `hla.name`.
    Name(String),
}

/// A shape that the user gives an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InputShape {
    /// Which input; in every function that has it.
    pub input: InputName,
    /// Its extents.
    pub shape: Vec<usize>,
}

/// What to make static while a model is read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ParseOptions {
    /// The extent of dimension 0 of the inputs, parameters excepted.
    pub batch: Option<usize>,
    /// Shapes of inputs.
    pub input_shapes: Vec<InputShape>,
}
