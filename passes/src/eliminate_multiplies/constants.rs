//! Small constants in double precision, and the tables that give equal things equal numbers.
//!
//! Rules combine constants in f64; a constant is rounded to f32 once, when the function is rebuilt.
//! Two constants count as equal when they agree to 40 bits, so that (b/s)·s is b again and rules
//! that undo each other meet instead of drifting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use hla_ir::{DType, Tensor};

/// Constants with more elements are not looked into; they can still be scaled as weights.
pub(crate) const MAX_ELEMENTS: usize = 1 << 16;

/// A constant tensor of real numbers, row-major.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Constant {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Constant {
    pub(crate) fn new(shape: impl Into<Vec<usize>>, values: Vec<f64>) -> Constant {
        let shape = shape.into();
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Constant { shape, values }
    }

    /// One value that broadcasts against any tensor of this rank.
    pub(crate) fn scalar(rank: usize, value: f64) -> Constant {
        Constant::new(vec![1; rank], vec![value])
    }

    /// One value for each index of the last of `rank` dimensions.
    pub(crate) fn per_channel(rank: usize, values: Vec<f64>) -> Constant {
        let mut shape = vec![1; rank];
        shape[rank - 1] = values.len();
        Constant::new(shape, values)
    }

    /// A small finite f32 tensor.
    pub(crate) fn from_tensor(tensor: &Tensor) -> Option<Constant> {
        let elements = tensor.ty().elements();
        if tensor.dtype() != DType::F32 || elements == 0 || elements > MAX_ELEMENTS {
            return None;
        }
        let values: Vec<f64> = tensor.iter_f64().collect();
        values
            .iter()
            .all(|v| v.is_finite())
            .then(|| Constant::new(tensor.shape(), values))
    }

    /// The value all elements have, if they do.
    pub(crate) fn uniform(&self) -> Option<f64> {
        let (&first, rest) = self.values.split_first()?;
        rest.iter().all(|&v| v == first).then_some(first)
    }

    /// Whether every element satisfies a condition.
    pub(crate) fn all(&self, condition: impl Fn(f64) -> bool) -> bool {
        self.values.iter().all(|&v| condition(v))
    }

    /// Whether every element is positive.
    pub(crate) fn is_positive(&self) -> bool {
        self.all(|v| v > 0.0)
    }

    /// Whether f32 holds every element without overflow or loss to a subnormal number.
    pub(crate) fn fits_f32(&self) -> bool {
        self.all(|v| {
            v == 0.0 || (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&v.abs())
        })
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> Constant {
        Constant::new(
            self.shape.clone(),
            self.values.iter().map(|&v| f(v)).collect(),
        )
    }

    /// Elementwise combination with broadcasting; `None` where the shapes do not go together or
    /// the result would be large.
    pub(crate) fn zip(&self, other: &Constant, f: impl Fn(f64, f64) -> f64) -> Option<Constant> {
        if self.shape.len() != other.shape.len() {
            return None;
        }
        let shape: Vec<usize> = self
            .shape
            .iter()
            .zip(&other.shape)
            .map(|(&a, &b)| match (a, b) {
                (1, n) | (n, 1) => Some(n),
                (a, b) => (a == b).then_some(a),
            })
            .collect::<Option<_>>()?;
        if shape.iter().product::<usize>() > MAX_ELEMENTS {
            return None;
        }
        let (a, b) = (indices(&self.shape, &shape), indices(&other.shape, &shape));
        let values = a
            .zip(b)
            .map(|(i, j)| f(self.values[i], other.values[j]))
            .collect();
        Some(Constant { shape, values })
    }

    /// The same values repeated to a shape; `None` if that is large or does not fit.
    pub(crate) fn broadcast_to(&self, shape: &[usize]) -> Option<Constant> {
        let fits = self.shape.len() == shape.len()
            && self
                .shape
                .iter()
                .zip(shape)
                .all(|(&a, &b)| a == b || a == 1)
            && shape.iter().product::<usize>() <= MAX_ELEMENTS;
        fits.then(|| {
            Constant::new(
                shape,
                indices(&self.shape, shape)
                    .map(|i| self.values[i])
                    .collect(),
            )
        })
    }

    /// Gives every dimension along which the values do not change the extent 1.
    pub(crate) fn squeezed(&self) -> Constant {
        let mut out = self.clone();
        for axis in 0..out.shape.len() {
            let extent = out.shape[axis];
            let inner: usize = out.shape[axis + 1..].iter().product();
            let same = out
                .values
                .chunks(extent * inner)
                .all(|block| block.chunks(inner).all(|row| row == &block[..inner]));
            if extent > 1 && same {
                out.values = out
                    .values
                    .chunks(extent * inner)
                    .flat_map(|block| block[..inner].iter().copied())
                    .collect();
                out.shape[axis] = 1;
            }
        }
        out
    }

    /// The values along the last axis, `channels` many, if no other axis matters.
    pub(crate) fn channels(&self, channels: usize) -> Option<Vec<f64>> {
        if let Some(value) = self.uniform() {
            return Some(vec![value; channels]);
        }
        let (&last, rest) = self.shape.split_last()?;
        (last == channels && rest.iter().all(|&n| n == 1)).then(|| self.values.clone())
    }
}

