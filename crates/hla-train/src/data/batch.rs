//! Samples copied together into a batch.

use std::sync::{Mutex, PoisonError};

use hla_ir::{DType, Diagnostic, Tensor, TensorType};
use hla_runtime::ThreadPool;

use super::Dataset;
use crate::augment::Augment;
use crate::random::Random;

/// What a program's step takes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The images, of the model's input type.
    pub images: Tensor,
    /// The labels: `i32 [N]`; −1 for padding.
    pub labels: Tensor,
    /// How many samples are real; the others are padding: zeros.
    pub real: usize,
}

/// Makes batches of a data set for one epoch.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    /// Where the samples are.
    pub data: &'a Dataset,
    /// Type of the model's input: `[batch, …]`.
    pub input: &'a TensorType,
    /// What changes the samples, from which seed, in which epoch.
    pub augment: Option<(&'a Augment, u64, u64)>,
}

impl Batches<'_> {
    /// Copies samples into a batch, which fewer samples than the batch has places pad. The random
    /// numbers of a sample come from seed, epoch and its index in the data set, so its bits do not
    /// depend on the batch or on the pool.
    ///
    /// # Errors
    /// A sample that holds NaN or an infinity.
    pub fn make(&self, samples: &[u32], pool: Option<&ThreadPool>) -> Result<Batch, Diagnostic> {
        let places = self.input.shape.first().copied().unwrap_or(0);
        let real = samples.len().min(places);
        let len = self.input.elements() / places.max(1);
        let mut values = vec![0.0_f32; self.input.elements()];
        let wrong = Mutex::new(None);
        {
            let slots: Vec<Mutex<&mut [f32]>> = values
                .chunks_exact_mut(len.max(1))
                .take(real)
                .map(Mutex::new)
                .collect();
            let fill = |begin: usize, end: usize| {
                for place in begin..end {
                    // Nobody else has this lock: each place belongs to one thread.
                    let mut slot = slots[place].lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(error) = self.fill(samples[place], &mut slot) {
                        let mut wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
                        // The first in the batch, whichever thread comes first.
                        if wrong.as_ref().is_none_or(|(at, _)| *at > place) {
                            *wrong = Some((place, error));
                        }
                    }
                }
            };
            match pool {
                Some(pool) => pool.parallel_for(real, &fill)?,
                None => fill(0, real),
            }
        }
        if let Some((_, error)) = wrong.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut labels: Vec<i64> = samples[..real]
            .iter()
            .map(|&s| self.data.label(s as usize))
            .collect();
        labels.resize(places, -1);
        let refuse = |message: String| Diagnostic::error(self.data.place().clone(), message);
        let images = Tensor::from_f32s(self.input.shape.clone(), &values).map_err(refuse)?;
        let labels =
            Tensor::from_i64s(TensorType::new([places], DType::I32), &labels).map_err(refuse)?;
        Ok(Batch {
            images,
            labels,
            real,
        })
    }

    fn fill(&self, sample: u32, out: &mut [f32]) -> Result<(), Diagnostic> {
        self.data.images.copy_f32s(sample as usize, out);
        if let Some(at) = out.iter().position(|v| !v.is_finite()) {
            return Err(Diagnostic::error(
                self.data.place().clone(),
                format!("image {sample} holds {} at element {at}", out[at]),
            )
            .help("clean the data: training would turn every weight into NaN"));
        }
        if let Some((augment, seed, epoch)) = self.augment {
            let mut random = Random::of(seed, "augment", epoch, u64::from(sample));
            augment.apply(out, &self.input.shape[1..], &mut random);
        }
        Ok(())
    }
}
