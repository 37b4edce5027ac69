//! The stages of Algorithm 1 along an axis of epochs.

use hla_train::metrics::{EpochRecord, Stage};
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{Plot, SOFT, decimal};
use super::sheet::{Error, Lettering, Sheet, width};

/// Height of the strip above a plot in which stages are named.
pub const STRIP: f64 = 22.0;

fn tint(stage: Stage) -> RGBColor {
    match stage {
        Stage::Float => RGBColor(244, 245, 247),
        Stage::FineTune => RGBColor(235, 242, 250),
        Stage::Ternarize => RGBColor(251, 243, 232),
    }
}

/// Stages with the first and the last epoch of each, in order.
fn spans(epochs: &[&EpochRecord]) -> Vec<(Stage, usize, usize)> {
    let mut spans: Vec<(Stage, usize, usize)> = Vec::new();
    for (i, epoch) in epochs.iter().enumerate() {
        match spans.last_mut() {
            Some((stage, _, last)) if *stage == epoch.stage => *last = i + 1,
            _ => spans.push((epoch.stage, i, i + 1)),
        }
    }
    spans
}

/// Colours the ground of a plot by stage; draw the frame after it.
pub fn ground(sheet: &mut dyn Sheet, plot: &Plot, epochs: &[&EpochRecord]) -> Result<(), Error> {
    for (stage, from, to) in spans(epochs) {
        let (left, _) = plot.at(from as f64, plot.y.span.0);
        let (right, _) = plot.at(to as f64, plot.y.span.0);
        sheet.rectangle((left, plot.from.1), (right, plot.to.1), tint(stage))?;
    }
    Ok(())
}

/// Names the stages above a plot.
pub fn names(sheet: &mut dyn Sheet, plot: &Plot, epochs: &[&EpochRecord]) -> Result<(), Error> {
    const SIZE: f64 = 12.0;
    for (stage, from, to) in spans(epochs) {
        let (left, _) = plot.at(from as f64, plot.y.span.0);
        let (right, _) = plot.at(to as f64, plot.y.span.0);
        let top = plot.from.1 - STRIP;
        sheet.rectangle((left, top), (right, plot.from.1), tint(stage))?;
        let t = |epoch: usize| epochs[epoch].t.map(decimal).unwrap_or_default();
        let (full, short) = match stage {
            Stage::Float => ("float".to_owned(), "float"),
            Stage::FineTune => (
                format!("stage 1: L + λ·L_d, t = {} … {}", t(from), t(to - 1)),
                "stage 1",
            ),
            Stage::Ternarize => ("stage 2: ternary weights".to_owned(), "stage 2"),
        };
        let room = right - left - 8.0;
        let name = [&full, short].into_iter().find(|n| width(n, SIZE) < room);
        if let Some(name) = name {
            let style = Lettering::new(SIZE, SOFT).anchored(HPos::Center, VPos::Center);
            let middle = ((left + right) / 2.0, top + STRIP / 2.0);
            sheet.text(name, middle, style)?;
        }
    }
    Ok(())
}
