//! State whose newest values are on a device.
//!
//! A program for a device with its own memory keeps the newest values there. Each tensor has a
//! [revision](State::revision), a number that no other bits ever had; so a device knows what it need
//! not be sent again. A program that changed a tensor in its own memory takes it
//! [away](State::take_away): the state then has no bytes for it, and whoever looks at them by mistake
//! stops with a panic instead of seeing old numbers. They come [back](State::bring_back) when the program
//! is asked for them, by [`StepProgram::pull`](crate::StepProgram::pull).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use hla_ir::{Diagnostic, Location};

use super::State;

/// What whoever took a tensor away knows it by.
#[derive(Clone, Debug)]
pub struct Lease {
    revision: u64,
    wanted: Weak<()>,
}

impl Lease {
    /// The revision that the tensor has elsewhere.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a state still waits for the value: it is neither back, nor set anew, nor gone with its
    /// state.
    pub fn is_wanted(&self) -> bool {
        self.wanted.strong_count() > 0
    }
}

/// A number that was never given before.
pub(super) fn new_revision() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl State {
    /// A number that changes with the bytes of a tensor: where two tensors, of any two states of this
    /// process, have the same one, they have the same bytes. It is never 0.
    pub fn revision(&self, name: &str) -> Option<u64> {
        self.entry(name).map(|e| e.revision)
    }

    /// Whether the newest value of a tensor is elsewhere.
    pub fn is_away(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|e| e.away.is_some())
    }

    /// The names of the tensors whose newest values are elsewhere.
    pub fn away(&self) -> impl Iterator<Item = &str> {
        let away = self.entries.iter().filter(|e| e.away.is_some());
        away.map(|e| &*e.name)
    }

    /// Says that a tensor was changed elsewhere: until it is [brought back](State::bring_back) or set
    /// anew, it has no bytes here. None where there is no such tensor.
    pub fn take_away(&mut self, name: &str) -> Option<Lease> {
        let entry = self.entry_mut(name)?;
        let claim = Arc::new(());
        let lease = Lease {
            revision: new_revision(),
            wanted: Arc::downgrade(&claim),
        };
        entry.revision = lease.revision;
        entry.away = Some(claim);
        Some(lease)
    }

    /// Brings back a tensor that was taken away under this lease: `fill` writes its bytes. Does nothing
    /// where the tensor is not away, or away under another lease.
    ///
    /// # Errors
    /// As `fill` gives them; then the tensor is still away.
    pub fn bring_back(
        &mut self,
        name: &str,
        lease: &Lease,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        if let Some(entry) = self.entry_mut(name)
            && entry.away.is_some()
            && entry.revision == lease.revision
        {
            fill(&mut entry.buffer.as_mut_slice()[..entry.ty.bytes()])?;
            entry.away = None;
        }
        Ok(())
    }

    /// An error where the newest value of a tensor is elsewhere.
    pub fn check_here(&self, name: &str) -> Result<(), Diagnostic> {
        match self.is_away(name) {
            false => Ok(()),
            true => Err(Diagnostic::error(
                Location::unknown(),
                format!("the newest value of '{name}' is on a device"),
            )
            .help("pull it from the program that changed it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use hla_ir::Tensor;

    use super::*;

    #[test]
    fn revisions_follow_the_bytes() {
        let mut state = State::new();
        let value = Tensor::from_f32s([1], &[1.0]).unwrap();
        state.set("w", &value).unwrap();
        state.set("v", &value).unwrap();
        let first = state.revision("w").unwrap();
        assert_ne!(state.revision("v"), Some(first));
        assert_eq!(state.revision("u"), None);
        let copy = state.try_clone().unwrap();
        assert_eq!(copy.revision("w"), Some(first));
        state.get("w").unwrap();
        assert_eq!(state.revision("w"), Some(first));
        state.set("w", &value).unwrap();
        let second = state.revision("w").unwrap();
        state.bytes_mut("w").unwrap();
        let third = state.revision("w").unwrap();
        assert!(first < second && second < third);
        assert_eq!(copy.revision("w"), Some(first));
    }

    #[test]
    fn what_was_taken_away_comes_back_once() {
        let mut state = State::new();
        let old = Tensor::from_f32s([1], &[1.0]).unwrap();
        state.set("w", &old).unwrap();
        let first = state.take_away("w").unwrap();
        assert!(state.is_away("w") && first.is_wanted());
        assert_eq!(state.away().collect::<Vec<_>>(), ["w"]);
        let error = state.try_clone().unwrap_err();
        assert_eq!(error.message, "the newest value of 'w' is on a device");
        assert!(format!("{state:?}").contains("None"));
        // A second step changed it again: the first lease is void.
        let second = state.take_away("w").unwrap();
        assert!(!first.is_wanted() && second.is_wanted());
        let never = |_: &mut [u8]| -> Result<(), Diagnostic> { panic!("not under this lease") };
        state.bring_back("w", &first, never).unwrap();
        let lost = |_: &mut [u8]| Err(Diagnostic::error(Location::unknown(), "lost"));
        assert_eq!(
            state.bring_back("w", &second, lost).unwrap_err().message,
            "lost"
        );
        assert!(state.is_away("w"));
        let new = |bytes: &mut [u8]| -> Result<(), Diagnostic> {
            bytes.copy_from_slice(&2.0_f32.to_le_bytes());
            Ok(())
        };
        state.bring_back("w", &second, new).unwrap();
        assert_eq!(state.get("w").unwrap().to_f32s(), [2.0]);
        assert_eq!(state.revision("w"), Some(second.revision()));
        assert!(!second.is_wanted());
        state.bring_back("w", &second, never).unwrap();
    }

    #[test]
    fn a_value_set_anew_is_here() {
        let mut state = State::new();
        let value = Tensor::from_f32s([1], &[1.0]).unwrap();
        state.set("w", &value).unwrap();
        let lease = state.take_away("w").unwrap();
        state.set("w", &value).unwrap();
        assert!(!lease.is_wanted());
        assert_eq!(state.get("w"), Some(value));
        let lease = state.take_away("w").unwrap();
        drop(state);
        assert!(!lease.is_wanted());
    }

    #[test]
    #[should_panic = "'w' is looked at while its newest value is on a device"]
    fn old_numbers_are_never_seen() {
        let mut state = State::new();
        let value = Tensor::from_f32s([1], &[1.0]).unwrap();
        state.set("w", &value).unwrap();
        state.take_away("w").unwrap();
        let _ = state.bytes("w");
    }

    #[test]
    #[should_panic = "'w' is looked at while its newest value is on a device"]
    fn old_numbers_are_never_changed_in_part() {
        let mut state = State::new();
        let value = Tensor::from_f32s([1], &[1.0]).unwrap();
        state.set("w", &value).unwrap();
        state.take_away("w").unwrap();
        let _ = state.bytes_mut("w");
    }
}
