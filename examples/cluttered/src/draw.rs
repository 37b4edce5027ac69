//! One image: a digit that is turned, scaled, sheared and moved, among pieces of other digits and
//! strokes, under noise.
//!
//! All arithmetic is addition, multiplication, division and square root of 64-bit floats, which
//! IEEE 754 determines to the last bit: the same seed gives the same bytes on every machine.

use crate::difficulty::Difficulty;
use crate::digits::{Digits, SIDE};
use crate::random::Random;

/// Rows and columns of an image.
pub const EXTENT: usize = 32;

/// How an image gets from the plane of a glyph, whose centre is (0, 0) and whose unit is one of its
/// pixels, into the plane of the canvas.
struct Placing {
    /// Canvas to glyph: `[[a, b], [c, d]]` applied to the offset from the centre.
    inverse: [[f64; 2]; 2],
    centre: [f64; 2],
}

impl Placing {
    /// `scale` in canvas pixels for one of the glyph, `aspect` for the ratio of the axes, `turn`
    /// for the tangent of half the angle, `shear` for columns moved by one row.
    fn new(scale: f64, aspect: f64, turn: f64, shear: f64, centre: [f64; 2]) -> Placing {
        // The rational parametrization of the circle: no sine or cosine, whose last bits differ
        // from one library to the next.
        let norm = 1.0 + turn * turn;
        let (cos, sin) = ((1.0 - turn * turn) / norm, 2.0 * turn / norm);
        let (across, down) = (1.0 / (scale * aspect), 1.0 / scale);
        let (row, column) = ([cos * down, -sin * down], [sin * across, cos * across]);
        let inverse = [
            row,
            [column[0] - shear * row[0], column[1] - shear * row[1]],
        ];
        Placing { inverse, centre }
    }

    /// The glyph's row and column under the centre of a canvas pixel, where (0, 0) is the centre of
    /// the glyph's first pixel.
    fn source(&self, row: usize, column: usize) -> [f64; 2] {
        let middle = (SIDE as f64 - 1.0) / 2.0;
        let y = row as f64 + 0.5 - self.centre[0];
        let x = column as f64 + 0.5 - self.centre[1];
        self.inverse.map(|[a, b]| a * y + b * x + middle)
    }
}

/// A part of a digit's image: rows and columns outside `window` count as empty.
struct Glyph<'a> {
    digits: &'a Digits,
    index: usize,
    rows: [i64; 2],
    columns: [i64; 2],
}

impl Glyph<'_> {
    fn ink(&self, row: i64, column: i64) -> f64 {
        let inside = (self.rows[0]..self.rows[1]).contains(&row)
            && (self.columns[0]..self.columns[1]).contains(&column);
        if inside {
            self.digits.ink(self.index, row, column)
        } else {
            0.0
        }
    }

    /// Bilinear interpolation.
    fn sample(&self, [y, x]: [f64; 2]) -> f64 {
        let (row, column) = (y.floor(), x.floor());
        let (down, right) = (y - row, x - column);
        let (row, column) = (row as i64, column as i64);
        let line = |row| self.ink(row, column) * (1.0 - right) + self.ink(row, column + 1) * right;
        line(row) * (1.0 - down) + line(row + 1) * down
    }
}

/// Ink from 0 to 1, the brightest of all that was drawn over a pixel.
struct Canvas([f64; EXTENT * EXTENT]);

impl Canvas {
    fn draw(&mut self, mut ink: impl FnMut(usize, usize) -> f64) {
        for (i, pixel) in self.0.iter_mut().enumerate() {
            *pixel = pixel.max(ink(i / EXTENT, i % EXTENT));
        }
    }

    fn glyph(&mut self, glyph: &Glyph, placing: &Placing, contrast: f64) {
        self.draw(|row, column| contrast * glyph.sample(placing.source(row, column)));
    }

    /// A line with round ends, from `a` to `b`, that fades over one pixel.
    fn stroke(&mut self, a: [f64; 2], b: [f64; 2], half_width: f64, contrast: f64) {
        let along = [b[0] - a[0], b[1] - a[1]];
        let length = along[0] * along[0] + along[1] * along[1];
        self.draw(|row, column| {
            let from = [row as f64 + 0.5 - a[0], column as f64 + 0.5 - a[1]];
            let part = (from[0] * along[0] + from[1] * along[1]) / length.max(1e-9);
            let part = part.clamp(0.0, 1.0);
            let off = [from[0] - part * along[0], from[1] - part * along[1]];
            let distance = (off[0] * off[0] + off[1] * off[1]).sqrt();
            contrast * (half_width + 0.5 - distance).clamp(0.0, 1.0)
        });
    }
}

