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
    /// The processor and system the code is for: native, x86_64, aarch64, or a triple
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
    /// What the C symbols begin with [default: the name of OUT, or else of MODEL]
    #[arg(long, value_name = "NAME", help_heading = "Code")]
    name: Option<String>,
    /// What to write
    #[arg(
        long,
        value_name = "KIND,…",
        value_delimiter = ',',
        default_value = "obj,header",
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
      prints what the code is generated from";

/// A kind of output.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// Object file (.o)
    Obj,
    /// C header (.h)
    Header,
    /// Assembly (.s)
    Asm,
    /// Cranelift's intermediate code (.clif)
    Clif,
    /// The model that code is generated from (.mlir)
    Mlir,
}

impl Emit {
    fn extension(self) -> &'static str {
        match self {
            Emit::Obj => "o",
            Emit::Header => "h",
            Emit::Asm => "s",
            Emit::Clif => "clif",
            Emit::Mlir => "mlir",
        }
    }
}

pub fn run(args: &Args, sources: &mut Sources) -> Result<(), Failure> {
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && args.emit.len() > 1 {
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
        text: args
            .emit
            .iter()
            .any(|e| matches!(e, Emit::Asm | Emit::Clif)),
        ..timing.phase("read samples", || args.ternary.options(&model))?
    };
    let compiled = hlac::compile_observed(&model, &options, &mut |phase| {
        timing.add(phase.name, phase.time);
    })?;
    timing.phase("write", || -> Result<(), Failure> {
        let mut outputs = Outputs::sparing(args.model.files().chain(args.ternary.files()));
        for &emit in &args.emit {
            let bytes = match emit {
                Emit::Obj => compiled.object.clone(),
                Emit::Header => compiled.header.clone().into_bytes(),
                Emit::Asm => compiled.asm.clone().into_bytes(),
                Emit::Clif => compiled.clif.clone().into_bytes(),
                Emit::Mlir => compiled.mlir()?.into_bytes(),
            };
            outputs.add("-o", path(args, &name, emit), bytes);
        }
        // `-o build/` makes the folder; if that fails, writing the first file tells why.
        if let Some(folder) = args.output.as_deref().filter(|p| is_folder(p)) {
            let _ = std::fs::create_dir(folder);
        }
        Ok(outputs.commit()?)
    })?;
    let summary = &compiled.summary;
    if args.json {
        let json = serde_json::to_string_pretty(summary).unwrap_or_default();
        output::print(format!("{json}\n"))?;
    } else if !args.quiet {
        let mut text = summary.remarks.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&summary.to_string());
        for &emit in &args.emit {
            text.push_str(&format!("wrote {}\n", path(args, &name, emit).display()));
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

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Where an output goes.
fn path(args: &Args, name: &str, emit: Emit) -> PathBuf {
    let extension = emit.extension();
    match &args.output {
        None => PathBuf::from(format!("{name}.{extension}")),
        Some(folder) if is_folder(folder) => folder.join(format!("{name}.{extension}")),
        Some(file) if args.emit.len() == 1 => file.clone(),
        Some(file) if file.extension().is_some_and(|e| e == extension) => file.clone(),
        // A file without extension, or with one of no kind, is where the object goes.
        Some(file) if emit == Emit::Obj && file.extension().is_none_or(|e| e != "h") => {
            file.clone()
        }
        Some(file) => file.with_extension(extension),
    }
}
