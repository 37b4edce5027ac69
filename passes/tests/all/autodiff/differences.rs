//! Central differences in f64, and functions made to be differentiated.

use hla_ir::{Arg, Attrs, DType, Function, Location, Op, TensorType, ValueId};
use hla_reference::evaluate_f64;
use ndarray::{ArrayD, IxDyn};

use crate::agree::Random;
use crate::build::{Build, i64s, passes};

/// A function whose parameters are differentiated, and the values it is differentiated at.
pub struct Problem {
    pub build: Build,
    pub inputs: Vec<ArrayD<f64>>,
    pub random: Random,
    terms: Vec<ValueId>,
}

impl Problem {
    pub fn new(seed: u64) -> Problem {
        Problem {
            build: Build::new(),
            inputs: Vec::new(),
            random: Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 1 | 1)),
            terms: Vec::new(),
        }
    }

    /// A parameter with these values.
    pub fn param(&mut self, shape: &[usize], values: Vec<f64>) -> ValueId {
        let name = format!("p{}", self.inputs.len());
        self.inputs.push(array(shape, values));
        let arg = Arg::new(TensorType::f32(shape)).param(&name);
        self.build.0.add_arg(arg)
    }

    /// A parameter of random numbers from `low` to `high`.
    pub fn uniform(&mut self, shape: &[usize], low: f64, high: f64) -> ValueId {
        let count = shape.iter().product();
        let values = (0..count).map(|_| low + (high - low) * self.random.unit());
        let values = values.collect();
        self.param(shape, values)
    }

    /// A parameter of random numbers from −1 to 1, of which no two come nearer than 0.9/n and none
    /// comes near 0: steps of a difference cross no kink between them.
    pub fn spread(&mut self, shape: &[usize]) -> ValueId {
        let count: usize = shape.iter().product();
        let mut values: Vec<f64> = (0..count)
            .map(|i| (2.0 * i as f64 + 1.03) / count as f64 - 1.0)
            .collect();
        for i in (1..count).rev() {
            values.swap(i, self.random.below(i + 1));
        }
        self.param(shape, values)
    }

    /// An input that is not differentiated.
    pub fn input(&mut self, ty: TensorType, values: Vec<f64>) -> ValueId {
        self.inputs.push(array(&ty.shape, values));
        self.build.typed_arg(ty)
    }

    /// Adds Σ weight·value with random weights to the objective.
    pub fn weigh(&mut self, value: ValueId) {
        let shape = self.build.0.tensor_ty(value).shape.clone();
        let count: usize = shape.iter().product();
        let weights: Vec<f32> = (0..count).map(|_| self.random.signed() as f32).collect();
        let to_f32 = [("out_type", DType::F32.into())];
        let value = match self.build.0.tensor_ty(value).dtype {
            DType::F32 => value,
            _ => self.build.op(Op::Cast, &[value], &to_f32),
        };
        let weights = self.build.constant(&shape, &weights);
        let product = self.build.op(Op::Mul, &[value, weights], &[]);
        let flat = [("shape", i64s(&[count as i64]))];
        let flat = self.build.op(Op::Reshape, &[product], &flat);
        let sum = self.build.op(Op::ReduceSum, &[flat], &[("axis", 0.into())]);
        self.terms.push(sum);
    }

    /// Ends with the objective.
    pub fn function(&mut self) -> Function {
        let mut terms = self.terms.iter().copied();
        let mut sum = terms.next().unwrap();
        for term in terms {
            sum = self.build.op(Op::Add, &[sum, term], &[]);
        }
        let mut f = self.build.0.clone();
        f.add_result(sum, "hla.name", "loss");
        f
    }

    /// Differentiates and compares with central differences.
    pub fn check(mut self) {
        let f = self.function();
        check(&f, &self.inputs);
    }
}

pub fn array(shape: &[usize], values: Vec<f64>) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

/// The values of the results with `hla.gradient`, with the numbers of their arguments.
pub fn gradients(f: &Function, inputs: &[ArrayD<f64>]) -> Vec<(usize, ArrayD<f64>)> {
    let (new, _) = passes("hla-autodiff", f).unwrap();
    let results = evaluate_f64(&new, inputs).unwrap();
    let mut found = Vec::new();
    for (i, result) in results.into_iter().enumerate() {
        if let Some(name) = new.gradient_of(i) {
            let arg = |a: &Arg| a.param.as_deref() == Some(name);
            found.push((new.args.iter().position(arg).unwrap(), result));
        }
    }
    found
}

/// Asserts that the gradients are central differences, within 1e-5; large tensors are probed at
/// some 40 places.
pub fn check(f: &Function, inputs: &[ArrayD<f64>]) {
    check_at(f, inputs, 1e-5, 40, 1e-5);
}

/// Asserts that every gradient is the central difference of the objective over `step` at some
/// `places`, within `tolerance` of the larger of itself and a thousandth of the largest element.
pub fn check_at(f: &Function, inputs: &[ArrayD<f64>], step: f64, places: usize, tolerance: f64) {
    let objective = |inputs: &[ArrayD<f64>]| -> f64 {
        let results = evaluate_f64(f, inputs).unwrap();
        let i = (0..f.results.len()).find(|&i| f.result_name(i) == Some("loss"));
        results[i.unwrap()].iter().copied().next().unwrap()
    };
    let gradients = gradients(f, inputs);
    assert!(!gradients.is_empty());
    for (arg, gradient) in gradients {
        assert_eq!(gradient.shape(), inputs[arg].shape());
        let largest = gradient.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let count = gradient.len();
        for i in (0..count).step_by((count / places).max(1)) {
            let mut moved = inputs.to_vec();
            let mut at = |offset: f64| {
                moved[arg].as_slice_mut().unwrap()[i] = inputs[arg].as_slice().unwrap()[i] + offset;
                objective(&moved)
            };
            let numeric = (at(step) - at(-step)) / (2.0 * step);
            let symbolic = gradient.as_slice().unwrap()[i];
            let scale = numeric.abs().max(1e-3 * largest).max(1e-6);
            assert!(
                (numeric - symbolic).abs() <= tolerance * scale,
                "argument {arg}, element {i}: difference {numeric}, gradient {symbolic}\n{f}"
            );
        }
    }
}

/// Adds a node without a location of its own.
pub fn push(f: &mut Function, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
    f.push(op, operands, attrs, Location::unknown()).unwrap()
}
