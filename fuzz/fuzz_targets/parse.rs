//! Any bytes are a model or an error; a model prints, and reads back the same.
#![no_main]

mod entry;

use hla_ir::Module;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(module) = hla_mlir::parse_source("fuzz.mlir", data) else {
        return;
    };
    let again = round_trip(&module);
    // In text that is kept, a resource becomes numbers in hlac's spelling, then in MLIR's.
    let respelled = data.windows(15).any(|w| w == b"dense_resource<");
    assert!(respelled || again == module, "{module}\nbecame\n{again}");
    assert!(round_trip(&again) == again, "{again}");
});

fn round_trip(module: &Module) -> Module {
    let locations = hla_ir::print::Options { locations: true };
    let text = hla_ir::print::module(module, locations);
    match hla_mlir::parse_source("again.mlir", text.as_bytes()) {
        Ok(again) => again,
        Err(errors) => panic!("{text}\n{errors:?}"),
    }
}
