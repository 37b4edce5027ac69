//! The networks of examples/digits and examples/cluttered as training functions: float, on the
//! sphere with L_d, ternary; against JAX in float32 and against central differences in f64.

use hla_ir::{Arg, Attr, DType, Function, Op, Tensor, TensorType, ValueId};
use hla_reference::evaluate;
use ndarray::ArrayD;

use super::differences::{array, check_at};
use super::jax::{Tensors, assert_near, read};
use crate::build::{Build, i64s, passes};
use crate::oracle::numbers;

const BATCH: usize = 6;
const LAMBDA: f32 = 4.0;
const LABELS: [f64; BATCH] = [3., 1., 9., 0., 7., 7.];

/// The threshold of a layer on the sphere; the others stay float.
#[expect(clippy::approx_constant, reason = "0.318 is a threshold, not 1/π")]
fn threshold(layer: &str) -> Option<f32> {
    match layer {
        "conv2" => Some(0.06),
        "conv3" | "conv4" => Some(0.045),
        "fc2" => Some(0.07),
        "block1.conv1" => Some(0.106),
        "block1.conv2" | "block2.conv1" => Some(0.075),
        "block1.shortcut" => Some(0.318),
        "block2.conv2" | "block3.conv1" => Some(0.053),
        "block2.shortcut" => Some(0.225),
        "block3.conv2" => Some(0.0375),
        "block3.shortcut" => Some(0.159),
        _ => None,
    }
}

/// A network in the making, with the values of its arguments.
struct Network {
    build: Build,
    kind: &'static str,
    /// Axis of the columns of a weight.
    axis: i64,
    params: Vec<(String, ValueId)>,
    inputs: Vec<Tensor>,
    penalty: Option<ValueId>,
}

impl Network {
    /// Declares the input, labels and all parameters: arguments come before nodes.
    fn new(kind: &'static str, input: &[usize], layers: &[(&str, &[usize])]) -> Network {
        let mut n = Network {
            build: Build::new(),
            kind,
            axis: if input.len() == 4 { 0 } else { 2 },
            params: Vec::new(),
            inputs: Vec::new(),
            penalty: None,
        };
        n.input("image", numbers(input, 100));
        let labels = TensorType::new([BATCH], DType::I32);
        n.input("labels", Tensor::from_f64s(labels, LABELS).unwrap());
        for (i, (layer, weight)) in layers.iter().enumerate() {
            let scale = if layer.starts_with("fc") {
                0.0625
            } else {
                0.125
            };
            n.param(&format!("{layer}.weight"), weight, scale, 0.0);
            let mut channels = vec![1; input.len()];
            channels[input.len() - 1] = weight[n.axis as usize];
            if i + 1 < layers.len() {
                let number = i + 1;
                n.param(&format!("bn{number}.scale"), &channels, 0.25, 1.0);
                n.param(&format!("bn{number}.offset"), &channels, 0.0625, 0.0);
            } else {
                let shape = if input.len() == 4 {
                    vec![10]
                } else {
                    vec![1, 1, 10]
                };
                n.param(&format!("{layer}.bias"), &shape, 0.0625, 0.0);
            }
        }
        for (layer, _) in layers {
            if let Some(threshold) = threshold(layer).filter(|_| kind != "float") {
                let name = format!("{layer}.threshold");
                let values = Tensor::from_f32s([1], &[threshold]).unwrap();
                let arg = Arg::new(TensorType::f32([1]));
                let arg = if kind == "ternary" {
                    arg.param(&name)
                } else {
                    arg.named(&name)
                };
                n.params.push((name, n.build.0.add_arg(arg)));
                n.inputs.push(values);
            }
        }
        n
    }

    fn input(&mut self, name: &str, values: Tensor) {
        let arg = Arg::new(values.ty().clone()).named(name);
        self.params
            .push((name.to_owned(), self.build.0.add_arg(arg)));
        self.inputs.push(values);
    }

    /// numbers·scale + offset, with the seeds that make.py counts.
    fn param(&mut self, name: &str, shape: &[usize], scale: f32, offset: f32) {
        let seed = self.inputs.len() as u64 - 1;
        let values = numbers(shape, seed).to_f32s();
        let values: Vec<f32> = values.iter().map(|v| v * scale + offset).collect();
        let arg = Arg::new(TensorType::f32(shape)).param(name);
        self.params
            .push((name.to_owned(), self.build.0.add_arg(arg)));
        self.inputs.push(Tensor::from_f32s(shape, &values).unwrap());
    }

    fn get(&self, name: &str) -> ValueId {
        self.params.iter().find(|p| p.0 == name).unwrap().1
    }

