//! `hlac opt`.

use std::path::PathBuf;

use hla_ir::{Diagnostic, Function, Location, Module, Severity, Tensor};
use hla_passes::pipeline::PIPELINE_SOURCE;
use hla_passes::{Pipeline, Step};
use hla_runtime::Signature;

use super::Failure;
use super::model::{STDIN, display, read_stdin};
use super::output::Outputs;
use super::report::{self, Sources};
use super::timing::Timing;
use super::verify;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model: MLIR text or bytecode; `-` is standard input
    #[arg(value_name = "MODEL", default_value = "-")]
    model: PathBuf,
    /// The passes, of hlac (`hla-…`, see `hlac passes`) and of MLIR
    #[arg(long, value_name = "PIPELINE", default_value = "builtin.module()")]
    pass_pipeline: String,
    /// Where the result goes
    #[arg(short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Values of the arguments that carry `hla.param`
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
    /// Sample inputs for passes that calibrate, one file for each input
    #[arg(long, value_name = "FILE.npy")]
    calibrate: Vec<PathBuf>,
    /// Process the parts between `// -----` lines one by one
    #[arg(long)]
    split_input_file: bool,
    /// Succeed if the diagnostics are those that `expected-error {{…}}` comments promise
    #[arg(long)]
    verify_diagnostics: bool,
    /// Run the verifier before the first and after each pass
    #[arg(long, value_name = "BOOL", default_value = "true", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    verify_each: bool,
    /// Print the result as bytecode
    #[arg(long)]
    emit_bytecode: bool,
    /// Print the module after each pass, on standard error
    #[arg(long)]
    mlir_print_ir_after_all: bool,
    /// Print locations
    #[arg(long)]
    mlir_print_debuginfo: bool,
    /// Print every op in generic form
    #[arg(long)]
    mlir_print_op_generic: bool,
    /// Accepted as mlir-opt does; ops that hlac does not know are always kept
    #[arg(long)]
    allow_unregistered_dialect: bool,
    /// Print what the passes tell: tables and figures, on standard error
    #[arg(long)]
    report: bool,
    /// Print the time each pass takes, and the peak of memory
    #[arg(long)]
    timing: bool,
}

const EXAMPLES: &str = "\
Examples:
  hlac opt cnn.mlir --weights cnn.safetensors --report \\
      --pass-pipeline='builtin.module(hla-freeze,hla-ternarize{sparsity=0.8},canonicalize)'
  hlac opt tests/filetests/pack.mlir --split-input-file --verify-diagnostics \\
      --pass-pipeline='builtin.module(hla-pack)'";

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    sources.remember(PIPELINE_SOURCE, &args.pass_pipeline);
    let pipeline = Pipeline::parse(&args.pass_pipeline)?;
    let mut timing = Timing::new(args.timing);
    let (name, bytes) = match args.model.as_os_str() == "-" {
        true => (STDIN.to_owned(), read_stdin(sources)?),
        false => {
            let name = display(&args.model);
            let bytes = std::fs::read(&args.model).map_err(|e| {
                Diagnostic::error(Location::file(&*name, 0, 0), format!("cannot be read: {e}"))
                    .help("check the path and its permissions")
            })?;
            (name, bytes)
        }
    };
    let parts: Vec<Vec<u8>> = match (args.split_input_file, std::str::from_utf8(&bytes)) {
        (true, Ok(text)) => verify::split(text)
            .into_iter()
            .map(String::into_bytes)
            .collect(),
        _ => vec![bytes],
    };
    if args.emit_bytecode && parts.len() > 1 {
        return Err(Failure::Usage(
            "bytecode holds one module: leave out --split-input-file".to_owned(),
        ));
    }
    let mut results: Vec<Vec<u8>> = Vec::new();
    let mut failed = Vec::new();
    for part in &parts {
        let mut told = Vec::new();
        let result = process(args, &pipeline, &name, part, &mut told, &mut timing);
        match result {
            Ok(bytes) => results.push(bytes),
            Err(errors) => {
                results.push(Vec::new());
                told.extend(errors);
            }
        }
        if args.verify_diagnostics {
            let text = String::from_utf8_lossy(part);
            failed.extend(
                verify::check(&name, &text, &told)
                    .err()
                    .into_iter()
                    .flatten(),
            );
        } else {
            let (errors, rest): (Vec<_>, Vec<_>) = told
                .into_iter()
                .partition(|d| d.severity == Severity::Error);
            report::print(&rest, sources);
            failed.extend(errors);
        }
    }
    timing.finish();
    if !failed.is_empty() {
        return Err(failed.into());
    }
    let read = std::iter::once(&args.model).chain(&args.weights);
    let read = read.chain(&args.calibrate);
    let mut outputs = Outputs::sparing(read.map(PathBuf::as_path));
    outputs.add("-o", &args.output, results.join(&b"// -----\n"[..]));
    Ok(outputs.commit()?)
}

