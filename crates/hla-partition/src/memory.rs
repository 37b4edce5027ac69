//! The memory planner: places buffers in one workspace so that buffers which live at the same time
//! do not overlap.
//!
//! Largest first, each at the lowest offset where it fits beside those already placed: simple,
//! deterministic, and within a few per cent of the peak for the chains and diamonds of networks.

/// A buffer of the workspace and the steps between which its contents matter.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Buffer {
    /// Its size.
    pub bytes: u64,
    /// The step that writes it first.
    pub first: usize,
    /// The last step that uses it.
    pub last: usize,
    /// Buffers of the same shape of which this one may take the place of one that is not needed
    /// any longer: an elementwise kernel may write where it reads.
    pub over: Vec<u32>,
}

/// Offsets of the buffers, multiples of `align`, and the size of the workspace; after the end of each
/// buffer it has at least `slack` bytes more.
pub fn plan(temps: &[Buffer], align: u64, slack: u64) -> (Vec<u64>, u64) {
    // A buffer that takes another's place joins its group, which lives as long as both.
    let mut group: Vec<usize> = (0..temps.len()).collect();
    let mut lives: Vec<(usize, usize)> = temps.iter().map(|t| (t.first, t.last)).collect();
    let mut taken = vec![false; temps.len()];
    for (i, temp) in temps.iter().enumerate() {
        let mut over = temp.over.iter().map(|&o| o as usize);
        if let Some(over) = over.find(|&o| temps[o].last == temp.first && !taken[o]) {
            taken[over] = true;
            let leader = group[over];
            group[i] = leader;
            lives[leader].1 = lives[leader].1.max(temp.last);
        }
    }
    let mut order: Vec<usize> = (0..temps.len()).filter(|&i| group[i] == i).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(temps[i].bytes), i));
    let mut offsets = vec![0; temps.len()];
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    let mut total = 0;
    let size = |i: usize| (temps[i].bytes + slack).next_multiple_of(align);
    for i in order {
        let mut taken: Vec<(u64, u64)> = placed
            .iter()
            .filter(|&&j| lives[j].0 <= lives[i].1 && lives[i].0 <= lives[j].1)
            .map(|&j| (offsets[j], offsets[j] + size(j)))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (start, end) in taken {
            if at + size(i) <= start {
                break;
            }
            at = at.max(end);
        }
        offsets[i] = at;
        total = total.max(at + size(i));
        placed.push(i);
    }
    for i in 0..temps.len() {
        offsets[i] = offsets[group[i]];
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALIGN: u64 = 64;
    const SLACK: u64 = 64;

    fn plan(temps: &[Buffer]) -> (Vec<u64>, u64) {
        super::plan(temps, ALIGN, SLACK)
    }

    fn temp(bytes: u64, first: usize, last: usize, over: &[u32]) -> Buffer {
        Buffer {
            bytes,
            first,
            last,
            over: over.to_vec(),
        }
    }

    #[test]
    fn a_chain_takes_two_buffers() {
        let temps: Vec<Buffer> = (0..10).map(|i| temp(1000, i, i + 1, &[])).collect();
        let (offsets, total) = plan(&temps);
        assert_eq!(total, 2 * 1088);
        assert_ne!(offsets[3], offsets[4]);
    }

    #[test]
    fn in_place_only_after_the_last_use() {
        let dead = [temp(64, 0, 1, &[]), temp(64, 1, 2, &[0])];
        assert_eq!(plan(&dead).0, [0, 0]);
        let alive = [temp(64, 0, 2, &[]), temp(64, 1, 2, &[0])];
        let (offsets, _) = plan(&alive);
        assert_ne!(offsets[0], offsets[1]);
        // The second of two results takes the other operand's place.
        let two = [
            temp(64, 0, 2, &[]),
            temp(64, 1, 2, &[]),
            temp(64, 2, 3, &[0, 1]),
            temp(64, 2, 3, &[0, 1]),
        ];
        assert_eq!(plan(&two).0[2..], plan(&two).0[..2]);
        let three = [
            temp(64, 0, 1, &[]),
            temp(64, 1, 2, &[0]),
            temp(64, 1, 2, &[0]),
        ];
        let (offsets, _) = plan(&three);
        assert_ne!(offsets[1], offsets[2]);
    }

    proptest! {
        #[test]
        fn live_buffers_are_disjoint(list in prop::collection::vec((1u64..5000, 0usize..20, 0usize..6), 1..40)) {
            let temps: Vec<Buffer> = list.iter().map(|&(b, f, l)| temp(b, f, f + l, &[])).collect();
            let (offsets, total) = plan(&temps);
            for (i, a) in temps.iter().enumerate() {
                prop_assert!(offsets[i].is_multiple_of(ALIGN));
                prop_assert!(offsets[i] + a.bytes + SLACK <= total);
                for (j, b) in temps.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let disjoint = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(!together || disjoint, "{i} and {j}");
                }
            }
        }
    }
}
