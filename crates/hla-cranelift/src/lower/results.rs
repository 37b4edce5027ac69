//! Where results go: straight to their outputs where that can be, else through copies.

use hla_ir::{Def, Diagnostic, ValueId};

use super::Lowering;
use super::backend::{is_computed, root};
use crate::kernel::{Buffer, Slot, View};

impl Lowering<'_> {
    /// Chooses for each output the value that is written there directly: the first value of the
    /// chain of reshapes that ends in the result, if a kernel computes it and no other output is
    /// its place.
    pub(super) fn choose_outputs(&mut self) {
        for (i, &result) in self.function.results.iter().enumerate() {
            let root = root(self.function, result);
            if is_computed(self.function, root) {
                self.outputs.entry(root).or_insert(i as u32);
            }
        }
    }

    /// Copies what is returned but was not written to its output directly: arguments, constants,
    /// values returned twice.
    pub(super) fn copy_results(&mut self) -> Result<(), Diagnostic> {
        for i in 0..self.function.results.len() {
            if !self.is_in_place(i) {
                let from = self.view(self.function.results[i])?;
                self.copy_to_output(from, i);
            }
        }
        Ok(())
    }

    /// Says which updates are not computed in place.
    pub(super) fn note_copies(&mut self, updates: &[Option<usize>], copied: &[usize]) {
        for &i in copied {
            let param = updates[i].and_then(|arg| self.function.args[arg].param.as_deref());
            self.notes.push(format!(
                "the new value of '{}' is copied over the old one at the end: it cannot be written there when it is computed",
                param.unwrap_or_default()
            ));
        }
    }

    /// Old values of updated arguments that are returned themselves: before they are overwritten,
    /// an output gets its copy, and another update a copy in the workspace, which is given.
    pub(super) fn keep_old_values(
        &mut self,
        updates: &[Option<usize>],
    ) -> Result<Vec<(usize, View)>, Diagnostic> {
        let mut kept = Vec::new();
        for (i, &update) in updates.iter().enumerate() {
            let result = self.function.results[i];
            let Some(old) = self.old_value(result, updates) else {
                continue;
            };
            if update == Some(old) {
                continue;
            }
            let from = self.view(result)?;
            if update.is_none() {
                self.copy_to_output(from, i);
                continue;
            }
            let copy = View {
                buffer: self.temp(from.bytes()),
                ..from.clone()
            };
            crate::map::copy(self, from, copy.clone());
            kept.push((i, copy));
        }
        Ok(kept)
    }

    /// The argument that a result is, if a result updates it.
    fn old_value(&self, result: ValueId, updates: &[Option<usize>]) -> Option<usize> {
        match self.function.values[root(self.function, result).index()].def {
            Def::Arg(arg) if updates.contains(&Some(arg)) => Some(arg),
            _ => None,
        }
    }

    /// Like [`Lowering::copy_results`] for a step.
    pub(super) fn copy_step_results(
        &mut self,
        updates: &[Option<usize>],
        kept: &[(usize, View)],
    ) -> Result<(), Diagnostic> {
        for (i, _) in updates.iter().enumerate() {
            let result = self.function.results[i];
            if self.is_in_place(i) {
                continue;
            }
            if self.old_value(result, updates).is_none() {
                let from = self.view(result)?;
                self.copy_to_output(from, i);
            } else if let Some((_, copy)) = kept.iter().find(|(of, _)| *of == i) {
                self.touch(copy);
                self.copy_to_output(copy.clone(), i);
            }
        }
        Ok(())
    }

    /// Whether result `i` is written to its output by whoever computes it.
    fn is_in_place(&self, i: usize) -> bool {
        let root = root(self.function, self.function.results[i]);
        self.outputs.get(&root) == Some(&(i as u32))
    }

    fn copy_to_output(&mut self, from: View, i: usize) {
        let ty = self.function.tensor_ty(self.function.results[i]).clone();
        let to = View::row_major(Buffer::new(Slot::Output(i as u32)), ty);
        crate::map::copy(self, from, to);
    }
}
