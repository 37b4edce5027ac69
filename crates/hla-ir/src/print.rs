//! Writing a module as MLIR text.
//!
//! Ops are in generic form, which every MLIR tool reads (`mlir-opt-22 --irdl-file=hla.irdl.mlir`);
//! attributes of operand form become `tosa.const` and `tosa.const_shape` ops before their user.
//! Small tensors are written as numbers, larger ones as the hexadecimal of their bytes.

use std::collections::HashMap;
use std::fmt::{self, Write};

use crate::attr::{Attr, Attrs};
use crate::diagnostic::Location;
use crate::graph::{Arg, CAPTURE, Function, Module, Node, ValueId};
use crate::op::{AttrDef, AttrKind, Form};
use crate::tensor::Tensor;
use crate::types::{DType, TensorType};

/// Tensors with more elements than this are written in hexadecimal.
const DECIMAL_ELEMENTS: usize = 64;

/// What to write besides the program.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// A trailing `loc(…)` on every op and argument; without it, who reads the text back takes the
    /// place in the text for the location.
    pub locations: bool,
}

/// Writes a module.
pub fn module(module: &Module, options: Options) -> String {
    let mut out = String::from("module ");
    if !module.attrs.is_empty() {
        out.push_str("attributes ");
        write_dictionary(&mut out, module.attrs.iter());
        out.push(' ');
    }
    out.push_str("{\n");
    for text in &module.opaque {
        let _ = writeln!(out, "  {text}");
    }
    for f in &module.functions {
        Printer::new(f, options, &mut out).function();
    }
    out.push_str("}\n");
    out
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&module(self, Options::default()))
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        Printer::new(self, Options::default(), &mut out).function();
        f.write_str(&out)
    }
}

struct Printer<'a> {
    function: &'a Function,
    options: Options,
    out: &'a mut String,
    names: HashMap<ValueId, String>,
    next: usize,
    /// Operand constants already written, by their text.
    constants: HashMap<String, String>,
}

