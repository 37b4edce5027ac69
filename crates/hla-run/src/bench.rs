//! `hla-run bench`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use hla_cli::report::visible;
use hla_cli::tensors::{Named, file};
use hla_cli::values::display;
use hla_cli::{Failure, tell};
use hla_ir::{Diagnostic, Location, Tensor};
use hla_runtime::device::DeviceSession;
use hla_runtime::plan::PlanFunction;
use hla_runtime::{StepProgram, npy, program as files};
use hla_train::Blueprint;
use serde::Serialize;

use crate::place::Place;
use crate::{program, values};

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The program
    #[arg(value_name = "PROGRAM.hlaprog")]
    program: PathBuf,
    /// A function; others are not brought onto the device, so that its memory is what these need
    /// [default: all, one after the other]
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
    /// Steps that are timed
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    /// Steps before them
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    warm_up: u32,
    /// Values of parameters to begin with, by `hla.param` [default: as a training begins, or random]
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
    /// An input [default: random; labels are below the number of classes]
    #[arg(long, value_name = "NAME=@FILE.npy", value_parser = file)]
    input: Vec<Named>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Two times are told. `step` is the device's: the function runs on what is there already, and is waited
for. `with data` includes what a training does besides: inputs go to the device, outputs come back.
p90 is the time that one step in ten exceeds. TFLOP/s counts two operations for each product that
the function's contractions sum up, over the median of `step`; ternary weights count like dense
ones, although many are zero. GB/s counts what each kernel, copy and fill reads and writes, once,
over the same time. The memory of the device is what was allocated at one time: state, inputs,
outputs, constants and scratch memory; the driver's own and the code are not in it.";

/// What was measured of a function.
#[derive(Serialize)]
struct Measurement {
    function: String,
    steps: u32,
    /// Products that its contractions sum up, over ternary weights as over dense ones; null if there are
    /// none, or the program does not say.
    macs: Option<u64>,
    /// Two operations for each of them, over the median step.
    tflops: Option<f64>,
    /// Bytes that its commands read and write.
    moved_bytes: u64,
    /// Of these, a second of the median step.
    gigabytes_a_second: f64,
    /// Of the device, in milliseconds.
    step: Times,
    /// With inputs sent and outputs fetched.
    with_data: Times,
}

#[derive(Serialize)]
struct Times {
    median_ms: f64,
    least_ms: f64,
    p90_ms: f64,
}

#[derive(Serialize)]
struct Report {
    device: String,
    precision: String,
    /// The most memory of the device that the program had, if the device tells.
    peak_bytes: Option<u64>,
    functions: Vec<Measurement>,
}

/// What every function is measured with.
struct Given<'a> {
    blueprint: Option<&'a Blueprint>,
    weights: BTreeMap<String, Tensor>,
    inputs: BTreeMap<String, Tensor>,
}

pub fn run(args: &Args, place: Place) -> Result<(), Failure> {
    let weights = match &args.weights {
        Some(path) => values::read(path)?,
        None => BTreeMap::new(),
    };
    let mut inputs = BTreeMap::new();
    for named in &args.input {
        let Some(name) = &named.name else {
            return Err(Failure::Usage(format!(
                "inputs go by name: --input NAME=@{}",
                named.path.display()
            )));
        };
        inputs.insert(name.clone(), npy::read(&named.path)?);
    }
    let mut program = files::read(&args.program)?;
    program::check_names(&program, &args.function)?;
    if !args.function.is_empty() {
        program
            .functions
            .retain(|f| args.function.contains(&f.name));
    }
    let session = DeviceSession::new(place.open()?, program)?;
    let program = session.program();
    let blueprint = program::blueprint(&program)?;
    let taken = |name: &str| {
        let mut slots = program.functions.iter().flat_map(|f| &f.signature.inputs);
        slots.any(|slot| slot.name.as_deref() == Some(name))
    };
    if let Some(name) = inputs.keys().find(|name| !taken(name)) {
        return Err(Diagnostic::error(
            Location::file(display(&args.program), 0, 0),
            format!("no function that is measured has an input '{name}'"),
        )
        .help("hla-run inspect lists the inputs of each function")
        .into());
    }
    let given = Given {
        blueprint: blueprint.as_ref(),
        weights,
        inputs,
    };
    let functions = program
        .functions
        .iter()
        .map(|f| measure(args, &session, f, &given));
    let report = Report {
        functions: functions.collect::<Result<_, _>>()?,
        device: session.device_name(),
        precision: program.precision.clone(),
        peak_bytes: session.peak_bytes(),
    };
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
        false => table(&report),
    };
    Ok(tell(&*visible(&text))?)
}

