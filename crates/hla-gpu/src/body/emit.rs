//! Values in two forms, and the walk over the ops.

use hla_ir::print::float_text;
use hla_ir::{Attrs, DType, Op};

use super::{Body, BodyValue, cast, float, integer};
use crate::text::{Text, stored, vector};

pub(super) fn emit(body: &Body, text: &mut Text, lanes: usize, inputs: &[String]) -> Vec<String> {
    let mut e = Emitter { text, lanes };
    let mut given: Vec<Element> = body
        .inputs
        .iter()
        .zip(inputs)
        .map(|(&dtype, name)| Element::stored(dtype, name.clone()))
        .collect();
    let mut computed: Vec<Element> = Vec::with_capacity(body.ops.len());
    for op in &body.ops {
        let operands: Vec<DType> = op.operands.iter().map(|&v| body.dtype(v)).collect();
        // A cast reads an integer or a float as it is computed with, as all ops do.
        let names: Vec<String> = op
            .operands
            .iter()
            .map(|&v| e.name(v, Form::Computed, &mut given, &mut computed))
            .collect();
        let step = Step {
            op: op.op,
            attrs: &op.attrs,
            from: operands.first().copied().unwrap_or(op.dtype),
            to: op.dtype,
            names: &names,
        };
        computed.push(e.op(&step));
    }
    let results = body.results.iter();
    results
        .map(|&v| e.name(v, Form::Stored, &mut given, &mut computed))
        .collect()
}

/// The type in which a value is computed with: `i1` as a condition, narrow floats as f32.
pub(super) fn computed(dtype: DType) -> &'static str {
    match dtype {
        DType::I1 => "i1",
        DType::F16 | DType::BF16 => "f32",
        other => stored(other),
    }
}

/// In what form a value is wanted.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Stored,
    Computed,
}

/// The names of one value, in the forms that exist so far.
struct Element {
    dtype: DType,
    stored: Option<String>,
    computed: Option<String>,
}

impl Element {
    fn stored(dtype: DType, name: String) -> Element {
        Element {
            dtype,
            stored: Some(name),
            computed: None,
        }
    }

    fn computed(dtype: DType, name: String) -> Element {
        Element {
            dtype,
            stored: None,
            computed: Some(name),
        }
    }
}

/// One op and the names of its operands, in the form in which they are computed with.
pub(super) struct Step<'a> {
    pub op: Op,
    pub attrs: &'a Attrs,
    /// Element type of the first operand.
    pub from: DType,
    /// Element type of the result.
    pub to: DType,
    pub names: &'a [String],
}

impl Step<'_> {
    /// Operand i.
    pub fn operand(&self, i: usize) -> &str {
        self.names.get(i).map_or("", String::as_str)
    }

    /// Whether NaNs are ignored instead of propagated.
    pub fn ignores_nan(&self) -> bool {
        self.attrs.str("nan_mode") == Some("IGNORE")
    }
}

/// Writes ops on a number of lanes.
pub(super) struct Emitter<'a> {
    text: &'a mut Text,
    lanes: usize,
}

