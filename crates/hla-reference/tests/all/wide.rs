//! Evaluation in f64.

use crate::common::{f32s, function, none};
use hla_ir::{Arg, DType, Function, Location, Op, TensorType};
use hla_reference::cases::{cases, training_cases};
use hla_reference::{evaluate, evaluate_f64};
use ndarray::{ArrayD, IxDyn, arr1};

fn of(tensor: &hla_ir::Tensor) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.iter_f64().collect()).unwrap()
}

/// Whether a case rounds nowhere but in f32 sums, products and functions, so that f64 comes near;
/// 64-bit integers do not all pass through f64.
fn is_smooth(function: &Function) -> bool {
    let rounds = [
        Op::Cast,
        Op::Quantize,
        Op::DynamicQuantize,
        Op::Ceil,
        Op::Floor,
    ];
    function.nodes.iter().all(|n| !rounds.contains(&n.op))
        && function.values.iter().all(|v| {
            v.ty.tensor()
                .is_some_and(|t| !matches!(t.dtype, DType::F16 | DType::BF16 | DType::I64))
        })
}

#[test]
fn f64_comes_near_f32_on_the_whole_suite() {
    let mut compared = 0;
    let all = [cases(), training_cases()].concat();
    for case in all.iter().filter(|c| is_smooth(&c.function)) {
        let narrow = evaluate(&case.function, &case.inputs).unwrap();
        let inputs: Vec<_> = case.inputs.iter().map(of).collect();
        let wide = evaluate_f64(&case.function, &inputs).unwrap();
        for (narrow, wide) in narrow.iter().zip(&wide) {
            assert_eq!(narrow.shape(), wide.shape(), "{}", case.name);
            for (n, w) in narrow.iter_f64().zip(wide) {
                // What f32 cannot hold is an infinity or zero there.
                let held = f64::from(*w as f32);
                let near = n.is_nan() && w.is_nan() || n == held;
                assert!(
                    near || (n - w).abs() <= 1e-4 * (1.0 + w.abs()),
                    "{}: {n} is not {w}",
                    case.name
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000, "only {compared} elements were compared");
}

#[test]
fn nothing_is_rounded_to_the_declared_type() {
    for dtype in [DType::F32, DType::F16] {
        let mut f = Function::new("f");
        let x = f.add_arg(Arg::new(TensorType::new([2], dtype)));
        let sum = f.push(
            Op::ReduceSum,
            &[x],
            none().with("axis", 0),
            Location::unknown(),
        );
        let twice = f.push(Op::Exp, &[sum.unwrap()], none(), Location::unknown());
        f.results = vec![twice.unwrap()];
        let out = evaluate_f64(&f, &[arr1(&[1.0, 1e-12]).into_dyn()]).unwrap();
        assert_eq!(out[0].as_slice().unwrap(), [f64::exp(1.0 + 1e-12)]);
    }
}

/// d/dx (x·tanh x) at 0.7 by a central difference, against the closed form.
#[test]
fn central_differences_are_accurate() {
    let mut f = Function::new("f");
    let x = f.add_arg(Arg::new(TensorType::f32([1])));
    let t = f.push(Op::Tanh, &[x], none(), Location::unknown()).unwrap();
    let y = f.push(Op::Mul, &[x, t], none(), Location::unknown());
    f.results = vec![y.unwrap()];
    let at = |x: f64| evaluate_f64(&f, &[arr1(&[x]).into_dyn()]).unwrap()[0][[0]];
    let (x, h) = (0.7f64, 1e-5);
    let slope = (at(x + h) - at(x - h)) / (2.0 * h);
    let exact = x.tanh() + x / x.cosh().powi(2);
    assert!((slope - exact).abs() < 1e-9, "{slope} is not {exact}");
}

#[test]
fn unfit_arguments_are_refused() {
    let f = function(Op::Identity, &[f32s(&[2], &[0.0; 2])], none());
    let refused =
        |f: &Function, inputs: &[ArrayD<f64>]| evaluate_f64(f, inputs).unwrap_err().message;
    assert!(refused(&f, &[]).contains("takes 1 arguments, but 0 are given"));
    let three = arr1(&[0.0; 3]).into_dyn();
    assert!(
        refused(&f, std::slice::from_ref(&three))
            .contains("argument 0 is tensor<2xf32>, but tensor<3xf32>")
    );
    assert!(refused(&f, &[three.clone(), three]).contains("but 2 are given"));
    for (wrong, value) in [(0.5, "0.5"), (200.0, "200"), (f64::NAN, "NaN")] {
        let mut f = Function::new("f");
        let x = f.add_arg(Arg::new(TensorType::new([1], DType::I8)));
        f.results = vec![x];
        let message = refused(&f, &[arr1(&[wrong]).into_dyn()]);
        assert_eq!(message, format!("{value} is no value of i8"));
    }
}
