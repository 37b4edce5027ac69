use std::sync::Arc;

use hla_ir::{DType, Function, Op, ValueId};
use hla_passes::calibration::{Program, calibrate};
use hla_passes::{Options, find};
use hla_reference::{Tolerance, evaluate};

use crate::build::{Build, i64s, passes};
use crate::oracle::{compare, numbers};

const SHAPE: [usize; 4] = [1, 6, 6, 8];

fn ternary(f: &mut Build, x: ValueId, seed: u64) -> ValueId {
    let trits: Vec<i64> = (0..8 * 9 * 8)
        .map(|i| (i * 7 + seed as i64) * 31 % 5 % 3 - 1)
        .collect();
    let ty = hla_ir::TensorType::new([8, 3, 3, 8], DType::I8);
    let w = hla_ir::Tensor::from_i64s(ty, &trits).unwrap();
    let w = f.0.constant(w, hla_ir::Location::unknown());
    let scale =
        f.0.constant(numbers(&[8], seed + 9), hla_ir::Location::unknown());
    let bias =
        f.0.constant(numbers(&[8], seed + 5), hla_ir::Location::unknown());
    let attrs = [
        ("pad", i64s(&[1; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    f.op(Op::TernaryConv2d, &[x, w, scale, bias], &attrs)
}

/// A residual block: relu(conv(relu(conv(x))) + x).
fn block() -> Function {
    let mut f = Build::new();
    let x = f.arg(&SHAPE);
    let relu = [("min_val", 0.0f32.into()), ("max_val", f32::MAX.into())];
    let a = ternary(&mut f, x, 1);
    let a = f.op(Op::Clamp, &[a], &relu);
    let b = ternary(&mut f, a, 2);
    let sum = f.op(Op::Add, &[b, x], &[]);
    let y = f.op(Op::Clamp, &[sum], &relu);
    f.results(&[y])
}

fn count(f: &Function, op: Op) -> usize {
    f.nodes.iter().filter(|n| n.op == op).count()
}

/// Runs the pass with ranges measured on one sample.
fn calibrated(f: &Function, residuals: &str) -> Function {
    let info = find("hla-quantize-activations").unwrap();
    let options = Options::defaults(info.options)
        .with("mode", "int8")
        .unwrap();
    let options = options.with("residuals", residuals).unwrap();
    let options = options.with_calibrator(Some(Arc::new(|f: &Function, values: &[ValueId]| {
        let prepare = |f: &Function| -> Result<Program, _> {
            let f = f.clone();
            Ok(Box::new(move |x: &[hla_ir::Tensor]| evaluate(&f, x)))
        };
        calibrate(f, values, &[vec![numbers(&SHAPE, 3)]], 100.0, &prepare)
    })));
    (info.run)(f, &options).unwrap().0
}

#[test]
fn by_default_nothing_changes() {
    let f = block();
    assert_eq!(passes("hla-quantize-activations", &f).unwrap().0, f);
}

#[test]
fn contractions_read_eight_bits() {
    let f = block();
    for (residuals, dequantized) in [("int8", 1), ("f32", 0)] {
        let new = calibrated(&f, residuals);
        hla_ir::verify::verify(&new).unwrap();
        assert_eq!(count(&new, Op::Quantize), 2);
        assert_eq!(count(&new, Op::Dequantize), dequantized);
        for node in new.nodes.iter().filter(|n| n.op == Op::TernaryConv2d) {
            assert_eq!(new.tensor_ty(node.operands[0]).dtype, DType::I8);
        }
        // 72 taps of at most half a step each, twice: the errors stay a few hundredths of the range.
        let x = numbers(&SHAPE, 3);
        let reference = evaluate(&f, std::slice::from_ref(&x)).unwrap();
        let largest = reference[0].iter_f64().fold(0.0, f64::max) as f32;
        let tolerance = Tolerance::Relative {
            rtol: 0.0,
            atol: 0.03 * largest,
        };
        compare(&f, &new, &[x], tolerance);
    }
}

#[test]
fn a_fixed_range_needs_no_samples() {
    let f = block();
    let (new, report) = passes("hla-quantize-activations{mode=int8 range=2}", &f).unwrap();
    let quantize = new.nodes.iter().find(|n| n.op == Op::Quantize).unwrap();
    assert_eq!(quantize.attrs.f32("scale"), Some(2.0 / 127.0));
    insta::assert_snapshot!(report);
    let error = passes("hla-quantize-activations{mode=int8}", &f).unwrap_err();
    assert!(error.to_string().contains("--calibrate"), "{error}");
}

#[test]
fn ranges_can_be_measured_at_run_time() {
    let f = block();
    let (new, _) = passes("hla-quantize-activations{mode=dynamic}", &f).unwrap();
    assert_eq!(count(&new, Op::DynamicQuantize), 2);
    let x = numbers(&SHAPE, 4);
    let reference = evaluate(&f, std::slice::from_ref(&x)).unwrap();
    let largest = reference[0].iter_f64().fold(0.0, f64::max) as f32;
    compare(
        &f,
        &new,
        &[x],
        Tolerance::Relative {
            rtol: 0.0,
            atol: 0.03 * largest,
        },
    );
}

#[test]
fn moved_copies_share_one_quantization() {
    let mut f = Build::new();
    let x = f.arg(&SHAPE);
    let x = f.op(Op::Exp, &[x], &[]);
    let box_ = [("start", i64s(&[0; 4])), ("size", i64s(&[1, 5, 5, 8]))];
    let part = f.op(Op::Slice, &[x], &box_);
    let part = f.op(Op::Transpose, &[part], &[("perms", i64s(&[0, 2, 1, 3]))]);
    let (a, b) = (ternary(&mut f, x, 1), ternary(&mut f, part, 2));
    let f = f.results(&[a, b]);
    let (new, report) = passes("hla-quantize-activations{mode=int8 range=8}", &f).unwrap();
    assert_eq!(count(&new, Op::Quantize), 1);
    assert_eq!(report.get("8-bit activations"), Some(&1usize.into()));
    let slice = new.nodes.iter().find(|n| n.op == Op::Slice).unwrap();
    assert_eq!(new.tensor_ty(slice.result()).dtype, DType::I8);
    // Quantizing each copy for itself gives the same bits.
    let mut apart = Build(new.clone());
    apart.0.results = vec![slice.operands[0], slice.result()];
    let f32_slice = {
        let mut f = Build::new();
        let x = f.arg(&SHAPE);
        let x = f.op(Op::Exp, &[x], &[]);
        let scale = [("scale", (8.0f32 / 127.0).into())];
        let whole = f.op(Op::Quantize, &[x], &scale);
        let part = f.op(Op::Slice, &[x], &box_);
        let part = f.op(Op::Quantize, &[part], &scale);
        f.results(&[whole, part])
    };
    compare(
        &f32_slice,
        &apart.0,
        &[numbers(&SHAPE, 8)],
        Tolerance::Exact,
    );
}

/// |Σ ±x·α − Σ ±q·(α·s)| ≤ (non-zeros)·(s/2)·|α|: every activation is at most half a step off.
#[test]
fn the_error_is_at_most_half_a_step_for_each_tap() {
    let mut f = Build::new();
    let x = f.arg(&SHAPE);
    let y = ternary(&mut f, x, 3);
    let f = f.results(&[y]);
    let (new, _) = passes("hla-quantize-activations{mode=int8 range=2}", &f).unwrap();
    let node = f.nodes.iter().find(|n| n.op == Op::TernaryConv2d).unwrap();
    let trits = f
        .constant_value(node.operands[1])
        .unwrap()
        .to_i64s()
        .unwrap();
    let alpha = f.constant_value(node.operands[2]).unwrap().to_f32s();
    for seed in 0..20 {
        let x = [numbers(&SHAPE, seed)];
        let (a, b) = (evaluate(&f, &x).unwrap(), evaluate(&new, &x).unwrap());
        let pairs = a[0].iter_f64().zip(b[0].iter_f64()).enumerate();
        for (i, (a, b)) in pairs {
            let channel = i % 8;
            let taps = trits[channel * 72..][..72]
                .iter()
                .filter(|&&t| t != 0)
                .count();
            let bound = taps as f64 * (1.0 / 127.0) * f64::from(alpha[channel].abs());
            assert!(
                (a - b).abs() <= bound * 1.0001,
                "{a} and {b}: more than {bound}"
            );
        }
    }
}
