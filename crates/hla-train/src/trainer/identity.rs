//! What a training began with, in words that a checkpoint keeps: a training that goes on with another
//! beginning is another training, and is refused by what differs.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use hla_ir::Tensor;
use twox_hash::XxHash3_64;

use super::Setup;
use crate::data::Dataset;

/// `samples` and `eval`: how many of which shape; `weights`: what they are, by a checksum.
pub(super) fn of(setup: &Setup<'_>) -> [(String, String); 3] {
    let none = || "none".to_owned();
    [
        ("samples", samples(&setup.data)),
        ("eval", setup.eval.as_ref().map_or_else(none, samples)),
        ("weights", weights(&setup.weights)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

fn samples(data: &Dataset) -> String {
    format!("{} of {:?}", data.len(), data.sample_shape())
}

fn weights(weights: &BTreeMap<String, Tensor>) -> String {
    if weights.is_empty() {
        return "none".to_owned();
    }
    let mut hash = XxHash3_64::with_seed(0);
    for (name, value) in weights {
        hash.write(format!("{name}\0{}\0", value.ty()).as_bytes());
        hash.write(&value.to_bytes());
    }
    format!("checksum {:016x}", hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_differ_by_name_shape_and_value() {
        let of = |name: &str, shape: &[usize], values: &[f32]| {
            let value = Tensor::from_f32s(shape.to_vec(), values).unwrap();
            weights(&BTreeMap::from([(name.to_owned(), value)]))
        };
        let one = of("w", &[2], &[1.0, 2.0]);
        assert_eq!(one, of("w", &[2], &[1.0, 2.0]));
        for other in [
            of("v", &[2], &[1.0, 2.0]),
            of("w", &[2, 1], &[1.0, 2.0]),
            of("w", &[2], &[1.0, 3.0]),
            weights(&BTreeMap::new()),
        ] {
            assert_ne!(one, other);
        }
    }
}
