//! Data sets: images and labels in files, mapped into memory, so that they may be larger than it.
//!
//! A data set is one of
//! - a safetensors file with the tensors `images` and `labels`, or of other names ([`Names`]);
//! - a folder with `images.npy` and `labels.npy`;
//! - a file `SOMETHINGimages.npy`, with `SOMETHINGlabels.npy` beside it.
//!
//! `images` is `[N, H, W, C]`, or what the model's input is after its batch, in `f32`, or in `u8`,
//! which is divided by 255. `labels` is `[N]` of any integer type, from 0.
//!
//! - `array` finds the elements, [`Batches`] copies samples into a batch.

mod array;
mod batch;

use std::path::{Path, PathBuf};

use hla_ir::{Diagnostic, Location, TensorType};

use array::{Array, Container, Element};
pub use batch::{Batch, Batches};

/// Names of the tensors in a safetensors file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// The images.
    pub images: String,
    /// The labels.
    pub labels: String,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            images: "images".to_owned(),
            labels: "labels".to_owned(),
        }
    }
}

/// Images with their labels. Cloning shares the files.
#[derive(Clone, Debug)]
pub struct Dataset {
    images: Array,
    labels: Array,
}

impl Dataset {
    /// Opens a data set; see the module for what `path` may be.
    ///
    /// # Errors
    /// One for each thing that is wrong with the files themselves: unreadable or damaged, another
    /// element type, no samples, another number of images than of labels.
    pub fn open(path: &Path, names: &Names) -> Result<Dataset, Vec<Diagnostic>> {
        let (images, labels) = match files(path).map_err(|e| vec![e])? {
            Files::One(path) => {
                let container = Container::open(&path).map_err(|e| vec![e])?;
                (
                    container.array(&names.images),
                    container.array(&names.labels),
                )
            }
            Files::Two { images, labels } => (Array::npy(&images), Array::npy(&labels)),
        };
        let (images, labels) = match (images, labels) {
            (Ok(images), Ok(labels)) => (images, labels),
            (images, labels) => {
                return Err([images.err(), labels.err()].into_iter().flatten().collect());
            }
        };
        let dataset = Dataset { images, labels };
        match dataset.problems() {
            problems if problems.is_empty() => Ok(dataset),
            problems => Err(problems),
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.images.shape.first().copied().unwrap_or(0)
    }

    /// Whether there are no samples; [`Dataset::open`] refuses such.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of one image.
    pub fn sample_shape(&self) -> &[usize] {
        self.images.shape.get(1..).unwrap_or_default()
    }

    /// The file that holds the images.
    pub fn place(&self) -> &Location {
        &self.images.place
    }

    /// The label of a sample.
    pub fn label(&self, index: usize) -> i64 {
        self.labels.integer(index)
    }

    /// What is wrong with the files, whatever the model.
    fn problems(&self) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut refuse = |place: &Location, message: String, help: &str| {
            problems.push(Diagnostic::error(place.clone(), message).help(help));
        };
        let (images, labels) = (&self.images, &self.labels);
        if !matches!(images.element, Element::F32 | Element::U8) {
            let message = format!("the images are of the type {}", images.element.name());
            refuse(
                &images.place,
                message,
                "images are f32, or u8 from 0 to 255",
            );
        }
        if labels.element == Element::F32 {
            let message = "the labels are of the type f32".to_owned();
            refuse(
                &labels.place,
                message,
                "labels are integers: the index of each image's class",
            );
        }
        if images.shape.is_empty() {
            let message = "the images have no dimension that counts them".to_owned();
            refuse(&images.place, message, "images are [N, H, W, C]");
        }
        if labels.shape.len() != 1 {
            let message = format!("the labels have the shape {:?}", labels.shape);
            refuse(
                &labels.place,
                message,
                "labels are [N]: one integer for each image",
            );
        } else if !images.shape.is_empty() && labels.shape[0] != images.shape[0] {
            let message = format!(
                "there are {} images, but {} labels",
                images.shape[0], labels.shape[0]
            );
            refuse(
                &labels.place,
                message,
                "both must describe the same samples",
            );
        }
        if images.shape.contains(&0) || images.shape.first().is_some_and(|&n| n > u32::MAX as usize)
        {
            let message = format!("the images have the shape {:?}", images.shape);
            refuse(
                &images.place,
                message,
                "a data set has 1 to 2^32 - 1 samples",
            );
        }
        problems
    }