impl Emitter<'_> {
    /// An element type in lanes.
    fn ty(&self, scalar: &str) -> String {
        vector(self.lanes, scalar)
    }

    /// `op %a, %b : type`, the type that of operands and result.
    pub fn same(&mut self, op: &str, operands: &[&str], scalar: &str) -> String {
        let ty = self.ty(scalar);
        self.text
            .op(format_args!("{op} {} : {ty}", operands.join(", ")))
    }

    /// `op %a : from to to`.
    pub fn convert(&mut self, op: &str, operand: &str, from: &str, to: &str) -> String {
        let (from, to) = (self.ty(from), self.ty(to));
        self.text
            .op(format_args!("{op} {operand} : {from} to {to}"))
    }

    /// `yes` where the condition holds, else `no`.
    pub fn select(&mut self, condition: &str, yes: &str, no: &str, scalar: &str) -> String {
        let ty = self.ty(scalar);
        let text = match self.lanes {
            1 => format!("arith.select {condition}, {yes}, {no} : {ty}"),
            _ => format!(
                "arith.select {condition}, {yes}, {no} : {}, {ty}",
                self.ty("i1")
            ),
        };
        self.text.op(text)
    }

    /// A constant of f32.
    pub fn float(&mut self, value: f32) -> String {
        self.literal(&float_text(value, DType::F32), "f32")
    }

    /// An integer constant of a type such as `i32`, or `true` and `false` of `i1`.
    pub fn int(&mut self, value: i64, scalar: &str) -> String {
        match scalar {
            "i1" => self.literal(if value == 0 { "false" } else { "true" }, scalar),
            _ => self.literal(&value.to_string(), scalar),
        }
    }

    fn literal(&mut self, text: &str, scalar: &str) -> String {
        match (self.lanes, scalar) {
            (1, "i1") => self.text.constant(text),
            (1, _) => self.text.constant(format_args!("{text} : {scalar}")),
            _ => {
                let ty = self.ty(scalar);
                self.text.constant(format_args!("dense<{text}> : {ty}"))
            }
        }
    }

    /// The name of a value in a form.
    fn name(
        &mut self,
        value: BodyValue,
        form: Form,
        given: &mut [Element],
        computed: &mut [Element],
    ) -> String {
        let element = match value {
            BodyValue::Input(i) => &mut given[i],
            BodyValue::Op(i) => &mut computed[i],
            BodyValue::Constant(number, dtype) => return self.constant(number, dtype, form),
        };
        match form {
            Form::Stored => self.as_stored(element),
            Form::Computed => self.as_computed(element),
        }
    }

    fn constant(&mut self, number: f64, dtype: DType, form: Form) -> String {
        match (dtype, form) {
            (DType::F16 | DType::BF16, Form::Stored) => {
                self.literal(&float_text(number as f32, dtype), dtype.name())
            }
            _ if dtype.is_float() => self.float(number as f32),
            (_, Form::Computed) => self.int(number as i64, self::computed(dtype)),
            (_, Form::Stored) => self.int(number as i64, stored(dtype)),
        }
    }

    fn as_computed(&mut self, element: &mut Element) -> String {
        if let Some(name) = &element.computed {
            return name.clone();
        }
        let narrow = element.stored.clone().unwrap_or_default();
        let name = match element.dtype {
            DType::I1 => {
                let zero = self.int(0, "i8");
                self.same("arith.cmpi ne,", &[&narrow, &zero], "i8")
            }
            DType::F16 | DType::BF16 => {
                self.convert("arith.extf", &narrow, element.dtype.name(), "f32")
            }
            _ => narrow,
        };
        element.computed = Some(name.clone());
        name
    }

    fn as_stored(&mut self, element: &mut Element) -> String {
        if let Some(name) = &element.stored {
            return name.clone();
        }
        let wide = element.computed.clone().unwrap_or_default();
        let name = match element.dtype {
            DType::I1 => self.convert("arith.extui", &wide, "i1", "i8"),
            DType::F16 | DType::BF16 => {
                self.convert("arith.truncf", &wide, "f32", element.dtype.name())
            }
            _ => wide,
        };
        element.stored = Some(name.clone());
        name
    }

    /// Writes one op.
    fn op(&mut self, step: &Step<'_>) -> Element {
        let name = match step.op {
            Op::Identity | Op::StopGradient | Op::Relayout => step.operand(0).to_owned(),
            Op::Cast => cast::cast(self, step),
            Op::Quantize => cast::quantize(self, step),
            Op::DynamicQuantize => cast::scale(self, step),
            Op::Dequantize => cast::dequantize(self, step),
            Op::Select => self.select(
                step.operand(0),
                step.operand(1),
                step.operand(2),
                computed(step.to),
            ),
            _ if step.from.is_float() => float::op(self, step),
            _ => integer::op(self, step),
        };
        let element = Element::computed(step.to, name);
        if matches!(step.to, DType::F16 | DType::BF16) && !is_exact(step) {
            return self.rounded(element);
        }
        element
    }

    /// Rounds a narrow float; the value before is forgotten.
    fn rounded(&mut self, mut element: Element) -> Element {
        let name = self.as_stored(&mut element);
        Element::stored(element.dtype, name)
    }
}

/// Whether an op gives one of the values it is given, or its negative: nothing is left to round.
fn is_exact(step: &Step<'_>) -> bool {
    match step.op {
        Op::Maximum
        | Op::Minimum
        | Op::Negate
        | Op::Abs
        | Op::Ceil
        | Op::Floor
        | Op::Select
        | Op::Identity
        | Op::StopGradient
        | Op::Relayout => true,
        Op::Clamp => ["min_val", "max_val"].iter().all(|bound| {
            let bound = step.attrs.f32(bound).unwrap_or(0.0);
            let has = |bits: u32| bound.to_bits() & ((1 << bits) - 1) == 0;
            match step.to {
                // Of f32's 23 bits of fraction, 7.
                DType::BF16 => has(16),
                // And 10, within the exponents of normal numbers.
                _ => has(13) && (bound == 0.0 || (6.2e-5..65504.5).contains(&bound.abs())),
            }
        }),
        _ => false,
    }
}