/// For each element of a tensor of shape `to`, the index of the element of a tensor of shape
/// `from` that broadcasting puts there.
pub(crate) fn indices<'a>(from: &'a [usize], to: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let mut strides = vec![0; to.len()];
    let mut stride = 1;
    for axis in (0..to.len()).rev() {
        if from[axis] != 1 {
            strides[axis] = stride;
        }
        stride *= from[axis];
    }
    let mut position = vec![0; to.len()];
    let mut at = 0;
    (0..to.iter().product::<usize>()).map(move |_| {
        let here = at;
        for axis in (0..to.len()).rev() {
            position[axis] += 1;
            at += strides[axis];
            if position[axis] < to[axis] {
                break;
            }
            at -= strides[axis] * to[axis];
            position[axis] = 0;
        }
        here
    })
}

/// Number of a constant in [`Constants`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct ConstantId(u32);

/// All constants met so far.
#[derive(Default, Debug)]
pub(crate) struct Constants {
    all: Vec<Arc<Constant>>,
    known: HashMap<(Vec<usize>, Vec<u64>), ConstantId>,
}

impl Constants {
    /// The number of a constant; the first of those that agree to 40 bits stands for all.
    pub(crate) fn intern(&mut self, constant: Constant) -> ConstantId {
        let key = constant.values.iter().map(|v| {
            const DROPPED: u32 = 12;
            // Rounds the 52 stored bits of the significand to 40; a carry runs into the exponent.
            (v.to_bits() + (1 << (DROPPED - 1))) >> DROPPED
        });
        let key = (constant.shape.clone(), key.collect());
        *self.known.entry(key).or_insert_with(|| {
            self.all.push(Arc::new(constant));
            ConstantId(self.all.len() as u32 - 1)
        })
    }

    pub(crate) fn get(&self, id: ConstantId) -> Arc<Constant> {
        Arc::clone(&self.all[id.0 as usize])
    }
}

/// Gives equal things equal numbers.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    all: Vec<T>,
    known: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub(crate) fn new() -> Interner<T> {
        Interner {
            all: Vec::new(),
            known: HashMap::new(),
        }
    }

    pub(crate) fn intern(&mut self, thing: T) -> u32 {
        if let Some(&id) = self.known.get(&thing) {
            return id;
        }
        let id = self.all.len() as u32;
        self.all.push(thing.clone());
        self.known.insert(thing, id);
        id
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.all[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_that_agree_to_40_bits_are_one() {
        let mut table = Constants::default();
        let third = 1.0 / 3.0;
        let a = table.intern(Constant::scalar(1, third));
        assert_eq!(a, table.intern(Constant::scalar(1, third * (1.0 + 1e-15))));
        assert_ne!(a, table.intern(Constant::scalar(1, third * (1.0 + 1e-11))));
        assert_ne!(a, table.intern(Constant::scalar(2, third)));
    }

    #[test]
    fn squeezing_undoes_broadcasting() {
        let channels = Constant::per_channel(3, vec![1.0, 2.0, 3.0]);
        let full = channels.broadcast_to(&[2, 4, 3]).unwrap();
        assert_eq!(full.values[..6], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(full.squeezed(), channels);
        let rows = Constant::new([1, 2, 1], vec![5.0, 6.0]);
        let full = rows.broadcast_to(&[2, 2, 3]).unwrap();
        assert_eq!(full.values[..6], [5.0, 5.0, 5.0, 6.0, 6.0, 6.0]);
        assert_eq!(full.squeezed(), rows);
        assert_eq!(channels.zip(&rows, |a, b| a * b).unwrap().shape, [1, 2, 3]);
    }
}
