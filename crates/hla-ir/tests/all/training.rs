//! Types of the ops of training, and what they refuse.

use hla_ir::{Attrs, Op};

use crate::common::{gives, none, refuses};

#[test]
fn ops_on_columns() {
    for op in [Op::Normalize, Op::SteTernarize, Op::LossAware] {
        let operands = |weight| match op {
            Op::Normalize => vec![weight],
            _ => vec![weight, "1xf32"],
        };
        let result = if op == Op::LossAware {
            "1xf32"
        } else {
            "4x3x3x2xf32"
        };
        gives(op, &operands("4x3x3x2xf32"), none().with("axis", 3), result);
        refuses(
            op,
            &operands("4x3x3x2xf32"),
            none().with("axis", 4),
            "axis 4 is outside rank 4",
        );
        refuses(
            op,
            &operands("4x3xf32"),
            none().with("axis", -1),
            "axis -1 is outside rank 2",
        );
        refuses(op, &operands("f32"), none(), "axis 0 is outside rank 0");
        refuses(
            op,
            &operands("4x3xf16"),
            none(),
            "operand 'weight' is tensor<4x3xf16>",
        );
        refuses(
            op,
            &operands("4x0xf32"),
            none(),
            "a tensor that is not empty",
        );
    }
    let epsilon = |value: f32| none().with("epsilon", value);
    gives(Op::Normalize, &["4x3xf32"], epsilon(0.0), "4x3xf32");
    for wrong in [-1.0, f32::NAN, f32::INFINITY] {
        refuses(Op::Normalize, &["4x3xf32"], epsilon(wrong), "'epsilon' is");
    }
}

#[test]
fn thresholds_are_tensors_of_one_element() {
    gives(Op::Threshold, &["4x3xf32", "1xf32"], none(), "1xf32");
    gives(Op::Threshold, &["f32", "1xf32"], none(), "1xf32");
    for op in [Op::Threshold, Op::SteTernarize, Op::LossAware] {
        for wrong in ["f32", "2xf32", "1x1xf32", "1xf16"] {
            refuses(
                op,
                &["4x3xf32", wrong],
                none(),
                "but tensor<1xf32> is needed",
            );
        }
    }
    refuses(
        Op::Threshold,
        &["0xf32", "1xf32"],
        none(),
        "a tensor that is not empty",
    );
    let ternarize = |name: &str, value: &str| (["4x3xf32", "1xf32"], none().with(name, value));
    for (name, values) in [
        ("rescale", ["weight", "alpha", "none"]),
        ("threshold_gradient", ["signed", "symmetric", "none"]),
    ] {
        for value in values {
            let (operands, attrs) = ternarize(name, value);
            gives(Op::SteTernarize, &operands, attrs, "4x3xf32");
        }
        let (operands, attrs) = ternarize(name, "None");
        let words = format!("'{name}' is \"None\"; it can be {}", values.join(", "));
        refuses(Op::SteTernarize, &operands, attrs, &words);
    }
}

#[test]
fn straight_through_wants_equal_types() {
    let op = Op::StraightThrough;
    gives(op, &["2x3xf32", "2x3xf32"], none(), "2x3xf32");
    gives(op, &["2x3xf32", "2x3xf32", "2x3xf32"], none(), "2x3xf32");
    refuses(
        op,
        &["2x3xf32", "2x1xf32"],
        none(),
        "operand 'value' is tensor<2x1xf32>",
    );
    refuses(
        op,
        &["2x3xf32", "2x3xf32", "3xf32"],
        none(),
        "operand 'slope' is tensor<3xf32>",
    );
    refuses(
        op,
        &["2xi8", "2xi8"],
        none(),
        "operand 'latent' is tensor<2xi8>",
    );
    gives(Op::StopGradient, &["2x3xf16"], none(), "2x3xf16");
}

#[test]
fn a_loss_is_one_number() {
    let op = Op::SoftmaxCrossEntropy;
    gives(op, &["5x4xf32", "5xi32"], none(), "1xf32");
    refuses(
        op,
        &["5x4xf32", "4xi32"],
        none(),
        "but tensor<5xi32> is needed",
    );
    refuses(op, &["5x4xf32", "5xi64"], none(), "an element type of i32");
    refuses(op, &["5x4xi8", "5xi32"], none(), "an element type of f32");
    refuses(op, &["1x5x4xf32", "5xi32"], none(), "a tensor of rank 2");
    refuses(
        op,
        &["5x0xf32", "5xi32"],
        none(),
        "a tensor that is not empty",
    );
    for wrong in [-0.1, 1.5, f32::NAN] {
        let attrs = none().with("label_smoothing", wrong);
        refuses(op, &["5x4xf32", "5xi32"], attrs, "'label_smoothing' is");
    }
}

