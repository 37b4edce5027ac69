//! `hla-run check`: functions against values that were computed elsewhere.
//!
//! The file holds tensors `FUNCTION/in/NAME` and `FUNCTION/out/NAME`. NAME is the argument's
//! `hla.param` or `hla.name`, the result's `hla.updates` or `hla.name`, or a number, from 0, where there
//! is none. A function is checked if any of its outputs is there; those that are not are left alone, and
//! so are functions that only the file or only the program has: one file serves several programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hla_cli::report::visible;
use hla_cli::tensors::tolerance;
use hla_cli::values::display;
use hla_cli::{Failure, tell};
use hla_ir::{DType, Diagnostic, Location, Tensor};
use hla_runtime::{Executable, Signature, Slot};
use serde::Serialize;

use crate::place::Place;
use crate::{program, values};

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The program
    #[arg(value_name = "PROGRAM.hlaprog")]
    program: PathBuf,
    /// Inputs and outputs: tensors FUNCTION/in/NAME and FUNCTION/out/NAME
    #[arg(long, value_name = "REFERENCE.safetensors")]
    against: PathBuf,
    /// Check this function alone [default: all that both the program and the file have]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Relative tolerance [default: by what contractions are computed in, 1e-4 for f32, 1e-2 for tf32
    /// and f16, 5e-2 for bf16; but at least 2^-7 for outputs in bf16, 2^-10 for those in f16]
    #[arg(long, value_name = "R", value_parser = tolerance)]
    rtol: Option<f64>,
    /// Absolute tolerance [default: the relative one, times the largest magnitude of the output]
    #[arg(long, value_name = "A", value_parser = tolerance)]
    atol: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
An element a fits its expected value e if |a - e| <= A + R |e|; integers must be equal. For each
output the worst difference is told as a multiple of what is allowed: more than 1 fails, with
status 1.";

/// How an output compares.
#[derive(Serialize, Debug)]
struct Comparison {
    function: String,
    output: String,
    /// The largest |a - e|; null if one of the two is not finite, and the other another value.
    difference: f64,
    /// The largest |a - e| over what is allowed there; null as above.
    of_allowed: f64,
    /// The largest finite |e|.
    magnitude: f64,
    fits: bool,
}

/// How near values must be.
#[derive(Clone, Copy)]
struct Allowed {
    rtol: f64,
    /// Whether it is the precision's, not the user's.
    usual: bool,
    atol: Option<f64>,
}

impl Allowed {
    /// What is allowed of a type: two neighbours among 16-bit floats may both be right.
    fn of(self, dtype: DType) -> f64 {
        let neighbour = match dtype {
            DType::BF16 => 1.0 / 128.0,
            DType::F16 => 1.0 / 1024.0,
            _ => 0.0,
        };
        match self.usual {
            true => self.rtol.max(neighbour),
            false => self.rtol,
        }
    }
}

pub fn run(args: &Args, place: Place) -> Result<(), Failure> {
    let tensors = values::read(&args.against)?;
    let refuse = |message: String| Diagnostic::error(file(args), message);
    let session = program::open(&args.program, place)?;
    let program = session.program();
    let mut names: BTreeSet<&str> = tensors
        .keys()
        .filter_map(|key| key.split_once("/out/"))
        .map(|(function, _)| function)
        .collect();
    match args.function.as_deref() {
        Some(only) => names.retain(|&name| name == only),
        None => names.retain(|&name| program.function(name).is_some()),
    }
    if names.is_empty() {
        return Err(
            refuse("the file has no output of a function of the program".to_owned())
                .help("outputs are tensors named FUNCTION/out/NAME")
                .into(),
        );
    }
    let allowed = Allowed {
        rtol: args.rtol.unwrap_or(match &*program.precision {
            "f32" => 1e-4,
            "bf16" => 5e-2,
            _ => 1e-2,
        }),
        usual: args.rtol.is_none(),
        atol: args.atol,
    };
    let mut results = Vec::new();
    for name in names {
        let step = session.function(name)?;
        let signature = Executable::signature(&step).clone();
        let inputs = gather(name, &signature, &tensors)
            .map_err(|missing| refuse(missing).help("the file was made for another program"))?;
        let outputs = step.run(&inputs, None)?;
        for (i, (slot, actual)) in signature.outputs.iter().zip(&outputs).enumerate() {
            let output = label(slot, i);
            let Some(expected) = tensors.get(&format!("{name}/out/{output}")) else {
                continue;
            };
            if expected.ty() != actual.ty() {
                return Err(refuse(format!(
                    "{name}/out/{output} is {}, but the program gives {}",
                    expected.ty(),
                    actual.ty()
                ))
                .help("the file was made for another program")
                .into());
            }
            results.push(compare(name, &output, actual, expected, allowed));
        }
    }
    let text = match args.json {
        true => serde_json::to_string_pretty(&results).unwrap_or_default() + "\n",
        false => results.iter().map(line).collect(),
    };
    tell(&*visible(&text))?;
    match results.iter().filter(|r| !r.fits).count() {
        0 => Ok(()),
        wrong => Err(Diagnostic::error(
            file(args),
            format!(
                "{wrong} of {} outputs are beyond what is allowed",
                results.len()
            ),
        )
        .help("if that is near enough for this precision, raise --rtol or --atol")
        .into()),
    }
}

fn file(args: &Args) -> Location {
    Location::file(display(&args.against), 0, 0)
}

