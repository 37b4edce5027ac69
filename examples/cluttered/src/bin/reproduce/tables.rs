//! What the runs found, as tables in Markdown: mean ± standard deviation over the seeds.

use std::path::Path;

use cluttered::data::replace;
use hla_ir::{Diagnostic, Location};

use crate::record::Record;

/// A table and the name of its place in the page.
pub struct Table {
    /// What follows `<!-- reproduce:` there.
    pub name: &'static str,
    /// Markdown.
    pub text: String,
}

/// All tables of these records; a place without records holds a dash.
pub fn all(records: Vec<Record>) -> Vec<Table> {
    let found = Found(records);
    let table = |name, text| Table { name, text };
    vec![
        table("methods", found.methods()),
        table("choices", found.choices()),
        table("cosines", found.cosines()),
        table("starts", found.starts()),
    ]
}

/// The tables one after another.
pub fn text(tables: &[Table]) -> String {
    let one = |t: &Table| format!("{}\n\n{}", t.name, t.text);
    tables.iter().map(one).collect::<Vec<_>>().join("\n")
}

struct Found(Vec<Record>);

impl Found {
    /// A quantity over the seeds of a setting.
    fn cell(&self, setting: &str, digits: usize, value: impl Fn(&Record) -> Option<f64>) -> String {
        let records = self.0.iter().filter(|r| r.setting == setting);
        statistic(&records.filter_map(value).collect::<Vec<_>>(), digits)
    }

    fn accuracy(&self, setting: &str) -> String {
        self.cell(setting, 2, |r| Some(r.accuracy))
    }

    fn zeros(&self, setting: &str) -> String {
        self.cell(setting, 1, |r| Some(r.zeros))
    }

    /// Accuracy less that of float with the same seed.
    fn gap(&self, setting: &str) -> String {
        let float = |seed| {
            self.0
                .iter()
                .find(|f| f.setting == "float" && f.seed == seed)
        };
        self.cell(setting, 2, |r| Some(r.accuracy - float(r.seed)?.accuracy))
    }

    fn methods(&self) -> String {
        let mut rows = vec![format!("| float | {} | | 0 |", self.accuracy("float"))];
        let labels = [
            ("ste", "", "plain STE"),
            ("twn", "", "TWN"),
            ("ttq", "", "TTQ"),
            ("hla", "", "HLA"),
            (
                "ste",
                "-global",
                "plain STE, one Δ over all layers as HLA has it",
            ),
        ];
        for percent in ["-70", "-80", ""] {
            for (method, suffix, label) in labels {
                // Of the last group only these have a share of zeros of their own.
                if !percent.is_empty() || matches!(method, "twn" | "ttq") {
                    let setting = format!("{method}{percent}{suffix}");
                    let (accuracy, gap) = (self.accuracy(&setting), self.gap(&setting));
                    rows.push(format!(
                        "| {label} | {accuracy} | {gap} | {} |",
                        self.zeros(&setting)
                    ));
                }
            }
        }
        lines("| method | accuracy | less float | zeros |", &rows)
    }

    fn choices(&self) -> String {
        let choices = [
            (
                "hla-80",
                "HLA: one Δ over all layers, S = 1 − w², Eq. 13 as printed, λ = 0.1",
            ),
            ("hla-80-layer", "a Δ of each layer"),
            ("hla-80-s-alpha", "S = 1 − (w/α)²"),
            ("hla-80-s-none", "without S"),
            ("hla-80-symmetric", "Eq. 13 with −sign(w)"),
            ("hla-80-fixed", "Δ̄ stays where it starts"),
            ("hla-80-no-loss", "without L_d"),
            ("hla-80-lambda-1", "λ = 1"),
            ("hla-80-project", "projection after each step"),
        ];
        let row = |(setting, label): &(&str, &str)| {
            format!(
                "| {label} | {} | {} |",
                self.accuracy(setting),
                self.zeros(setting)
            )
        };
        lines(
            "| what | accuracy | zeros |",
            &choices.iter().map(row).collect::<Vec<_>>(),
        )
    }

    fn cosines(&self) -> String {
        let choices = [
            ("cosine-off", "no sphere, t = 0.7", "0.73"),
            ("cosine-sphere", "sphere, t = 0.7", "0.73"),
            ("cosine-0.5", "sphere and L_d, t = 0.5", "0.93"),
            ("cosine-0.7", "sphere and L_d, t = 0.7", "0.95"),
            ("cosine-0.9", "sphere and L_d, t = 0.9", "0.81"),
            ("cosine-0.95", "sphere and L_d, t = 0.95", "0.67"),
        ];
        let row = |(setting, label, paper): &(&str, &str, &str)| {
            format!(
                "| {label} | {} | {paper} |",
                self.cell(setting, 3, |r| r.cosine)
            )
        };
        let rows: Vec<_> = choices.iter().map(row).collect();
        lines("| stage 1 | cosine of W and Ŵ | paper, ResNet-18 |", &rows)
    }

