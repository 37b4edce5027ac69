//! Any function, printed, is accepted by MLIR's own tools and reads back the same.

use hla_ir::testing::{self, Options};
use hla_mlir::{PrintOptions, parse_source, print_pretty, to_bytecode};
use proptest::prelude::*;

const EVERYTHING: Options = Options {
    opaque: true,
    names: true,
    special_floats: true,
    training: true,
};

fn words() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 0..500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_pretty_text_and_bytecode_give_the_same_graph(words in words()) {
        let module = testing::module(&words, EVERYTHING);
        let locations = hla_ir::print::Options { locations: true };
        let text = hla_ir::print::module(&module, locations);
        let options = PrintOptions { locations: true, ..PrintOptions::default() };
        let pretty = print_pretty(&module, options).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        let bytecode = to_bytecode(&module).unwrap();
        for bytes in [text.as_bytes(), pretty.as_bytes(), &bytecode[..]] {
            match parse_source("m", bytes) {
                Ok(again) => prop_assert!(again == module, "{text}\nbecame\n{}", hla_ir::print::module(&again, locations)),
                Err(errors) => prop_assert!(false, "{text}\n{errors:?}"),
            }
        }
    }
}

#[test]
fn mlir_opt_accepts_what_hlac_prints() {
    // One process for many functions: it is slow to start.
    let mut text = String::new();
    let mut state = 7_u32;
    for i in 0..300 {
        let words: Vec<u32> = (0..400)
            .map(|_| {
                // Marsaglia's xorshift.
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state
            })
            .collect();
        let mut function = testing::function(&words, EVERYTHING, 12);
        function.name = format!("f{i}");
        text.push_str(&function.to_string());
    }
    if let Err(error) = super::upstream::mlir_opt(&text) {
        panic!("{error}");
    }
}
