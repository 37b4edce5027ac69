//! What a program keeps between steps: weights, running statistics, thresholds, momenta.
//!
//! # State that lives elsewhere
//! A program for a device with its own memory keeps the newest values there. Each tensor has a
//! [revision](State::revision), a number that no other bits ever had; so a device knows what it need
//! not be sent again. A program that changed a tensor in its own memory takes it
//! [away](State::take_away): the state then has no bytes for it, and whoever looks at them by mistake
//! stops with a panic instead of seeing old numbers. They come [back](State::bring_back) when the program
//! is asked for them, by [`StepProgram::pull`](crate::StepProgram::pull).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use hla_ir::{Diagnostic, Location, Tensor, TensorType};

use crate::buffer::Buffer;

/// Bytes that compiled code may read, but never writes, after the end of a value.
const SLACK: usize = 64;

/// Named tensors in memory that stays where it is: the order is that in which they were first set.
///
/// ```
/// use hla_ir::Tensor;
/// use hla_runtime::State;
///
/// let mut state = State::new();
/// state.set("w", &Tensor::from_f32s([2], &[1.0, 2.0])?)?;
/// state.set("w", &Tensor::from_f32s([2], &[3.0, 4.0])?)?;
/// assert_eq!(state.get("w").map(|w| w.to_f32s()), Some(vec![3.0, 4.0]));
/// assert!(state.set("w", &Tensor::from_f32s([1], &[5.0])?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct State {
    entries: Vec<Entry>,
    places: HashMap<Arc<str>, usize>,
}

struct Entry {
    name: Arc<str>,
    ty: TensorType,
    /// The bytes of `ty`, then [`SLACK`] more.
    buffer: Buffer,
    revision: u64,
    /// Lives as long as the value is elsewhere and is wanted back.
    away: Option<Arc<()>>,
}

impl Entry {
    fn bytes(&self) -> &[u8] {
        self.look();
        &self.buffer.as_slice()[..self.ty.bytes()]
    }

    /// Whoever looks must see what is true.
    fn look(&self) {
        assert!(
            self.away.is_none(),
            "'{}' is looked at while its newest value is on a device: pull it first",
            self.name
        );
    }
}

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
fn new_revision() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl State {
    /// Nothing yet.
    pub fn new() -> State {
        State::default()
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| &*e.name)
    }

    /// The type of a tensor.
    pub fn ty(&self, name: &str) -> Option<&TensorType> {
        self.entry(name).map(|e| &e.ty)
    }

    /// A number that changes with the bytes of a tensor: where two tensors, of any two states of this
    /// process, have the same one, they have the same bytes. It is never 0.
    pub fn revision(&self, name: &str) -> Option<u64> {
        self.entry(name).map(|e| e.revision)
    }

    /// Whether the newest value of a tensor is [elsewhere](self).
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

    /// A copy of a tensor.
    ///
    /// # Panics
    /// If it is [away](State::is_away), as all that looks at its bytes.
    pub fn get(&self, name: &str) -> Option<Tensor> {
        let entry = self.entry(name)?;
        Tensor::from_bytes(entry.ty.clone(), entry.bytes().to_vec()).ok()
    }

    /// The elements of a tensor as little-endian bytes.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.entry(name).map(Entry::bytes)
    }

    /// The elements of a tensor as little-endian bytes, for writing. They begin at a multiple of
    /// [`ALIGNMENT`](crate::buffer::ALIGNMENT), where they stay as long as the state lives. The tensor
    /// has a new revision, and must be asked for anew before each time it is written.
    pub fn bytes_mut(&mut self, name: &str) -> Option<&mut [u8]> {
        let entry = self.entry_mut(name)?;
        entry.look();
        entry.revision = new_revision();
        Some(&mut entry.buffer.as_mut_slice()[..entry.ty.bytes()])
    }

    /// Adds a tensor, or overwrites the one of this name, which must have the same type.
    pub fn set(&mut self, name: &str, value: &Tensor) -> Result<(), Diagnostic> {
        if let Some(entry) = self.entry(name)
            && entry.ty != *value.ty()
        {
            return Err(Diagnostic::error(
                Location::unknown(),
                format!(
                    "'{name}' is {} in the state, but {} is given",
                    entry.ty,
                    value.ty()
                ),
            ));
        }
        let bytes = value.to_bytes();
        if let Some(entry) = self.entry_mut(name) {
            entry.buffer.as_mut_slice()[..bytes.len()].copy_from_slice(&bytes);
            entry.revision = new_revision();
            entry.away = None;
            return Ok(());
        }
        let mut buffer = Buffer::zeroed(bytes.len().saturating_add(SLACK))?;
        buffer.as_mut_slice()[..bytes.len()].copy_from_slice(&bytes);
        let name: Arc<str> = name.into();
        self.places.insert(Arc::clone(&name), self.entries.len());
        self.entries.push(Entry {
            name,
            ty: value.ty().clone(),
            buffer,
            revision: new_revision(),
            away: None,
        });
        Ok(())
    }

    /// A copy of all. Its tensors have the revisions that they have here.
    ///
    /// # Errors
    /// Too little memory; a tensor that is [away](State::is_away).
    pub fn try_clone(&self) -> Result<State, Diagnostic> {
        let mut copy = State::new();
        for entry in &self.entries {
            self.check_here(&entry.name)?;
            copy.places
                .insert(Arc::clone(&entry.name), copy.entries.len());
            copy.entries.push(Entry {
                name: Arc::clone(&entry.name),
                ty: entry.ty.clone(),
                buffer: Buffer::copy_of(entry.buffer.as_slice())?,
                revision: entry.revision,
                away: None,
            });
        }
        Ok(copy)
    }

    /// An error where the newest value of a tensor is [elsewhere](self).
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

    fn entry_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.places.get(name).map(|&i| &mut self.entries[i])
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.places.get(name).map(|&i| &self.entries[i])
    }
}