/// Runs the pipeline on one part of the input; warnings and remarks go to `told`.
fn process(
    args: &Args,
    pipeline: &Pipeline,
    name: &str,
    bytes: &[u8],
    told: &mut Vec<Diagnostic>,
    timing: &mut Timing,
) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let mut module = timing.phase("parse", || hla_mlir::parse_source(name, bytes))?;
    if let Some(weights) = &args.weights {
        told.extend(timing.phase("bind weights", || {
            hla_mlir::weights::bind(&mut module, weights)
        })?);
    }
    for step in &pipeline.steps {
        match step {
            Step::Upstream(text) => {
                let start = std::time::Instant::now();
                module = hla_mlir::run_pipeline(
                    &module,
                    text,
                    hla_mlir::PipelineOptions {
                        verify_each: args.verify_each,
                        print_ir_after_all: args.mlir_print_ir_after_all,
                    },
                )
                .map_err(|mut errors| {
                    // Of a pipeline that MLIR cannot read; what its passes say has a place.
                    for error in errors.iter_mut().filter(|e| e.location.is_unknown()) {
                        error.help.get_or_insert_with(|| {
                            "`hlac passes` lists the passes of hlac, `mlir-opt-22 --help` those of MLIR"
                                .to_owned()
                        });
                    }
                    errors
                })?;
                timing.add(text, start.elapsed());
            }
            Step::Ours(pass, options) => {
                for function in &mut module.functions {
                    let options = options.clone().with_calibrator(calibrator(args, function)?);
                    *function = hla_passes::run(
                        function,
                        &[(*pass, options)],
                        args.verify_each,
                        &mut |run| {
                            timing.add(pass.name, run.time);
                            told.extend(run.report.remarks.iter().cloned());
                            if args.report {
                                let mut report = run.report.clone();
                                report.remarks.clear();
                                let text = format!("// {} @{}\n{report}", pass.name, function.name);
                                eprint!("{}", report::visible(&text));
                            }
                        },
                    )
                    .map_err(|d| vec![d])?;
                }
                if args.mlir_print_ir_after_all {
                    let text = print(args, &module)?;
                    eprint!(
                        "// -----// IR Dump After {} //----- //\n{text}\n",
                        pass.name
                    );
                }
            }
        }
    }
    timing.phase("print", || match args.emit_bytecode {
        true => hla_mlir::to_bytecode(&module).map_err(|d| vec![d]),
        false => print(args, &module).map(String::into_bytes),
    })
}

fn print(args: &Args, module: &Module) -> Result<String, Vec<Diagnostic>> {
    let options = hla_mlir::PrintOptions {
        locations: args.mlir_print_debuginfo,
        generic: args.mlir_print_op_generic,
        ..Default::default()
    };
    let mut text = hla_mlir::print_pretty(module, options).map_err(|d| vec![d])?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Who measures ranges for this function, if samples are given.
fn calibrator(
    args: &Args,
    function: &Function,
) -> Result<Option<hla_passes::Calibrator>, Vec<Diagnostic>> {
    if args.calibrate.is_empty() {
        return Ok(None);
    }
    let run = || -> hlac::Result<hla_passes::Calibrator> {
        let inputs: Vec<Tensor> = args
            .calibrate
            .iter()
            .map(|f| hla_runtime::npy::read(f))
            .collect::<Result<_, _>>()?;
        let samples = hlac::samples(&Signature::of(function)?, &inputs)?;
        Ok(hlac::calibrator(samples))
    };
    run().map(Some).map_err(|e| e.diagnostics().to_vec())
}
