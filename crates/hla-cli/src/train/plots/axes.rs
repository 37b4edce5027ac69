//! Axes, legends and colours that all figures share.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::sheet::{Error, Lettering, Sheet, width};

/// The ground.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Titles.
pub const INK: RGBColor = RGBColor(30, 34, 40);
/// Labels of axes.
pub const SOFT: RGBColor = RGBColor(90, 96, 105);
const GRID: RGBColor = RGBColor(226, 229, 233);
const FRAME: RGBColor = RGBColor(150, 156, 164);

/// Colours that people with any colour vision can tell apart (Okabe and Ito), darkest first.
pub const COLORS: [RGBColor; 7] = [
    RGBColor(0, 92, 153),
    RGBColor(213, 94, 0),
    RGBColor(0, 138, 100),
    RGBColor(180, 92, 145),
    RGBColor(214, 150, 0),
    RGBColor(70, 160, 215),
    RGBColor(110, 110, 110),
];

/// Height of titles, labels and numbers in points.
pub const TITLE: f64 = 17.0;
/// Height of labels.
pub const LABEL: f64 = 13.0;
/// Height of numbers.
pub const NUMBER: f64 = 12.0;

/// One axis: what it spans, and how its numbers look.
#[derive(Clone)]
pub struct Axis {
    /// Least and greatest value.
    pub span: (f64, f64),
    /// Where numbers stand.
    pub ticks: Vec<f64>,
    /// How a number is written.
    pub number: fn(f64) -> String,
    /// What it measures, with its unit.
    pub label: String,
}

impl Axis {
    /// An axis over values, widened to round numbers.
    pub fn covering(
        values: impl IntoIterator<Item = f64>,
        label: &str,
        number: fn(f64) -> String,
    ) -> Axis {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|v| v.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 * high.abs().max(1.0) {
            let around = 0.05 * high.abs().max(0.1);
            (low, high) = (low - around, high + around);
        }
        let step = round_step((high - low) / 5.0);
        let span = ((low / step).floor() * step, (high / step).ceil() * step);
        Axis::with_span(span, step, label, number)
    }

    /// An axis over a share, which ends at 0 and 1 where the values come near.
    pub fn share(values: impl IntoIterator<Item = f64>, label: &str) -> Axis {
        let mut axis = Axis::covering(values, label, percent);
        axis.span = (axis.span.0.max(0.0), axis.span.1.min(1.0));
        axis.ticks
            .retain(|t| (axis.span.0 - 1e-9..=axis.span.1 + 1e-9).contains(t));
        axis
    }

    /// An axis of counted epochs.
    pub fn epochs(count: usize) -> Axis {
        let count = count.max(1) as f64;
        let step = round_step(count / 9.0).max(1.0);
        Axis::with_span((0.0, count), step, "epochs", |v| format!("{v:.0}"))
    }

    /// An axis with a number at each multiple of a step.
    pub fn with_span(span: (f64, f64), step: f64, label: &str, number: fn(f64) -> String) -> Axis {
        let first = (span.0 / step - 1e-9).ceil() as i64;
        let last = (span.1 / step + 1e-9).floor() as i64;
        Axis {
            span,
            ticks: (first..=last).map(|i| i as f64 * step).collect(),
            number,
            label: label.to_owned(),
        }
    }

    fn place(&self, value: f64) -> f64 {
        (value - self.span.0) / (self.span.1 - self.span.0)
    }
}

/// 1, 2 or 5 times a power of ten, at least as much as this.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= least);
    step.unwrap_or(10.0) * power
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{} %", decimal(100.0 * share))
}

/// A number with as many decimals as it needs, at most three.
pub fn decimal(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.replace('-', "\u{2212}"),
    }
}

/// A plot's place on the sheet, with its axes.
pub struct Plot {
    /// Upper left corner of the frame.
    pub from: (f64, f64),
    /// Lower right corner.
    pub to: (f64, f64),
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
}