/// Equal names in the same order, equal types, equal bits; revisions do not matter.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.len() == other.len()
            && self
                .entries
                .iter()
                .zip(&other.entries)
                .all(|(a, b)| a.name == b.name && a.ty == b.ty && a.bytes() == b.bytes())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = |n: &str| (!self.is_away(n)).then(|| self.get(n));
        let values = self.names().map(|n| (n, here(n)));
        f.debug_map().entries(values).finish()
    }
}

#[cfg(test)]
mod tests {
    use hla_ir::DType;

    use super::*;
    use crate::buffer::ALIGNMENT;

    #[test]
    fn keeps_order_types_and_places() {
        let mut state = State::new();
        state
            .set("b", &Tensor::from_f32s([2], &[1.0, 2.0]).unwrap())
            .unwrap();
        let labels = TensorType::new([3], DType::I32);
        state
            .set("a", &Tensor::from_i64s(labels.clone(), &[7, 8, 9]).unwrap())
            .unwrap();
        let place = state.bytes_mut("b").unwrap().as_ptr() as usize;
        assert_eq!(place % ALIGNMENT, 0);
        state
            .set("b", &Tensor::splat(TensorType::f32([2]), 5.0))
            .unwrap();
        assert_eq!(state.bytes("b").unwrap().as_ptr() as usize, place);
        assert_eq!(state.names().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(state.get("b").unwrap().to_f32s(), [5.0, 5.0]);
        assert_eq!(state.get("a").unwrap().to_i64s().unwrap(), [7, 8, 9]);
        assert_eq!(state.ty("a"), Some(&labels));
        assert_eq!(state.get("c"), None);
    }

    #[test]
    fn another_type_is_refused_and_changes_nothing() {
        let mut state = State::new();
        let value = Tensor::from_f32s([2], &[1.0, 2.0]).unwrap();
        state.set("w", &value).unwrap();
        let error = state
            .set("w", &Tensor::splat(TensorType::f32([3]), 0.0))
            .unwrap_err();
        assert_eq!(
            error.message,
            "'w' is tensor<2xf32> in the state, but tensor<3xf32> is given"
        );
        assert_eq!(state.get("w"), Some(value));
    }

    #[test]
    fn a_copy_is_equal_and_apart() {
        let mut state = State::new();
        let value = Tensor::from_f32s([2], &[1.0, 2.0]).unwrap();
        state.set("w", &value).unwrap();
        let mut copy = state.try_clone().unwrap();
        assert_eq!(copy, state);
        copy.bytes_mut("w").unwrap()[0] = 1;
        assert_ne!(copy, state);
        assert_eq!(state.get("w"), Some(value));
    }

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