/// Draws an image from `random`: its bytes, row by row, and the digit it shows.
pub fn image(digits: &Digits, difficulty: &Difficulty, random: &mut Random) -> (Vec<u8>, i32) {
    let mut canvas = Canvas([0.0; EXTENT * EXTENT]);
    let shown = random.below(digits.count());
    let whole = [0, SIDE as i64];
    let glyph = Glyph {
        digits,
        index: shown,
        rows: whole,
        columns: whole,
    };
    let scale = random.between(difficulty.scale);
    let reach = 0.45 * SIDE as f64 * scale;
    let placing = placing(difficulty, scale, difficulty.turn, reach, random);
    canvas.glyph(&glyph, &placing, random.between(difficulty.contrast));

    for _ in 0..random.count(difficulty.pieces) {
        let glyph = piece(digits, random);
        let scale = random.between(difficulty.scale);
        let placing = self::placing(difficulty, scale, 1.0, 0.0, random);
        canvas.glyph(
            &glyph,
            &placing,
            random.between(difficulty.clutter_contrast),
        );
    }
    for _ in 0..random.count(difficulty.strokes) {
        let edge = (0.0, EXTENT as f64);
        let a = [random.between(edge), random.between(edge)];
        let reach = (-12.0, 12.0);
        let b = [a[0] + random.between(reach), a[1] + random.between(reach)];
        let half_width = random.between((0.4, 1.2));
        canvas.stroke(
            a,
            b,
            half_width,
            random.between(difficulty.clutter_contrast),
        );
    }

    let noise = random.between(difficulty.noise);
    let bytes = canvas.0.map(|ink| {
        let value = 0.9 * ink + noise * random.bell();
        (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8
    });
    (bytes.to_vec(), digits.label(shown))
}

/// A random placing whose centre is at least `margin` away from the border.
fn placing(
    difficulty: &Difficulty,
    scale: f64,
    turn: f64,
    margin: f64,
    random: &mut Random,
) -> Placing {
    let aspect = random.between(difficulty.aspect);
    let turn = random.between((-turn, turn));
    let shear = random.between((-difficulty.shear, difficulty.shear));
    let margin = margin.min(EXTENT as f64 / 2.0);
    let edge = (margin, EXTENT as f64 - margin);
    let centre = [random.between(edge), random.between(edge)];
    Placing::new(scale, aspect, turn, shear, centre)
}

/// A window of three to five rows and columns of any digit.
fn piece<'a>(digits: &'a Digits, random: &mut Random) -> Glyph<'a> {
    let index = random.below(digits.count());
    let [rows, columns] = [(); 2].map(|()| {
        let size = random.count((3, 5));
        let start = random.below(SIDE - size + 1) as i64;
        [start, start + size as i64]
    });
    Glyph {
        digits,
        index,
        rows,
        columns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::Part;

    /// The ink at the pixels of the canvas that a glyph of scale 1 in the middle covers.
    fn drawn(digits: &Digits, turn: f64) -> Vec<Vec<f64>> {
        let whole = [0, SIDE as i64];
        let glyph = Glyph {
            digits,
            index: 3,
            rows: whole,
            columns: whole,
        };
        let mut canvas = Canvas([0.0; EXTENT * EXTENT]);
        canvas.glyph(&glyph, &Placing::new(1.0, 1.0, turn, 0.0, [16.0; 2]), 1.0);
        let line = |row| (12..20).map(move |column| row * EXTENT + column);
        (12..20)
            .map(|row| line(row).map(|i| canvas.0[i]).collect())
            .collect()
    }

    #[test]
    fn a_digit_at_scale_one_keeps_its_pixels_and_a_quarter_turn_turns_them() {
        let digits = Digits::of(Part::Test).unwrap();
        let last = SIDE as i64 - 1;
        let (upright, turned) = (drawn(&digits, 0.0), drawn(&digits, 1.0));
        for row in 0..SIDE {
            for column in 0..SIDE {
                let (y, x) = (row as i64, column as i64);
                assert_eq!(upright[row][column], digits.ink(3, y, x));
                assert_eq!(turned[row][column], digits.ink(3, last - x, y));
            }
        }
        assert!(upright.iter().flatten().sum::<f64>() > 5.0);
    }

    #[test]
    fn a_stroke_is_bright_on_its_line_and_fades_over_a_pixel() {
        let mut canvas = Canvas([0.0; EXTENT * EXTENT]);
        canvas.stroke([10.5, 4.5], [10.5, 20.5], 0.75, 0.8);
        let at = |row: usize, column: usize| canvas.0[row * EXTENT + column];
        // Distances 0, 1 and 2 from the line, then one pixel beyond its end.
        assert_eq!(
            [at(10, 12), at(11, 12), at(12, 12), at(10, 21)],
            [0.8, 0.2, 0.0, 0.2]
        );
    }
}
