//! Whole sets of images, and the file they are written to.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use hla_ir::{Diagnostic, Location};
use safetensors::{Dtype, View};

use crate::difficulty::Degree;
use crate::digits::{Digits, Part};
use crate::draw::{self, EXTENT};
use crate::random::Random;

/// What decides every byte of a set.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The digits to draw from.
    pub part: Part,
    /// How many images.
    pub count: usize,
    /// The seed. Another seed gives other images; a larger count adds images after the first ones.
    pub seed: u64,
    /// How hard.
    pub degree: Degree,
}

/// Images u8 `[N, 32, 32, 1]` and labels i32 `[N]`.
pub struct Set {
    /// Row by row, one image after another.
    pub images: Vec<u8>,
    /// The digit in each.
    pub labels: Vec<i32>,
}

impl Set {
    /// Draws the images.
    pub fn draw(recipe: Recipe) -> Result<Set, Diagnostic> {
        let digits = Digits::of(recipe.part)?;
        let ranges = recipe.degree.ranges();
        let mut images = Vec::with_capacity(recipe.count * EXTENT * EXTENT);
        let mut labels = Vec::with_capacity(recipe.count);
        for index in 0..recipe.count {
            let stream = [recipe.seed, recipe.part as u64, index as u64];
            let (image, label) = draw::image(&digits, &ranges, &mut Random::named(&stream));
            images.extend(image);
            labels.push(label);
        }
        Ok(Set { images, labels })
    }

    /// Writes `images` and `labels` as safetensors. The file appears whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Diagnostic> {
        let labels: Vec<u8> = self.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        let count = self.labels.len();
        let tensors = [
            (
                "images",
                Bytes(Dtype::U8, vec![count, EXTENT, EXTENT, 1], &self.images),
            ),
            ("labels", Bytes(Dtype::I32, vec![count], &labels)),
        ];
        let bytes = safetensors::serialize(tensors, None).map_err(|e| failed(path, e))?;
        replace(path, &bytes)
    }

    /// The first images in rows of 16 as a grey picture in the PGM format.
    pub fn sheet(&self, rows: usize) -> Vec<u8> {
        const COLUMNS: usize = 16;
        let rows = rows.min(self.labels.len() / COLUMNS);
        let mut file = format!("P5 {} {} 255\n", COLUMNS * EXTENT, rows * EXTENT).into_bytes();
        for y in 0..rows * EXTENT {
            for column in 0..COLUMNS {
                let image = y / EXTENT * COLUMNS + column;
                let start = (image * EXTENT + y % EXTENT) * EXTENT;
                file.extend(&self.images[start..start + EXTENT]);
            }
        }
        file
    }
}

/// Writes a file beside its place and renames it there: readers see the old or the new contents,
/// also when the writer is killed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| failed(path, e))?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(|e| failed(path, e))?;
    file.write_all(bytes).map_err(|e| failed(path, e))?;
    file.as_file().sync_all().map_err(|e| failed(path, e))?;
    file.persist(path).map_err(|e| failed(path, e.error))?;
    Ok(())
}

fn failed(path: &Path, error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(
        Location::file(path.display().to_string(), 0, 0),
        format!("cannot write the file: {error}"),
    )
    .help("give a folder that can be written to, on a disk with room")
}

struct Bytes<'a>(Dtype, Vec<usize>, &'a [u8]);

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        self.0
    }

    fn shape(&self) -> &[usize] {
        &self.1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.2)
    }

    fn data_len(&self) -> usize {
        self.2.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(part: Part, count: usize, seed: u64) -> Set {
        let degree = Degree::Normal;
        Set::draw(Recipe {
            part,
            count,
            seed,
            degree,
        })
        .unwrap()
    }

    /// FNV-1a, 64 bits.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, |h, &b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)
        })
    }

    /// Documents quote figures of this data: it must not change unnoticed.
    #[test]
    fn the_images_are_those_that_figures_are_told_of() {
        let set = draw(Part::Test, 100, 0);
        assert_eq!(
            (hash(&set.images), &set.labels[..8]),
            (16_892_642_187_301_694_655, &[1, 6, 1, 1, 6, 0, 9, 5][..])
        );
    }

    #[test]
    fn more_images_come_after_the_first_ones_and_a_seed_changes_all() {
        let (few, many) = (draw(Part::Train, 5, 3), draw(Part::Train, 9, 3));
        assert_eq!(few.images[..], many.images[..few.images.len()]);
        let other = draw(Part::Train, 5, 4);
        for (a, b) in few.images.chunks(1024).zip(other.images.chunks(1024)) {
            assert_ne!(a, b);
        }
    }

    #[test]
    fn files_hold_what_was_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/set.safetensors");
        let set = draw(Part::Test, 3, 0);
        set.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let (images, labels) = (
            file.tensor("images").unwrap(),
            file.tensor("labels").unwrap(),
        );
        assert_eq!(
            (images.dtype(), images.shape()),
            (Dtype::U8, &[3, 32, 32, 1][..])
        );
        assert_eq!((images.data(), labels.shape()), (&set.images[..], &[3][..]));
        let expected: Vec<u8> = set.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        assert_eq!(labels.data(), expected);
        assert_eq!(
            std::fs::read_dir(folder.path().join("new"))
                .unwrap()
                .count(),
            1
        );
    }
}
