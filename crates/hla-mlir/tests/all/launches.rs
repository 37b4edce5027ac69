//! How the programs of the examples, at the sizes that they are for, share their work among threads;
//! and what they say that they cost.

use hla_gpu::{GpuOptions, Precision, lower_program};
use hla_ir::cost::contraction_products;
use hlac_tests::launches::complaints;

use super::networks::{MODELS, inference, model, training};

/// Kernels and grids of trainings, and of inference of one image and of a batch, in f32 with and without tensor
/// cores, and in bf16.
#[test]
fn of_the_examples() {
    let mut wrong = Vec::new();
    for (path, batch) in MODELS {
        for (graph, precision) in [
            ("f32", Precision::F32),
            ("f32", Precision::Tf32),
            ("bf16", Precision::Tf32),
        ] {
            for chip in ["sm_80", "sm_90"] {
                let options = GpuOptions {
                    precision,
                    ..GpuOptions::for_chip(chip).unwrap()
                };
                let mut functions = training(&model(path, batch), graph);
                functions.push(inference(&model(path, batch), graph));
                functions.push(inference(&model(path, 1), graph));
                let lowered = lower_program(&functions, &options).unwrap();
                let found = complaints(&lowered).into_iter();
                wrong.extend(found.map(|what| format!("{path}, {graph}, {chip}, {what}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing is multiplied by ternary weights, but work is counted as of the network that was trained.
#[test]
fn inference_counts_the_products_of_the_model() {
    for (path, _) in MODELS {
        let model = model(path, 2);
        let inference = inference(&model, "f32");
        let lowered = lower_program(&[inference], &GpuOptions::default()).unwrap();
        let products = contraction_products(&model);
        assert!(products > 0);
        assert_eq!(lowered.functions[0].macs, products, "{path}");
    }
}
