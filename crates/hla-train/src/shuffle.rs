//! The order in which an epoch sees the samples.

use crate::random::Random;

/// A permutation of `0..n` for an epoch: Fisher and Yates' shuffle, from the last place to the
/// first. It depends on the seed, the epoch and n alone.
pub fn permutation(seed: u64, epoch: u64, n: u32) -> Vec<u32> {
    let mut random = Random::of(seed, "shuffle", epoch, 0);
    let mut order: Vec<u32> = (0..n).collect();
    for i in (1..order.len()).rev() {
        let j = random.below(i as u64 + 1) as usize;
        order.swap(i, j);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_once_and_epochs_differ() {
        let first = permutation(1, 0, 1000);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_eq!(first, permutation(1, 0, 1000));
        assert_ne!(first, permutation(1, 1, 1000));
        assert_ne!(first, permutation(2, 0, 1000));
        assert!(permutation(1, 0, 0).is_empty());
    }

    #[test]
    fn each_order_of_three_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *counts.entry(permutation(3, epoch, 3)).or_insert(0_u32) += 1;
        }
        // Binomial(6000, 1/6): deviation 29.
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|c| c.abs_diff(1000) < 145),
            "{counts:?}"
        );
    }
}
