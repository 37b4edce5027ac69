//! Functions before and after a pass, held against each other by evaluation.

use hla_ir::{DType, Function, Tensor, TensorType};

/// Pseudo-random numbers (xorshift64*), so that tests need no seed from outside.
pub struct Random(pub u64);

impl Random {
    /// A number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from −1 to 1.
    pub fn signed(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// An index below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    /// A tensor: floats from −2 to 2, integers from −100 to 100.
    pub fn tensor(&mut self, ty: &TensorType) -> Tensor {
        let scale = if ty.dtype.is_float() { 2.0 } else { 100.0 };
        let values: Vec<f64> = (0..ty.elements()).map(|_| scale * self.signed()).collect();
        Tensor::from_f64s(ty.clone(), values).unwrap()
    }

    /// Trits, about two thirds of them zero.
    pub fn trits(&mut self, shape: &[usize]) -> Tensor {
        let ty = TensorType::new(shape, DType::I8);
        let values: Vec<i64> = (0..ty.elements())
            .map(|_| [0, 0, 0, 0, 1, -1][self.below(6)])
            .collect();
        Tensor::from_i64s(ty, &values).unwrap()
    }
}

/// Inputs for a function.
pub fn inputs(f: &Function, seed: u64) -> Vec<Tensor> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 1 | 1));
    f.args
        .iter()
        .map(|arg| random.tensor(arg.ty.tensor().unwrap()))
        .collect()
}

/// Asserts that two functions give the same values on random inputs: floats within `rtol` of the
/// largest magnitude of the result, integers within `steps`.
pub fn assert_agree(old: &Function, new: &Function, rtol: f64, steps: f64) {
    hla_ir::verify::verify(new).unwrap();
    for seed in 0..3 {
        let inputs = inputs(old, seed);
        let expected = hla_reference::evaluate(old, &inputs).unwrap();
        let computed = hla_reference::evaluate(new, &inputs).unwrap();
        assert_eq!(expected.len(), computed.len());
        for (e, c) in expected.iter().zip(&computed) {
            assert_eq!(e.ty(), c.ty());
            let largest = e.iter_f64().fold(0.0_f64, |m, v| m.max(v.abs()));
            let bound = if e.dtype().is_float() {
                rtol * largest
            } else {
                steps
            };
            for (i, (e, c)) in e.iter_f64().zip(c.iter_f64()).enumerate() {
                assert!(
                    (e - c).abs() <= bound || e == c,
                    "element {i}: expected {e}, not {c} (bound {bound})\nbefore:\n{old}\nafter:\n{new}"
                );
            }
        }
    }
}
