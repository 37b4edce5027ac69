//! Accuracy with the share of zeros over stage 2: the paper's Figure 4.

use hla_train::metrics::{EpochRecord, Stage};

use super::axes::{self, Axis, COLORS, Plot};
use super::sheet::{Error, Sheet};

/// Width and height in points.
pub const SIZE: (u32, u32) = (900, 560);

/// Whether there is something to draw.
pub fn worth(epochs: &[&EpochRecord]) -> bool {
    epochs.iter().any(|e| e.stage == Stage::Ternarize)
}

/// Draws the figure: accuracy above, zeros below, over the same epochs.
pub fn draw(sheet: &mut dyn Sheet, epochs: &[&EpochRecord]) -> Result<(), Error> {
    let epochs: Vec<&EpochRecord> = epochs
        .iter()
        .filter(|e| e.stage == Stage::Ternarize)
        .copied()
        .collect();
    let over = |value: &dyn Fn(&EpochRecord) -> Option<f64>| -> Vec<(f64, Option<f64>)> {
        let points = epochs.iter().enumerate();
        points.map(|(i, e)| ((i + 1) as f64, value(e))).collect()
    };
    let layers: Vec<&str> = epochs[0].layers.iter().map(|l| l.name.as_str()).collect();
    let training = over(&|e| Some(e.train_accuracy));
    let evaluated = over(&|e| e.eval_ternary.or(e.eval).map(|v| v.accuracy()));
    let total = over(&|e| Some(e.sparsity()));
    let each: Vec<_> = (0..layers.len())
        .map(|i| over(&|e| e.layers.get(i).map(|l| l.sparsity)))
        .collect();

    axes::title(sheet, "Accuracy and share of zeros over stage 2")?;
    let values = |curves: &[&Vec<(f64, Option<f64>)>]| -> Vec<f64> {
        curves
            .iter()
            .flat_map(|c| c.iter())
            .filter_map(|p| p.1)
            .collect()
    };
    let (left, right) = (84.0, f64::from(SIZE.0) - 24.0);
    let mut entries = vec![("training accuracy", COLORS[0])];
    if evaluated.iter().any(|p| p.1.is_some()) {
        entries.push(("evaluation accuracy", COLORS[2]));
    }
    let height = axes::legend(sheet, (left, 62.0), right, &entries)?;
    let mut x = Axis::epochs(epochs.len());
    x.label = String::new();
    let plot = Plot {
        from: (left, 62.0 + height - 6.0),
        to: (right, 270.0),
        x,
        y: Axis::share(values(&[&training, &evaluated]), "accuracy"),
    };
    plot.frame(sheet)?;
    plot.curve(sheet, &training, COLORS[0], 2.0)?;
    plot.curve(sheet, &evaluated, COLORS[2], 2.0)?;

    let gray = plotters::style::RGBColor(178, 184, 192);
    let entries = [
        ("zeros in all ternary layers", COLORS[1]),
        ("zeros in each layer", gray),
    ];
    let top = 308.0;
    let height = axes::legend(sheet, (left, top), right, &entries)?;
    let every: Vec<&Vec<_>> = each.iter().chain([&total]).collect();
    let plot = Plot {
        from: (left, top + height - 6.0),
        to: (right, f64::from(SIZE.1) - 52.0),
        x: Axis {
            label: "epochs of stage 2".to_owned(),
            ..Axis::epochs(epochs.len())
        },
        y: Axis::share(values(&every), "zeros"),
    };
    plot.frame(sheet)?;
    for curve in &each {
        plot.curve(sheet, curve, gray, 1.2)?;
    }
    plot.curve(sheet, &total, COLORS[1], 2.4)
}
