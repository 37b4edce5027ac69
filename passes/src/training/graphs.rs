//! All graphs of a training.

use hla_ir::graph::UPDATES;
use hla_ir::{Attrs, Diagnostic, Function, Rewriter, TensorType, ValueId};

use super::check::check;
use super::options::step_options;
use super::plan::{LayerPlan, Role, StateSpec, TrainingGraphs};
use super::{TrainingOptions, Weights, companion, roles, steps};
use crate::hyperspherical;
use crate::loss;
use crate::options::Options;
use crate::ste;

/// Makes the graphs of a training from a model: a function from one input to logits, whose weights
/// are arguments with `hla.param`. Its batch is the batch of a step; nothing is specialised here.
///
/// # Errors
/// Everything that stands in the way: ops hlac does not know, several inputs, no parameters,
/// parameters that are not f32, logits of another shape than \[N, C\], \[N, 1, 1, C\] or \[1, N, C\],
/// no layer to make ternary, options that do not fit together.
pub fn build(
    function: &Function,
    options: &TrainingOptions,
) -> Result<TrainingGraphs, Vec<Diagnostic>> {
    let input = check(function)?;
    built(function, options, input).map_err(|error| vec![error])
}

fn built(
    function: &Function,
    chosen: &TrainingOptions,
    input: usize,
) -> Result<TrainingGraphs, Diagnostic> {
    let options = step_options(chosen)?;
    let mut remarks = Vec::new();
    let mut make = |name: &str, passes| -> Result<Function, Diagnostic> {
        let (mut made, report) = steps::run(function, passes)?;
        made.name = name.to_owned();
        for remark in report.remarks {
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
        Ok(made)
    };
    let evaluation = |weights: &str| -> Result<Options, Diagnostic> {
        let (_, own) = steps::of(steps::EVALUATE, &options, &[])?;
        let own = own.with("weights", weights)?;
        own.with("keep-logits", chosen.keep_logits)
    };
    let float_step = make("float_step", steps::float_step(&options)?)?;
    let finetune_step = make("finetune_step", steps::finetune_step(&options)?)?;
    let ternary_step = make("ternary_step", steps::ternary_step(&options)?)?;
    let evaluate_float = make("evaluate_float", steps::evaluate(&evaluation("float")?)?)?;
    let evaluate = make("evaluate", steps::evaluate(&evaluation("sphere")?)?)?;
    let evaluate_ternary = make(
        "evaluate_ternary",
        steps::evaluate(&evaluation("ternary")?)?,
    )?;
    let found = Weights::find(function);
    let layers: Vec<LayerPlan> = found
        .quantized(function, ste::PASS.name, &options)?
        .into_iter()
        .map(|w| LayerPlan {
            weight: w.name.to_string(),
            axis: w.axis,
            threshold: w.companion("threshold"),
            columns: w.columns,
            fan_in: w.fan_in,
        })
        .collect();
    if layers.is_empty() {
        return Err(Diagnostic::error(
            function.location.clone(),
            format!("no layer of '{}' is to become ternary", function.name),
        )
        .help("the first convolution and the last layer stay float unless quantize-all is set"));
    }
    let (sphere, ternarize) = alone(function, &layers, &options)?;
    let has_sphere = steps::hyperspherical(&options)?.1.text("mode") != "off";
    let logits = function.results[loss::find_logits(function)?];
    let arg = &function.args[input];
    Ok(TrainingGraphs {
        state: state(function, &[&float_step, &finetune_step, &ternary_step]),
        project: (options.text("sphere") == "project").then(|| sphere.clone()),
        sphere: has_sphere.then_some(sphere),
        input: (
            arg.name.as_deref().unwrap_or("input").to_owned(),
            arg.ty.tensor().cloned().unwrap_or(TensorType::f32([])),
        ),
        classes: function
            .tensor_ty(logits)
            .shape
            .last()
            .copied()
            .unwrap_or(1),
        float_step,
        finetune_step,
        ternary_step,
        evaluate_float,
        evaluate,
        evaluate_ternary,
        ternarize,
        layers,
        remarks,
    })
}

/// Functions of the state alone: every layer's weight on the sphere, and ternary.
fn alone(
    function: &Function,
    layers: &[LayerPlan],
    options: &Options,
) -> Result<(Function, Function), Diagnostic> {
    let mut weights = Function::new("project");
    weights.location = function.location.clone();
    for layer in layers {
        let of_layer = |a: &&hla_ir::Arg| a.param.as_deref() == Some(&layer.weight);
        if let Some(arg) = function.args.iter().find(of_layer) {
            weights.add_arg(arg.clone());
        }
    }
    let (_, sphere) = steps::hyperspherical(options)?;
    let (_, of_ste) = steps::of(ste::PASS, options, &[])?;
    let settings = ste::Settings::read(function, &of_ste)?;
    let project = {
        let mut rewriter = Rewriter::new(&weights);
        let values = on_sphere(&mut rewriter, &weights, layers, &sphere)?;
        rewriter.finish_with(updates(layers, &values))
    };
    weights.name = "ternarize".to_owned();
    let mut rewriter = Rewriter::new(&weights);
    let names: Vec<&str> = layers.iter().map(|l| &*l.weight).collect();
    let state = ste::add_state(&mut rewriter, &names, &settings)?;
    let values = match sphere.text("mode") {
        "reparametrize" => on_sphere(&mut rewriter, &weights, layers, &sphere)?,
        _ => (0..layers.len())
            .map(|i| rewriter.get(ValueId(i as u32)))
            .collect(),
    };
    let latents: Vec<ste::Latent<'_>> = (layers.iter().zip(values).zip(&weights.args))
        .map(|((layer, value), arg)| ste::Latent {
            name: &layer.weight,
            value,
            axis: layer.axis,
            at: &arg.location,
        })
        .collect();
    let values = ste::quantize(&mut rewriter, &latents, &state, &settings)?;
    Ok((project, rewriter.finish_with(updates(layers, &values))))
}

/// `hla.normalize` of each argument.
fn on_sphere(
    rewriter: &mut Rewriter<'_>,
    weights: &Function,
    layers: &[LayerPlan],
    options: &Options,
) -> Result<Vec<ValueId>, Diagnostic> {
    let mut values = Vec::with_capacity(layers.len());
    for (i, (layer, arg)) in layers.iter().zip(&weights.args).enumerate() {
        let value = rewriter.get(ValueId(i as u32));
        let epsilon = options.float("epsilon") as f32;
        values.push(hyperspherical::normalize(
            rewriter,
            value,
            layer.axis,
            epsilon,
            &arg.location,
        )?);
    }
    Ok(values)
}

/// Results that are the new values of the weights.
fn updates(layers: &[LayerPlan], values: &[ValueId]) -> Vec<(ValueId, Attrs)> {
    let results = layers.iter().zip(values);
    results
        .map(|(layer, &value)| (value, Attrs::new().with(UPDATES, &*layer.weight)))
        .collect()
}

/// What the steps take besides inputs.
fn state(model: &Function, steps: &[&Function]) -> Vec<StateSpec> {
    let mut specs: Vec<StateSpec> = Vec::new();
    let of_model = model.args.iter().zip(roles(model));
    let of_model = of_model.filter_map(|(arg, role)| Some((arg, role?)));
    let added = (steps.iter().flat_map(|f| &f.args)).map(|arg| {
        let name = arg.param.as_deref().unwrap_or_default();
        let role = match name.rsplit_once('.').map(|(_, what)| what) {
            Some("threshold") => Role::Threshold,
            Some("momentum") => Role::Momentum,
            _ => Role::TtqScale,
        };
        (arg, role)
    });
    for (arg, role) in of_model.chain(added) {
        let (Some(name), Some(ty)) = (&arg.param, arg.ty.tensor()) else {
            continue;
        };
        if specs.iter().all(|s| s.name != **name) {
            specs.push(StateSpec {
                name: name.to_string(),
                ty: ty.clone(),
                role,
                layer: None,
            });
        }
    }
    specs.sort_by_key(|s| match s.role {
        Role::Momentum => 2,
        Role::Threshold | Role::TtqScale => 1,
        _ => 0,
    });
    // The layer of `conv1.weight.threshold` is that of `conv1.weight`.
    let parameters: Vec<String> = model
        .args
        .iter()
        .filter_map(|a| Some(a.param.as_deref()?.to_owned()))
        .collect();
    for spec in &mut specs {
        let owner = (parameters.iter())
            .filter(|p| spec.name == **p || spec.name.starts_with(&companion(p, "")))
            .max_by_key(|p| p.len());
        let layer = owner.and_then(|p| p.rsplit_once('.'));
        spec.layer = layer.map(|(layer, _)| layer.to_owned());
    }
    specs
}
