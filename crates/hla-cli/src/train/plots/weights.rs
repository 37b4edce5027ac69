//! Histograms of weights before and after L_d: the paper's Figure 1.

use hla_train::metrics::{Moment, Stage, WeightSnapshot};
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{self, Axis, COLORS, INK, LABEL, Plot, SOFT};
use super::sheet::{Error, Lettering, Sheet};

/// Layers that are drawn; more would not be looked at.
const MOST: usize = 6;
const LEFT: f64 = 140.0;
const TOP: f64 = 92.0;
const CELL: (f64, f64) = (250.0, 130.0);
const BAR: RGBColor = RGBColor(120, 165, 205);

/// Rows of layers, columns of moments.
pub struct Grid<'a> {
    layers: Vec<&'a str>,
    /// How many layers there are.
    count: usize,
    moments: Vec<(Stage, Moment)>,
    snapshots: &'a [&'a WeightSnapshot],
}

impl<'a> Grid<'a> {
    /// What these snapshots show.
    pub fn new(snapshots: &'a [&'a WeightSnapshot]) -> Grid<'a> {
        let (mut layers, mut moments) = (Vec::new(), Vec::new());
        for s in snapshots {
            if !layers.contains(&s.layer.as_str()) {
                layers.push(s.layer.as_str());
            }
            if !moments.contains(&(s.stage, s.moment)) {
                moments.push((s.stage, s.moment));
            }
        }
        let count = layers.len();
        if count > MOST {
            // Spread over the depth of the network.
            layers = (0..MOST)
                .map(|i| layers[i * (count - 1) / (MOST - 1)])
                .collect();
        }
        Grid {
            layers,
            count,
            moments,
            snapshots,
        }
    }

    /// Width and height in points, if there is something to draw.
    pub fn size(&self) -> Option<(u32, u32)> {
        let (rows, columns) = (self.layers.len(), self.moments.len());
        let width = LEFT + CELL.0 * columns as f64 + 20.0;
        let height = TOP + CELL.1 * rows as f64 + 44.0;
        (rows > 0).then_some((width.max(620.0) as u32, height as u32))
    }

    /// Draws the figure.
    pub fn draw(&self, sheet: &mut dyn Sheet) -> Result<(), Error> {
        axes::title(sheet, "Weights of a layer, w · √(fan-in)")?;
        let note = match self.count > self.layers.len() {
            true => format!("{} of {} layers; lines: ±Δ", self.layers.len(), self.count),
            false => "lines: the threshold ±Δ".to_owned(),
        };
        let style = Lettering::new(LABEL, SOFT).anchored(HPos::Left, VPos::Top);
        sheet.text(&note, (20.0, 42.0), style)?;
        for (column, &(stage, moment)) in self.moments.iter().enumerate() {
            let middle = LEFT + CELL.0 * (column as f64 + 0.5) - 8.0;
            let name = heading(stage, moment);
            sheet.text(name, (middle, TOP - 14.0), Lettering::new(LABEL, INK))?;
        }
        for (row, layer) in self.layers.iter().enumerate() {
            let top = TOP + CELL.1 * row as f64;
            let style = Lettering::new(LABEL, INK).anchored(HPos::Right, VPos::Center);
            let label = layer.strip_suffix(".weight").unwrap_or(layer);
            sheet.text(label, (LEFT - 16.0, top + CELL.1 / 2.0), style)?;
            for (column, &(stage, moment)) in self.moments.iter().enumerate() {
                let snapshot = self
                    .snapshots
                    .iter()
                    .find(|s| s.layer == *layer && s.stage == stage && s.moment == moment);
                let left = LEFT + CELL.0 * column as f64;
                if let Some(snapshot) = snapshot {
                    let last = row + 1 == self.layers.len();
                    histogram(sheet, (left, top), snapshot, last)?;
                }
            }
        }
        Ok(())
    }
}

fn heading(stage: Stage, moment: Moment) -> &'static str {
    match (stage, moment) {
        (Stage::Float, Moment::Start) => "before training",
        (Stage::Float, Moment::End) => "after float training",
        (Stage::FineTune, Moment::Start) => "before stage 1",
        (Stage::FineTune, Moment::End) => "after stage 1",
        (Stage::Ternarize, Moment::Start) => "before stage 2",
        (Stage::Ternarize, Moment::End) => "after stage 2",
    }
}

/// One histogram in its cell.
fn histogram(
    sheet: &mut dyn Sheet,
    (left, top): (f64, f64),
    snapshot: &WeightSnapshot,
    numbers: bool,
) -> Result<(), Error> {
    let most = snapshot.counts.iter().max().copied().unwrap_or(0).max(1);
    let none: fn(f64) -> String = |_| String::new();
    let mut x = Axis::with_span((snapshot.low, snapshot.high), 1.0, "", axes::decimal);
    if !numbers {
        x.number = none;
    }
    let plot = Plot {
        from: (left, top + 8.0),
        to: (left + CELL.0 - 18.0, top + CELL.1 - 12.0),
        x,
        y: Axis::with_span((0.0, 1.05), 2.0, "", none),
    };
    let width = (snapshot.high - snapshot.low) / snapshot.counts.len().max(1) as f64;
    let mut outline = vec![plot.at(snapshot.low, 0.0)];
    for (i, &count) in snapshot.counts.iter().enumerate() {
        let height = count as f64 / most as f64;
        let from = snapshot.low + i as f64 * width;
        outline.push(plot.at(from, height));
        outline.push(plot.at(from + width, height));
    }
    outline.push(plot.at(snapshot.high, 0.0));
    sheet.area(&outline, BAR)?;
    plot.frame(sheet)?;
    let thresholds = snapshot.threshold.into_iter().flat_map(|t| [-t, t]);
    for threshold in thresholds {
        if (snapshot.low..=snapshot.high).contains(&threshold) {
            let line = [plot.at(threshold, 0.0), plot.at(threshold, 1.05)];
            sheet.line(&line, COLORS[1], 1.2)?;
        }
    }
    Ok(())
}
