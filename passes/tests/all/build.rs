//! A short way to write functions in tests.

use hla_ir::{Arg, Attr, Attrs, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_passes::{Options, Pipeline, Report, Step};

/// A function in the making.
pub struct Build(pub Function);

impl Build {
    /// A function `main` without arguments.
    pub fn new() -> Build {
        Build(Function::new("main"))
    }

    /// Adds an f32 argument.
    pub fn arg(&mut self, shape: &[usize]) -> ValueId {
        self.0.add_arg(Arg::new(TensorType::f32(shape)))
    }

    /// Adds an argument of any type.
    pub fn typed_arg(&mut self, ty: TensorType) -> ValueId {
        self.0.add_arg(Arg::new(ty))
    }

    /// Adds an f32 constant.
    pub fn constant(&mut self, shape: &[usize], values: &[f32]) -> ValueId {
        let values = Tensor::from_f32s(shape, values).unwrap();
        self.0.constant(values, Location::unknown())
    }

    /// Adds a constant with one value everywhere.
    pub fn splat(&mut self, shape: &[usize], value: f32) -> ValueId {
        let ty = TensorType::f32(shape);
        self.0
            .constant(Tensor::splat(ty, value.into()), Location::unknown())
    }

    /// Adds a node; its location is line n for node n.
    pub fn op(&mut self, op: Op, operands: &[ValueId], attrs: &[(&str, Attr)]) -> ValueId {
        let mut all = Attrs::new();
        for (name, value) in attrs {
            all.set(name, value.clone());
        }
        let line = self.0.nodes.len() as u32 + 1;
        self.0
            .push(op, operands, all, Location::file("test.mlir", line, 3))
            .unwrap()
    }

    /// Ends with these results.
    pub fn results(mut self, results: &[ValueId]) -> Function {
        self.0.results = results.to_vec();
        hla_ir::verify::verify(&self.0).unwrap();
        self.0
    }
}

/// An integer-array attribute.
pub fn i64s(values: &[i64]) -> Attr {
    Attr::I64s(values.to_vec())
}

/// Runs a textual pipeline of hlac's passes, verifying after each; gives the last report.
pub fn passes(text: &str, function: &Function) -> Result<(Function, Report), hla_ir::Diagnostic> {
    let steps: Vec<(hla_passes::PassInfo, Options)> = Pipeline::parse(text)?
        .steps
        .into_iter()
        .map(|step| match step {
            Step::Ours(info, options) => (info, options),
            Step::Upstream(text) => panic!("{text} is no pass of hlac"),
        })
        .collect();
    let mut report = Report::default();
    let new = hla_passes::run(function, &steps, true, &mut |run| {
        report = run.report.clone();
    })?;
    Ok((new, report))
}
