//! `hlac compile`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::Failure;
use super::model::{ModelArgs, TernaryArgs};
use super::output::{self, Outputs};
use super::report::{Sources, visible};
use super::timing::Timing;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    ternary: TernaryArgs,
    /// What the code is for: native, x86_64, aarch64, or a triple; or an NVIDIA GPU: cuda, which all
    /// since sm_80 take, or cuda:sm_90 and so on, which older ones do not take
    #[arg(
        long,
        value_name = "TARGET",
        default_value = "native",
        help_heading = "Code"
    )]
    target: String,
    /// Processor features to add, to remove (-fma), or a level (x86-64-v4)
    #[arg(
        long,
        value_name = "FEATURE,…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "Code"
    )]
    cpu: Vec<String>,
    /// For a GPU: how convolutions and matrix products are computed [default: tf32]
    #[arg(long, value_name = "TYPE", value_enum, help_heading = "Code")]
    precision: Option<PrecisionName>,
    /// What the C symbols begin with, or the function of a program for a GPU [default: the name of OUT, or else of MODEL]
    #[arg(long, value_name = "NAME", help_heading = "Code")]
    name: Option<String>,
    /// What to write [default: obj,header, or prog for a GPU]
    #[arg(
        long,
        value_name = "KIND,…",
        value_delimiter = ',',
        help_heading = "Output"
    )]
    emit: Vec<Emit>,
    /// Where to write it: a file, whose extension other kinds replace by their own; a folder (FOLDER/ is
    /// made if need be); or -
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print no summary
    #[arg(short, long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,
    /// Print the time each phase takes, and the peak of memory
    #[arg(long, help_heading = "Output")]
    timing: bool,
}

const EXAMPLES: &str = "\
Examples:
  hlac compile cnn.mlir --weights cnn.safetensors --sparsity 0.8 -o cnn.o
      writes cnn.o and cnn.h for this machine
  hlac compile cnn.mlir --weights cnn.safetensors --target aarch64 \\
      --activations int8 --calibrate images.npy -o build/
  hlac compile cnn.mlir --weights cnn.safetensors --emit mlir -o -
      prints what the code is generated from
  hlac compile cnn.mlir --weights cnn.safetensors --target cuda --precision bf16 -o cnn.hlaprog
      writes a program for an NVIDIA GPU, which hla-run runs
  hlac compile cnn.mlir --weights cnn.safetensors --target cuda:sm_90 --emit prog,mlir,ptx,plan -o gpu/
      and beside it the kernels in MLIR and PTX, and what is launched over which memory";

/// A kind of output.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// Object file (.o)
    Obj,
    /// C header (.h)
    Header,
    /// Assembly to read, as Cranelift spells it (.s)
    Asm,
    /// Cranelift's intermediate code (.clif)
    Clif,
    /// The model that code is generated from; for a GPU its kernels too (.mlir)
    Mlir,
    /// Program for a GPU (.hlaprog)
    Prog,
    /// PTX (.ptx)
    Ptx,
    /// What a GPU does, step by step (.plan)
    Plan,
}

impl Emit {
    fn extension(self) -> &'static str {
        match self {
            Emit::Obj => "o",
            Emit::Header => "h",
            Emit::Asm => "s",
            Emit::Clif => "clif",
            Emit::Mlir => "mlir",
            Emit::Prog => "hlaprog",
            Emit::Ptx => "ptx",
            Emit::Plan => "plan",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Emit::Obj => "obj",
            Emit::Header => "header",
            Emit::Asm => "asm",
            Emit::Clif => "clif",
            Emit::Mlir => "mlir",
            Emit::Prog => "prog",
            Emit::Ptx => "ptx",
            Emit::Plan => "plan",
        }
    }

    /// Whether there is such an output of code for a GPU, or for a processor.
    fn fits(self, gpu: bool) -> bool {
        match self {
            Emit::Mlir => true,
            Emit::Prog | Emit::Ptx | Emit::Plan => gpu,
            Emit::Obj | Emit::Header | Emit::Asm | Emit::Clif => !gpu,
        }
    }
}

