//! Any bytes are code for both CPUs, or an error.
#![no_main]

mod entry;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(model) = hlac::Model::parse("fuzz.mlir", data, &hlac::ModelOptions::default()) else {
        return Corpus::Keep;
    };
    for target in ["x86_64", "aarch64"] {
        let options = hlac::Options {
            target: target.to_owned(),
            ..hlac::Options::default()
        };
        let _ = hlac::compile(&model, &options);
    }
    Corpus::Keep
});
