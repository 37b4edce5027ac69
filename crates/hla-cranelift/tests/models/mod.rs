//! The ResNet-8 of `examples/cluttered` and the digit classifier of `examples/digits`, built node by
//! node, and the state and inputs of their training.
#![allow(dead_code, clippy::unwrap_used)]

use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_passes::training::{Role, StateSpec};
use hla_runtime::State;

/// A network in the making. Arguments come before nodes, so layers are declared first.
struct Network {
    f: Function,
    nodes: Vec<Step>,
}

/// What is built once all arguments are known.
enum Step {
    Conv { weight: ValueId, stride: i64 },
    Norm([ValueId; 4]),
}

impl Network {
    fn new(name: &str, input: &[usize]) -> (Network, ValueId) {
        let mut f = Function::new(name);
        let x = f.add_arg(Arg::new(TensorType::f32(input)).named("image"));
        let nodes = Vec::new();
        (Network { f, nodes }, x)
    }

    fn param(&mut self, name: &str, shape: &[usize]) -> ValueId {
        self.f.add_arg(Arg::new(TensorType::f32(shape)).param(name))
    }

    /// A convolution without bias and its batch norm.
    fn layer(&mut self, conv: &str, norm: &str, weight: [usize; 4], stride: i64) {
        let columns = weight[0];
        let weight = self.param(&format!("{conv}.weight"), &weight);
        self.nodes.push(Step::Conv { weight, stride });
        let statistics = ["weight", "bias", "running_mean", "running_var"]
            .map(|what| self.param(&format!("{norm}.{what}"), &[1, 1, 1, columns]));
        self.nodes.push(Step::Norm(statistics));
    }

    fn push(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
        self.f
            .push(op, operands, attrs, Location::unknown())
            .unwrap()
    }

    fn constant(&mut self, shape: &[usize], value: f64) -> ValueId {
        self.f.constant(
            Tensor::splat(TensorType::f32(shape), value),
            Location::unknown(),
        )
    }

    fn conv(&mut self, x: ValueId, weight: ValueId, stride: i64, bias: ValueId) -> ValueId {
        let kernel = self.f.tensor_ty(weight).shape[1] as i64;
        let pad = match (kernel, stride) {
            (1, _) => vec![0; 4],
            (_, 1) => vec![1; 4],
            _ => vec![1, 0, 1, 0],
        };
        let attrs = Attrs::new()
            .with("pad", pad)
            .with("stride", vec![stride; 2])
            .with("dilation", vec![1i64; 2]);
        self.push(Op::Conv2d, &[x, weight, bias], attrs)
    }

    /// The next convolution and its batch norm.
    fn apply(&mut self, x: ValueId) -> ValueId {
        let Step::Conv { weight, stride } = self.nodes.remove(0) else {
            panic!("a convolution comes first");
        };
        let Step::Norm([scale, offset, mean, variance]) = self.nodes.remove(0) else {
            panic!("a batch norm follows");
        };
        let columns = self.f.tensor_ty(weight).shape[0];
        let bias = self.constant(&[columns], 0.0);
        let x = self.conv(x, weight, stride, bias);
        let epsilon = self.constant(&[1; 4], 1e-5);
        let none = Attrs::new;
        let centred = self.push(Op::Sub, &[x, mean], none());
        let raised = self.push(Op::Add, &[variance, epsilon], none());
        let rsqrt = self.push(Op::Rsqrt, &[raised], none());
        let unit = self.push(Op::Mul, &[centred, rsqrt], none());
        let scaled = self.push(Op::Mul, &[unit, scale], none());
        self.push(Op::Add, &[scaled, offset], none())
    }

    fn relu(&mut self, x: ValueId) -> ValueId {
        let bounds = Attrs::new().with("min_val", 0f32).with("max_val", f32::MAX);
        self.push(Op::Clamp, &[x], bounds)
    }

    fn pool(&mut self, op: Op, x: ValueId, size: i64) -> ValueId {
        let attrs = Attrs::new()
            .with("kernel", vec![size; 2])
            .with("stride", vec![size; 2])
            .with("pad", vec![0i64; 4]);
        self.push(op, &[x], attrs)
    }

    fn finish(mut self, x: ValueId, fc: [ValueId; 2], size: i64) -> Function {
        let pooled = self.pool(Op::AvgPool2d, x, size);
        let logits = self.conv(pooled, fc[0], 1, fc[1]);
        let batch = self.f.tensor_ty(logits).shape[0] as i64;
        let logits = self.push(
            Op::Reshape,
            &[logits],
            Attrs::new().with("shape", vec![batch, 10]),
        );
        self.f.results.push(logits);
        self.f
    }
}

