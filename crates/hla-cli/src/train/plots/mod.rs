//! Figures of a training run, each as SVG and as PNG.
//!
//! - [`curves`]: loss and accuracy over the epochs, with the stages marked;
//! - [`sparsity`]: accuracy with the share of zeros over stage 2, the paper's Figure 4;
//! - [`weights`]: histograms of the weights before and after L_d, the paper's Figure 1;
//! - [`cosine`]: how close each layer's weights are to their ternary form.
//!
//! [`sheet`] is what they are drawn on, [`axes`] what they share.

mod axes;
mod cosine;
mod curves;
mod sheet;
mod sparsity;
mod stages;
mod weights;

use hla_train::metrics::{EpochRecord, History, WeightSnapshot};

use sheet::{Draw, Error};

/// A figure: the name of its files, and what they hold.
pub struct Figure {
    /// Without extension.
    pub name: &'static str,
    /// As SVG.
    pub svg: Vec<u8>,
    /// As PNG.
    pub png: Vec<u8>,
}

/// Every figure that this much of a run gives.
pub fn draw(history: &History) -> Result<Vec<Figure>, Error> {
    let epochs: Vec<&EpochRecord> = history.epochs().collect();
    let weights: Vec<&WeightSnapshot> = history.snapshots().collect();
    let (epochs, weights) = (&epochs[..], &weights[..]);
    let mut figures = Vec::new();
    let mut add = |name, size, draw: Draw<'_>| -> Result<(), Error> {
        figures.push(Figure {
            name,
            svg: sheet::svg(size, draw)?,
            png: sheet::png(size, draw)?,
        });
        Ok(())
    };
    if !epochs.is_empty() {
        add("training", curves::SIZE, &|s| curves::draw(s, epochs))?;
    }
    if sparsity::worth(epochs) {
        add("sparsity", sparsity::SIZE, &|s| sparsity::draw(s, epochs))?;
    }
    if cosine::worth(epochs) {
        add("cosine", cosine::SIZE, &|s| cosine::draw(s, epochs))?;
    }
    let grid = weights::Grid::new(weights);
    if let Some(size) = grid.size() {
        add("weights", size, &|s| grid.draw(s))?;
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use hla_train::metrics::{Evaluation, Event, LayerRecord, Moment, Stage, histogram};

    use super::*;

    /// A run of two float epochs, two of stage 1 and three of stage 2, with this many layers.
    fn history(layers: usize) -> History {
        let layer = |i: usize| LayerRecord {
            name: format!("conv{i}.weight"),
            weights: 100,
            sparsity: 0.7 + 0.01 * i as f64,
            cosine: 0.9,
            threshold: Some(0.1),
        };
        let epoch = |epoch: usize| EpochRecord {
            epoch,
            stage: [
                Stage::Float,
                Stage::FineTune,
                Stage::Ternarize,
                Stage::Ternarize,
            ][epoch / 2],
            t: (epoch / 2 == 1).then_some(0.3 + 0.1 * epoch as f64),
            learning_rate: 0.1,
            steps: 3,
            loss: 2.0 / (epoch + 1) as f64,
            loss_aware: 0.2,
            train_accuracy: 0.9,
            eval: Some(Evaluation {
                loss: 0.5,
                correct: 90 + epoch,
                count: 100,
            }),
            eval_ternary: None,
            layers: (0..layers).map(layer).collect(),
            seconds: 1.0,
            images_per_second: 10.0,
        };
        let mut events: Vec<Event> = (0..7).map(|i| Event::Epoch(epoch(i))).collect();
        for i in 0..layers {
            let (low, high, counts) = histogram(&[0.1, -0.5, 0.5, 0.0], 2.0);
            events.push(Event::Weights(WeightSnapshot {
                stage: Stage::FineTune,
                moment: Moment::End,
                epoch: 4,
                layer: format!("conv{i}.weight"),
                low,
                high,
                counts,
                threshold: Some(0.7),
            }));
        }
        History { events }
    }

    #[test]
    fn svg_files_hold_their_labels() {
        let figures = draw(&history(3)).unwrap();
        let names: Vec<&str> = figures.iter().map(|f| f.name).collect();
        assert_eq!(names, ["training", "sparsity", "cosine", "weights"]);
        let all: String = figures
            .iter()
            .map(|f| String::from_utf8(f.svg.clone()).unwrap())
            .collect();
        for label in [
            "accuracy",
            "stage 1",
            "stage 2",
            "zeros in all ternary layers",
            "conv2.weight",
            "after stage 1",
            "epochs",
        ] {
            assert!(all.contains(label), "{label}");
        }
    }

    #[test]
    fn png_files_hold_text_without_any_font_of_the_system() {
        for figure in draw(&history(2)).unwrap() {
            let decoder = png::Decoder::new(std::io::Cursor::new(&figure.png));
            let mut reader = decoder.read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            // The title: dark pixels at the upper left, where nothing else is drawn.
            let row = info.width as usize * 3;
            let title = (30..70).flat_map(|y| &pixels[y * row + 120..y * row + 600]);
            let dark = title.filter(|p| **p < 100).count();
            assert!(dark > 200, "{}: {dark} dark values", figure.name);
        }
    }

    #[test]
    fn short_and_strange_runs_are_drawn_as_far_as_they_go() {
        assert!(draw(&History::default()).unwrap().is_empty());
        let mut one = history(0);
        one.events.truncate(1);
        assert_eq!(draw(&one).unwrap().len(), 1);
        for event in &mut one.events {
            if let Event::Epoch(record) = event {
                record.loss = f64::NAN;
                record.eval = None;
            }
        }
        assert_eq!(draw(&one).unwrap().len(), 1);
        // More layers than anyone looks at.
        assert_eq!(draw(&history(40)).unwrap().len(), 4);
    }
}
