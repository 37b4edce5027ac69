//! Where results go: straight to their outputs where that can be, else through copies.

use hla_ir::{Def, Diagnostic, ValueId};

use super::backend::root;
use super::{Lowering, Place, Slot};

impl Lowering<'_> {
    /// The place of output i.
    pub(super) fn output_place(&self, i: usize) -> Place {
        Place {
            slot: Slot::Output(i as u32),
            offset: 0,
            ty: self.function.tensor_ty(self.function.results[i]).clone(),
        }
    }

    /// Old values of updated arguments that are returned themselves: before they are overwritten,
    /// an output gets its copy, and another update a copy in the arena, which is given.
    pub(super) fn keep_old_values(&mut self) -> Result<Vec<(usize, Place)>, Diagnostic> {
        let mut kept = Vec::new();
        for i in 0..self.function.results.len() {
            let result = self.function.results[i];
            let Some(old) = self.old_value(result) else {
                continue;
            };
            match self.updates[i] {
                Some(updated) if updated == old => {}
                Some(_) => {
                    let from = self.place(result)?;
                    let copy = self.temp(from.ty.clone());
                    self.copy(&from, &copy);
                    kept.push((i, copy));
                }
                None => {
                    let from = self.place(result)?;
                    let to = self.output_place(i);
                    self.copy(&from, &to);
                }
            }
        }
        Ok(kept)
    }

    /// The argument that a result is, if a result updates it.
    fn old_value(&self, result: ValueId) -> Option<usize> {
        match self.function.values[root(self.function, result).index()].def {
            Def::Arg(arg) if self.updates.contains(&Some(arg)) => Some(arg),
            _ => None,
        }
    }

    /// Copies what is returned but was not written to its output directly: arguments, constants,
    /// values returned twice, updates that could not be written in place.
    pub(super) fn copy_results(&mut self, kept: &[(usize, Place)]) -> Result<(), Diagnostic> {
        for i in 0..self.function.results.len() {
            let result = self.function.results[i];
            let named = root(self.function, result);
            if self.outputs.get(&named) == Some(&(i as u32)) {
                continue;
            }
            let to = self.output_place(i);
            if self.old_value(result).is_none() {
                let from = self.place(result)?;
                self.copy(&from, &to);
            } else if let Some((_, copy)) = kept.iter().find(|(of, _)| *of == i) {
                self.touch(copy);
                self.copy(copy, &to);
            }
        }
        Ok(())
    }
}
