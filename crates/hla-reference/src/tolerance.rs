//! How near two results must be.

use hla_ir::{DType, Tensor};

/// How near a computed tensor must come to the expected one. NaN agrees with NaN only, whatever
/// its bits; an infinity with the same infinity only. Integers must always be equal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Tolerance {
    /// The same bits.
    Exact,
    /// At most this many representable values of the element type apart.
    Ulps(u32),
    /// |computed − expected| ≤ atol + rtol·|expected|.
    Relative {
        /// Part of the expected magnitude.
        rtol: f32,
        /// Absolute part.
        atol: f32,
    },
}

impl Tolerance {
    /// Compares a computed tensor with the expected one.
    ///
    /// # Errors
    /// A description of the first element that is too far off, or of differing types.
    pub fn check(self, expected: &Tensor, computed: &Tensor) -> Result<(), String> {
        if expected.ty() != computed.ty() {
            return Err(format!(
                "{} was expected, but {} came",
                expected.ty(),
                computed.ty()
            ));
        }
        let dtype = expected.dtype();
        if !dtype.is_float() {
            let (e, c) = (expected.to_i64s(), computed.to_i64s());
            let pairs = e.unwrap_or_default().into_iter().zip(c.unwrap_or_default());
            let mut wrong = pairs.enumerate().filter(|(_, (e, c))| e != c);
            return match wrong.next() {
                None => Ok(()),
                Some((i, (e, c))) => {
                    let others = wrong.count();
                    Err(describe(i, &e, &c, others, expected))
                }
            };
        }
        let pairs = expected.to_f32s().into_iter().zip(computed.to_f32s());
        let mut wrong = pairs
            .enumerate()
            .filter(|&(_, (e, c))| !self.agrees(dtype, e, c));
        match wrong.next() {
            None => Ok(()),
            Some((i, (e, c))) => {
                let others = wrong.count();
                Err(describe(i, &e, &c, others, expected))
            }
        }
    }

    fn agrees(self, dtype: DType, expected: f32, computed: f32) -> bool {
        if expected.is_nan() || computed.is_nan() {
            return expected.is_nan() && computed.is_nan();
        }
        match self {
            Tolerance::Exact => expected.to_bits() == computed.to_bits(),
            Tolerance::Ulps(n) => ulps(dtype, expected, computed) <= u64::from(n),
            Tolerance::Relative { rtol, atol } => {
                expected == computed
                    || (computed - expected).abs() <= atol + rtol * expected.abs()
                        && expected.is_finite()
                        && computed.is_finite()
            }
        }
    }
}

/// Representable values of a type between two finite or infinite numbers; zeros count as one.
fn ulps(dtype: DType, a: f32, b: f32) -> u64 {
    let ordered = |v: f32| {
        let (magnitude, negative) = match dtype {
            DType::F16 => {
                let bits = half::f16::from_f32(v).to_bits();
                (i64::from(bits & 0x7fff), bits >> 15 == 1)
            }
            DType::BF16 => {
                let bits = half::bf16::from_f32(v).to_bits();
                (i64::from(bits & 0x7fff), bits >> 15 == 1)
            }
            _ => (i64::from(v.to_bits() & 0x7fff_ffff), v.to_bits() >> 31 == 1),
        };
        if negative { -magnitude } else { magnitude }
    };
    ordered(a).abs_diff(ordered(b))
}

fn describe<T: std::fmt::Debug>(
    at: usize,
    expected: &T,
    computed: &T,
    others: usize,
    tensor: &Tensor,
) -> String {
    let index: Vec<usize> = tensor
        .ty()
        .strides()
        .iter()
        .zip(tensor.shape())
        .map(|(stride, extent)| at / stride.max(&1) % extent.max(&1))
        .collect();
    format!(
        "{}: element {index:?} is {computed:?}, expected {expected:?}; {others} other elements differ",
        tensor.ty()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(v: f32) -> Tensor {
        Tensor::from_f32s([1], &[v]).unwrap()
    }

    #[test]
    fn exact_means_bits() {
        let exact = |a, b| Tolerance::Exact.check(&one(a), &one(b)).is_ok();
        assert!(exact(1.0, 1.0) && exact(f32::NAN, -f32::NAN));
        assert!(!exact(0.0, -0.0) && !exact(f32::NAN, 1.0) && !exact(1.0, f32::NAN));
    }

    #[test]
    fn ulps_count_representable_values() {
        let next = f32::from_bits(1.0f32.to_bits() + 2);
        assert!(Tolerance::Ulps(2).check(&one(1.0), &one(next)).is_ok());
        assert!(Tolerance::Ulps(1).check(&one(1.0), &one(next)).is_err());
        assert!(Tolerance::Ulps(0).check(&one(0.0), &one(-0.0)).is_ok());
        let tiny = f32::from_bits(1);
        assert!(Tolerance::Ulps(2).check(&one(tiny), &one(-tiny)).is_ok());
        assert!(Tolerance::Ulps(1).check(&one(tiny), &one(-tiny)).is_err());
        assert!(
            Tolerance::Ulps(1)
                .check(&one(f32::MAX), &one(f32::INFINITY))
                .is_ok()
        );
    }

    #[test]
    fn relative_refuses_infinities_and_other_types() {
        let loose = Tolerance::Relative {
            rtol: 0.1,
            atol: 0.0,
        };
        assert!(loose.check(&one(10.0), &one(10.9)).is_ok());
        assert!(loose.check(&one(10.0), &one(11.5)).is_err());
        assert!(
            loose
                .check(&one(f32::INFINITY), &one(f32::INFINITY))
                .is_ok()
        );
        assert!(loose.check(&one(f32::INFINITY), &one(1.0)).is_err());
        assert!(loose.check(&one(1.0), &one(f32::NEG_INFINITY)).is_err());
        let other = Tensor::from_f32s([1, 1], &[10.0]).unwrap();
        assert!(loose.check(&one(10.0), &other).is_err());
    }

    #[test]
    fn integers_are_equal_or_not() {
        let ints =
            |v: &[i64]| Tensor::from_i64s(hla_ir::TensorType::new([2], DType::I8), v).unwrap();
        let loose = Tolerance::Relative {
            rtol: 1.0,
            atol: 1.0,
        };
        assert!(loose.check(&ints(&[1, 2]), &ints(&[1, 2])).is_ok());
        let message = loose.check(&ints(&[1, 2]), &ints(&[1, 3])).unwrap_err();
        assert_eq!(
            message,
            "tensor<2xi8>: element [1] is 3, expected 2; 0 other elements differ"
        );
    }
}
