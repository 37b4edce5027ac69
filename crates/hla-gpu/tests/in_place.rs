//! What contractions read where it lies, so that no kernel makes it.
#![allow(clippy::unwrap_used)]

use hla_gpu::{GpuOptions, lower};
use hla_reference::cases::{cases, training_cases};

/// Whether a program has a kernel that cuts something out.
fn slices(name: &str) -> bool {
    let mut all = cases().into_iter().chain(training_cases());
    let case = all.find(|c| c.name == name).unwrap();
    let program = lower(&case.function, &GpuOptions::default()).unwrap();
    let mut kernels = program.kernels.iter();
    kernels.any(|kernel| kernel.computes.contains("slice"))
}

/// What they compute is held against the reference by the suites.
#[test]
fn the_front_of_an_image_whose_end_no_window_touches() {
    for dtype in ["f32", "bf16"] {
        assert!(!slices(&format!("conv2d_of_slice_{dtype}_1x1_stride2")));
        assert!(!slices(&format!("conv2d_of_slice_{dtype}_3x3")));
        assert!(!slices(&format!("conv2d_weight_grad_of_slice_{dtype}")));
        // Where padding would be, there is what was cut off.
        assert!(slices(&format!("conv2d_of_slice_{dtype}_3x3_padded")));
    }
    assert!(slices("slice_f32_rank4"));
}
