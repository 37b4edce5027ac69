//! Generated functions over all ops: no pass panics or breaks a function, and passes that promise to
//! keep every bit keep it.

use hla_ir::testing::{Options, function};
use hla_ir::{Function, Tensor};
use hla_reference::{Tolerance, evaluate};
use proptest::prelude::*;

use crate::build::passes;
use crate::oracle::numbers;

/// Inputs of any type with small numbers, zeros of both signs among them.
fn inputs(f: &Function) -> Option<Vec<Tensor>> {
    let types = f.args.iter().enumerate().map(|(i, arg)| {
        let ty = arg.ty.tensor()?;
        let values = numbers(&ty.shape, i as u64 + 1).to_f32s();
        let values = values.iter().map(|v| f64::from((v * 8.0).round()) / 4.0);
        Tensor::from_f64s(ty.clone(), values).ok()
    });
    types.collect()
}

/// The pass keeps every bit of what the function computes.
fn keeps_bits(pass: &str, f: &Function) {
    let Some(inputs) = inputs(f) else { return };
    // An index out of range or an invalid code is an error of the program.
    let Ok(expected) = evaluate(f, &inputs) else {
        return;
    };
    let (new, _) = passes(pass, f).unwrap_or_else(|error| panic!("{pass}: {error}\n{f}"));
    let computed = evaluate(&new, &inputs).unwrap_or_else(|error| panic!("{error}\n{new}"));
    for (e, c) in expected.iter().zip(&computed) {
        if let Err(message) = Tolerance::Exact.check(e, c) {
            panic!("{pass}: {message}\nbefore:\n{f}after:\n{new}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn exact_passes_keep_every_bit(
        words in proptest::collection::vec(any::<u32>(), 0..150), special_floats in any::<bool>(),
    ) {
        let f = function(&words, Options { special_floats, ..Options::default() }, 10);
        for pass in ["hla-cse", "hla-canonicalize", "hla-fold-constants", "hla-pack"] {
            keeps_bits(pass, &f);
        }
    }

    /// The verifier runs after each pass; an error must say something, and nothing may panic.
    #[test]
    fn no_pass_panics(words in proptest::collection::vec(any::<u32>(), 0..200), names in any::<bool>()) {
        let options = Options { opaque: true, names, special_floats: true, training: true };
        let f = function(&words, options, 14);
        let ternary = "hla-ternarize{quantize-all scope=global}";
        for pass in hla_passes::registry().iter().map(|p| p.name).chain([
            ternary,
            "hla-quantize-activations{mode=dynamic}",
            "hla-quantize-activations{mode=int8 range=3}",
            "hla-freeze,hla-fold-constants,hla-canonicalize,hla-ternarize,hla-eliminate-multiplies,hla-quantize-activations{mode=int8 range=3},hla-fuse,hla-pack",
        ]) {
            if let Err(error) = passes(pass, &f) {
                prop_assert!(!error.message.is_empty());
                prop_assert!(!error.message.contains("made an invalid function"), "{}\n{}", error, f);
            }
        }
    }
}