/// [`hlac::Precision`] as an option.
#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PrecisionName {
    /// f32, without tensor cores
    F32,
    /// Factors rounded to tf32, sums in f32
    #[default]
    Tf32,
    /// Factors and stored activations in bf16, sums in f32
    Bf16,
    /// Factors and stored activations in f16, sums in f32
    F16,
}

/// The GPU that a target names, if it names one; options that suit the other kind of target are
/// refused.
pub fn gpu(
    target: &str,
    precision: Option<PrecisionName>,
) -> Result<Option<hlac::CudaTarget>, Failure> {
    let gpu = hlac::CudaTarget::parse(target, precision.unwrap_or_default().into())?;
    match (gpu, precision) {
        (None, Some(_)) => Err(of_gpu("--precision")),
        _ => Ok(gpu),
    }
}

/// Refuses an option that only a GPU has a use for.
pub fn of_gpu(option: &str) -> Failure {
    Failure::Usage(format!("{option} is of use only with --target cuda"))
}

impl From<PrecisionName> for hlac::Precision {
    fn from(name: PrecisionName) -> hlac::Precision {
        match name {
            PrecisionName::F32 => hlac::Precision::F32,
            PrecisionName::Tf32 => hlac::Precision::Tf32,
            PrecisionName::Bf16 => hlac::Precision::Bf16,
            PrecisionName::F16 => hlac::Precision::F16,
        }
    }
}

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    let gpu = gpu(&args.target, args.precision)?;
    if gpu.is_some() {
        for (given, option) in [
            (!args.cpu.is_empty(), "--cpu"),
            (args.ternary.names_strategy(), "--strategy"),
        ] {
            if given {
                return Err(Failure::Usage(format!(
                    "{option} is of use only for a processor, not with --target {}",
                    args.target
                )));
            }
        }
    }
    let emits: &[Emit] = match (args.emit.as_slice(), gpu) {
        ([], None) => &[Emit::Obj, Emit::Header],
        ([], Some(_)) => &[Emit::Prog],
        (emit, _) => emit,
    };
    if let Some(misfit) = emits.iter().find(|e| !e.fits(gpu.is_some())) {
        return Err(Failure::Usage(format!(
            "there is no '{}' of code for '{}'",
            misfit.name(),
            args.target
        )));
    }
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && emits.len() > 1 {
        return Err(Failure::Usage(
            "standard output takes one kind: choose it with --emit".to_owned(),
        ));
    }
    let mut timing = Timing::new(args.timing);
    let model = timing.phase("read the model", || args.model.read(sources))?;
    let named_by_output = args
        .output
        .as_deref()
        .filter(|p| !to_stdout && !is_folder(p))
        .and_then(|p| Some(p.file_stem()?.to_string_lossy().into_owned()));
    let name = args.name.clone().or(named_by_output);
    let name = name.unwrap_or_else(|| match model.name() {
        "<stdin>" => "model".to_owned(),
        name => name.to_owned(),
    });
    let options = hlac::Options {
        target: args.target.clone(),
        cpu: args.cpu.clone(),
        name: Some(name.clone()),
        text: emits.iter().any(|e| matches!(e, Emit::Asm | Emit::Clif)),
        ..timing.phase("read samples", || args.ternary.options(&model))?
    };
    let mut observe = |phase: &hlac::Phase<'_>| timing.add(phase.name, phase.time);
    let made: Made = match gpu {
        None => Made::Processor(hlac::compile_observed(&model, &options, &mut observe)?),
        Some(target) => Made::Gpu(hlac::compile_cuda(&model, &options, target, &mut observe)?),
    };
    timing.phase("write", || -> Result<(), Failure> {
        let mut outputs = Outputs::sparing(args.model.files().chain(args.ternary.files()));
        for &emit in emits {
            outputs.add(
                "-o",
                path(args, &name, emit, (emits.len() == 1, emit == made.first())),
                made.output(emit)?,
            );
        }
        // `-o build/` makes the folder; if that fails, writing the first file tells why.
        if let Some(folder) = args.output.as_deref().filter(|p| is_folder(p)) {
            let _ = std::fs::create_dir(folder);
        }
        Ok(outputs.commit()?)
    })?;
    if args.json {
        output::print(format!("{}\n", made.json()))?;
    } else if !args.quiet {
        let mut text = made.text();
        for &emit in emits {
            let path = path(args, &name, emit, (emits.len() == 1, emit == made.first()));
            text.push_str(&format!("wrote {}\n", path.display()));
        }
        let text = visible(&text);
        match to_stdout {
            true => eprint!("{text}"),
            false => output::print(&*text)?,
        }
    }
    timing.finish();
    Ok(())
}