impl<'a> Printer<'a> {
    fn new(function: &'a Function, options: Options, out: &'a mut String) -> Printer<'a> {
        Printer {
            function,
            options,
            out,
            names: HashMap::new(),
            next: 0,
            constants: HashMap::new(),
        }
    }

    fn function(mut self) {
        let f = self.function;
        self.out.push_str("  func.func ");
        let mut attrs = f.attrs.clone();
        // MLIR wants this one as a keyword.
        if let Some(Attr::Str(visibility)) = attrs.remove("sym_visibility") {
            let _ = write!(self.out, "{visibility} ");
        }
        let _ = write!(self.out, "@{}(", symbol(&f.name));
        for (i, arg) in f.args.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            let _ = write!(self.out, "%arg{i}: {}", arg.ty);
            self.names.insert(ValueId(i as u32), format!("%arg{i}"));
            let attrs = arg_attrs(arg);
            if !attrs.is_empty() {
                self.out.push(' ');
                write_dictionary(self.out, attrs.iter());
            }
            self.location(&arg.location);
        }
        self.out.push(')');
        let types: Vec<String> = f.results.iter().map(|&r| f.ty(r).to_string()).collect();
        let attributed = f
            .result_attrs
            .iter()
            .take(types.len())
            .any(|a| !a.is_empty());
        match &types[..] {
            [] => {}
            [one] if !attributed && !one.starts_with('(') => {
                let _ = write!(self.out, " -> {one}");
            }
            many => {
                self.out.push_str(" -> (");
                for (i, ty) in many.iter().enumerate() {
                    let separator = if i > 0 { ", " } else { "" };
                    let _ = write!(self.out, "{separator}{ty}");
                    if let Some(attrs) = f.result_attrs.get(i).filter(|a| !a.is_empty()) {
                        self.out.push(' ');
                        write_dictionary(self.out, attrs.iter());
                    }
                }
                self.out.push(')');
            }
        }
        if !attrs.is_empty() {
            self.out.push_str(" attributes ");
            write_dictionary(self.out, attrs.iter());
        }
        self.out.push_str(" {\n");
        for node in &f.nodes {
            self.node(node);
        }
        let results: Vec<&str> = f.results.iter().map(|r| &*self.names[r]).collect();
        let _ = write!(
            self.out,
            "    \"func.return\"({}) : ({}) -> ()",
            results.join(", "),
            types.join(", ")
        );
        self.out.push_str("\n  }");
        self.location(&f.location);
        self.out.push('\n');
    }

    fn location(&mut self, location: &Location) {
        if self.options.locations {
            let _ = write!(self.out, " loc({})", location_text(location));
        }
    }

    fn fresh(&mut self) -> String {
        self.next += 1;
        format!("%{}", self.next - 1)
    }

    /// A constant operand: written before its first user, found again by its later ones.
    fn constant_operand(&mut self, op: &str, dense: &str, ty: &str, result: &str) -> String {
        let text = format!("\"{op}\"() <{{values = {dense} : {ty}}}> : () -> {result}");
        if let Some(name) = self.constants.get(&text) {
            return name.clone();
        }
        let name = self.fresh();
        let _ = writeln!(self.out, "    {name} = {text}");
        self.constants.insert(text, name.clone());
        name
    }

    fn node(&mut self, node: &Node) {
        let f = self.function;
        let mut operands: Vec<(String, String)> = node
            .operands
            .iter()
            .map(|&v| (self.names[&v].clone(), f.ty(v).to_string()))
            .collect();
        let suffix = opaque_suffix(node, &mut operands);
        let def = node.op.def();
        for attr in def.attrs {
            let Some(value) = node.attrs.get(attr.name) else {
                continue;
            };
            match (attr.form, value) {
                (Form::ShapeOperand, Attr::I64s(values)) => {
                    let n = values.len();
                    let dense = match n {
                        0 => "dense<>".to_owned(),
                        _ => format!("dense<{values:?}>"),
                    };
                    let ty = format!("!tosa.shape<{n}>");
                    let name = self.constant_operand(
                        "tosa.const_shape",
                        &dense,
                        &format!("tensor<{n}xindex>"),
                        &ty,
                    );
                    operands.push((name, ty));
                }
                (Form::ConstOperand(like), value) => {
                    let dtype = const_operand_dtype(f, node, attr, like);
                    let tensor = TensorType {
                        shape: vec![1],
                        dtype,
                    };
                    let number = match value {
                        Attr::F32(v) => float_text(*v, dtype),
                        Attr::I64(v) if dtype == DType::I1 => (*v != 0).to_string(),
                        Attr::I64(v) => v.to_string(),
                        _ => continue,
                    };
                    let ty = tensor.to_string();
                    let name =
                        self.constant_operand("tosa.const", &format!("dense<{number}>"), &ty, &ty);
                    operands.push((name, ty));
                }
                _ => {}
            }
        }
        self.out.push_str("    ");
        match node.results.len() {
            0 => {}
            1 => {
                let name = self.fresh();
                let _ = write!(self.out, "{name} = ");
                self.names.insert(node.results[0], name);
            }
            n => {
                let name = self.fresh();
                let _ = write!(self.out, "{name}:{n} = ");
                for (i, &result) in node.results.iter().enumerate() {
                    self.names.insert(result, format!("{name}#{i}"));
                }
            }
        }
        let list = |part: fn(&(String, String)) -> &str| {
            operands.iter().map(part).collect::<Vec<_>>().join(", ")
        };
        let _ = write!(self.out, "\"{}\"({})", node.name(), list(|o| &o.0));
        match suffix {
            Some(text) => self.out.push_str(&text),
            None => self.attributes(node),
        }
        let types: Vec<String> = node.results.iter().map(|&r| f.ty(r).to_string()).collect();
        // A single function type would end the list with its own arrow.
        let arrow = match &types[..] {
            [one] if !one.starts_with('(') => one.clone(),
            types => format!("({})", types.join(", ")),
        };
        let _ = write!(self.out, " : ({}) -> {arrow}", list(|o| &o.1));
        self.location(&node.location);
        self.out.push('\n');
    }

    fn attributes(&mut self, node: &Node) {
        let def = node.op.def();
        let dtype = node
            .operands
            .first()
            .and_then(|&v| self.function.ty(v).tensor())
            .map(|t| t.dtype);
        let mut own: Vec<(&str, String)> = Vec::new();
        for attr in def.attrs.iter().filter(|a| a.form == Form::Attribute) {
            if let Some(value) = node.attrs.get(attr.name) {
                own.push((attr.name, declared_text(attr, value, dtype)));
            }
        }
        own.sort();
        let mut rest: Vec<(&str, String)> = node
            .attrs
            .iter()
            .filter(|(name, _)| !def.attrs.iter().any(|a| a.name == *name))
            .map(|(name, value)| (name, attr_text(value)))
            .collect();
        // Dynamic dialects have no properties: all attributes of an hla op are discardable in form.
        if def.name.starts_with("hla.") {
            rest.append(&mut own);
            rest.sort();
        }
        if !own.is_empty() {
            self.out.push_str(" <");
            write_texts(self.out, &own);
            self.out.push('>');
        }
        if !rest.is_empty() {
            self.out.push(' ');
            write_texts(self.out, &rest);
        }
    }
}