    fn starts(&self) -> String {
        let columns = ["0.5", "0.7", "0.9", "grow"];
        let row = |start: &&str| {
            let cell = |t: &&str| {
                let setting = format!("grid-{start}-{t}");
                format!("{} ({})", self.accuracy(&setting), self.zeros(&setting))
            };
            let cells: Vec<String> = columns.iter().map(cell).collect();
            format!("| T({start}) | {} |", cells.join(" | "))
        };
        let rows: Vec<_> = ["0.7", "0.65", "0.6"].iter().map(row).collect();
        lines(
            "| Δ̄ starts at | t = 0.5 | t = 0.7 | t = 0.9 | t = 0.3 → 0.7 |",
            &rows,
        )
    }
}

/// Mean ± sample standard deviation; the number of values where it is not five.
fn statistic(values: &[f64], digits: usize) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    match values.len() {
        0 => "–".to_owned(),
        1 => format!("{mean:.digits$} (one seed)"),
        5 => format!(
            "{mean:.digits$} ± {:.digits$}",
            (squares / (n - 1.0)).sqrt()
        ),
        count => format!(
            "{mean:.digits$} ± {:.digits$} ({count} seeds)",
            (squares / (n - 1.0)).sqrt()
        ),
    }
}

/// A table with this head.
fn lines(head: &str, rows: &[String]) -> String {
    let columns = head.matches('|').count() - 1;
    format!("{head}\n|{}\n{}\n", "---|".repeat(columns), rows.join("\n"))
}

/// Puts each table into the page: after its `<!-- reproduce:NAME -->`, before the next `<!-- end -->`.
pub fn write(page: &Path, tables: &[Table]) -> Result<(), Diagnostic> {
    let refuse = |message: String| {
        let place = Location::file(page.display().to_string(), 0, 0);
        Diagnostic::error(place, message).help("give docs/reproduction.md")
    };
    let mut text = std::fs::read_to_string(page).map_err(|e| refuse(e.to_string()))?;
    for table in tables {
        text = put(&text, table)
            .ok_or_else(|| refuse(format!("the page has no place for '{}'", table.name)))?;
    }
    replace(page, text.as_bytes())
}

fn put(page: &str, table: &Table) -> Option<String> {
    let marker = format!("<!-- reproduce:{} -->\n", table.name);
    let start = page.find(&marker)? + marker.len();
    let end = start + page[start..].find("<!-- end -->")?;
    Some(format!("{}{}{}", &page[..start], table.text, &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(setting: &str, seed: u64, accuracy: f64) -> Record {
        Record {
            setting: setting.to_owned(),
            seed,
            arguments: Vec::new(),
            accuracy,
            full_precision: None,
            zeros: 70.0,
            cosine: Some(0.5),
            epochs: 1,
            seconds: 1.0,
        }
    }

    #[test]
    fn statistics_are_those_of_a_sample() {
        // The squares of the distances from 3 add up to 10; 10 / 4 = 2.5, whose root is 1.58.
        assert_eq!(statistic(&[1.0, 2.0, 3.0, 4.0, 5.0], 2), "3.00 ± 1.58");
        assert_eq!(statistic(&[1.0, 2.0], 1), "1.5 ± 0.7 (2 seeds)");
        assert_eq!(statistic(&[1.0], 1), "1.0 (one seed)");
        assert_eq!(statistic(&[], 1), "–");
    }

    #[test]
    fn gaps_pair_seeds() {
        let found = Found(vec![
            record("float", 0, 95.0),
            record("float", 1, 97.0),
            record("hla-70", 1, 96.0),
            record("hla-70", 0, 94.0),
            record("hla-70", 2, 50.0),
        ]);
        assert_eq!(found.gap("hla-70"), "-1.00 ± 0.00 (2 seeds)");
        assert!(
            found
                .methods()
                .contains("| HLA | 80.00 ± 26.00 (3 seeds) | -1.00")
        );
    }

    #[test]
    fn a_page_keeps_what_is_around_its_tables() {
        let page = "a\n<!-- reproduce:x -->\nold\n<!-- end -->\nb\n<!-- end -->\n";
        let table = |name| Table {
            name,
            text: "new\n".to_owned(),
        };
        let expected = "a\n<!-- reproduce:x -->\nnew\n<!-- end -->\nb\n<!-- end -->\n";
        assert_eq!(put(page, &table("x")).as_deref(), Some(expected));
        assert_eq!(put(page, &table("y")), None);
    }
}
