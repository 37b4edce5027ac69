//! Planar layouts change no value: pooling and elementwise ops between relayouts, with several
//! halos, agree with the reference to the bit.
#![allow(clippy::unwrap_used)]

use hla_cranelift::{CodegenOptions, jit};
use hla_ir::layout::LAYOUT;
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_reference::Tolerance;

const SHAPES: [[usize; 4]; 4] = [[2, 5, 7, 3], [1, 12, 19, 4], [3, 1, 1, 5], [1, 9, 40, 1]];
const HALOS: [[u8; 4]; 4] = [[1, 1, 1, 1], [0, 2, 3, 1], [0, 0, 0, 0], [0, 0, 2, 0]];

fn layout(halo: [u8; 4], element: DType) -> String {
    let [t, b, l, r] = halo;
    format!("planar<{t},{b},{l},{r},{element}>")
}

fn push(f: &mut Function, op: Op, operands: &[ValueId], attrs: Attrs, layout: &str) -> ValueId {
    let attrs = match layout {
        "" => attrs,
        _ => attrs.with(LAYOUT, layout),
    };
    f.push(op, operands, attrs, Location::unknown()).unwrap()
}

/// Values with ties, zeros and both signs.
fn values(ty: &TensorType, seed: usize) -> Tensor {
    let n = ty.elements();
    let value = |i: usize| ((i * 7919 + seed * 104_729) % 255) as f64 - 127.0;
    let scale = if ty.dtype == DType::F32 { 0.25 } else { 1.0 };
    Tensor::from_f64s(ty.clone(), (0..n).map(|i| value(i) * scale)).unwrap()
}

fn check(f: &Function, what: &str) {
    let inputs: Vec<Tensor> = f
        .args
        .iter()
        .enumerate()
        .map(|(i, a)| values(a.ty.tensor().unwrap(), i))
        .collect();
    let expected = hla_reference::evaluate(f, &inputs).unwrap();
    let program = jit(f, &CodegenOptions::default()).unwrap();
    // Whatever the workspace held before must not shine through.
    let mut workspace = program.workspace().unwrap();
    workspace.as_mut_slice().fill(0x7f);
    let computed = program.run_in(&inputs, &mut workspace, None).unwrap();
    for (expected, computed) in expected.iter().zip(&computed) {
        let result = Tolerance::Exact.check(expected, computed);
        assert!(result.is_ok(), "{what}: {result:?}");
    }
}

/// relayout, the ops of `body` on planar values, relayout.
fn between(
    shape: [usize; 4],
    dtype: DType,
    layout: &str,
    body: impl Fn(&mut Function, ValueId) -> ValueId,
    what: &str,
) {
    let mut f = Function::new("planar");
    let x = f.add_arg(Arg::new(TensorType::new(shape, dtype)));
    let planar = push(&mut f, Op::Relayout, &[x], Attrs::new(), layout);
    let y = body(&mut f, planar);
    let result = push(&mut f, Op::Relayout, &[y], Attrs::new(), "");
    f.results.push(result);
    check(&f, &format!("{what} {shape:?} {dtype} {layout}"));
}

/// Every element type that a planar value can have.
const ELEMENTS: [(DType, DType); 3] = [
    (DType::F32, DType::F32),
    (DType::I8, DType::I8),
    (DType::I8, DType::I16),
];

#[test]
fn pooling() {
    let windows: [([i64; 2], [i64; 2], [i64; 4]); 5] = [
        ([3, 3], [2, 2], [1, 1, 1, 1]),
        ([3, 3], [1, 1], [1, 1, 1, 1]),
        ([2, 2], [1, 1], [0, 1, 1, 0]),
        ([1, 4], [1, 3], [0, 0, 3, 2]),
        ([1, 1], [1, 1], [0, 0, 0, 0]),
    ];
    let mut count = 0;
    for shape in SHAPES {
        for (dtype, element) in ELEMENTS {
            for (i, halo) in HALOS.into_iter().enumerate() {
                let input = layout(halo, element);
                let output = layout(HALOS[(i + 1) % HALOS.len()], element);
                for (kernel, stride, pad) in windows {
                    for op in [Op::MaxPool2d, Op::AvgPool2d] {
                        let attrs = Attrs::new()
                            .with("kernel", kernel.to_vec())
                            .with("stride", stride.to_vec())
                            .with("pad", pad.to_vec());
                        let fits = (0..2).all(|d| {
                            let padded = shape[d + 1] as i64 + pad[2 * d] + pad[2 * d + 1];
                            padded >= kernel[d] && (padded - kernel[d]) % stride[d] == 0
                        });
                        if !fits {
                            continue;
                        }
                        count += 1;
                        let what = format!("{op} {kernel:?} {stride:?} {pad:?} → {output}");
                        between(
                            shape,
                            dtype,
                            &input,
                            |f, x| push(f, op, &[x], attrs.clone(), &output),
                            &what,
                        );
                    }
                }
            }
        }
    }
    assert!(count > 150, "{count} cases");
}

#[test]
fn elementwise() {
    for shape in SHAPES {
        for halo in HALOS {
            for (dtype, element) in ELEMENTS {
                let layout = layout(halo, element);
                let channels = TensorType::new([1, 1, 1, shape[3]], dtype);
                between(
                    shape,
                    dtype,
                    &layout,
                    |f, x| {
                        let c = f.constant(values(&channels, 3), Location::unknown());
                        let sum = push(f, Op::Add, &[x, c], Attrs::new(), &layout);
                        push(f, Op::Maximum, &[sum, x], Attrs::new(), &layout)
                    },
                    "add",
                );
            }
            // From planar f32 to planar i8 in i16 and back, with values that the halo must not get.
            let (wide, narrow) = (layout(halo, DType::F32), layout(halo, DType::I16));
            between(
                shape,
                DType::F32,
                &wide,
                |f, x| {
                    let exp = push(f, Op::Sigmoid, &[x], Attrs::new(), &wide);
                    let scale = Attrs::new().with("scale", 0.01f32);
                    let q = push(f, Op::Quantize, &[exp], scale.clone(), &narrow);
                    push(f, Op::Dequantize, &[q], scale, &wide)
                },
                "quantize",
            );
        }
    }
}
