//! What a pass tells besides its result: remarks, figures and tables, as plain data that a command
//! line can print as text or JSON.

use std::fmt;

use hla_ir::{Diagnostic, Location, Severity};

/// What a pass tells.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Report {
    /// Remarks and warnings, in the order of the program.
    pub remarks: Vec<Diagnostic>,
    /// Named figures about the whole function, such as bytes before and after.
    pub figures: Vec<(&'static str, Cell)>,
    /// Tables, one row a layer.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Table {
    /// What the table is about.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// Rows, each with a cell for every column.
    pub rows: Vec<Vec<Cell>>,
}

/// A value of a table.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Any text.
    Text(String),
    /// A count.
    Int(i64),
    /// A number; text shows four significant digits.
    Float(f64),
    /// Nothing to say.
    Empty,
}

impl Report {
    /// Adds a remark.
    pub fn remark(&mut self, location: &Location, message: impl Into<String>) {
        self.remarks.push(Diagnostic {
            severity: Severity::Remark,
            ..Diagnostic::error(location.clone(), message)
        });
    }

    /// Adds a warning.
    pub fn warn(&mut self, location: &Location, message: impl Into<String>) {
        self.remarks
            .push(Diagnostic::warning(location.clone(), message));
    }

    /// Adds a figure.
    pub fn figure(&mut self, name: &'static str, value: impl Into<Cell>) {
        self.figures.push((name, value.into()));
    }

    /// The figure of this name.
    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.figures.iter().find(|f| f.0 == name).map(|f| &f.1)
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.remarks.is_empty() && self.figures.is_empty() && self.tables.is_empty()
    }
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Table {
        Table {
            title: title.into(),
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }
}

impl From<&str> for Cell {
    fn from(v: &str) -> Cell {
        Cell::Text(v.to_owned())
    }
}

impl From<String> for Cell {
    fn from(v: String) -> Cell {
        Cell::Text(v)
    }
}

impl From<usize> for Cell {
    fn from(v: usize) -> Cell {
        Cell::Int(i64::try_from(v).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Cell {
    fn from(v: u64) -> Cell {
        Cell::Int(i64::try_from(v).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell {
    fn from(v: f64) -> Cell {
        Cell::Float(v)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Text(v) => f.pad(v),
            Cell::Int(v) => f.pad(&v.to_string()),
            Cell::Float(v) => f.pad(&significant(*v)),
            Cell::Empty => f.pad(""),
        }
    }
}

/// A number with four significant digits, in plain notation unless very large or small.
fn significant(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return v.to_string();
    }
    match v.abs().log10().floor() as i32 {
        e @ -4..=3 => format!("{v:.*}", (3 - e) as usize),
        4..=8 => format!("{v:.0}"),
        _ => format!("{v:.3e}"),
    }
}

/// Columns are aligned: text to the left, numbers to the right.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let width = |i: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|r| r.get(i));
            cells
                .map(|c| c.to_string().chars().count())
                .chain([name.chars().count()])
                .max()
                .unwrap_or(0)
        };
        let left = |i: usize| {
            self.rows
                .iter()
                .all(|r| matches!(r.get(i), Some(Cell::Text(_) | Cell::Empty)))
        };
        let line = |cells: Vec<String>| {
            let mut text = String::new();
            for (i, cell) in cells.iter().enumerate() {
                let width = width(i, self.columns[i]);
                text.push_str("  ");
                text.push_str(&if left(i) {
                    format!("{cell:width$}")
                } else {
                    format!("{cell:>width$}")
                });
            }
            text.trim_end().to_owned()
        };
        writeln!(
            f,
            "{}",
            line(self.columns.iter().map(|c| c.to_string()).collect())
        )?;
        for row in &self.rows {
            writeln!(f, "{}", line(row.iter().map(Cell::to_string).collect()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remark in &self.remarks {
            writeln!(f, "{remark}")?;
        }
        for table in &self.tables {
            table.fmt(f)?;
        }
        for (name, value) in &self.figures {
            writeln!(f, "{name}: {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align() {
        let mut table = Table::new("layers", &["layer", "sparsity", "bytes"]);
        table
            .rows
            .push(vec!["conv1".into(), 0.7.into(), 1200usize.into()]);
        table
            .rows
            .push(vec!["a longer name".into(), Cell::Empty, 3usize.into()]);
        assert_eq!(
            table.to_string(),
            "layers\n  layer          sparsity  bytes\n  conv1            0.7000   1200\n  a longer name                3\n"
        );
    }

    #[test]
    fn numbers_show_four_digits() {
        for (v, text) in [
            (0.0, "0"),
            (1.0, "1.000"),
            (0.012345, "0.01235"),
            (1234.5, "1234"),
            (12345.6, "12346"),
            (1.5e-9, "1.500e-9"),
        ] {
            assert_eq!(significant(v), text);
        }
    }
}