#[test]
fn batch_norm_has_three_results() {
    let op = Op::BatchNorm;
    let channels = "1x1x1x4xf32";
    gives(
        op,
        &["2x3x3x4xf32", channels, channels],
        none(),
        "2x3x3x4xf32 1x1x1x4xf32 1x1x1x4xf32",
    );
    gives(
        op,
        &["9x4xf32", "1x4xf32", "1x4xf32"],
        none(),
        "9x4xf32 1x4xf32 1x4xf32",
    );
    refuses(
        op,
        &["9x4xf32", "4xf32", "1x4xf32"],
        none(),
        "operand 'scale' is tensor<4xf32>",
    );
    refuses(
        op,
        &["9x4xf32", "1x4xf32", "1x1xf32"],
        none(),
        "operand 'offset' is tensor<1x1xf32>",
    );
    refuses(
        op,
        &["4xf32", "4xf32", "4xf32"],
        none(),
        "a rank of at least 2",
    );
    refuses(
        op,
        &["0x4xf32", "1x4xf32", "1x4xf32"],
        none(),
        "a tensor that is not empty",
    );
}

#[test]
fn an_update_keeps_types() {
    let op = Op::SgdUpdate;
    gives(
        op,
        &["2x3xf32", "2x3xf32", "2x3xf32", "1xf32"],
        none(),
        "2x3xf32 2x3xf32",
    );
    gives(op, &["f32", "f32", "f32", "1xf32"], none(), "f32 f32");
    refuses(
        op,
        &["2x3xf32", "3xf32", "2x3xf32", "1xf32"],
        none(),
        "operand 'gradient' is tensor<3xf32>",
    );
    refuses(
        op,
        &["2xf32", "2xf32", "2xf16", "1xf32"],
        none(),
        "operand 'momentum' is tensor<2xf16>",
    );
    refuses(
        op,
        &["2xf32", "2xf32", "2xf32", "f32"],
        none(),
        "operand 'learning_rate' is",
    );
    for (name, value) in [
        ("mu", 1.5f32),
        ("mu", -0.1),
        ("weight_decay", -1e-4),
        ("weight_decay", f32::NAN),
    ] {
        let attrs = none().with(name, value);
        refuses(
            op,
            &["2xf32", "2xf32", "2xf32", "1xf32"],
            attrs,
            &format!("'{name}' is"),
        );
    }
}

fn window() -> Attrs {
    none()
        .with("pad", vec![1, 0, 0, 1])
        .with("stride", vec![2, 1])
        .with("dilation", vec![1, 2])
}

/// A convolution of 2×6×6×3 by 3×2 taps: (6 + 1 − 3)/2 + 1 rows, 6 + 1 − 2·2 + 1… columns.
#[test]
fn gradients_have_the_types_of_what_they_are_by() {
    let input = || window().with("input_shape", vec![2, 6, 6, 3]);
    let kernel = || window().with("kernel", vec![3, 2]);
    let op = Op::Conv2dInputGrad;
    gives(op, &["2x3x5x4xf32", "4x3x2x3xf32"], input(), "2x6x6x3xf32");
    refuses(
        op,
        &["2x3x4x4xf32", "4x3x2x3xf32"],
        input(),
        "but tensor<2x3x5x4xf32> is needed",
    );
    refuses(
        op,
        &["2x3x5x4xf32", "4x3x2x2xf32"],
        input(),
        "2 input channels, but the input has 3",
    );
    refuses(
        op,
        &["2x3x5x4xf32", "4x3x2x3xf32"],
        window(),
        "attribute 'input_shape' is missing",
    );
    let wrong = window().with("input_shape", vec![2, 6, 6]);
    refuses(
        op,
        &["2x3x5x4xf32", "4x3x2x3xf32"],
        wrong,
        "must have 4 entries, not 3",
    );
    let wrong = window().with("input_shape", vec![2, 7, 6, 3]);
    refuses(
        op,
        &["2x3x5x4xf32", "4x3x2x3xf32"],
        wrong,
        "the stride 2 does not divide",
    );
    let op = Op::Conv2dWeightGrad;
    gives(op, &["2x6x6x3xf32", "2x3x5x4xf32"], kernel(), "4x3x2x3xf32");
    refuses(
        op,
        &["1x6x6x3xf32", "2x3x5x4xf32"],
        kernel(),
        "but tensor<1x3x5x4xf32> is needed",
    );
    // 16-bit factors are summed in f32, and both are of one type.
    gives(
        op,
        &["2x6x6x3xbf16", "2x3x5x4xbf16"],
        kernel(),
        "4x3x2x3xf32",
    );
    refuses(
        op,
        &["2x6x6x3xf16", "2x3x5x4xf32"],
        kernel(),
        "an element type of f16",
    );
    refuses(
        op,
        &["2x6x6x3xi8", "2x3x5x4xf32"],
        kernel(),
        "an element type of f32",
    );
    refuses(
        op,
        &["2x6x6x3xf32", "2x3x5xf32"],
        kernel(),
        "a tensor of rank 4",
    );
    let op = Op::DepthwiseConv2dInputGrad;
    gives(op, &["2x3x5x6xf32", "3x2x3x2xf32"], input(), "2x6x6x3xf32");
    refuses(
        op,
        &["2x3x5x3xf32", "3x2x3x2xf32"],
        input(),
        "but tensor<2x3x5x6xf32> is needed",
    );
    refuses(
        op,
        &["2x3x5x6xf32", "3x2x2x3xf32"],
        input(),
        "2 input channels, but the input has 3",
    );
    let op = Op::DepthwiseConv2dWeightGrad;
    gives(op, &["2x6x6x3xf32", "2x3x5x6xf32"], kernel(), "3x2x3x2xf32");
    refuses(
        op,
        &["2x6x6x3xf32", "2x3x5x4xf32"],
        kernel(),
        "no multiple of the input's 3",
    );
}