fn measure(
    args: &Args,
    session: &DeviceSession,
    function: &PlanFunction,
    given: &Given<'_>,
) -> Result<Measurement, Diagnostic> {
    let mut step = session.function(&function.name)?;
    let signature = StepProgram::signature(&step).clone();
    let mut state = program::state(&signature, given.blueprint, &given.weights)?;
    let mut inputs = Vec::new();
    for slot in signature.inputs.iter().filter(|s| s.param.is_none()) {
        let name = slot.name.clone().unwrap_or_default();
        let value = match given.inputs.get(&*name) {
            Some(value) => value.clone(),
            None => values::input(slot, given.blueprint.map(|b| b.classes))?,
        };
        inputs.push((name, value));
    }
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, t)| (&**name, t)).collect();
    // At least one step brings everything onto the device.
    for _ in 0..args.warm_up.max(1) {
        step.step(&mut state, &inputs, None)?;
    }
    let with_data = times(args.steps, || {
        step.step(&mut state, &inputs, None).map(|_| ())
    })?;
    let alone = times(args.steps, || {
        step.again(&mut state)?;
        session.synchronize()
    })?;
    let macs = Some(function.macs).filter(|&macs| macs > 0);
    Ok(Measurement {
        function: function.name.clone(),
        steps: args.steps,
        macs,
        tflops: macs.map(|macs| 2.0 * macs as f64 / (alone.median_ms * 1e9)),
        moved_bytes: function.moved_bytes(),
        gigabytes_a_second: function.moved_bytes() as f64 / (alone.median_ms * 1e6),
        step: alone,
        with_data,
    })
}

fn times(
    steps: u32,
    mut step: impl FnMut() -> Result<(), Diagnostic>,
) -> Result<Times, Diagnostic> {
    let mut times = Vec::with_capacity(steps as usize);
    for _ in 0..steps {
        let begun = Instant::now();
        step()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Times::of(times))
}

impl Times {
    /// Of times in milliseconds, at least one.
    fn of(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        let at = |place: usize| times.get(place).copied().unwrap_or(f64::NAN);
        let n = times.len();
        Times {
            median_ms: at(n / 2),
            least_ms: at(0),
            // Nine tenths of the times are not above it.
            p90_ms: at((9 * n).div_ceil(10).saturating_sub(1)),
        }
    }
}

fn table(report: &Report) -> String {
    let names = report.functions.iter().map(|m| m.function.chars().count());
    let width = names.max().unwrap_or(0).max("function".len());
    let mut out = format!("{}, {}\n", report.device, report.precision);
    out += &format!(
        "{:<width$}  {:>10} {:>10} {:>10} {:>9} {:>9}  {:>12} {:>10} {:>10}\n",
        "function", "step ms", "least", "p90", "TFLOP/s", "GB/s", "with data ms", "least", "p90"
    );
    for m in &report.functions {
        let tflops = (m.tflops).map_or_else(|| "-".to_owned(), |t| format!("{t:.3}"));
        out += &format!(
            "{:<width$}  {:>10.4} {:>10.4} {:>10.4} {:>9} {:>9.1}  {:>12.4} {:>10.4} {:>10.4}\n",
            m.function,
            m.step.median_ms,
            m.step.least_ms,
            m.step.p90_ms,
            tflops,
            m.gigabytes_a_second,
            m.with_data.median_ms,
            m.with_data.least_ms,
            m.with_data.p90_ms
        );
    }
    if let Some(peak) = report.peak_bytes {
        let mib = peak as f64 / f64::from(1 << 20);
        out += &format!("memory of the device: {mib:.1} MiB\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_ranks() {
        let of = |n: u32| Times::of((1..=n).rev().map(f64::from).collect());
        let told = |t: Times| (t.least_ms, t.median_ms, t.p90_ms);
        assert_eq!(told(of(1)), (1.0, 1.0, 1.0));
        assert_eq!(told(of(3)), (1.0, 2.0, 3.0));
        assert_eq!(told(of(10)), (1.0, 6.0, 9.0));
        assert_eq!(told(of(51)), (1.0, 26.0, 46.0));
    }
}
