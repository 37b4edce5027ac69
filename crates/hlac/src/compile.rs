//! The way of a model: passes, then code.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hla_cranelift::{Artifact, CodegenOptions, Target, TernaryStrategy};
use hla_ir::cost::total_multiplications;
use hla_ir::{Diagnostic, Function, Location, Module, Tensor};
use hla_passes::{Activations, Calibrator, Report};

use crate::cuda::names_gpu;
use crate::summary::{Kernel, Summary, Table};
use crate::{Error, Model, Result, run};

/// How a model is compiled.
#[derive(Clone, Debug)]
pub struct Options {
    /// `native`, `x86_64`, `aarch64`, a triple of these; or `cuda`, `cuda:sm_90` and so on, for
    /// [`compile_cuda`](crate::compile_cuda()).
    pub target: String,
    /// Processor features to add, to remove (`-fma`), or a level (`x86-64-v4`).
    pub cpu: Vec<String>,
    /// Share of zeros among the weights of ternary layers, from 0 to 1.
    pub sparsity: f64,
    /// Further options of the pass `hla-ternarize`, as `hlac passes` lists them.
    pub ternarize: Vec<(String, String)>,
    /// What ternary layers read.
    pub activations: Activations,
    /// Sample inputs, each with a tensor for every input of the model; needed for
    /// [`Activations::Int8`].
    pub calibration: Vec<Vec<Tensor>>,
    /// How every ternary layer is computed; by default the best for its shape.
    pub strategy: Option<Strategy>,
    /// What symbols begin with; by default the model's name.
    pub name: Option<String>,
    /// Whether [`Compiled::clif`] and [`Compiled::asm`] are wanted.
    pub text: bool,
}

impl Default for Options {
    /// This machine, 70 % zeros, f32 activations.
    fn default() -> Options {
        Options {
            target: "native".to_owned(),
            cpu: Vec::new(),
            sparsity: 0.7,
            ternarize: Vec::new(),
            activations: Activations::F32,
            calibration: Vec::new(),
            strategy: None,
            name: None,
            text: false,
        }
    }
}

/// How ternary layers are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// Additions and subtractions at the non-zero weights only.
    SparseAdd,
    /// Sums of groups of activations, looked up by the codes of their weights.
    LookUpTable,
}

impl From<Strategy> for TernaryStrategy {
    fn from(strategy: Strategy) -> TernaryStrategy {
        match strategy {
            Strategy::SparseAdd => TernaryStrategy::SparseAdd,
            Strategy::LookUpTable => TernaryStrategy::LookUpTable,
        }
    }
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The object file. It refers to no symbol but its own.
    pub object: Vec<u8>,
    /// The C header that goes with it.
    pub header: String,
    /// Cranelift's intermediate code, if [`Options::text`] was set.
    pub clif: String,
    /// Assembly, if [`Options::text`] was set.
    pub asm: String,
    /// What was done.
    pub summary: Summary,
    /// The model as the code was generated from it.
    function: Function,
}

impl Compiled {
    /// The model as the code was generated from it, as MLIR text.
    pub fn mlir(&self) -> Result<String> {
        let module = Module {
            functions: vec![self.function.clone()],
            ..Default::default()
        };
        let mut text = hla_mlir::print_pretty(&module, Default::default())?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }
}

/// A step of a compilation, told when it is done.
pub struct Phase<'a> {
    /// A pass's name, or `code generation`.
    pub name: &'a str,
    /// How long it took.
    pub time: Duration,
    /// What it told.
    pub report: Option<&'a Report>,
}

/// Compiles a model.
pub fn compile(model: &Model, options: &Options) -> Result<Compiled> {
    compile_observed(model, options, &mut |_| {})
}