#[test]
fn gradients_of_pools() {
    let attrs = || {
        none()
            .with("kernel", vec![2, 3])
            .with("stride", vec![2, 1])
            .with("pad", vec![0, 0, 1, 1])
    };
    gives(
        Op::MaxPool2dGrad,
        &["1x4x5x3xf32", "1x2x5x3xf32"],
        attrs(),
        "1x4x5x3xf32",
    );
    refuses(
        Op::MaxPool2dGrad,
        &["1x4x5x3xf32", "1x2x4x3xf32"],
        attrs(),
        "but tensor<1x2x5x3xf32> is needed",
    );
    let shaped = attrs().with("input_shape", vec![1, 4, 5, 3]);
    gives(
        Op::AvgPool2dGrad,
        &["1x2x5x3xf32"],
        shaped.clone(),
        "1x4x5x3xf32",
    );
    refuses(
        Op::AvgPool2dGrad,
        &["2x2x5x3xf32"],
        shaped.clone(),
        "but tensor<1x2x5x3xf32> is needed",
    );
    // Of one float type, which the result has.
    for half in ["f16", "bf16"] {
        let [image, window] = ["1x4x5x3x", "1x2x5x3x"].map(|shape| format!("{shape}{half}"));
        gives(Op::MaxPool2dGrad, &[&image, &window], attrs(), &image);
        gives(Op::AvgPool2dGrad, &[&window], shaped.clone(), &image);
        let mixed = [&*image, "1x2x5x3xf32"];
        refuses(Op::MaxPool2dGrad, &mixed, attrs(), "'gradient'");
    }
    refuses(
        Op::MaxPool2dGrad,
        &["1x4x5x3xi8", "1x2x5x3xi8"],
        attrs(),
        "f32, f16 or bf16",
    );
    // A window in the padding alone has no average and no maximum.
    let padding = shaped.with("pad", vec![0, 0, 3, 3]);
    refuses(Op::AvgPool2dGrad, &["1x2x9x3xf32"], padding, "pad");
}

#[test]
fn gradients_of_gathers() {
    let rows = |rows: i64| none().with("rows", rows);
    gives(
        Op::ScatterAdd,
        &["2x5xi32", "2x5x3xf32"],
        rows(7),
        "2x7x3xf32",
    );
    refuses(
        Op::ScatterAdd,
        &["2x4xi32", "2x5x3xf32"],
        rows(7),
        "but tensor<2x5xi32> is needed",
    );
    refuses(
        Op::ScatterAdd,
        &["2x5xi64", "2x5x3xf32"],
        rows(7),
        "an element type of i32",
    );
    refuses(
        Op::ScatterAdd,
        &["2x5xi32", "2x5x3xi8"],
        rows(7),
        "an element type of f32",
    );
    for wrong in [0, -1] {
        refuses(
            Op::ScatterAdd,
            &["2x5xi32", "2x5x3xf32"],
            rows(wrong),
            "which is less than 1",
        );
    }
}

#[test]
fn hostile_sizes_are_refused() {
    let huge = i64::from(i32::MAX);
    let attrs = window().with("input_shape", vec![huge; 4]);
    let operands = ["2x3x5x4xf32", "4x3x2x3xf32"];
    for op in [Op::Conv2dInputGrad, Op::DepthwiseConv2dInputGrad] {
        refuses(op, &operands, attrs.clone(), "");
    }
    let kernel = window().with("kernel", vec![huge; 2]);
    for op in [Op::Conv2dWeightGrad, Op::DepthwiseConv2dWeightGrad] {
        refuses(op, &operands, kernel.clone(), "");
    }
    let rows = none().with("rows", i64::MAX);
    refuses(Op::ScatterAdd, &["2x5xi32", "2x5x3xf32"], rows, "");
}
