//! `hlac train --target cuda --emit-program`: what it writes trains like `hlac train` on the processor.

use clap::Parser;
use hla_cli::report::Sources;
use hla_cli::timing::Timing;
use hla_cli::train::{self, Options, options};
use hla_ir::Diagnostic;
use hla_runtime::plan::DeviceProgram;
use hla_runtime::{StepProgram, npy};
use hla_train::{Blueprint, Part};
use serde_json::Value;

use super::{Place, digits, first, session};

#[derive(Parser)]
#[command(args_override_self = true)]
struct Command {
    #[command(flatten)]
    options: Options,
}

/// Trains with a program as who only has that does it: its own options stand before the others.
fn train(place: &Place, program: DeviceProgram, line: &str) {
    let driver = program.driver.as_deref().unwrap();
    let blueprint = Blueprint::from_json(driver).unwrap();
    let mut words = vec!["train".to_owned()];
    words.extend(options::command_line(&blueprint.options));
    for word in line.split_whitespace() {
        words.push(match word.contains('.') && !word.starts_with('0') {
            true => place.path(word).display().to_string(),
            false => word.to_owned(),
        });
    }
    let options = Command::try_parse_from(words).unwrap().options;
    options::check_program(&options, &blueprint.options).unwrap();
    let prepared = train::prepare(&options, &place.path("p.hlaprog")).unwrap_or_else(failed);
    let data = train::open(&options).unwrap_or_else(failed);
    let session = session(program);
    let mut compile = |part: Part| -> Result<Box<dyn StepProgram>, Diagnostic> {
        Ok(Box::new(session.function(part.name())?))
    };
    train::train(
        &options,
        prepared,
        data,
        &blueprint,
        &mut compile,
        &Sources::default(),
        Timing::new(false),
    )
    .unwrap_or_else(failed);
}

fn failed<T>(error: hla_cli::Failure) -> T {
    match error {
        hla_cli::Failure::Input(e) => panic!("{e:?}"),
        hla_cli::Failure::Usage(e) | hla_cli::Failure::Stopped(e) => panic!("{e}"),
    }
}

/// The records of epochs in a metrics file.
fn epochs(place: &Place, name: &str) -> Vec<Value> {
    let text = place.text(name);
    let lines = text.lines().map(|l| serde_json::from_str(l).unwrap());
    lines.filter(|l: &Value| l["event"] == "epoch").collect()
}

/// Training samples of the tests.
const SAMPLES: usize = 64;

fn with_samples() -> Place {
    let place = Place::new();
    for name in ["train-images.npy", "train-labels.npy"] {
        let samples = first(&digits(name), SAMPLES);
        place.write(name, npy::to_bytes(&samples).unwrap());
    }
    place
}

/// Two epochs in full precision, one of stage 1, one of stage 2, four steps each.
const COURSE: &str = "--data train-images.npy --eval train-images.npy --float-epochs 2 --t1 0.4 --t2 0.5 \
                      --t-step 0.2 --epochs-per-t 1 --ternary-epochs 1 --lr 0.05 --seed 5 --quiet";

/// Compiles the training of the digits' perceptron for batches of 16.
fn emit(place: &Place, more: &str) -> DeviceProgram {
    place
        .hlac(&format!(
            "train DIGITS/mlp.mlir --target cuda --batch 16 --quiet --emit-program p.hlaprog {more}"
        ))
        .success();
    place.program("p.hlaprog")
}

#[test]
fn a_program_trains_as_the_processor_does() {
    let place = with_samples();
    // In 16 bits a sum in another order may be rounded to the neighbour, and so a weight pass its threshold.
    for (precision, tolerance) in [("f32", 1e-4), ("bf16", 1e-2), ("f16", 1e-2)] {
        place
            .hlac(&format!(
                "train DIGITS/mlp.mlir --batch 16 --precision {precision} {COURSE} --metrics cpu.jsonl \
                 -o cpu.safetensors"
            ))
            .success();
        let expected = epochs(&place, "cpu.jsonl");
        assert_eq!(expected.len(), 4);
        let program = emit(&place, &format!("--precision {precision}"));
        let line = format!("{COURSE} --metrics gpu.jsonl -o gpu.safetensors");
        train(&place, program, &line);
        let found = epochs(&place, "gpu.jsonl");
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            for key in ["epoch", "stage", "t", "steps", "learning_rate"] {
                assert_eq!(found[key], expected[key], "{precision}: {key}");
            }
            for losses in [
                (&found["loss"], &expected["loss"]),
                (&found["eval"]["loss"], &expected["eval"]["loss"]),
            ] {
                let (a, b) = (losses.0.as_f64().unwrap(), losses.1.as_f64().unwrap());
                assert!((a - b).abs() <= tolerance * b, "{precision}: {a}, not {b}");
            }
        }
        assert!(place.files(".").contains(&"gpu.safetensors".to_owned()));
    }
}

