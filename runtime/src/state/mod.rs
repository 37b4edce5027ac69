//! What a program keeps between steps: weights, running statistics, thresholds, momenta.
//!
//! - here are the tensors; [`away`] is what happens to those whose newest values are on a device.

pub mod away;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use hla_ir::{Diagnostic, Location, Tensor, TensorType};

use crate::buffer::Buffer;
use away::new_revision;

pub use away::Lease;

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
        self.part(self.names())
    }

    /// A copy of some tensors, in the order of their names, with the revisions that they have here; names
    /// that are not here, or come again, are passed over.
    ///
    /// # Errors
    /// As [`State::try_clone`].
    pub fn part<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<State, Diagnostic> {
        let mut copy = State::new();
        for name in names {
            let Some(entry) = self.entry(name).filter(|_| copy.entry(name).is_none()) else {
                continue;
            };
            self.check_here(name)?;
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
    fn a_part_has_what_is_asked_for() {
        let mut state = State::new();
        for (name, value) in [("a", 1.0), ("b", 2.0), ("c", 3.0)] {
            let value = Tensor::splat(TensorType::f32([2]), value);
            state.set(name, &value).unwrap();
        }
        let part = state.part(["c", "d", "a", "c"]).unwrap();
        assert_eq!(part.names().collect::<Vec<_>>(), ["c", "a"]);
        assert_eq!(part.get("c"), state.get("c"));
        assert_eq!(part.revision("a"), state.revision("a"));
        state.take_away("b").unwrap();
        assert!(state.part(["a"]).is_ok() && state.part(["b"]).is_err());
    }
}
