//! Changes to training images: shift, rotation, scale and noise.
//!
//! One image is moved by one affine map about its centre and sampled bilinearly, black (0) coming
//! in from outside; then noise is added. All of it is drawn from the generator that the caller
//! gives, in a fixed order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How much an image may change; 0 is not at all. Its text is `shift=2,rotate=10,scale=0.1,noise=0.05`.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Whole pixels to any side: −shift to shift in each direction, each as likely.
    pub shift: u32,
    /// Degrees to either side, uniformly.
    pub rotate: f32,
    /// The image grows by a factor between 1 − scale and 1 + scale, uniformly.
    pub scale: f32,
    /// Deviation of the normal noise on each value.
    pub noise: f32,
}

impl Augment {
    /// Whether nothing changes.
    pub fn is_identity(&self) -> bool {
        *self == Augment::default()
    }

    /// Whether pixels move, which only images `[H, W, C]` have.
    pub fn moves(&self) -> bool {
        self.shift > 0 || self.rotate > 0.0 || self.scale > 0.0
    }

    /// Changes one sample of this shape, row-major. A sample that is not `[H, W, C]` only gets noise.
    pub fn apply(&self, image: &mut [f32], shape: &[usize], random: &mut Random) {
        if let &[height, width, channels] = shape
            && self.moves()
        {
            let map = self.draw(random);
            let source = image.to_vec();
            let size = [height, width, channels];
            map.apply(&source, image, size);
        }
        if self.noise > 0.0 {
            for value in image {
                *value += self.noise * random.normal();
            }
        }
    }

    fn draw(&self, random: &mut Random) -> Affine {
        let mut steps = || match self.shift {
            0 => 0.0,
            n => random.below(2 * u64::from(n) + 1) as f32 - n as f32,
        };
        let shift = [steps(), steps()];
        let angle = match self.rotate {
            0.0 => 0.0,
            degrees => random.symmetric(degrees).to_radians(),
        };
        let scale = match self.scale {
            0.0 => 1.0,
            part => 1.0 + random.symmetric(part),
        };
        let (sin, cos) = libm::sincosf(angle);
        Affine {
            shift,
            cos: cos / scale,
            sin: sin / scale,
        }
    }
}

/// Where a pixel of the new image comes from.
struct Affine {
    /// Down and to the right.
    shift: [f32; 2],
    cos: f32,
    sin: f32,
}

