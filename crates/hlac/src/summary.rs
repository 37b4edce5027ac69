//! What a compilation did, as data: printed for people, or as JSON for machines.

use std::fmt;

use hla_passes::Cell;
use serde::Serialize;

/// What a compilation did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Name of the model, which the symbols begin with.
    pub model: String,
    /// Target triple.
    pub target: String,
    /// Processor features the code needs beyond its architecture's baseline.
    pub features: Vec<String>,
    /// Tables of the passes, such as one row for each ternary layer.
    pub tables: Vec<Table>,
    /// Scalar multiplications of one inference as the model was given.
    pub multiplications_before: u64,
    /// Scalar multiplications of one inference that are left.
    pub multiplications_after: u64,
    /// Bytes of weights as the model was given.
    pub weight_bytes_before: u64,
    /// Bytes of weights in the object.
    pub weight_bytes_after: u64,
    /// Bytes of the state that `NAME_init` fills.
    pub state_bytes: u64,
    /// Bytes of the workspace that `NAME_run` needs.
    pub workspace_bytes: u64,
    /// Bytes of the object file.
    pub object_bytes: u64,
    /// Kernels in order of execution.
    pub kernels: Vec<Kernel>,
    /// Slow fallbacks and other facts about the whole, such as that the target has no FMA.
    pub notes: Vec<String>,
    /// Remarks and warnings, as text.
    pub remarks: Vec<String>,
}

/// A kernel of the compiled program.
#[derive(Clone, Debug, Serialize)]
pub struct Kernel {
    /// Its symbol.
    pub symbol: String,
    /// What it computes.
    pub computes: String,
    /// How, where there was a choice.
    pub strategy: String,
}

/// A table of a pass's report.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Cells, row by row; numbers stay numbers.
    pub rows: Vec<Vec<serde_json::Value>>,
    #[serde(skip)]
    text: String,
}

impl From<&hla_passes::Table> for Table {
    fn from(table: &hla_passes::Table) -> Table {
        let value = |cell: &Cell| match cell {
            Cell::Text(v) => v.clone().into(),
            Cell::Int(v) => (*v).into(),
            Cell::Float(v) => (*v).into(),
            Cell::Empty => serde_json::Value::Null,
        };
        Table {
            title: table.title.clone(),
            columns: table.columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: table
                .rows
                .iter()
                .map(|r| r.iter().map(value).collect())
                .collect(),
            text: table.to_string(),
        }
    }
}

/// A count with separators: 1234567 as 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn ratio(before: u64, after: u64) -> String {
    match (before, after) {
        (0, _) | (_, 0) => String::new(),
        (b, a) => format!("  ({:.1}x fewer)", b as f64 / a as f64),
    }
}

/// Tables of layers, and two numbers before and after: multiplications, where they say what runs, and bytes of
/// weights.
fn write_changes(
    f: &mut fmt::Formatter<'_>,
    tables: &[Table],
    multiplications: Option<[u64; 2]>,
    [wb, wa]: [u64; 2],
) -> fmt::Result {
    // What else the passes tell is in the JSON, and in `hlac opt --report`.
    let of_layers = |t: &&Table| t.columns.first().is_some_and(|c| c == "layer");
    for table in tables.iter().filter(of_layers) {
        write!(f, "\n{}", table.text)?;
    }
    writeln!(f)?;
    if let Some([mb, ma]) = multiplications {
        writeln!(
            f,
            "multiplications  {:>14} -> {:>12}{}",
            grouped(mb),
            grouped(ma),
            ratio(mb, ma)
        )?;
    }
    writeln!(
        f,
        "weight bytes     {:>14} -> {:>12}{}",
        grouped(wb),
        grouped(wa),
        ratio(wb, wa)
    )
}

/// What a compilation for a GPU did.
#[derive(Clone, Debug, Serialize)]
pub struct CudaSummary {
    /// Name of the model, which its function has in the program.
    pub model: String,
    /// `cuda:sm_80`.
    pub target: String,
    /// Tables of the passes, such as one row for each ternary layer.
    pub tables: Vec<Table>,
    /// Scalar multiplications of one inference as the model was given.
    pub multiplications_before: u64,
    /// Scalar multiplications of one inference that are left.
    pub multiplications_after: u64,
    /// Bytes of weights as the model was given.
    pub weight_bytes_before: u64,
    /// Bytes of weights in the program.
    pub weight_bytes_after: u64,
    /// The program, as `hlac inspect` tells it.
    pub program: hla_runtime::program::Summary,
    /// Remarks and warnings, as text.
    pub remarks: Vec<String>,
}

impl fmt::Display for CudaSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} for {}", self.model, self.target)?;
        write_changes(
            f,
            &self.tables,
            // Tensor cores multiply by ternary weights like by others.
            None,
            [self.weight_bytes_before, self.weight_bytes_after],
        )?;
        write!(f, "\n{}", self.program)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let features = match self.features.is_empty() {
            true => String::new(),
            false => format!(" with {}", self.features.join(", ")),
        };
        writeln!(f, "{} for {}{features}", self.model, self.target)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        write_changes(
            f,
            &self.tables,
            Some([self.multiplications_before, self.multiplications_after]),
            [self.weight_bytes_before, self.weight_bytes_after],
        )?;
        writeln!(
            f,
            "bytes            object {}, state {}, workspace {}",
            grouped(self.object_bytes),
            grouped(self.state_bytes),
            grouped(self.workspace_bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(n), text);
        }
    }
}
