//! What makes the task hard, in three degrees.

/// Ranges that each image draws from; lengths in pixels of the image.
pub struct Difficulty {
    /// Pixels of the image for one of the digit, which has eight.
    pub scale: (f64, f64),
    /// Width over height.
    pub aspect: (f64, f64),
    /// Largest tangent of half the angle, either way.
    pub turn: f64,
    /// Largest shear, either way.
    pub shear: f64,
    /// Brightness of the digit.
    pub contrast: (f64, f64),
    /// Brightness of pieces and strokes.
    pub clutter_contrast: (f64, f64),
    /// How many pieces of other digits.
    pub pieces: (usize, usize),
    /// How many strokes.
    pub strokes: (usize, usize),
    /// Standard deviation of the noise.
    pub noise: (f64, f64),
}

/// The degrees of difficulty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Degree {
    /// One piece at most, little noise
    Easy,
    /// What examples/cluttered measures
    Normal,
    /// Up to four pieces and two strokes as bright as digits, strong noise
    Hard,
}

impl Degree {
    /// What images of this degree draw from.
    pub fn ranges(self) -> Difficulty {
        let normal = Difficulty {
            scale: (1.9, 3.1),
            aspect: (0.8, 1.15),
            turn: 0.15,
            shear: 0.2,
            contrast: (0.7, 1.0),
            clutter_contrast: (0.3, 0.7),
            pieces: (0, 3),
            strokes: (0, 1),
            noise: (0.0, 0.15),
        };
        match self {
            Degree::Easy => Difficulty {
                turn: 0.1,
                contrast: (0.8, 1.0),
                clutter_contrast: (0.2, 0.5),
                pieces: (0, 1),
                noise: (0.0, 0.08),
                ..normal
            },
            Degree::Normal => normal,
            Degree::Hard => Difficulty {
                turn: 0.2,
                contrast: (0.6, 1.0),
                clutter_contrast: (0.4, 0.9),
                pieces: (1, 4),
                strokes: (0, 2),
                noise: (0.05, 0.25),
                ..normal
            },
        }
    }
}