/// [`compile`], told of every phase.
pub fn compile_observed(
    model: &Model,
    options: &Options,
    observe: &mut dyn FnMut(&Phase<'_>),
) -> Result<Compiled> {
    let target = Target::parse(&options.target, &options.cpu)?;
    let (function, changes) = changed(model, options, observe)?;
    let start = Instant::now();
    let name = options
        .name
        .clone()
        .unwrap_or_else(|| model.name().to_owned());
    let codegen = CodegenOptions {
        name: Some(name.clone()),
        ternary: options.strategy.map(Into::into),
        text: options.text,
    };
    let artifact = hla_cranelift::compile(&function, &target, &codegen)?;
    observe(&Phase {
        name: "code generation",
        time: start.elapsed(),
        report: None,
    });
    let Artifact {
        object,
        header,
        clif,
        asm,
        report,
    } = artifact;
    let summary = Summary {
        model: name,
        target: target.triple().to_string(),
        features: target.features().map(str::to_owned).collect(),
        tables: changes.tables,
        multiplications_before: changes.multiplications[0],
        multiplications_after: changes.multiplications[1],
        weight_bytes_before: changes.weight_bytes[0],
        weight_bytes_after: changes.weight_bytes[1],
        state_bytes: report.state_bytes,
        workspace_bytes: report.workspace_bytes,
        object_bytes: object.len() as u64,
        kernels: report
            .kernels
            .iter()
            .map(|k| Kernel {
                symbol: k.symbol.clone(),
                computes: k.computes.clone(),
                strategy: k.strategy.clone(),
            })
            .collect(),
        notes: report.notes,
        remarks: changes.remarks,
    };
    Ok(Compiled {
        object,
        header,
        clif,
        asm,
        summary,
        function,
    })
}

/// What the passes of a compilation did.
pub(crate) struct Changes {
    pub tables: Vec<Table>,
    pub remarks: Vec<String>,
    /// Before and after.
    pub multiplications: [u64; 2],
    /// Before and after.
    pub weight_bytes: [u64; 2],
}

/// [`ternarize`], and what it did.
pub(crate) fn changed(
    model: &Model,
    options: &Options,
    observe: &mut dyn FnMut(&Phase<'_>),
) -> Result<(Function, Changes)> {
    let mut tables = Vec::new();
    let mut remarks = Vec::new();
    let function = ternarize(model, options, &mut |phase| {
        if let Some(report) = phase.report {
            tables.extend(report.tables.iter().map(Into::into));
            remarks.extend(report.remarks.iter().map(Diagnostic::to_string));
        }
        observe(phase);
    })?;
    let changes = Changes {
        tables,
        remarks,
        multiplications: [model.function(), &function].map(total_multiplications),
        weight_bytes: [model.function(), &function].map(constant_bytes),
    };
    Ok((function, changes))
}

/// Runs the passes of a compilation: gives the function that code is generated from.
pub fn ternarize(
    model: &Model,
    options: &Options,
    observe: &mut dyn FnMut(&Phase<'_>),
) -> Result<Function> {
    let unbound: Vec<_> = model
        .function()
        .args
        .iter()
        .filter(|a| a.param.is_some())
        .collect();
    if let Some(first) = unbound.first() {
        let names: Vec<&str> = unbound.iter().filter_map(|a| a.param.as_deref()).collect();
        return Err(Diagnostic::error(
            first.location.clone(),
            format!("parameters without a value: {}", names.join(", ")),
        )
        .help("give the trained weights with --weights model.safetensors")
        .into());
    }
    let mut passes = hla_passes::inference_pipeline(&hla_passes::CompileOptions {
        sparsity: options.sparsity,
        ternarize: options.ternarize.clone(),
        activations: options.activations,
        calibrator: match options.activations {
            Activations::Int8 => Some(calibrator(options.calibration.clone())),
            _ => None,
        },
    })?;
    if names_gpu(&options.target) {
        // The layouts are those of the kernels for processors.
        passes.retain(|(pass, _)| pass.name != hla_passes::plan_layout::PASS.name);
    }
    Ok(hla_passes::run(
        model.function(),
        &passes,
        false,
        &mut |pass| {
            observe(&Phase {
                name: pass.pass.name,
                time: pass.time,
                report: Some(pass.report),
            });
        },
    )?)
}

/// Measures ranges of values by running a model on samples, each a tensor for every input; 100 % of
/// the values lie within a range.
pub fn calibrator(samples: Vec<Vec<Tensor>>) -> Calibrator {
    Arc::new(move |function: &Function, values: &[hla_ir::ValueId]| {
        hla_passes::calibrate(function, values, &samples, 100.0, &|watched| {
            let program = run::prepare(watched, None).map_err(first)?;
            Ok(Box::new(move |inputs: &[Tensor]| program.run(inputs, None)))
        })
    })
}

fn first(error: Error) -> Diagnostic {
    let unknown = || Diagnostic::error(Location::unknown(), error.to_string());
    error.diagnostics().first().cloned().unwrap_or_else(unknown)
}

/// Bytes of all constants with more than one element: what a model weighs.
fn constant_bytes(function: &Function) -> u64 {
    let constants = function.nodes.iter().filter_map(hla_ir::Node::constant);
    constants
        .filter(|t| t.splat_element().is_none())
        .map(|t| t.ty().bytes() as u64)
        .sum()
}