/// The ResNet-8 of `examples/cluttered`.
pub fn resnet8(batch: usize) -> Function {
    const WIDTHS: [usize; 4] = [8, 16, 32, 64];
    let (mut n, x) = Network::new("resnet8", &[batch, 32, 32, 1]);
    n.layer("conv1", "bn1", [8, 3, 3, 1], 2);
    for (i, w) in WIDTHS.windows(2).enumerate() {
        let name = |what: &str| format!("block{}.{what}", i + 1);
        n.layer(&name("conv1"), &name("bn1"), [w[1], 3, 3, w[0]], 2);
        n.layer(&name("conv2"), &name("bn2"), [w[1], 3, 3, w[1]], 1);
        n.layer(&name("shortcut"), &name("bn3"), [w[1], 1, 1, w[0]], 1);
    }
    let fc = [
        n.param("fc.weight", &[10, 1, 1, 64]),
        n.param("fc.bias", &[10]),
    ];
    let y = n.apply(x);
    let mut x = n.relu(y);
    for _ in 0..3 {
        let y = n.apply(x);
        let y = n.relu(y);
        let y = n.apply(y);
        let half = n.pool(Op::AvgPool2d, x, 2);
        let shortcut = n.apply(half);
        let sum = n.push(Op::Add, &[y, shortcut], Attrs::new());
        x = n.relu(sum);
    }
    n.finish(x, fc, 2)
}

/// The digit classifier of `examples/digits`.
pub fn digits(batch: usize) -> Function {
    let (mut n, x) = Network::new("digits", &[batch, 8, 8, 1]);
    n.layer("conv1", "bn1", [16, 3, 3, 1], 1);
    n.layer("conv2", "bn2", [32, 3, 3, 16], 1);
    n.layer("conv3", "bn3", [32, 3, 3, 32], 1);
    n.layer("conv4", "bn4", [64, 3, 3, 32], 2);
    let fc = [
        n.param("fc.weight", &[10, 1, 1, 64]),
        n.param("fc.bias", &[10]),
    ];
    let y = n.apply(x);
    let y = n.relu(y);
    let y = n.apply(y);
    let y = n.relu(y);
    let pool = n.pool(Op::MaxPool2d, y, 2);
    let y = n.apply(pool);
    let y = n.push(Op::Add, &[y, pool], Attrs::new());
    let y = n.relu(y);
    let y = n.apply(y);
    let y = n.relu(y);
    n.finish(y, fc, 2)
}

/// Numbers between −1 and 1.
fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// A state such as training begins with.
pub fn state(specs: &[StateSpec]) -> State {
    let mut state = State::new();
    for (spec, seed) in specs.iter().zip(1..) {
        let n = spec.ty.elements();
        let spread = |scale: f64| noise(seed).map(|v| v * scale).take(n).collect::<Vec<_>>();
        let values = match spec.role {
            Role::Weight { fan_in } => spread((6.0 / fan_in as f64).sqrt()),
            Role::NormScale | Role::RunningVariance | Role::TtqScale => vec![1.0; n],
            Role::Threshold => vec![0.05; n],
            _ => vec![0.0; n],
        };
        let value = Tensor::from_f64s(spec.ty.clone(), values).unwrap();
        state.set(&spec.name, &value).unwrap();
    }
    state
}

/// The inputs of a step, by name.
pub fn inputs(step: &Function) -> Vec<(String, Tensor)> {
    let args = step.args.iter().filter(|a| a.param.is_none());
    args.map(|arg| {
        let name = arg.name.as_deref().unwrap();
        let ty = arg.ty.tensor().unwrap().clone();
        let n = ty.elements();
        let value = match name {
            "learning_rate" => Tensor::splat(ty, 0.05),
            "loss_aware_weight" => Tensor::splat(ty, 1.0),
            "sparsity" => Tensor::splat(ty, 0.7),
            _ if ty.dtype == DType::I32 => {
                Tensor::from_f64s(ty, (0..n).map(|i| (i * 7 % 10) as f64)).unwrap()
            }
            _ => Tensor::from_f64s(ty, noise(99).take(n)).unwrap(),
        };
        (name.to_owned(), value)
    })
    .collect()
}
