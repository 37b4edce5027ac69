//! Ops of a function's body.
//!
//! What an op needs is read off its declaration: attributes of operand form are constants among
//! MLIR's operands, and these constants become attributes and no nodes.

use std::collections::{HashMap, HashSet};

use hla_ir::op::{AttrKind, Form};
use hla_ir::{Attr, Attrs, DType, Diagnostic, Function, Op as Known, Tensor, ValueId};

use super::constant::{infer_extent, scalar};
use super::{Importer, opaque};
use crate::ffi::{Block, Op, Value};

/// What becomes of an operation.
enum Class {
    /// A `tosa.const`.
    Constant,
    /// A `tosa.const_shape`: an attribute of its users.
    Shape,
    /// An op of the IR.
    Known(Known, Instance),
    /// Anything else, kept as text.
    Opaque,
    /// The end of the body.
    Return,
}

/// What a known op is made of besides its operands.
struct Instance {
    /// Attributes, those of operand form included.
    attrs: Attrs,
    /// How many operands are tensors; the others are attributes of operand form.
    tensors: usize,
}

/// A body in the making.
struct Body<'f, 'a> {
    function: &'f mut Function,
    values: HashMap<Value<'a>, ValueId>,
    constants: HashMap<Value<'a>, Tensor>,
}

impl<'a> Importer<'a> {
    /// Imports the body of a function whose arguments are there.
    pub(super) fn body(&mut self, block: Block<'a>, function: &mut Function) {
        let operations = block.operations();
        let mut body = Body {
            values: block
                .arguments()
                .into_iter()
                .zip((0..).map(ValueId))
                .collect(),
            function,
            constants: HashMap::new(),
        };
        for &op in &operations {
            if matches!(&*op.name(), "tosa.const" | "tosa.const_shape") {
                self.constant(op, &mut body.constants);
            }
        }
        let classes: Vec<Class> = operations
            .iter()
            .map(|&op| self.classify(op, &body))
            .collect();
        // Constants that only feed attributes become no nodes.
        let mut needed: HashSet<Value<'a>> = HashSet::new();
        for (&op, class) in operations.iter().zip(&classes) {
            match class {
                Class::Known(_, instance) => {
                    needed.extend(op.operands().into_iter().take(instance.tensors));
                }
                Class::Opaque => {
                    needed.extend(op.operands());
                    needed.extend(super::captures(op));
                }
                Class::Return => needed.extend(op.operands()),
                Class::Constant | Class::Shape => {}
            }
        }
        let mut returned = false;
        for (op, class) in operations.into_iter().zip(classes) {
            match class {
                Class::Constant => {
                    let results = op.results();
                    let [result] = results[..] else { continue };
                    if result.is_used() && !needed.contains(&result) {
                        continue;
                    }
                    if let Some(tensor) = body.constants.get(&result).cloned() {
                        let attrs = self.discardable(op);
                        let id = body.function.constant(tensor, op.location());
                        let Some(node) = body.function.nodes.last_mut() else {
                            continue;
                        };
                        for (name, value) in attrs {
                            node.attrs.set(&name, value);
                        }
                        body.values.insert(result, id);
                    }
                }
                Class::Shape => {
                    if op.results().iter().any(|r| needed.contains(r)) {
                        self.keep(op, &mut body);
                    }
                }
                Class::Known(known, instance) => self.known(op, known, instance, &mut body),
                Class::Opaque => self.keep(op, &mut body),
                Class::Return => {
                    returned = true;
                    if let Some(results) = body.operands(&op.operands()) {
                        body.function.results = results;
                    }
                }
            }
        }
        if !returned {
            let name = body.function.name.clone();
            let location = body.function.location.clone();
            self.error(location, format!("'@{name}' does not end with func.return"));
        }
    }

    fn classify(&mut self, op: Op<'a>, body: &Body<'_, 'a>) -> Class {
        let name = op.name();
        if name == "func.return" {
            return Class::Return;
        }
        let has_constant = || op.results().iter().all(|r| body.constants.contains_key(r));
        if name == "tosa.const_shape" && has_constant() {
            return Class::Shape;
        }
        let Some(known) = Known::from_name(&name) else {
            if name.starts_with("hla.") {
                self.unknown_hla(op, &name);
            }
            return Class::Opaque;
        };
        if known == Known::Const {
            return match has_constant() {
                true => Class::Constant,
                false => Class::Opaque,
            };
        }
        match self.attributes(op, known, body) {
            Ok(Some(instance)) => Class::Known(known, instance),
            Ok(None) => Class::Opaque,
            Err(message) => {
                self.error(op.location(), format!("'{name}': {message}"));
                Class::Opaque
            }
        }
    }

    fn unknown_hla(&mut self, op: Op<'a>, name: &str) {
        let known: Vec<&str> = hla_ir::ops::OPS
            .iter()
            .map(|def| def.name)
            .filter(|n| n.starts_with("hla."))
            .collect();
        let mut error = Diagnostic::error(op.location(), format!("there is no op '{name}'"));
        if let Some(near) = crate::suggest::nearest(name, known.iter().copied()) {
            error = error.help(format!("did you mean '{near}'?"));
        } else {
            error = error.help(format!(
                "the ops of the hla dialect are {}",
                known.join(", ")
            ));
        }
        self.errors.push(error);
    }

