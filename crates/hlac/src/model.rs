//! Reading a model: parse, fix dynamic dimensions, bind weights, choose the function.

use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Function, Location, Module};
use hla_mlir::{InputName, InputShape, ParseOptions};

use crate::Result;

/// How a model is read.
#[derive(Clone, Default, Debug)]
pub struct ModelOptions {
    /// A safetensors file with the values of the arguments that carry `hla.param`.
    pub weights: Option<PathBuf>,
    /// The extent of the leading dimension of inputs, where the model leaves it open.
    pub batch: Option<usize>,
    /// Whole shapes of inputs, by name (`hla.name`) or number.
    pub input_shapes: Vec<(String, Vec<usize>)>,
    /// The function that is the model. By default `main`, or the only one.
    pub function: Option<String>,
}

impl ModelOptions {
    fn parse(&self) -> ParseOptions {
        let input = |(name, shape): &(String, Vec<usize>)| InputShape {
            input: match name.parse() {
                Ok(position) => InputName::Position(position),
                Err(_) => InputName::Name(name.clone()),
            },
            shape: shape.clone(),
        };
        ParseOptions {
            batch: self.batch,
            input_shapes: self.input_shapes.iter().map(input).collect(),
        }
    }
}

/// A model: one function, its parameters bound as far as weights were given.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    function: Function,
    name: String,
    warnings: Vec<Diagnostic>,
}

impl Model {
    /// Reads a file of MLIR text or bytecode. The model is named after the file.
    pub fn read(path: &Path, options: &ModelOptions) -> Result<Model> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Model::from_module(
            &name,
            &path.to_string_lossy(),
            hla_mlir::parse_file_with(path, &options.parse())?,
            options,
        )
    }

    /// Reads MLIR text or bytecode; `source` is what locations in diagnostics call it.
    pub fn parse(source: &str, bytes: &[u8], options: &ModelOptions) -> Result<Model> {
        let name = Path::new(source).file_stem().unwrap_or_default();
        let module = hla_mlir::parse_source_with(source, bytes, &options.parse())?;
        Model::from_module(&name.to_string_lossy(), source, module, options)
    }

    /// Takes a parsed module that came from `source`.
    fn from_module(
        name: &str,
        source: &str,
        mut module: Module,
        options: &ModelOptions,
    ) -> Result<Model> {
        let index = choose(&module, name, source, options.function.as_deref())?;
        // Other functions need not fit the weights of this one.
        module.functions = vec![module.functions.swap_remove(index)];
        let warnings = match &options.weights {
            Some(weights) => hla_mlir::weights::bind(&mut module, weights)?,
            None => Vec::new(),
        };
        hla_ir::verify::verify_module(&module)?;
        match module.functions.pop() {
            Some(function) => Ok(Model {
                function,
                name: name.to_owned(),
                warnings,
            }),
            None => Err(Diagnostic::error(Location::unknown(), "the model vanished").into()),
        }
    }

    /// The function as the tensor IR has it.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// What is odd about the model and its weights, but no hindrance.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The model's name: its file's, without folder and extension.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The index of the function that is the model.
fn choose(module: &Module, name: &str, source: &str, wanted: Option<&str>) -> Result<usize> {
    let names: Vec<&str> = module.functions.iter().map(|f| &*f.name).collect();
    let at = |wanted: &str| names.iter().position(|n| *n == wanted);
    let place = module
        .functions
        .first()
        .map_or_else(|| Location::file(source, 0, 0), |f| f.location.clone());
    let list = || match names.is_empty() {
        true => "it has none".to_owned(),
        false => format!("it has {}", names.join(", ")),
    };
    if let Some(wanted) = wanted {
        return at(wanted).ok_or_else(|| {
            Diagnostic::error(place, format!("{name} has no function '{wanted}'"))
                .help(list())
                .into()
        });
    }
    match (&names[..], at("main")) {
        ([_], _) => Ok(0),
        (_, Some(index)) => Ok(index),
        ([], _) => Err(Diagnostic::error(place, format!("{name} has no function"))
            .help("a model is a func.func with a body")
            .into()),
        _ => Err(Diagnostic::error(
            place,
            format!("{name} has several functions, and none is called main"),
        )
        .help(format!("choose one with --function: {}", list()))
        .into()),
    }
}
