//! The digits of `examples/digits`: 8x8 images, the training and the test part apart.

use hla_ir::Diagnostic;
use hla_runtime::npy;

/// Rows and columns of a digit.
pub const SIDE: usize = 8;

/// The images of one part and the digit each shows.
pub struct Digits {
    images: Vec<[f64; SIDE * SIDE]>,
    labels: Vec<i32>,
}

/// Which images: those of the training set or those held out for tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// 1,347 images.
    Train,
    /// 450 images.
    Test,
}

impl Digits {
    /// The images and labels of `part`, which this program carries.
    pub fn of(part: Part) -> Result<Digits, Diagnostic> {
        match part {
            Part::Train => Digits::parse(
                include_bytes!("../../digits/train-images.npy"),
                include_bytes!("../../digits/train-labels.npy"),
            ),
            Part::Test => Digits::parse(
                include_bytes!("../../digits/test-images.npy"),
                include_bytes!("../../digits/test-labels.npy"),
            ),
        }
    }

    fn parse(images: &[u8], labels: &[u8]) -> Result<Digits, Diagnostic> {
        let images = npy::parse("images", images.to_vec())?.to_f32s();
        let labels = npy::parse("labels", labels.to_vec())?;
        Ok(Digits {
            images: images
                .chunks_exact(SIDE * SIDE)
                .map(|image| std::array::from_fn(|i| f64::from(image[i])))
                .collect(),
            labels: labels.iter_f64().map(|label| label as i32).collect(),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.images.len()
    }

    /// The ink of image `index` at row and column, 0 to 1; none outside.
    pub fn ink(&self, index: usize, row: i64, column: i64) -> f64 {
        let inside = 0..SIDE as i64;
        if inside.contains(&row) && inside.contains(&column) {
            self.images[index][row as usize * SIDE + column as usize]
        } else {
            0.0
        }
    }

    /// The digit that image `index` shows.
    pub fn label(&self, index: usize) -> i32 {
        self.labels[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_whole() {
        for (part, count) in [(Part::Train, 1347), (Part::Test, 450)] {
            let digits = Digits::of(part).unwrap();
            assert_eq!((digits.count(), digits.labels.len()), (count, count));
            assert!((0..10).all(|class| digits.labels.contains(&class)));
            assert!(digits.labels.iter().all(|label| (0..10).contains(label)));
            assert!(
                digits
                    .images
                    .iter()
                    .flatten()
                    .all(|ink| (0.0..=1.0).contains(ink))
            );
        }
    }
}
