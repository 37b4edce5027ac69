//! The pipeline of `hlac compile`: what happens to a model, in order.

use crate::options::{Calibrator, Options};
use crate::registry::PassInfo;
use hla_ir::Diagnostic;

/// What a user chooses about a compilation's passes.
#[derive(Clone)]
pub struct CompileOptions {
    /// Share of zeros among ternary weights, from 0 to 1.
    pub sparsity: f64,
    /// Further options of `hla-ternarize`, as in a textual pipeline.
    pub ternarize: Vec<(String, String)>,
    /// What ternary layers read.
    pub activations: Activations,
    /// Who measures ranges, for [`Activations::Int8`].
    pub calibrator: Option<Calibrator>,
}

/// Element type of what ternary layers read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activations {
    /// As in the model.
    F32,
    /// 8 bit, with ranges measured on samples.
    Int8,
    /// 8 bit, with ranges measured at run time.
    DynamicInt8,
}

impl Default for CompileOptions {
    /// 70 % zeros, f32 activations.
    fn default() -> CompileOptions {
        CompileOptions {
            sparsity: 0.7,
            ternarize: Vec::new(),
            activations: Activations::F32,
            calibrator: None,
        }
    }
}

/// The passes from a trained model to what a backend compiles. An error is about an option.
pub fn inference_pipeline(
    options: &CompileOptions,
) -> Result<Vec<(PassInfo, Options)>, Diagnostic> {
    Ok(vec![
        crate::freeze::PASS.with_defaults(),
        crate::fold_constants::PASS.with_defaults(),
        crate::canonicalize::PASS.with_defaults(),
        crate::cse::PASS.with_defaults(),
        (crate::ternarize::PASS, ternarize(options)?),
        crate::eliminate_multiplies::PASS.with_defaults(),
        (
            crate::quantize_activations::PASS,
            quantize_activations(options)?,
        ),
        crate::fuse::PASS.with_defaults(),
        crate::pack::PASS.with_defaults(),
        crate::plan_layout::PASS.with_defaults(),
    ])
}

fn ternarize(options: &CompileOptions) -> Result<Options, Diagnostic> {
    let mut pass = Options::defaults(crate::ternarize::PASS.options);
    pass.set("sparsity", &options.sparsity.to_string())?;
    for (name, value) in &options.ternarize {
        pass.set(name, value)?;
    }
    Ok(pass)
}

fn quantize_activations(options: &CompileOptions) -> Result<Options, Diagnostic> {
    let mut pass = Options::defaults(crate::quantize_activations::PASS.options);
    pass.set(
        "mode",
        match options.activations {
            Activations::F32 => "f32",
            Activations::Int8 => "int8",
            Activations::DynamicInt8 => "dynamic",
        },
    )?;
    Ok(pass.with_calibrator(options.calibrator.clone()))
}
