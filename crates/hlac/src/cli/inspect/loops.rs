//! Loops of a control-flow graph: which blocks lie in an innermost one.

use std::collections::BTreeSet;

/// Marks the blocks that lie in an innermost loop, and counts such loops. `successors[b]` are the
/// blocks that may follow block b; block 0 is the entry.
///
/// A loop is a natural loop: a back edge n → h, where h dominates n, and every block that reaches n
/// without passing h. It is innermost if it contains no other loop's header.
pub(super) fn innermost(successors: &[Vec<usize>]) -> (Vec<bool>, usize) {
    let n = successors.len();
    let mut predecessors = vec![Vec::new(); n];
    for (from, list) in successors.iter().enumerate() {
        for &to in list {
            predecessors[to].push(from);
        }
    }
    let dominators = dominators(&predecessors);
    let mut loops: Vec<(usize, BTreeSet<usize>)> = Vec::new();
    for (latch, list) in successors.iter().enumerate() {
        for &header in list.iter().filter(|h| dominators[latch].contains(h)) {
            let mut body = BTreeSet::from([header]);
            let mut work = vec![latch];
            while let Some(block) = work.pop() {
                if body.insert(block) {
                    work.extend(&predecessors[block]);
                }
            }
            match loops.iter_mut().find(|l| l.0 == header) {
                Some(known) => known.1.extend(body),
                None => loops.push((header, body)),
            }
        }
    }
    let headers: Vec<usize> = loops.iter().map(|l| l.0).collect();
    let mut inside = vec![false; n];
    let mut count = 0;
    for (header, body) in &loops {
        if headers.iter().all(|h| h == header || !body.contains(h)) {
            count += 1;
            for &block in body {
                inside[block] = true;
            }
        }
    }
    (inside, count)
}

/// The dominators of every block, by iteration to a fixed point.
fn dominators(predecessors: &[Vec<usize>]) -> Vec<BTreeSet<usize>> {
    let n = predecessors.len();
    let all: BTreeSet<usize> = (0..n).collect();
    let mut dominators = vec![all; n];
    if n > 0 {
        dominators[0] = BTreeSet::from([0]);
    }
    let mut changed = true;
    while changed {
        changed = false;
        for block in 1..n {
            let mut lists = predecessors[block].iter().map(|&p| &dominators[p]);
            let mut new = lists.next().cloned().unwrap_or_default();
            for list in lists {
                new.retain(|d| list.contains(d));
            }
            new.insert(block);
            if new != dominators[block] {
                dominators[block] = new;
                changed = true;
            }
        }
    }
    dominators
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_loops() {
        // 0 → 1 → 2 → 2, 2 → 3 → 1, 3 → 4.
        let (inside, count) = innermost(&[vec![1], vec![2], vec![2, 3], vec![1, 4], vec![]]);
        assert_eq!((inside, count), (vec![false, false, true, false, false], 1));
    }

    #[test]
    fn branches_within_a_loop_and_two_latches() {
        // 1 → {2, 3}, both back to 1; 3 → 4.
        let (inside, count) = innermost(&[vec![1], vec![2, 3], vec![1], vec![1, 4], vec![]]);
        assert_eq!((inside, count), (vec![false, true, true, true, false], 1));
    }

    #[test]
    fn no_loop() {
        assert_eq!(
            innermost(&[vec![1, 2], vec![2], vec![]]),
            (vec![false; 3], 0)
        );
        assert_eq!(innermost(&[]), (vec![], 0));
    }
}