    /// Checks the data set against a model's input and the number of its classes, and counts how
    /// often each class occurs. Extents of 1 make no difference: images `[N, 28, 28]` suit an input
    /// `[B, 28, 28, 1]`.
    ///
    /// # Errors
    /// All that is wrong: another shape, fewer samples than `least`, labels out of range.
    pub fn check(
        &self,
        input: &TensorType,
        classes: usize,
        least: usize,
    ) -> Result<Vec<u64>, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let wanted = input.shape.get(1..).unwrap_or_default();
        let significant =
            |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&e| e != 1).collect() };
        if significant(wanted) != significant(self.sample_shape()) {
            problems.push(
                Diagnostic::error(
                    self.images.place.clone(),
                    format!(
                        "each image is {:?}, but the model takes {wanted:?}",
                        self.sample_shape()
                    ),
                )
                .help("images are [N, H, W, C], channels last (PyTorch's are [N, C, H, W]): x.transpose(0, 2, 3, 1)"),
            );
        }
        if self.len() < least {
            problems.push(
                Diagnostic::error(
                    self.images.place.clone(),
                    format!(
                        "there are {} samples, but a batch takes {least}",
                        self.len()
                    ),
                )
                .help("train with a smaller --batch"),
            );
        }
        match self.count(classes) {
            Ok(counts) if problems.is_empty() => return Ok(counts),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        Err(problems)
    }

    fn count(&self, classes: usize) -> Result<Vec<u64>, Diagnostic> {
        let mut counts = vec![0; classes];
        let mut wrong: Option<(usize, i64)> = None;
        let mut others = 0_usize;
        for index in 0..self.len() {
            let label = self.label(index);
            match usize::try_from(label).ok().and_then(|l| counts.get_mut(l)) {
                Some(count) => *count += 1,
                None if wrong.is_none() => wrong = Some((index, label)),
                None => others += 1,
            }
        }
        let Some((index, label)) = wrong else {
            return Ok(counts);
        };
        let more = match others {
            0 => String::new(),
            n => format!(", and {n} more are out of range"),
        };
        Err(Diagnostic::error(
            self.labels.place.clone(),
            format!("label {index} is {label}, but the model tells {classes} classes apart{more}"),
        )
        .help(format!(
            "labels are integers from 0 to {}",
            classes.saturating_sub(1)
        )))
    }
}

/// Where a data set lies.
enum Files {
    One(PathBuf),
    Two { images: PathBuf, labels: PathBuf },
}

/// The files that [`Dataset::open`] reads for a path.
pub fn paths(path: &Path) -> Vec<PathBuf> {
    match files(path) {
        Ok(Files::One(path)) => vec![path],
        Ok(Files::Two { images, labels }) => vec![images, labels],
        Err(_) => vec![path.to_owned()],
    }
}

fn files(path: &Path) -> Result<Files, Diagnostic> {
    let place = || Location::file(&*path.to_string_lossy(), 0, 0);
    if path.is_dir() {
        return Ok(Files::Two {
            images: path.join("images.npy"),
            labels: path.join("labels.npy"),
        });
    }
    if path.extension().is_none_or(|e| e != "npy") {
        return Ok(Files::One(path.to_owned()));
    }
    let stem = path.file_stem().map(|s| s.to_string_lossy());
    match stem.as_deref().and_then(|s| s.strip_suffix("images")) {
        Some(prefix) => Ok(Files::Two {
            images: path.to_owned(),
            labels: path.with_file_name(format!("{prefix}labels.npy")),
        }),
        None => Err(Diagnostic::error(
            place(),
            "a .npy file holds one array, but a data set has two",
        )
        .help("call them images.npy and labels.npy, or train-images.npy and train-labels.npy, and give the images or the folder")),
    }
}
