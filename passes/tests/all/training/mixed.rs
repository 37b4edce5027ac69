//! Mixed precision of whole steps: who reads and keeps what, and how far the numbers move.

use hla_ir::{DType, Function, Op, ValueId};
use hla_passes::mixed_precision::PASS;
use hla_passes::options::Options;
use hla_passes::training::{Quantizer, TrainingOptions, build};

use super::model::{network, step, values};

pub(super) fn mixed(f: &Function, precision: &str) -> Function {
    let options = Options::defaults(PASS.options);
    let options = options.with("precision", precision).unwrap();
    let (made, _) = (PASS.run)(f, &options).unwrap();
    hla_ir::verify::verify(&made).unwrap();
    made
}

/// The steps of every quantizer.
fn steps() -> Vec<Function> {
    let mut all = Vec::new();
    for quantizer in [Quantizer::Hla, Quantizer::Ste, Quantizer::Ttq] {
        let options = TrainingOptions {
            quantizer,
            ..Default::default()
        };
        let graphs = build(&network(6), &options).unwrap();
        all.extend([graphs.float_step, graphs.finetune_step, graphs.ternary_step]);
    }
    all
}

fn is_contraction(op: Op) -> bool {
    use Op::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, MatMul};
    matches!(op, Conv2d | MatMul | Conv2dInputGrad | Conv2dWeightGrad)
}

#[test]
fn contractions_read_16_bits_and_what_is_kept_is_f32() {
    for (half, precision) in [(DType::BF16, "bf16"), (DType::F16, "f16")] {
        for f in steps() {
            let made = mixed(&f, precision);
            let dtype = |v: &ValueId| made.tensor_ty(*v).dtype;
            let mut contractions = 0;
            for node in &made.nodes {
                if is_contraction(node.op) {
                    contractions += 1;
                    assert_eq!(
                        node.operands[..2].iter().map(dtype).collect::<Vec<_>>(),
                        [half; 2]
                    );
                    assert_eq!(dtype(&node.result()), DType::F32);
                }
                if matches!(
                    node.op,
                    Op::SgdUpdate | Op::BatchNorm | Op::SoftmaxCrossEntropy
                ) {
                    assert_eq!(dtype(&node.operands[0]), DType::F32, "{}", node.name());
                }
            }
            // Four layers forward; four gradients by weights, three by inputs.
            assert_eq!(contractions, 11);
            // The state is what it was.
            for arg in &f.args {
                let same = made
                    .args
                    .iter()
                    .find(|a| a.param == arg.param && a.name == arg.name);
                assert_eq!(same.unwrap().ty, arg.ty);
            }
            for (i, result) in f.results.iter().enumerate() {
                let name = |f: &Function, i| {
                    (
                        f.updates(i).map(str::to_owned),
                        f.result_name(i).map(str::to_owned),
                    )
                };
                let same = (0..made.results.len()).find(|&j| name(&made, j) == name(&f, i));
                assert_eq!(made.ty(made.results[same.unwrap()]), f.ty(*result));
            }
        }
    }
}

/// Of each activation only the 16-bit form has to be kept: whoever reads what a convolution gives
/// reads it through the rounding.
#[test]
fn activations_are_read_rounded_by_all() {
    for f in steps() {
        let made = mixed(&f, "bf16");
        let users = made.users();
        for node in &made.nodes {
            if matches!(node.op, Op::Conv2d | Op::Conv2dInputGrad) {
                let readers = &users[node.result().index()];
                let casts = readers.iter().filter(|id| {
                    let reader = made.node(**id);
                    reader.op == Op::Cast && made.tensor_ty(reader.result()).dtype == DType::BF16
                });
                let logits = made.tensor_ty(node.result()).shape == [6, 1, 1, 5];
                assert_eq!(casts.count(), usize::from(!logits));
                assert_eq!(readers.len(), 1);
            }
        }
    }
}

/// Rounding to bf16 moves a factor by at most 2⁻⁹ of itself, to f16 by 2⁻¹². Along the deepest way
/// there are nine roundings forward (an activation and a weight of each of four layers, and the
/// image), so the loss, of the size of the logits, moves by little more than that many.
#[test]
fn a_step_is_near_the_one_in_f32() {
    for (precision, unit) in [("bf16", 2f64.powi(-9)), ("f16", 2f64.powi(-12))] {
        for f in steps() {
            let made = mixed(&f, precision);
            let (mut exact, mut rounded) = (values(&[&f]), values(&[&f]));
            for (name, value) in values(&[&made]) {
                rounded.entry(name).or_insert(value);
            }
            let before = exact.clone();
            let (a, b) = (step(&f, &mut exact), step(&made, &mut rounded));
            let difference = (a["loss"][0] - b["loss"][0]).abs();
            assert!(
                difference <= 9.0 * unit * a["loss"][0],
                "{precision}: {difference}"
            );
            assert!(difference > 0.0, "nothing was rounded");
            for name in ["conv1.weight", "conv2.weight", "conv3.weight", "fc.weight"] {
                let moved = |state: &super::model::Values| -> Vec<f64> {
                    let (old, new) = (before[name].iter_f64(), state[name].iter_f64());
                    old.zip(new).map(|(old, new)| new - old).collect()
                };
                let (exact, rounded) = (moved(&exact), moved(&rounded));
                let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let off: Vec<f64> = exact.iter().zip(&rounded).map(|(a, b)| a - b).collect();
                let share = norm(&off) / norm(&exact);
                // A rounded zero crossing of a relu flips whole gradients, whatever the unit.
                assert!(share <= 0.1, "{precision}, {name}: {share}");
            }
        }
    }
}

#[test]
fn f32_changes_nothing() {
    for f in steps() {
        assert_eq!(mixed(&f, "f32"), f);
    }
}