/// What bf16 and f16 round shows on the processor too, each in its own way.
#[test]
fn precision_shows_on_the_processor() {
    let place = with_samples();
    let losses: Vec<Vec<f64>> = ["f32", "bf16", "f16"]
        .map(|precision| {
            place
                .hlac(&format!(
                    "train DIGITS/mlp.mlir --batch 16 --precision {precision} {COURSE} --metrics m.jsonl \
                     -o {precision}.safetensors"
                ))
                .success();
            let losses = epochs(&place, "m.jsonl");
            losses.iter().map(|e| e["loss"].as_f64().unwrap()).collect()
        })
        .into();
    // A factor is off by at most 2⁻⁹ in bf16 and 2⁻¹² in f16; a loss by a few of them.
    for (rounded, unit) in [(&losses[1], 2f64.powi(-9)), (&losses[2], 2f64.powi(-12))] {
        let mut pairs = rounded.iter().zip(&losses[0]);
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 20.0 * unit * b));
        assert!(pairs.any(|(a, b)| a != b));
    }
    assert_ne!(losses[1], losses[2]);
}

/// All functions of a training are there, for each quantizer, and their plans are sound.
#[test]
fn whole_trainings_are_compiled() {
    let place = Place::new();
    for (model, more) in [
        ("cnn", "--precision bf16"),
        ("cnn", "--quantizer ttq --precision f16"),
        ("cnn", "--quantizer ste --sphere project"),
        ("mlp", "--quantizer twn --loss mse"),
    ] {
        let line =
            format!("train DIGITS/{model}.mlir --target cuda --batch 8 --emit-program p.hlaprog");
        let told = place.hlac(&format!("{line} {more} --json")).success();
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(told["has_driver"], true);
        let program = place.program("p.hlaprog");
        let names: Vec<&str> = program.functions.iter().map(|f| &*f.name).collect();
        for name in [
            "float_step",
            "finetune_step",
            "ternary_step",
            "evaluate_ternary",
            "ternarize",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
        let again = place.read("p.hlaprog");
        place.hlac(&format!("{line} {more} --quiet")).success();
        assert!(place.read("p.hlaprog") == again, "{more}");
        let text = place.hlac("inspect p.hlaprog").success().text();
        assert!(text.contains("function ternary_step("), "{text}");
    }
}

/// What shapes no graph is not kept, and that is said.
#[test]
fn options_that_a_program_does_not_keep_are_named() {
    let place = Place::new();
    let line = "train DIGITS/mlp.mlir --target cuda --batch 8 --emit-program p.hlaprog";
    let told = place
        .hlac(&format!("{line} --momentum 0.8 --lambda 1"))
        .success();
    assert!(
        !told.stderr.contains("note: the program keeps"),
        "{}",
        told.stderr
    );
    let told = place
        .hlac(&format!("{line} --lr 5 --data d.npy --momentum 0.8"))
        .success();
    let note = "not --data, --lr: say that to hla-run train";
    let other = "not --lr, --data: say that to hla-run train";
    let errors = told.stderr;
    assert!(errors.contains(note) || errors.contains(other), "{errors}");
}

/// A program says with which options it was made, and another than these is refused.
#[test]
fn a_program_keeps_its_options() {
    let place = Place::new();
    let program = emit(&place, "--momentum 0.8 --quantize-all");
    let blueprint = Blueprint::from_json(program.driver.as_deref().unwrap()).unwrap();
    assert_eq!(blueprint.options["momentum"], "0.8");
    assert_eq!(blueprint.options["batch"], "16");
    let mut words = vec!["train".to_owned()];
    words.extend(options::command_line(&blueprint.options));
    words.extend("--data d --momentum 0.7 -o o".split(' ').map(str::to_owned));
    let options = Command::try_parse_from(words).unwrap().options;
    let error = options::check_program(&options, &blueprint.options).unwrap_err();
    assert!(error.message.contains("momentum"), "{error}");
}
