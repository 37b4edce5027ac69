//! What lies where: the bytes of a place as runs, each of one value.

use std::collections::BTreeMap;

/// What a run of bytes holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    /// What was there when the function began.
    Initial,
    /// The value of this number.
    Value(u32),
}

/// Runs that do not overlap, by where they begin; bytes outside of them are undefined.
#[derive(Default)]
pub(super) struct Content(BTreeMap<u64, (u64, Held)>);

impl Content {
    /// A place that is defined from the beginning.
    pub(super) fn initial(bytes: u64) -> Content {
        let mut content = Content::default();
        content.write(0, bytes, Held::Initial);
        content
    }

    /// Writes the bytes from `start` to `end`.
    pub(super) fn write(&mut self, start: u64, end: u64, held: Held) {
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        let inside: Vec<u64> = self.0.range(start..end).map(|(&at, _)| at).collect();
        for at in inside {
            self.0.remove(&at);
        }
        self.0.insert(start, (end, held));
    }

    /// Lets no run cross a place.
    fn split(&mut self, at: u64) {
        if let Some((_, run)) = self.0.range_mut(..at).next_back()
            && run.0 > at
        {
            let rest = *run;
            run.0 = at;
            self.0.insert(at, rest);
        }
    }

    /// The runs between `start` and `end`, and the undefined bytes between them, in order.
    pub(super) fn runs(&self, start: u64, end: u64) -> Vec<(u64, u64, Option<Held>)> {
        let before = self.0.range(..start).next_back();
        let touching = before
            .into_iter()
            .chain(self.0.range(start..end.max(start)));
        let mut runs = Vec::new();
        let mut at = start;
        for (&from, &(to, held)) in touching {
            let (from, to) = (from.max(start), to.min(end));
            if from >= to {
                continue;
            }
            if from > at {
                runs.push((at, from, None));
            }
            runs.push((from, to, Some(held)));
            at = to;
        }
        if at < end {
            runs.push((at, end, None));
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against an array with an element a byte.
        #[test]
        fn runs_are_what_was_written_last(
            writes in vec((0_u64..40, 0_u64..20, 0_u32..4), 0..30),
            (start, length) in (0_u64..50, 0_u64..20),
        ) {
            let mut content = Content::initial(10);
            let mut bytes = vec![None; 80];
            bytes[..10].fill(Some(Held::Initial));
            for (start, length, value) in writes {
                content.write(start, start + length, Held::Value(value));
                bytes[start as usize..(start + length) as usize].fill(Some(Held::Value(value)));
            }
            let mut seen = Vec::new();
            let mut at = start;
            for (from, to, held) in content.runs(start, start + length) {
                prop_assert!(from == at && from < to);
                seen.extend(vec![held; (to - from) as usize]);
                at = to;
            }
            prop_assert_eq!(&seen[..], &bytes[start as usize..(start + length) as usize]);
        }
    }
}
