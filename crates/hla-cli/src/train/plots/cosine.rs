//! How close each layer's weights are to their ternary form, over the epochs.

use hla_train::metrics::EpochRecord;
use plotters::style::RGBColor;

use super::axes::{self, Axis, COLORS, Plot};
use super::sheet::{Error, Sheet};
use super::stages;

/// Width and height in points.
pub const SIZE: (u32, u32) = (900, 520);

/// Whether there is something to draw.
pub fn worth(epochs: &[&EpochRecord]) -> bool {
    epochs.iter().any(|e| !e.layers.is_empty())
}

/// A colour for each layer: distinct ones, or for many layers a run from the first to the last.
fn color(index: usize, count: usize) -> RGBColor {
    if count <= COLORS.len() {
        return COLORS[index];
    }
    let (from, to) = ((0.0, 60.0, 130.0), (240.0, 160.0, 40.0));
    let u = index as f64 / (count - 1) as f64;
    let mix = |a: f64, b: f64| (a + u * (b - a)).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// Draws the figure.
pub fn draw(sheet: &mut dyn Sheet, epochs: &[&EpochRecord]) -> Result<(), Error> {
    let Some(first) = epochs.iter().find(|e| !e.layers.is_empty()) else {
        return Ok(());
    };
    let names: Vec<&str> = first.layers.iter().map(|l| l.name.as_str()).collect();
    let curves: Vec<Vec<(f64, Option<f64>)>> = (0..names.len())
        .map(|layer| {
            let points = epochs.iter().enumerate();
            points
                .map(|(i, e)| ((i + 1) as f64, e.layers.get(layer).map(|l| l.cosine)))
                .collect()
        })
        .collect();
    axes::title(
        sheet,
        "Cosine of weights and their ternary form, mean over the columns of a layer",
    )?;
    let count = names.len();
    let entries: Vec<(&str, RGBColor)> = names
        .iter()
        .enumerate()
        .filter(|(i, _)| count <= 14 || *i == 0 || *i + 1 == count)
        .map(|(i, name)| (*name, color(i, count)))
        .collect();
    let (left, right) = (84.0, f64::from(SIZE.0) - 24.0);
    let height = axes::legend(sheet, (left, 66.0), right, &entries)?;
    let values = curves.iter().flatten().filter_map(|p| p.1);
    let plot = Plot {
        from: (left, 66.0 + height + stages::STRIP - 6.0),
        to: (right, f64::from(SIZE.1) - 56.0),
        x: Axis::epochs(epochs.len()),
        y: Axis::covering(values, "cosine", axes::decimal),
    };
    stages::ground(sheet, &plot, epochs)?;
    stages::names(sheet, &plot, epochs)?;
    plot.frame(sheet)?;
    for (i, curve) in curves.iter().enumerate() {
        plot.curve(sheet, curve, color(i, count), 2.0)?;
    }
    Ok(())
}