impl Affine {
    fn apply(&self, source: &[f32], out: &mut [f32], [height, width, channels]: [usize; 3]) {
        let centre = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        for (at, pixel) in out.chunks_exact_mut(channels).enumerate() {
            let down = (at / width) as f32 - centre[0] - self.shift[0];
            let right = (at % width) as f32 - centre[1] - self.shift[1];
            let y = self.cos * down - self.sin * right + centre[0];
            let x = self.sin * down + self.cos * right + centre[1];
            let corner = [y.floor(), x.floor()];
            let part = [y - corner[0], x - corner[1]];
            pixel.fill(0.0);
            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let weight = |part: f32, second: i64| match second {
                    0 => 1.0 - part,
                    _ => part,
                };
                let weight = weight(part[0], dy) * weight(part[1], dx);
                let row = usize::try_from(corner[0] as i64 + dy);
                let column = usize::try_from(corner[1] as i64 + dx);
                let (Ok(row), Ok(column)) = (row, column) else {
                    continue;
                };
                if row >= height || column >= width || weight == 0.0 {
                    continue;
                }
                let from = (row * width + column) * channels;
                for (value, &source) in pixel.iter_mut().zip(&source[from..from + channels]) {
                    *value += weight * source;
                }
            }
        }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("shift", self.shift as f32),
            ("rotate", self.rotate),
            ("scale", self.scale),
            ("noise", self.noise),
        ];
        let mut comma = "";
        for (name, value) in parts.iter().filter(|(_, value)| *value != 0.0) {
            write!(f, "{comma}{name}={value}")?;
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for Augment {
    type Err = String;

    /// Reads `shift=2,rotate=10,scale=0.1,noise=0.05`, any part of it, or nothing.
    fn from_str(text: &str) -> Result<Augment, String> {
        let mut augment = Augment::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("'{part}' has no value: write {part}=2"))?;
            let number = |most: f32| {
                let number = value.trim().parse::<f32>().ok();
                number
                    .filter(|n| (0.0..=most).contains(n))
                    .ok_or_else(|| format!("{name}={value}: the value must be from 0 to {most}"))
            };
            match name.trim() {
                "shift" => {
                    augment.shift = value
                        .trim()
                        .parse()
                        .ok()
                        .filter(|&n| n <= 1024)
                        .ok_or_else(|| {
                            format!("shift={value}: the value must be whole pixels, 0 to 1024")
                        })?;
                }
                "rotate" => augment.rotate = number(180.0)?,
                "scale" => augment.scale = number(0.9)?,
                "noise" => augment.noise = number(f32::MAX)?,
                _ => {
                    return Err(format!(
                        "'{name}' is no augmentation: there are shift, rotate, scale and noise"
                    ));
                }
            }
        }
        Ok(augment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(affine: &Affine, image: &[f32], size: [usize; 3]) -> Vec<f32> {
        let mut out = vec![0.0; image.len()];
        affine.apply(image, &mut out, size);
        out
    }

    #[test]
    fn a_shift_copies_pixels() {
        let affine = Affine {
            shift: [1.0, -1.0],
            cos: 1.0,
            sin: 0.0,
        };
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let out = moved(&affine, &image, [3, 3, 1]);
        assert_eq!(out, [0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 5.0, 6.0, 0.0]);
    }

    #[test]
    fn a_quarter_turn_turns() {
        let affine = Affine {
            shift: [0.0, 0.0],
            cos: 0.0,
            sin: 1.0,
        };
        // Two channels; the new pixel (r, c) comes from (centre − right, centre + down) = (1 − c, r).
        let image = [1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0];
        let out = moved(&affine, &image, [2, 2, 2]);
        assert_eq!(out, [3.0, -3.0, 1.0, -1.0, 4.0, -4.0, 2.0, -2.0]);
    }

    #[test]
    fn half_a_pixel_is_the_mean() {
        let affine = Affine {
            shift: [0.0, 0.5],
            cos: 1.0,
            sin: 0.0,
        };
        assert_eq!(moved(&affine, &[2.0, 4.0, 8.0], [1, 3, 1]), [1.0, 3.0, 6.0]);
    }

    #[test]
    fn growing_keeps_the_centre() {
        // Twice as large about the centre of three: 2, 3 and 4 come from −½, 0 and ½ around 3.
        let affine = Affine {
            shift: [0.0, 0.0],
            cos: 0.5,
            sin: 0.0,
        };
        assert_eq!(moved(&affine, &[2.0, 3.0, 4.0], [1, 3, 1]), [2.5, 3.0, 3.5]);
    }

    #[test]
    fn the_same_numbers_give_the_same_image() {
        let augment: Augment = "shift=2,rotate=10,scale=0.1,noise=0.05".parse().unwrap();
        let run = |sample| {
            let mut image: Vec<f32> = (0..64).map(|v| v as f32 / 64.0).collect();
            augment.apply(
                &mut image,
                &[8, 8, 1],
                &mut Random::of(1, "augment", 2, sample),
            );
            image
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        let none = Augment::default();
        let mut image = vec![1.0, 2.0];
        none.apply(&mut image, &[1, 2, 1], &mut Random::of(1, "augment", 2, 0));
        assert_eq!(image, [1.0, 2.0]);
    }

    #[test]
    fn features_get_noise_only() {
        let augment: Augment = "shift=1,noise=0.5".parse().unwrap();
        let mut sample = vec![10.0; 1000];
        augment.apply(&mut sample, &[1000], &mut Random::of(1, "augment", 0, 0));
        let mean = sample.iter().sum::<f32>() / 1000.0;
        let deviation = (sample.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 1000.0).sqrt();
        assert!((mean - 10.0).abs() < 0.08 && (deviation - 0.5).abs() < 0.06);
    }

    #[test]
    fn texts_are_read_as_they_are_written() {
        for text in ["", "shift=2", "shift=2,rotate=10,scale=0.1,noise=0.05"] {
            assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
        }
        for text in [
            "shift",
            "shift=-1",
            "shift=1.5",
            "rotate=200",
            "scale=1",
            "noise=nan",
            "flip=1",
        ] {
            assert!(text.parse::<Augment>().is_err(), "{text}");
        }
    }
}
