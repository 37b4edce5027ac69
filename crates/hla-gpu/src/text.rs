//! Writing MLIR.

use std::collections::HashMap;
use std::fmt::Display;

use hla_ir::{DType, TensorType};

/// The text of a function body under construction. Values are named in order of their making, so
/// equal kernels have equal texts.
#[derive(Clone, Default, Debug)]
pub struct Text {
    lines: String,
    values: usize,
    depth: usize,
    /// Constants that are in scope, by text; one set for each open region.
    constants: Vec<HashMap<String, String>>,
}

impl Text {
    /// Nothing yet.
    pub fn new() -> Text {
        Text {
            depth: 1,
            constants: vec![HashMap::new()],
            ..Text::default()
        }
    }

    /// A name that no value has.
    pub fn fresh(&mut self) -> String {
        self.values += 1;
        format!("%{}", self.values - 1)
    }

    /// Writes a line.
    pub fn line(&mut self, line: impl Display) {
        for _ in 0..self.depth {
            self.lines.push_str("  ");
        }
        self.lines.push_str(&line.to_string());
        self.lines.push('\n');
    }

    /// Writes an op with one result: `op("arith.addf %a, %b : f32")` gives the result's name.
    pub fn op(&mut self, op: impl Display) -> String {
        let name = self.fresh();
        self.line(format_args!("{name} = {op}"));
        name
    }

    /// Writes a line that opens a region; constants made inside are forgotten when it closes.
    pub fn open(&mut self, line: impl Display) {
        self.line(line);
        self.depth += 1;
        self.constants.push(HashMap::new());
    }

    /// Begins another region after a line such as `} else {`.
    pub fn open_again(&mut self) {
        self.depth += 1;
        self.constants.push(HashMap::new());
    }

    /// Closes a region with a line such as `}`.
    pub fn close(&mut self, line: impl Display) {
        self.constants.pop();
        self.depth -= 1;
        self.line(line);
    }

    /// A constant: `constant("42 : index")`. Within a region an equal one is made once.
    pub fn constant(&mut self, value: impl Display) -> String {
        let value = value.to_string();
        if let Some(name) = self.constants.iter().rev().find_map(|c| c.get(&value)) {
            return name.clone();
        }
        let name = self.op(format_args!("arith.constant {value}"));
        if let Some(scope) = self.constants.last_mut() {
            scope.insert(value, name.clone());
        }
        name
    }

    /// A constant of type `index`.
    pub fn index(&mut self, value: u64) -> String {
        self.constant(format_args!("{value} : index"))
    }

    /// A constant of type `i32`.
    pub fn i32(&mut self, value: i64) -> String {
        self.constant(format_args!("{value} : i32"))
    }

    /// An op of arith on two values of type `i32`: `i32_op("addi", "%a", "%b")`.
    pub fn i32_op(&mut self, op: &str, a: &str, b: &str) -> String {
        self.op(format_args!("arith.{op} {a}, {b} : i32"))
    }

    /// The text.
    pub fn finish(self) -> String {
        self.lines
    }
}

/// MLIR's spelling of an element type in memory; `i1` is stored as one byte, `index` as eight.
pub fn stored(dtype: DType) -> &'static str {
    match dtype {
        DType::I1 => "i8",
        DType::Index => "i64",
        other => other.name(),
    }
}

/// The memref type of a value in memory, row-major: `memref<2x3xi8>`.
pub fn memref(ty: &TensorType) -> String {
    let shape: String = ty.shape.iter().map(|extent| format!("{extent}x")).collect();
    format!("memref<{shape}{}>", stored(ty.dtype))
}

/// An element type in lanes: `vector<4xf32>`, or itself for one lane.
pub fn vector(lanes: usize, scalar: &str) -> String {
    match lanes {
        1 => scalar.to_owned(),
        n => format!("vector<{n}x{scalar}>"),
    }
}

/// A constant in lanes: `splat(t, 4, "0.0", "f32")`.
pub fn splat(text: &mut Text, lanes: usize, value: &str, scalar: &str) -> String {
    text.constant(match (lanes, scalar) {
        (1, "i1") => value.to_owned(),
        (1, _) => format!("{value} : {scalar}"),
        _ => format!("dense<{value}> : {}", vector(lanes, scalar)),
    })
}
