//! Any valid function is code for both CPUs, or an error.
#![no_main]

mod entry;

use hla_ir::testing::{self, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|words: Vec<u32>| {
    let options = Options {
        opaque: words.len() % 5 == 0,
        names: words.len() % 2 == 0,
        special_floats: words.len() % 3 == 0,
        training: words.len() % 7 == 0,
    };
    let text = testing::function(&words, options, 12).to_string();
    let model = hlac::Model::parse("fuzz.mlir", text.as_bytes(), &hlac::ModelOptions::default());
    let Ok(model) = model else {
        return;
    };
    for target in ["x86_64", "aarch64"] {
        let options = hlac::Options {
            target: target.to_owned(),
            ..hlac::Options::default()
        };
        let _ = hlac::compile(&model, &options);
    }
});