/// The text of an opaque op with captured operands named; takes these out of the list of operands.
fn opaque_suffix(node: &Node, operands: &mut Vec<(String, String)>) -> Option<String> {
    let Some(Attr::Raw(suffix)) = node.attrs.get("mlir.suffix") else {
        return None;
    };
    let mut captured = vec![false; operands.len()];
    let mut text = String::new();
    for (i, part) in suffix.split(CAPTURE).enumerate() {
        match part.parse::<usize>() {
            Ok(n) if i % 2 == 1 && n < operands.len() => {
                captured[n] = true;
                text.push_str(&operands[n].0);
            }
            _ => text.push_str(part),
        }
    }
    let mut captured = captured.into_iter();
    operands.retain(|_| !captured.next().unwrap_or(false));
    Some(text)
}

/// Element type of a constant operand.
fn const_operand_dtype(f: &Function, node: &Node, attr: &AttrDef, like: usize) -> DType {
    if attr.kind == AttrKind::I8 {
        return DType::I8;
    }
    node.operands
        .get(like)
        .and_then(|&v| f.ty(v).tensor())
        .map_or(DType::F32, |t| t.dtype)
}

/// An argument's attributes, `hla.name` and `hla.param` included.
fn arg_attrs(arg: &Arg) -> Attrs {
    let mut attrs = arg.attrs.clone();
    if let Some(name) = &arg.name {
        attrs.set("hla.name", &**name);
    }
    if let Some(param) = &arg.param {
        attrs.set("hla.param", &**param);
    }
    attrs
}

fn write_dictionary<'a>(out: &mut String, attrs: impl Iterator<Item = (&'a str, &'a Attr)>) {
    let texts: Vec<(&str, String)> = attrs.map(|(n, v)| (n, attr_text(v))).collect();
    write_texts(out, &texts);
}

fn write_texts(out: &mut String, texts: &[(&str, String)]) {
    out.push('{');
    for (i, (name, text)) in texts.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(&key(name));
        // A unit attribute is its name alone.
        if text != "unit" {
            out.push_str(" = ");
            out.push_str(text);
        }
    }
    out.push('}');
}

/// An attribute name: quoted unless it is a bare identifier.
fn key(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'));
    if bare {
        name.to_owned()
    } else {
        string_text(name)
    }
}

/// A symbol name: quoted unless it is a bare identifier.
fn symbol(name: &str) -> String {
    key(name)
}

/// A declared attribute as MLIR text; `dtype` is the element type of operand 0.
fn declared_text(attr: &AttrDef, value: &Attr, dtype: Option<DType>) -> String {
    match (attr.kind, value) {
        (AttrKind::I32, Attr::I64(v)) => format!("{v} : i32"),
        (AttrKind::I32s, Attr::I64s(_)) => attr_text(value).replacen("i64", "i32", 1),
        (AttrKind::NanMode, Attr::Str(v)) => format!("#tosa.nan_mode<{v}>"),
        (AttrKind::Scalar, Attr::F32(v)) => {
            let dtype = dtype.unwrap_or(DType::F32);
            format!("{} : {dtype}", float_text(*v, dtype))
        }
        (AttrKind::Scalar, Attr::I64(v)) => match dtype.unwrap_or(DType::I64) {
            DType::I1 => (*v != 0).to_string(),
            dtype => format!("{v} : {dtype}"),
        },
        _ => attr_text(value),
    }
}

