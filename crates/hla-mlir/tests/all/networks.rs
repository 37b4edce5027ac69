//! The networks of the examples as a GPU gets them: functions of their trainings, and inference.

use hla_ir::{DType, Function, Location, Rewriter, Tensor, TensorType, ValueId};
use hla_mlir::{ParseOptions, parse_file_with};
use hla_passes::options::Options;
use hla_passes::training::{TrainingOptions, build, with_precision};
use hla_passes::{CompileOptions, inference_pipeline, mixed_precision, plan_layout};

/// Of digits, by convolutions.
pub const CNN: &str = "../../examples/digits/cnn.mlir";
/// Of digits, by matrix products.
pub const MLP: &str = "../../examples/digits/mlp.mlir";
/// The residual network of cluttered digits.
pub const CLUTTERED: &str = "../../examples/cluttered/resnet8.mlir";
/// ResNet-18 on images of 224×224, written by `examples/resnet/generate.py`.
pub const RESNET18: &str = "tests/data/resnet18.mlir";

/// Models, and the batches that they are trained with.
pub const MODELS: [(&str, usize); 3] = [(CNN, 32), (CLUTTERED, 64), (RESNET18, 256)];

/// A model of this package or of the examples, for batches of this size.
pub fn model(path: &str, batch: usize) -> Function {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let options = ParseOptions {
        batch: Some(batch),
        ..ParseOptions::default()
    };
    let module = parse_file_with(path.as_ref(), &options).unwrap();
    module.functions.into_iter().next().unwrap()
}

/// The functions that a training launches; `precision` is that of `hla-mixed-precision`.
pub fn training(model: &Function, precision: &str) -> Vec<Function> {
    let options = TrainingOptions {
        keep_logits: true,
        ..TrainingOptions::default()
    };
    let graphs = build(model, &options).unwrap();
    let graphs = with_precision(graphs, precision).unwrap();
    let mut functions = vec![
        graphs.float_step,
        graphs.finetune_step,
        graphs.ternary_step,
        graphs.evaluate_float,
        graphs.evaluate,
        graphs.evaluate_ternary,
        graphs.ternarize,
    ];
    functions.extend(graphs.sphere);
    functions
}

/// The model with some weights, as inference computes it.
pub fn inference(model: &Function, precision: &str) -> Function {
    let mut rewriter = Rewriter::without_args(model);
    for (i, arg) in model.args.iter().enumerate() {
        let Some(name) = &arg.param else {
            rewriter.copy_arg(i);
            continue;
        };
        let tensor = value(name, arg.ty.tensor().unwrap());
        let value = rewriter.constant(tensor, Location::unknown()).unwrap();
        rewriter.set(ValueId(i as u32), value);
    }
    for (id, _) in model.iter_nodes() {
        rewriter.copy(id).unwrap();
    }
    let mut bound = rewriter.finish();
    "inference".clone_into(&mut bound.name);
    let mut passes = inference_pipeline(&CompileOptions::default()).unwrap();
    passes.retain(|(pass, _)| pass.name != plan_layout::PASS.name);
    let pass = mixed_precision::PASS;
    let mixed = Options::defaults(pass.options).with("precision", precision);
    passes.push((pass, mixed.unwrap()));
    hla_passes::run(&bound, &passes, false, &mut |_| {}).unwrap()
}

/// A sensible value of each argument.
pub fn values(function: &Function) -> Vec<Tensor> {
    let values = function.args.iter().map(|arg| {
        let name = arg.param.as_ref().or(arg.name.as_ref());
        value(name.unwrap(), arg.ty.tensor().unwrap())
    });
    values.collect()
}

/// A value for a parameter or an input of this name.
fn value(name: &str, ty: &TensorType) -> Tensor {
    let count = ty.elements();
    if ty.dtype == DType::I32 {
        let labels: Vec<i64> = (0..count as i64).map(|i| i * 7 % 10).collect();
        return Tensor::from_i64s(ty.clone(), &labels).unwrap();
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let (middle, spread) = match last {
        "learning_rate" => (0.05, 0.0),
        "loss_aware_weight" => (1.0, 0.0),
        "sparsity" => (0.7, 0.0),
        "loss_scale" => (1024.0, 0.0),
        "clean_steps" => (7.0, 0.0),
        "threshold" => (0.05, 0.0),
        "momentum" => (0.0, 0.01),
        "running_var" => (1.5, 0.5),
        "weight" if ty.rank() > 1 && count > *ty.shape.last().unwrap_or(&1) => {
            let fan_in = count / ty.shape[0].max(1);
            (0.0, (3.0 / fan_in as f64).sqrt())
        }
        "weight" => (1.0, 0.2),
        _ => (0.0, 1.0),
    };
    let mut state = name.bytes().fold(0x9e37_79b9_u32, |state, byte| {
        (state ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let values: Vec<f64> = (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let unit = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
            middle + spread * unit
        })
        .collect();
    Tensor::from_f64s(ty.clone(), values).unwrap()
}