/// What the file calls a slot.
fn label(slot: &Slot, place: usize) -> String {
    let name = (slot.param.as_deref())
        .or(slot.updates.as_deref())
        .or(slot.name.as_deref());
    name.map_or_else(|| place.to_string(), str::to_owned)
}

/// The inputs of a function; or what is missing.
fn gather(
    function: &str,
    signature: &Signature,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<Vec<Tensor>, String> {
    let named = signature.inputs.iter().enumerate();
    named
        .map(|(i, slot)| {
            let key = format!("{function}/in/{}", label(slot, i));
            match tensors.get(&key) {
                Some(tensor) if *tensor.ty() == slot.ty => Ok(tensor.clone()),
                Some(tensor) => Err(format!(
                    "{key} is {}, but the program takes {}",
                    tensor.ty(),
                    slot.ty
                )),
                None => Err(format!("there is no tensor {key}")),
            }
        })
        .collect()
}

fn compare(
    function: &str,
    output: &str,
    actual: &Tensor,
    expected: &Tensor,
    allowed: Allowed,
) -> Comparison {
    let finite = expected.iter_f64().map(f64::abs).filter(|e| e.is_finite());
    let magnitude = finite.fold(0.0, f64::max);
    let float = expected.dtype().is_float();
    let rtol = allowed.of(expected.dtype());
    let atol = allowed.atol.unwrap_or(rtol * magnitude);
    let (mut difference, mut of_allowed) = (0.0_f64, 0.0_f64);
    for (a, e) in actual.iter_f64().zip(expected.iter_f64()) {
        if a == e || (a.is_nan() && e.is_nan()) {
            continue;
        }
        let apart = match (a - e).abs() {
            apart if apart.is_nan() => f64::INFINITY,
            apart => apart,
        };
        let most = match float {
            true if e.is_finite() => atol + rtol * e.abs(),
            _ => 0.0,
        };
        difference = difference.max(apart);
        of_allowed = of_allowed.max(apart / most);
    }
    Comparison {
        function: function.to_owned(),
        output: output.to_owned(),
        difference,
        of_allowed,
        magnitude,
        fits: of_allowed <= 1.0,
    }
}

fn line(result: &Comparison) -> String {
    let verdict = match result.fits {
        true => "fits",
        false => "WRONG",
    };
    format!(
        "{verdict:<6} {}/{}: worst difference {:.3e}, {:.3} of what is allowed; largest magnitude {:.3e}\n",
        result.function, result.output, result.difference, result.of_allowed, result.magnitude
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hla_ir::TensorType;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_f32s([values.len()], values).unwrap()
    }

    fn check(actual: &[f32], expected: &[f32], allowed: Allowed) -> Comparison {
        compare("f", "y", &floats(actual), &floats(expected), allowed)
    }

    #[test]
    fn the_worst_element_decides() {
        let strict = Allowed {
            rtol: 1e-2,
            usual: true,
            atol: Some(0.0),
        };
        // 0.5 % and 2 % off.
        let result = check(&[100.5, 1.02, -3.0], &[100.0, 1.0, -3.0], strict);
        assert!((result.of_allowed - 2.0).abs() < 1e-4, "{result:?}");
        assert!((result.difference - 0.5).abs() < 1e-4 && !result.fits);
        assert_eq!(result.magnitude, 100.0);
        // By default small elements may be off as the largest may.
        let usual = Allowed {
            rtol: 1e-2,
            usual: true,
            atol: None,
        };
        assert!(check(&[100.5, 1.02, -3.0], &[100.0, 1.0, -3.0], usual).fits);
        assert!(!check(&[100.0, 2.02, -3.0], &[100.0, 1.0, -3.0], usual).fits);
    }

    #[test]
    fn neighbours_among_16_bit_floats_fit() {
        let tight = Allowed {
            rtol: 1e-4,
            usual: true,
            atol: Some(0.0),
        };
        let one = |v: f64| Tensor::splat(TensorType::new([1], DType::BF16), v);
        assert!(compare("f", "y", &one(1.0 + 1.0 / 128.0), &one(1.0), tight).fits);
        assert!(!compare("f", "y", &one(1.0 + 1.0 / 64.0), &one(1.0), tight).fits);
        let said = Allowed {
            usual: false,
            ..tight
        };
        assert!(!compare("f", "y", &one(1.0 + 1.0 / 128.0), &one(1.0), said).fits);
    }

    #[test]
    fn special_values_must_be_met() {
        const NAN: f32 = f32::NAN;
        const INF: f32 = f32::INFINITY;
        let usual = Allowed {
            rtol: 1e-2,
            usual: true,
            atol: None,
        };
        for (a, e, fits) in [
            (NAN, NAN, true),
            (INF, INF, true),
            (NAN, 1.0, false),
            (1.0, NAN, false),
            (INF, -INF, false),
            (INF, 1.0, false),
            (1.0, INF, false),
            (0.0, -0.0, true),
        ] {
            assert_eq!(check(&[a], &[e], usual).fits, fits, "{a} {e}");
        }
        let ints = |v| Tensor::from_i64s(TensorType::new([1], DType::I32), &[v]).unwrap();
        assert!(!compare("f", "y", &ints(1000), &ints(1001), usual).fits);
        assert!(compare("f", "y", &ints(7), &ints(7), usual).fits);
    }
}