/// Any attribute as MLIR text.
pub fn attr_text(value: &Attr) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Attr::I64(v) => format!("{v} : i64"),
        Attr::F32(v) => format!("{} : f32", float_text(*v, DType::F32)),
        Attr::Bool(v) => v.to_string(),
        Attr::Str(v) => string_text(v),
        Attr::I64s(v) if v.is_empty() => "array<i64>".to_owned(),
        Attr::I64s(v) => format!(
            "array<i64: {}>",
            join(v.iter().map(ToString::to_string).collect())
        ),
        Attr::F32s(v) if v.is_empty() => "array<f32>".to_owned(),
        Attr::F32s(v) => {
            format!(
                "array<f32: {}>",
                join(v.iter().map(|&v| float_text(v, DType::F32)).collect())
            )
        }
        Attr::DType(v) => v.to_string(),
        Attr::Tensor(t) => format!("{} : {}", dense_text(t), t.ty()),
        Attr::Raw(text) => text.to_string(),
    }
}

/// A quoted string with MLIR's escapes.
pub fn string_text(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(byte as char),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out.push('"');
    out
}

/// A location as MLIR text, without `loc(…)`.
fn location_text(location: &Location) -> String {
    let file = location.file.as_ref().map(|file| {
        format!(
            "{}:{}:{}",
            string_text(file),
            location.line,
            location.column
        )
    });
    match (&location.name, file) {
        (Some(name), Some(file)) => format!("{}({file})", string_text(name)),
        (Some(name), None) => string_text(name),
        (None, Some(file)) => file,
        (None, None) => "unknown".to_owned(),
    }
}

/// A float that reads back to the same bits of `dtype`.
pub fn float_text(value: f32, dtype: DType) -> String {
    let hex = || match dtype {
        DType::F16 => format!("0x{:04X}", half::f16::from_f32(value).to_bits()),
        DType::BF16 => format!("0x{:04X}", half::bf16::from_f32(value).to_bits()),
        _ => format!("0x{:08X}", value.to_bits()),
    };
    if !value.is_finite() {
        return hex();
    }
    let mut text = format!("{value:?}");
    if !text.contains('.') {
        // `1e-5` is no float literal in MLIR, `1.0e-5` is.
        match text.find('e') {
            Some(at) => text.insert_str(at, ".0"),
            None => text.push_str(".0"),
        }
    }
    // MLIR reads a literal as f64 and rounds that: in the rare case of a double rounding, hex.
    match text.parse::<f64>() {
        Ok(wide) if (wide as f32).to_bits() == value.to_bits() => text,
        _ => hex(),
    }
}

/// A tensor's contents as `dense<…>`, without its type.
pub fn dense_text(tensor: &Tensor) -> String {
    let dtype = tensor.dtype();
    let number = |element: &[u8], i: i64| match dtype {
        DType::F32 | DType::F16 | DType::BF16 => {
            let value = crate::tensor::element_f64(dtype, element);
            if value.is_finite() {
                return float_text(value as f32, dtype);
            }
            // A conversion would lose the payload of a NaN.
            element.iter().rev().fold("0x".to_owned(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02X}");
                hex
            })
        }
        DType::I1 => (i != 0).to_string(),
        _ => i.to_string(),
    };
    if tensor.ty().elements() == 0 {
        return "dense<>".to_owned();
    }
    if let Some(element) = tensor.splat_element() {
        let one = Tensor::splat_bytes(
            TensorType {
                shape: vec![1],
                dtype,
            },
            element,
        )
        .ok();
        let int = one
            .and_then(|t| t.to_i64s())
            .and_then(|v| v.first().copied())
            .unwrap_or(0);
        return format!("dense<{}>", number(element, int));
    }
    if tensor.ty().elements() > DECIMAL_ELEMENTS && dtype != DType::I1 {
        let bytes = tensor.to_bytes();
        let mut out = String::with_capacity(2 * bytes.len() + 16);
        out.push_str("dense<\"0x");
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        for byte in bytes.iter() {
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
        out.push_str("\">");
        return out;
    }
    let ints = tensor.to_i64s().unwrap_or_default();
    let bytes = tensor.to_bytes();
    let numbers: Vec<String> = bytes
        .chunks_exact(dtype.bytes())
        .enumerate()
        .map(|(i, element)| number(element, ints.get(i).copied().unwrap_or(0)))
        .collect();
    format!("dense<{}>", nested(tensor.shape(), &numbers))
}

fn nested(shape: &[usize], numbers: &[String]) -> String {
    match shape {
        [] => numbers.first().cloned().unwrap_or_default(),
        [_, rest @ ..] => {
            let step = rest.iter().product::<usize>().max(1);
            let parts: Vec<String> = numbers.chunks(step).map(|c| nested(rest, c)).collect();
            format!("[{}]", parts.join(", "))
        }
    }
}
