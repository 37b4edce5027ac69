//! Loss and accuracy over the epochs.

use hla_train::metrics::{EpochRecord, Stage};

use super::axes::{self, Axis, COLORS, Plot};
use super::sheet::{Error, Sheet};
use super::stages;

/// Width and height in points.
pub const SIZE: (u32, u32) = (900, 720);

type Curve = (&'static str, Vec<(f64, Option<f64>)>);

/// Values at the end of each epoch.
fn curve(
    epochs: &[&EpochRecord],
    name: &'static str,
    value: impl Fn(&EpochRecord) -> Option<f64>,
) -> Curve {
    let points = epochs.iter().enumerate();
    let points = points.map(|(i, e)| ((i + 1) as f64, value(e))).collect();
    (name, points)
}

/// Draws the figure.
pub fn draw(sheet: &mut dyn Sheet, epochs: &[&EpochRecord]) -> Result<(), Error> {
    let ternary_of = |e: &EpochRecord| e.eval_ternary.map(|v| v.accuracy());
    let float_of = |e: &EpochRecord| {
        let eval = e.eval.filter(|_| e.stage != Stage::Ternarize);
        eval.map(|v| v.accuracy())
    };
    let losses = [
        curve(epochs, "training loss L", |e| Some(e.loss)),
        curve(epochs, "L_d, summed over layers", |e| {
            Some(e.loss_aware).filter(|_| e.stage != Stage::Float)
        }),
        curve(epochs, "evaluation loss", |e| e.eval.map(|v| v.loss)),
    ];
    let accuracies = [
        curve(epochs, "training", |e| Some(e.train_accuracy)),
        curve(epochs, "evaluation, full precision", float_of),
        curve(epochs, "evaluation, ternary", ternary_of),
    ];
    axes::title(sheet, "Loss and accuracy")?;
    let middle = 372.0;
    panel(sheet, epochs, (56.0, middle - 14.0), &losses, |values| {
        let mut axis = Axis::covering(values, "loss", axes::decimal);
        if axis.span.0 > 0.0 && axis.span.0 < 0.4 * axis.span.1 {
            axis = Axis::covering([0.0, axis.span.1], "loss", axes::decimal);
        }
        axis
    })?;
    let bottom = f64::from(SIZE.1) - 10.0;
    panel(sheet, epochs, (middle, bottom), &accuracies, |values| {
        Axis::share(values, "accuracy")
    })
}

/// A legend, the names of the stages, and curves below.
fn panel(
    sheet: &mut dyn Sheet,
    epochs: &[&EpochRecord],
    (top, bottom): (f64, f64),
    curves: &[Curve],
    axis: impl Fn(Vec<f64>) -> Axis,
) -> Result<(), Error> {
    let drawn: Vec<(&Curve, _)> = curves
        .iter()
        .zip([COLORS[0], COLORS[1], COLORS[2]])
        .filter(|((_, points), _)| points.iter().any(|p| p.1.is_some()))
        .collect();
    let values = drawn.iter().flat_map(|((_, points), _)| points);
    let values: Vec<f64> = values.filter_map(|p| p.1).collect();
    let entries: Vec<_> = drawn.iter().map(|&((name, _), c)| (*name, c)).collect();
    let (left, right) = (84.0, f64::from(SIZE.0) - 24.0);
    let legend = axes::legend(sheet, (left, top + 8.0), right, &entries)?;
    let plot = Plot {
        from: (left, top + legend + stages::STRIP),
        to: (right, bottom - 46.0),
        x: Axis::epochs(epochs.len()),
        y: axis(values),
    };
    stages::ground(sheet, &plot, epochs)?;
    stages::names(sheet, &plot, epochs)?;
    plot.frame(sheet)?;
    for ((_, points), color) in drawn {
        plot.curve(sheet, points, color, 2.0)?;
    }
    Ok(())
}
