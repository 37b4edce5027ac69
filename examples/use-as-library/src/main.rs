//! hlac as a Rust library: read a model, compile it for another processor, run it in this process.
//!
//! ```text
//! cargo run -p use-as-library -- examples/digits/cnn.mlir examples/digits/cnn.safetensors
//! ```

use std::path::Path;
use std::process::ExitCode;

use hlac::{Model, ModelOptions, Options, Tensor};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, model, weights] = &args[..] else {
        eprintln!("usage: use-as-library MODEL.mlir WEIGHTS.safetensors");
        return ExitCode::from(2);
    };
    match show(model, weights) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show(model: &str, weights: &str) -> hlac::Result<()> {
    let model = Model::read(
        Path::new(model),
        &ModelOptions {
            weights: Some(weights.into()),
            ..ModelOptions::default()
        },
    )?;
    let options = Options {
        target: "aarch64".to_owned(),
        sparsity: 0.7,
        ..Options::default()
    };

    // An object file and a C header for another processor.
    let compiled = hlac::compile(&model, &options)?;
    print!("{}", compiled.summary);

    // The same ternary model on this machine.
    let function = hlac::ternarize(&model, &options, &mut |_| {})?;
    let program = hlac::prepare(&function, None)?;
    let inputs: Vec<Tensor> = program
        .signature()
        .inputs
        .iter()
        .map(|slot| Tensor::splat(slot.ty.clone(), 0.5))
        .collect();
    for output in program.run(&inputs, None)? {
        println!("output {output:?}");
    }
    Ok(())
}