    /// Attributes of a known op and the number of its tensor operands, or `None` if it is an
    /// instance that hlac does not know: of other element types, or with operands that must be
    /// constant but are not.
    fn attributes(
        &self,
        op: Op<'a>,
        known: Known,
        body: &Body<'_, 'a>,
    ) -> Result<Option<Instance>, String> {
        let def = known.def();
        let is_hla = def.name.starts_with("hla.");
        let operands = op.operands();
        let formed: Vec<_> = def
            .attrs
            .iter()
            .filter(|a| matches!(a.form, Form::ShapeOperand | Form::ConstOperand(_)))
            .collect();
        let Some(count) = operands.len().checked_sub(formed.len()) else {
            return Ok(None);
        };
        let supported = |value: &Value<'a>| value.ty().ranked().is_some();
        if !op.results().iter().all(supported) || !operands[..count].iter().all(supported) {
            return match is_hla {
                true => Err("an operand or result has a type that hlac does not know".to_owned()),
                false => Ok(None),
            };
        }
        let dtype = |i: usize| Some(operands.get(i)?.ty().ranked()?.dtype);
        let mut attrs = Attrs::new();
        for (attr, operand) in formed.into_iter().zip(&operands[count..]) {
            let Some(tensor) = body.constants.get(operand) else {
                return Ok(None);
            };
            let value = match attr.form {
                Form::ShapeOperand => tensor.to_i64s().map(Attr::I64s),
                Form::ConstOperand(like) => {
                    let want = match attr.kind {
                        AttrKind::I8 => Some(DType::I8),
                        _ => dtype(like),
                    };
                    scalar(tensor).filter(|_| want == Some(tensor.dtype()))
                }
                Form::Attribute | Form::ResultType => None,
            };
            let Some(value) = value else {
                return Ok(None);
            };
            attrs.set(attr.name, value);
        }
        for attr in def.attrs {
            match attr.form {
                Form::Attribute => {
                    let Some(value) = op.attribute(attr.name) else {
                        continue;
                    };
                    match self.declared(attr, value)? {
                        Some(value) => attrs.set(attr.name, value),
                        None if is_hla => {
                            return Err(format!(
                                "attribute '{}' has a value of the wrong kind",
                                attr.name
                            ));
                        }
                        None => return Ok(None),
                    }
                }
                Form::ResultType => {
                    if let Some(ty) = op.results().first().and_then(|r| r.ty().ranked()) {
                        attrs.set(attr.name, ty.dtype);
                    }
                }
                Form::ShapeOperand | Form::ConstOperand(_) => {}
            }
        }
        for (name, value) in op.discardable_attributes() {
            let declared = def
                .attrs
                .iter()
                .any(|a| a.name == name && a.form == Form::Attribute);
            // A bare name on a tosa op is an annotation of somebody else's; on an hla op, a mistake.
            if !declared && (is_hla || name.contains('.')) {
                attrs.set(&name, self.attribute(value)?);
            }
        }
        Ok(Some(Instance {
            attrs,
            tensors: count,
        }))
    }

    fn discardable(&mut self, op: Op<'a>) -> Vec<(String, Attr)> {
        let mut attrs = Vec::new();
        for (name, value) in op.discardable_attributes() {
            match self.attribute(value) {
                Ok(value) if name.contains('.') => attrs.push((name, value)),
                Ok(_) => {}
                Err(message) => self.error(op.location(), message),
            }
        }
        attrs
    }

    /// Appends an op of the IR.
    fn known(&mut self, op: Op<'a>, known: Known, instance: Instance, body: &mut Body<'_, 'a>) {
        // An operand is missing only where its own op was refused: that error is enough.
        let Some(operands) = body.operands(&op.operands()[..instance.tensors]) else {
            return;
        };
        let mut attrs = instance.attrs;
        if known == Known::Reshape {
            infer_extent(body.function, operands.first().copied(), &mut attrs);
        }
        let id = match body
            .function
            .push_node(known, &operands, attrs, op.location())
        {
            Ok(id) => id,
            Err(error) => {
                self.errors.push(error);
                return;
            }
        };
        let results = op.results();
        let have = body.function.node(id).results.clone();
        if have.len() != results.len() {
            let message = format!(
                "'{known}' has {} results, not {}",
                have.len(),
                results.len()
            );
            self.error(op.location(), message);
            return;
        }
        for (result, id) in results.into_iter().zip(have) {
            let declared = result.ty().ranked();
            let inferred = body.function.ty(id).tensor();
            if let (Some(declared), Some(inferred)) = (declared, inferred)
                && !declared.admits(inferred)
            {
                let message = format!(
                    "'{known}': the result is declared as {}, but its operands imply {inferred}",
                    result.ty().text()
                );
                self.error(op.location(), message);
                continue;
            }
            body.values.insert(result, id);
        }
    }

    /// Appends an op hlac does not know.
    fn keep(&mut self, op: Op<'a>, body: &mut Body<'_, 'a>) {
        let kept = match self.opaque(op) {
            Ok(kept) => kept,
            Err(message) => return self.error(op.location(), message),
        };
        let Some(operands) = body.operands(&kept.operands) else {
            return;
        };
        let id = body.function.push_opaque(
            &op.name(),
            &operands,
            &kept.text,
            opaque::result_types(op),
            op.location(),
        );
        let results = body.function.node(id).results.clone();
        body.values.extend(op.results().into_iter().zip(results));
    }
}

impl<'a> Body<'_, 'a> {
    fn operands(&self, values: &[Value<'a>]) -> Option<Vec<ValueId>> {
        values.iter().map(|v| self.values.get(v).copied()).collect()
    }
}
