use hla_ir::{Arg, DType, Function, Op, Tensor, TensorType, ValueId};
use hla_passes::Cell;

use crate::agree::assert_agree;
use crate::build::{Build, i64s, passes};

/// A convolution with weights `[oc, 1, 1, ic]` on `x`.
fn conv(f: &mut Build, x: ValueId, oc: usize, ic: usize, weights: &[f32]) -> ValueId {
    let weight = f.constant(&[oc, 1, 1, ic], weights);
    let bias = f.constant(&[1], &[0.25]);
    let attrs = [
        ("pad", i64s(&[0; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    f.op(Op::Conv2d, &[x, weight, bias], &attrs)
}

fn one_conv(weights: &[f32]) -> Function {
    let mut f = Build::new();
    let x = f.arg(&[1, 2, 3, 4]);
    let y = conv(&mut f, x, weights.len() / 4, 4, weights);
    f.results(&[y])
}

/// The trits and scales of the function's ternary ops, in order.
fn ternary(f: &Function) -> Vec<(Vec<i64>, Vec<f32>)> {
    let ops = f.nodes.iter();
    ops.filter(|n| matches!(n.op, Op::TernaryConv2d | Op::TernaryMatMul))
        .map(|n| {
            let of = |i: usize| f.constant_value(n.operands[i]).unwrap();
            (of(1).to_i64s().unwrap(), of(2).to_f32s())
        })
        .collect()
}

const COLUMNS: [f32; 8] = [0.6, 0.0, -0.8, 0.0, 0.5, -0.5, 0.5, 0.5];

#[test]
fn a_convolution_becomes_ternary() {
    let f = one_conv(&COLUMNS);
    // ⌊.8·8⌋ = 6: T = .5, so column 1 keeps its first entry.
    let (new, report) = passes("hla-ternarize{sparsity=0.8 quantize-all}", &f).unwrap();
    let half = std::f32::consts::FRAC_1_SQRT_2;
    assert_eq!(
        ternary(&new),
        [(vec![1, 0, -1, 0, 1, 0, 0, 0], vec![half, 1.0])]
    );
    insta::assert_snapshot!(format!("{new}{report}"));
}

#[test]
fn a_matrix_is_transposed_into_rows_of_channels() {
    let mut f = Build::new();
    let x = f.arg(&[1, 5, 2]);
    let w = f.constant(&[1, 2, 3], &[1.0, -2.0, 0.0, 1.0, 0.1, 4.0]);
    let y = f.op(Op::MatMul, &[x, w], &[]);
    let f = f.results(&[y]);
    let (new, _) = passes("hla-ternarize{sparsity=0.4 quantize-all scale=optimal}", &f).unwrap();
    let rows = vec![1, 1, -1, 0, 0, 1];
    assert_eq!(ternary(&new), [(rows, vec![1.0, 2.0, 4.0])]);
    assert_eq!(new.tensor_ty(new.nodes[0].result()).shape, [3, 2]);
}

/// Four convolutions of one weight each and a matrix at the end.
fn network() -> Function {
    let mut f = Build::new();
    let mut x = f.arg(&[1, 1, 1, 2]);
    for i in 0..4 {
        let w = i as f32;
        x = conv(&mut f, x, 2, 2, &[w, 1.0, 2.0, w + 0.5]);
    }
    let rows = f.op(Op::Reshape, &[x], &[("shape", i64s(&[1, 1, 2]))]);
    let w = f.constant(&[1, 2, 2], &[0.1, 0.2, 0.3, 0.4]);
    let y = f.op(Op::MatMul, &[rows, w], &[]);
    f.results(&[y])
}

fn kinds(pipeline: &str) -> Vec<String> {
    let (_, report) = passes(pipeline, &network()).unwrap();
    let rows = report.tables[0].rows.iter();
    rows.map(|r| r[2].to_string()).collect()
}

#[test]
fn first_convolution_and_last_layer_are_skipped() {
    let t = "ternary";
    let (first, last) = ("f32: first convolution", "f32: last layer");
    let listed = "f32: skip list";
    assert_eq!(kinds("hla-ternarize"), [first, t, t, t, last]);
    assert_eq!(kinds("hla-ternarize{quantize-all}"), [t; 5]);
    assert_eq!(kinds("hla-ternarize{skip=none}"), [t; 5]);
    assert_eq!(
        kinds("hla-ternarize{skip=conv2d_1,3}"),
        [t, listed, t, listed, t]
    );
    assert_eq!(
        kinds("hla-ternarize{skip=auto,2}"),
        [first, t, listed, t, last]
    );
}

#[test]
fn an_unknown_layer_to_skip_is_an_error() {
    for (skip, wanted) in [("conv2d_11", "did you mean 'conv2d_1'"), ("9", "(0 to 4)")] {
        let error = passes(&format!("hla-ternarize{{skip={skip}}}"), &network()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn a_global_threshold_is_taken_over_all_layers() {
    let mut f = Build::new();
    let x = f.arg(&[1, 1, 1, 4]);
    let a = conv(&mut f, x, 1, 4, &[0.1, 0.2, 0.3, 0.4]);
    let b = conv(&mut f, x, 1, 4, &[5.0, 6.0, 7.0, 8.0]);
    let f = f.results(&[a, b]);
    let trits = |text: &str| -> Vec<Vec<i64>> {
        let (new, _) = passes(text, &f).unwrap();
        ternary(&new).into_iter().map(|t| t.0).collect()
    };
    assert_eq!(
        trits("hla-ternarize{quantize-all sparsity=0.5}"),
        [[0, 0, 1, 1], [0, 0, 1, 1]]
    );
    assert_eq!(
        trits("hla-ternarize{quantize-all sparsity=0.5 scope=global}"),
        [[0, 0, 0, 1], [1, 1, 1, 1]]
    );
    // TWN: Δ = .7·.25 = .175 and .7·6.5 = 4.55.
    assert_eq!(
        trits("hla-ternarize{quantize-all threshold=twn}"),
        [[0, 1, 1, 1], [1, 1, 1, 1]]
    );
}

#[test]
fn columns_of_zeros_warn_and_bad_weights_are_errors() {
    let mut weights = COLUMNS;
    weights[..4].fill(0.0);
    let (new, report) = passes("hla-ternarize{quantize-all}", &one_conv(&weights)).unwrap();
    assert_eq!(ternary(&new)[0].1[0], 0.0);
    let warning = report.remarks[0].to_string();
    assert!(
        warning.contains("warning: 1 of 2 output channels"),
        "{warning}"
    );
    for bad in [f32::NAN, f32::NEG_INFINITY] {
        weights[5] = bad;
        for scope in ["layer", "global"] {
            let text = format!("hla-ternarize{{quantize-all scope={scope}}}");
            let error = passes(&text, &one_conv(&weights)).unwrap_err().to_string();
            assert!(error.starts_with("test.mlir:3:3: error"), "{error}");
            assert!(error.contains(&format!("weight 5 is {bad}")), "{error}");
        }
    }
}

#[test]
fn weights_that_are_ternary_already_keep_their_values() {
    // Two magnitudes, one a column, and a column of zeros.
    let weights = [
        0.5, 0.0, -0.5, 0.5, 0.0, 0.0, 2.0, -2.0, 0.0, -0.0, 0.0, 0.0,
    ];
    let f = one_conv(&weights);
    for options in ["sparsity=0.9", "threshold=twn scale=mean", "scope=global"] {
        let text = format!("hla-ternarize{{quantize-all {options}}}");
        let (new, report) = passes(&text, &f).unwrap();
        let trits = vec![1, 0, -1, 1, 0, 0, 1, -1, 0, 0, 0, 0];
        assert_eq!(ternary(&new), [(trits, vec![0.5, 2.0, 0.0])], "{options}");
        let row = &report.tables[0].rows[0];
        assert_eq!(row[2].to_string(), "already ternary");
        assert_eq!(row[4], Cell::Float(1.0), "the cosine");
        assert_agree(&f, &new, 1e-6, 0.0);
    }
    // The rules of what stays float hold for it too.
    let (new, report) = passes("hla-ternarize", &f).unwrap();
    assert_eq!(ternary(&new), []);
    assert_eq!(
        report.tables[0].rows[0][2].to_string(),
        "f32: first convolution"
    );
}

/// TTQ's W_p = .5 and W_n = .75 for a whole layer: two contractions, which share the additions.
#[test]
fn a_layer_with_a_scale_for_each_sign_becomes_two() {
    let weights = [0.5, 0.0, -0.75, 0.5, 0.0, 0.0, 0.5, -0.75];
    let f = one_conv(&weights);
    let (new, report) = passes("hla-ternarize{quantize-all}", &f).unwrap();
    assert_eq!(
        ternary(&new),
        [
            (vec![1, 0, 0, 1, 0, 0, 1, 0], vec![0.5, 0.5]),
            (vec![0, 0, -1, 0, 0, 0, 0, -1], vec![0.75, 0.75])
        ]
    );
    let row = &report.tables[0].rows[0];
    assert_eq!(row[2].to_string(), "already ternary, two scales");
    assert_agree(&f, &new, 1e-6, 0.0);
    let (whole, _) = passes(
        "hla-freeze,hla-ternarize{quantize-all},hla-eliminate-multiplies,hla-fuse,hla-pack",
        &f,
    )
    .unwrap();
    assert_agree(&f, &whole, 1e-6, 0.0);
    // A third magnitude is none of TTQ's.
    let mut other = weights;
    other[3] = 0.625;
    let (_, report) = passes("hla-ternarize{quantize-all}", &one_conv(&other)).unwrap();
    assert_eq!(report.tables[0].rows[0][2].to_string(), "ternary");
}

#[test]
fn a_magnitude_off_by_one_bit_is_not_ternary_already() {
    let mut weights = [0.5, 0.0, -0.5, 0.5, 0.0, 0.0, 2.0, -2.0];
    weights[7] = -2.0_f32.next_up();
    let (_, report) = passes("hla-ternarize{quantize-all}", &one_conv(&weights)).unwrap();
    assert_eq!(report.tables[0].rows[0][2].to_string(), "ternary");
}

#[test]
fn trained_thresholds_are_kept() {
    let build = |axis: i64| {
        let mut f = Build::new();
        let x = f.arg(&[1, 3, 2]);
        let w = f.constant(&[1, 2, 2], &[1.0, -2.0, 0.5, 0.1]);
        let attrs = [("threshold", 0.6f32.into()), ("axis", axis.into())];
        let w = f.op(Op::Ternarize, &[w], &attrs);
        let y = f.op(Op::MatMul, &[x, w], &[]);
        f.results(&[y])
    };
    // The last layer is skipped by default, but not if the model says that it is ternary.
    let (new, _) = passes("hla-ternarize", &build(2)).unwrap();
    assert_eq!(ternary(&new), [(vec![1, 0, -1, 0], vec![1.0, 1.0])]);
    assert!(new.nodes.iter().all(|n| n.op != Op::Ternarize));
    let error = passes("hla-ternarize", &build(1)).unwrap_err().to_string();
    assert!(error.contains("set axis = 2"), "{error}");
}

#[test]
fn half_precision_is_computed_in_f32() {
    let mut f = Build::new();
    let half = |shape: &[usize]| TensorType::new(shape, DType::F16);
    let x = f.typed_arg(half(&[1, 3, 2]));
    let w = Tensor::from_f64s(half(&[1, 2, 2]), [1.0, -2.0, 0.5, 0.1]).unwrap();
    let w = f.0.constant(w, hla_ir::Location::unknown());
    let y = f.op(Op::MatMul, &[x, w], &[]);
    let f = f.results(&[y]);
    let (new, _) = passes("hla-ternarize{quantize-all}", &f).unwrap();
    let ops: Vec<Op> = new.nodes.iter().map(|n| n.op).collect();
    assert_eq!(ops.iter().filter(|&&o| o == Op::Cast).count(), 2, "{new}");
    assert_eq!(new.tensor_ty(new.results[0]), &half(&[1, 3, 2]));
}

#[test]
fn bytes_and_zeros_are_counted() {
    let (_, report) = passes(
        "hla-ternarize{quantize-all sparsity=0.8}",
        &one_conv(&COLUMNS),
    )
    .unwrap();
    assert_eq!(report.get("weight bytes before"), Some(&Cell::Int(32)));
    // Two rows of one byte, two scales of four.
    assert_eq!(report.get("weight bytes after"), Some(&Cell::Int(10)));
    assert_eq!(report.get("share of zeros"), Some(&Cell::Float(5.0 / 8.0)));
}

#[test]
fn depthwise_convolutions_stay_float() {
    let mut f = Build(Function::new("main"));
    let x = f.0.add_arg(Arg::new(TensorType::f32([1, 4, 4, 2])));
    let w = f.splat(&[3, 3, 2, 1], 0.5);
    let b = f.splat(&[1], 0.0);
    let attrs = [
        ("pad", i64s(&[0; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    let y = f.op(Op::DepthwiseConv2d, &[x, w, b], &attrs);
    let f = f.results(&[y]);
    let (new, report) = passes("hla-ternarize{quantize-all}", &f).unwrap();
    assert_eq!(new.nodes[2].op, Op::DepthwiseConv2d);
    assert!(report.remarks[0].to_string().contains("stays float"));
}

#[test]
fn what_stays_float_says_why() {
    let mut f = Build::new();
    let (x, w) = (f.arg(&[1, 1, 1, 2]), f.arg(&[3, 1, 1, 2]));
    let rows = f.arg(&[2, 1, 2]);
    let b = f.splat(&[3], 0.0);
    let attrs = [
        ("pad", i64s(&[0; 4])),
        ("stride", i64s(&[1, 1])),
        ("dilation", i64s(&[1, 1])),
    ];
    let a = f.op(Op::Conv2d, &[x, w, b], &attrs);
    let stack = f.constant(&[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]);
    let c = f.op(Op::MatMul, &[rows, stack], &[]);
    let f = f.results(&[a, c]);
    let (new, report) = passes("hla-ternarize{quantize-all}", &f).unwrap();
    assert_eq!(new, f);
    insta::assert_snapshot!(report);
}

#[test]
fn a_weight_that_is_large_only_in_its_shape_is_refused() {
    let mut f = Build::new();
    let x = f.arg(&[1, 1, 1 << 20]);
    let w = f.splat(&[1, 1 << 20, 1 << 20], 0.5);
    let y = f.op(Op::MatMul, &[x, w], &[]);
    let f = f.results(&[y]);
    for pass in [
        "hla-freeze",
        "hla-ternarize",
        "hla-pack",
        "hla-quantize-activations",
    ] {
        let error = passes(pass, &f).unwrap_err();
        assert!(
            error.message.contains("1099511627776 times") && error.help.is_some(),
            "{error}"
        );
    }
    let (new, _) = passes("hla-canonicalize,hla-fold-constants,hla-cse", &f).unwrap();
    assert_eq!(new, f);
}