impl Plot {
    /// Where a value stands on the sheet.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (u, v) = (self.x.place(x), self.y.place(y));
        (
            self.from.0 + u * (self.to.0 - self.from.0),
            self.to.1 - v * (self.to.1 - self.from.1),
        )
    }

    /// The grid, the frame and the numbers; curves are drawn after it.
    pub fn frame(&self, sheet: &mut dyn Sheet) -> Result<(), Error> {
        let number = Lettering::new(NUMBER, SOFT);
        for &tick in &self.y.ticks {
            let (_, y) = self.at(self.x.span.0, tick);
            sheet.line(&[(self.from.0, y), (self.to.0, y)], GRID, 1.0)?;
            let style = number.anchored(HPos::Right, VPos::Center);
            sheet.text(&(self.y.number)(tick), (self.from.0 - 6.0, y), style)?;
        }
        for &tick in &self.x.ticks {
            let (x, _) = self.at(tick, self.y.span.0);
            sheet.line(&[(x, self.to.1), (x, self.to.1 + 4.0)], FRAME, 1.0)?;
            let style = number.anchored(HPos::Center, VPos::Top);
            sheet.text(&(self.x.number)(tick), (x, self.to.1 + 7.0), style)?;
        }
        let corners = [
            (self.from.0, self.from.1),
            (self.from.0, self.to.1),
            (self.to.0, self.to.1),
        ];
        sheet.line(&corners, FRAME, 1.0)?;
        let label = Lettering::new(LABEL, SOFT);
        if !self.y.label.is_empty() {
            let middle = (self.from.1 + self.to.1) / 2.0;
            sheet.text(&self.y.label, (self.from.0 - 58.0, middle), label.upwards())?;
        }
        if !self.x.label.is_empty() {
            let middle = (self.from.0 + self.to.0) / 2.0;
            let style = label.anchored(HPos::Center, VPos::Top);
            sheet.text(&self.x.label, (middle, self.to.1 + 25.0), style)?;
        }
        Ok(())
    }

    /// A curve, in pieces where values are missing; a single value is a dot.
    pub fn curve(
        &self,
        sheet: &mut dyn Sheet,
        values: &[(f64, Option<f64>)],
        color: RGBColor,
        width: f64,
    ) -> Result<(), Error> {
        let mut piece = Vec::new();
        for &(x, y) in values.iter().chain([&(0.0, None)]) {
            match y.filter(|y| y.is_finite()) {
                Some(y) => {
                    let y = y.clamp(self.y.span.0, self.y.span.1);
                    piece.push(self.at(x, y));
                }
                None => {
                    match piece[..] {
                        [] => {}
                        [(x, y)] => {
                            let r = width.max(2.0);
                            sheet.rectangle((x - r, y - r), (x + r, y + r), color)?;
                        }
                        _ => sheet.line(&piece, color, width)?,
                    }
                    piece.clear();
                }
            }
        }
        Ok(())
    }
}

/// A title at the upper left.
pub fn title(sheet: &mut dyn Sheet, text: &str) -> Result<(), Error> {
    let style = Lettering::new(TITLE, INK).anchored(HPos::Left, VPos::Top);
    sheet.text(text, (20.0, 16.0), style)
}

/// Names of curves in a row, or several; gives the height it takes.
pub fn legend(
    sheet: &mut dyn Sheet,
    from: (f64, f64),
    right: f64,
    entries: &[(&str, RGBColor)],
) -> Result<f64, Error> {
    const DASH: f64 = 22.0;
    const ROW: f64 = 20.0;
    let (mut x, mut y) = from;
    for &(name, color) in entries {
        let entry = DASH + 7.0 + width(name, LABEL);
        if x > from.0 && x + entry > right {
            (x, y) = (from.0, y + ROW);
        }
        sheet.line(&[(x, y), (x + DASH, y)], color, 3.0)?;
        let style = Lettering::new(LABEL, INK).anchored(HPos::Left, VPos::Center);
        sheet.text(name, (x + DASH + 7.0, y), style)?;
        x += entry + 24.0;
    }
    Ok(y - from.1 + ROW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let axis = Axis::covering([0.13, 0.87], "loss", decimal);
        assert_eq!(axis.span, (0.0, 1.0));
        assert_eq!(axis.ticks.len(), 6);
        let axis = Axis::share([0.912, 0.999], "accuracy");
        assert!((axis.span.0 - 0.9).abs() < 1e-9 && (axis.span.1 - 1.0).abs() < 1e-9);
        // One value, no value and no number at all still make an axis.
        for values in [&[0.5][..], &[], &[f64::NAN]] {
            let axis = Axis::covering(values.iter().copied(), "", decimal);
            assert!(axis.span.0 < axis.span.1 && axis.ticks.len() > 1);
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(percent(0.7), "70 %");
        assert_eq!(percent(0.985), "98.5 %");
        assert_eq!(decimal(0.25), "0.25");
        assert_eq!(decimal(-2.0), "\u{2212}2");
        assert_eq!(decimal(-1e-9), "0");
    }

    #[test]
    fn epochs_are_counted_in_whole_numbers() {
        assert_eq!(Axis::epochs(3).ticks, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Axis::epochs(100).ticks.len(), 6);
        assert_eq!(Axis::epochs(0).ticks, [0.0, 1.0]);
    }
}