    /// The weight as the layer uses it.
    fn weight(&mut self, layer: &str) -> ValueId {
        let v = self.get(&format!("{layer}.weight"));
        if self.kind == "float" || threshold(layer).is_none() {
            return v;
        }
        let axis = ("axis", Attr::I64(self.axis));
        let threshold = self.get(&format!("{layer}.threshold"));
        let w = self
            .build
            .op(Op::Normalize, &[v], std::slice::from_ref(&axis));
        let term = self
            .build
            .op(Op::LossAware, &[w, threshold], std::slice::from_ref(&axis));
        self.penalty = Some(match self.penalty {
            Some(sum) => self.build.op(Op::Add, &[sum, term], &[]),
            None => term,
        });
        match self.kind {
            "ternary" => self.build.op(Op::SteTernarize, &[w, threshold], &[axis]),
            _ => w,
        }
    }

    fn conv(&mut self, x: ValueId, layer: &str, pad: [i64; 4], stride: i64) -> ValueId {
        let w = self.weight(layer);
        let bias = match layer {
            "fc" => self.get("fc.bias"),
            _ => self.build.splat(&[1], 0.0),
        };
        let attrs = [
            ("pad", i64s(&pad)),
            ("stride", i64s(&[stride; 2])),
            ("dilation", i64s(&[1, 1])),
        ];
        self.build.op(Op::Conv2d, &[x, w, bias], &attrs)
    }

    fn norm(&mut self, x: ValueId, number: usize) -> ValueId {
        let scale = self.get(&format!("bn{number}.scale"));
        let offset = self.get(&format!("bn{number}.offset"));
        self.build.op(Op::BatchNorm, &[x, scale, offset], &[])
    }

    fn relu(&mut self, x: ValueId) -> ValueId {
        let bounds = [
            ("min_val", Attr::F32(0.0)),
            ("max_val", Attr::F32(f32::MAX)),
        ];
        self.build.op(Op::Clamp, &[x], &bounds)
    }

    fn finish(mut self, x: ValueId, smoothing: f32) -> (Function, Vec<Tensor>) {
        let b = &mut self.build;
        let shape = [("shape", i64s(&[BATCH as i64, 10]))];
        let logits = b.op(Op::Reshape, &[x], &shape);
        let labels = self.params[1].1;
        let smoothing = [("label_smoothing", Attr::F32(smoothing))];
        let mut loss = b.op(Op::SoftmaxCrossEntropy, &[logits, labels], &smoothing);
        if let Some(penalty) = self.penalty {
            let lambda = b.splat(&[1], LAMBDA);
            let weighed = b.op(Op::Mul, &[lambda, penalty], &[]);
            loss = b.op(Op::Add, &[loss, weighed], &[]);
        }
        let mut f = self.build.0;
        f.add_result(loss, "hla.name", "loss");
        (f, self.inputs)
    }
}