/// What came of a compilation.
enum Made {
    Processor(hlac::Compiled),
    Gpu(hlac::CompiledCuda),
}

impl Made {
    /// The kind of output that goes where `-o` says if several do.
    fn first(&self) -> Emit {
        match self {
            Made::Processor(_) => Emit::Obj,
            Made::Gpu(_) => Emit::Prog,
        }
    }

    fn output(&self, emit: Emit) -> Result<Vec<u8>, Failure> {
        Ok(match (self, emit) {
            (Made::Processor(made), Emit::Obj) => made.object.clone(),
            (Made::Processor(made), Emit::Header) => made.header.clone().into_bytes(),
            (Made::Processor(made), Emit::Asm) => made.asm.clone().into_bytes(),
            (Made::Processor(made), Emit::Clif) => made.clif.clone().into_bytes(),
            (Made::Processor(made), _) => made.mlir()?.into_bytes(),
            (Made::Gpu(made), Emit::Prog) => made.program.bytes(),
            (Made::Gpu(made), Emit::Ptx) => made.program.ptx().into_bytes(),
            (Made::Gpu(made), Emit::Plan) => made.program.plan().into_bytes(),
            (Made::Gpu(made), _) => made.program.mlir()?.into_bytes(),
        })
    }

    fn json(&self) -> String {
        match self {
            Made::Processor(made) => serde_json::to_string_pretty(&made.summary),
            Made::Gpu(made) => serde_json::to_string_pretty(&made.summary),
        }
        .unwrap_or_default()
    }

    fn text(&self) -> String {
        let (remarks, summary) = match self {
            Made::Processor(made) => (&made.summary.remarks, made.summary.to_string()),
            Made::Gpu(made) => (&made.summary.remarks, made.summary.to_string()),
        };
        let mut text = remarks.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text + &summary
    }
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// A name as that of a file, which leads into no other folder.
fn file_name(name: &str) -> String {
    let inside = |c: char| !matches!(c, '/' | '\\') && !c.is_control();
    let kept = name.chars().map(|c| if inside(c) { c } else { '_' });
    let kept: String = kept.collect();
    match kept.is_empty() || kept.starts_with('.') {
        true => format!("_{kept}"),
        false => kept,
    }
}

/// Where an output goes.
fn path(args: &Args, name: &str, emit: Emit, (alone, first): (bool, bool)) -> PathBuf {
    let extension = emit.extension();
    let name = file_name(name);
    match &args.output {
        None => PathBuf::from(format!("{name}.{extension}")),
        Some(folder) if is_folder(folder) => folder.join(format!("{name}.{extension}")),
        Some(file) if alone => file.clone(),
        Some(file) if file.extension().is_some_and(|e| e == extension) => file.clone(),
        // A file without extension, or with one of no kind, is where the object or program goes.
        Some(file) if first && file.extension().is_none_or(|e| e != "h") => file.clone(),
        Some(file) => file.with_extension(extension),
    }
}
