//! The text of what hlac does not know: cut out of MLIR's generic form, with names made canonical
//! so that the same op gives the same text wherever it stands.

use std::collections::HashMap;

use hla_ir::graph::CAPTURE;
use hla_ir::{TensorType, Type};

use super::{Importer, captures};
use crate::ffi::{Op, Value};

/// An op hlac does not know.
pub(super) struct Opaque<'a> {
    /// Operands, then captured values.
    pub(super) operands: Vec<Value<'a>>,
    /// What stands between operands and types; captured values as `hla_ir` wants them.
    pub(super) text: String,
}

impl<'a> Importer<'a> {
    /// A top-level op as text.
    pub(super) fn verbatim(&self, op: Op<'a>) -> Result<String, String> {
        self.without_resources(&self.printer().print(op))
    }

    /// An op within a function.
    pub(super) fn opaque(&self, op: Op<'a>) -> Result<Opaque<'a>, String> {
        let mut operands = op.operands();
        let printed = self.printer().print(op);
        let cut = suffix(&printed, &function_type(op))
            .ok_or_else(|| format!("the text of '{}' cannot be taken apart", op.name()))?;
        let mut captured = HashMap::new();
        for value in captures(op) {
            captured.insert(self.printer().value(value), operands.len());
            operands.push(value);
        }
        let cut = self.without_resources(cut)?;
        let text = canonical_names(&cut, &captured);
        Ok(Opaque { operands, text })
    }
}

/// The functional type that ends an op in generic form.
fn function_type(op: Op<'_>) -> String {
    let list = |values: Vec<Value<'_>>| {
        let texts: Vec<String> = values.iter().map(|v| v.ty().text()).collect();
        texts.join(", ")
    };
    let results = op.results();
    let bare = matches!(&results[..], [one] if !one.ty().is_function());
    let inputs = list(op.operands());
    let outputs = list(results);
    if bare {
        format!(" : ({inputs}) -> {outputs}")
    } else {
        format!(" : ({inputs}) -> ({outputs})")
    }
}

/// What stands between the operands and the type of `%r = "name"(%a, %b) … : type`.
fn suffix<'t>(printed: &'t str, ty: &str) -> Option<&'t str> {
    let name = printed.find('"')?;
    let after_name = name + 1 + string_end(&printed[name + 1..])?;
    let operands = printed[after_name..].find(')')? + after_name + 1;
    printed[operands..].trim_end().strip_suffix(ty)
}

/// Where a quoted string ends, just behind its quote; the opening quote is not part of `text`.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Some(i + 1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Splits text into what is inside and outside of quoted strings.
fn outside_strings(text: &str, mut visit: impl FnMut(&str, bool)) {
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        visit(&rest[..quote], true);
        let end = string_end(&rest[quote + 1..]).map_or(rest.len(), |end| quote + 1 + end);
        visit(&rest[quote..end], false);
        rest = &rest[end..];
    }
    visit(rest, true);
}

/// Renames the values that the text defines in order of appearance, and marks each use of a
/// captured value with its operand's number.
fn canonical_names(text: &str, captured: &HashMap<String, usize>) -> String {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut current = String::new();
    outside_strings(text, |part, outside| {
        if !outside {
            current.push_str(part);
            return;
        }
        let mut rest = part;
        while let Some(at) = rest.find('%') {
            current.push_str(&rest[..at]);
            let name = &rest[at + 1..];
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
            let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
            let base = &rest[at..at + 1 + end];
            let tail = &rest[at + 1 + end..];
            let digits = tail.strip_prefix('#').map_or(0, |t| {
                1 + t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len())
            });
            let full = &rest[at..at + 1 + end + digits];
            if let Some(&operand) = captured.get(full) {
                current.push_str(&format!("{CAPTURE}{operand}{CAPTURE}"));
                rest = &rest[at + full.len()..];
            } else {
                if end == 0 {
                    current.push('%');
                } else {
                    let next = names.len();
                    let number = *names.entry(base.to_owned()).or_insert(next);
                    current.push_str(&format!("%inner{number}"));
                }
                rest = tail;
            }
        }
        current.push_str(rest);
    });
    current
}

/// Replaces each `dense_resource<key> : type` by what `dense` gives for it.
pub(super) fn replace_resources(
    text: &str,
    dense: impl Fn(&str, &TensorType) -> Result<String, String>,
) -> Result<String, String> {
    const START: &str = "dense_resource<";
    if !text.contains(START) {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    let mut error = None;
    outside_strings(text, |part, outside| {
        let mut rest = part;
        while let (true, Some(at)) = (outside, rest.find(START)) {
            out.push_str(&rest[..at]);
            rest = &rest[at + START.len()..];
            let replaced = rest.split_once("> : ").and_then(|(key, tail)| {
                let end = tail.find('>')? + 1;
                let ty = tensor_type(&tail[..end])?;
                Some((dense(key, &ty), key.len() + "> : ".len()))
            });
            match replaced {
                Some((Ok(text), skip)) => {
                    out.push_str(&text);
                    out.push_str(" : ");
                    rest = &rest[skip..];
                }
                Some((Err(message), _)) => {
                    error.get_or_insert(message);
                }
                None => {
                    error.get_or_insert(
                        "a dense_resource of this type cannot be kept in an op hlac does not know"
                            .to_owned(),
                    );
                }
            }
        }
        out.push_str(rest);
    });
    match error {
        None => Ok(out),
        Some(message) => Err(message),
    }
}

/// Reads `tensor<2x3xf32>`.
fn tensor_type(text: &str) -> Option<TensorType> {
    let inner = text.strip_prefix("tensor<")?.strip_suffix('>')?;
    let mut parts: Vec<&str> = inner.split('x').collect();
    // `index` has an x of its own.
    let dtype = match parts.pop()? {
        "" => {
            parts.pop()?;
            hla_ir::DType::Index
        }
        name => hla_ir::DType::from_name(name)?,
    };
    let shape: Option<Vec<usize>> = parts.iter().map(|p| p.parse().ok()).collect();
    TensorType::try_new(shape?, dtype).ok()
}

/// Types of results as the IR has them.
pub(super) fn result_types(op: Op<'_>) -> Vec<Type> {
    op.results().into_iter().map(|r| r.ty().import()).collect()
}