fn window(kernel: i64, stride: i64) -> [(&'static str, Attr); 3] {
    [
        ("kernel", i64s(&[kernel; 2])),
        ("stride", i64s(&[stride; 2])),
        ("pad", i64s(&[0; 4])),
    ]
}

fn cnn(kind: &'static str) -> (Function, Vec<Tensor>) {
    let layers: [(&str, &[usize]); 5] = [
        ("conv1", &[16, 3, 3, 1]),
        ("conv2", &[32, 3, 3, 16]),
        ("conv3", &[32, 3, 3, 32]),
        ("conv4", &[64, 3, 3, 32]),
        ("fc", &[10, 1, 1, 64]),
    ];
    let mut n = Network::new(kind, &[BATCH, 8, 8, 1], &layers);
    let mut x = n.get("image");
    for (i, layer) in ["conv1", "conv2"].into_iter().enumerate() {
        x = n.conv(x, layer, [1; 4], 1);
        x = n.norm(x, i + 1);
        x = n.relu(x);
    }
    let pool = n.build.op(Op::MaxPool2d, &[x], &window(2, 2));
    x = n.conv(pool, "conv3", [1; 4], 1);
    x = n.norm(x, 3);
    x = n.build.op(Op::Add, &[x, pool], &[]);
    x = n.relu(x);
    x = n.conv(x, "conv4", [1, 0, 1, 0], 2);
    x = n.norm(x, 4);
    x = n.relu(x);
    x = n.build.op(Op::AvgPool2d, &[x], &window(2, 1));
    x = n.conv(x, "fc", [0; 4], 1);
    n.finish(x, 0.1)
}

fn mlp(kind: &'static str) -> (Function, Vec<Tensor>) {
    let layers: [(&str, &[usize]); 3] = [
        ("fc1", &[1, 64, 128]),
        ("fc2", &[1, 128, 128]),
        ("fc3", &[1, 128, 10]),
    ];
    let mut n = Network::new(kind, &[1, BATCH, 64], &layers);
    let mut x = n.get("image");
    for (i, layer) in ["fc1", "fc2"].into_iter().enumerate() {
        let w = n.weight(layer);
        x = n.build.op(Op::MatMul, &[x, w], &[]);
        x = n.norm(x, i + 1);
        x = n.relu(x);
    }
    let w = n.weight("fc3");
    x = n.build.op(Op::MatMul, &[x, w], &[]);
    let bias = n.get("fc3.bias");
    x = n.build.op(Op::Add, &[x, bias], &[]);
    n.finish(x, 0.0)
}

fn resnet8(kind: &'static str) -> (Function, Vec<Tensor>) {
    let layers: [(&str, &[usize]); 11] = [
        ("conv1", &[8, 3, 3, 1]),
        ("block1.conv1", &[16, 3, 3, 8]),
        ("block1.conv2", &[16, 3, 3, 16]),
        ("block1.shortcut", &[16, 1, 1, 8]),
        ("block2.conv1", &[32, 3, 3, 16]),
        ("block2.conv2", &[32, 3, 3, 32]),
        ("block2.shortcut", &[32, 1, 1, 16]),
        ("block3.conv1", &[64, 3, 3, 32]),
        ("block3.conv2", &[64, 3, 3, 64]),
        ("block3.shortcut", &[64, 1, 1, 32]),
        ("fc", &[10, 1, 1, 64]),
    ];
    let mut n = Network::new(kind, &[BATCH, 32, 32, 1], &layers);
    let mut x = n.get("image");
    x = n.conv(x, "conv1", [1, 0, 1, 0], 2);
    x = n.norm(x, 1);
    x = n.relu(x);
    for block in 1..4 {
        let first = 3 * block - 1;
        let mut y = n.conv(x, &format!("block{block}.conv1"), [1, 0, 1, 0], 2);
        y = n.norm(y, first);
        y = n.relu(y);
        y = n.conv(y, &format!("block{block}.conv2"), [1; 4], 1);
        y = n.norm(y, first + 1);
        x = n.build.op(Op::AvgPool2d, &[x], &window(2, 2));
        x = n.conv(x, &format!("block{block}.shortcut"), [0; 4], 1);
        x = n.norm(x, first + 2);
        x = n.build.op(Op::Add, &[y, x], &[]);
        x = n.relu(x);
    }
    x = n.build.op(Op::AvgPool2d, &[x], &window(2, 1));
    x = n.conv(x, "fc", [0; 4], 1);
    n.finish(x, 0.1)
}

/// Compares the objective and every gradient with JAX's; then once more in TOSA alone.
fn against_jax(tensors: &Tensors, network: &str, (f, inputs): &(Function, Vec<Tensor>)) {
    let (new, report) = passes("hla-autodiff", f).unwrap();
    assert!(report.remarks.is_empty(), "{report}");
    let prefix = format!("{network}/grad.");
    let expected = tensors.keys().filter(|k| k.starts_with(&prefix)).count();
    for new in [&new, &hla_ir::decompose::decompose(&new).unwrap()] {
        let results = evaluate(new, inputs).unwrap();
        let objective = &tensors[&format!("{network}/objective")];
        assert_near(network, objective, &results[0], 1e-5);
        let mut count = 0;
        for (i, result) in results.iter().enumerate() {
            let Some(param) = new.gradient_of(i) else {
                continue;
            };
            count += 1;
            let key = format!("{prefix}{param}");
            assert_near(&key, &tensors[&key], result, 1e-3);
        }
        assert_eq!(count, expected);
    }
}

#[test]
fn gradients_of_whole_networks_are_those_of_jax() {
    let tensors = read("networks.safetensors");
    for kind in ["float", "finetune", "ternary"] {
        against_jax(&tensors, &format!("mlp.{kind}"), &mlp(kind));
        against_jax(&tensors, &format!("cnn.{kind}"), &cnn(kind));
    }
    against_jax(&tensors, "resnet8.ternary", &resnet8("ternary"));
}

#[test]
fn gradients_of_whole_networks_are_central_differences() {
    for (f, inputs) in [
        mlp("float"),
        mlp("finetune"),
        cnn("finetune"),
        resnet8("finetune"),
    ] {
        let inputs: Vec<ArrayD<f64>> = inputs
            .iter()
            .map(|t| array(t.shape(), t.iter_f64().collect()))
            .collect();
        check_at(&f, &inputs, 1e-6, 2, 1e-5);
    }
}
