//! From MLIR's operations to the tensor IR.
//!
//! - this file: the module and its functions;
//! - [`op`]: ops, driven by the table of `hla_ir::ops`;
//! - [`constant`]: constants that become attributes;
//! - [`attribute`]: attributes; [`opaque`]: the text of what hlac does not know;
//! - [`resource`]: the blobs behind `dense_resource`.

mod attribute;
mod constant;
mod op;
mod opaque;
mod resource;

use std::cell::OnceCell;
use std::collections::HashSet;

use hla_ir::{Arg, Diagnostic, Function, Location, Module, verify};

use crate::ffi::{Attribute, Ir, Op, PrintForm, Printer};
use crate::source::Source;
use crate::specialize::{Inputs, ParseOptions};
use resource::Resources;

/// Attributes of a function that its signature already says.
const SIGNATURE: [&str; 4] = ["sym_name", "function_type", "arg_attrs", "res_attrs"];

/// What to make of a function whose body is not one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ControlFlow {
    /// It is an error.
    Refuse,
    /// It is kept as text, as other top-level ops are.
    Keep,
}

/// The import of one source.
pub(crate) struct Importer<'a> {
    ir: &'a Ir,
    options: &'a ParseOptions,
    control_flow: ControlFlow,
    resources: Resources<'a>,
    printer: OnceCell<Printer<'a>>,
    errors: Vec<Diagnostic>,
}

/// Imports the whole of `ir`, which was parsed from `source` if that is still what it says.
pub(crate) fn import(
    ir: &Ir,
    source: Option<&Source>,
    options: &ParseOptions,
    control_flow: ControlFlow,
) -> Result<Module, Vec<Diagnostic>> {
    let mut importer = Importer {
        ir,
        options,
        control_flow,
        resources: Resources::new(ir, source),
        printer: OnceCell::new(),
        errors: Vec::new(),
    };
    let module = importer.module(ir.root());
    if importer.errors.is_empty()
        && let Err(error) = verify::verify_module(&module)
    {
        importer.errors.push(error);
    }
    if importer.errors.is_empty() {
        Ok(module)
    } else {
        Err(importer.errors)
    }
}

impl<'a> Importer<'a> {
    fn module(&mut self, root: Op<'a>) -> Module {
        let mut module = Module::default();
        if root.name() != "builtin.module" {
            self.top_level(root, &mut module);
            return module;
        }
        for (name, value) in root.attributes() {
            match self.attribute(value) {
                Ok(value) => module.attrs.set(&name, value),
                Err(message) => self.error(root.location(), message),
            }
        }
        for blocks in root.regions() {
            for block in blocks {
                for op in block.operations() {
                    self.top_level(op, &mut module);
                }
            }
        }
        module
    }

    fn top_level(&mut self, op: Op<'a>, module: &mut Module) {
        let blocks = op.regions().first().map_or(0, Vec::len);
        let held = blocks == 1 || (blocks > 1 && self.control_flow == ControlFlow::Refuse);
        if op.name() == "func.func" && held {
            if let Some(function) = self.function(op) {
                module.functions.push(function);
            }
        } else {
            match self.verbatim(op) {
                Ok(text) => module.opaque.push(text.into()),
                Err(message) => self.error(op.location(), message),
            }
        }
    }

    fn function(&mut self, op: Op<'a>) -> Option<Function> {
        let location = op.location();
        let name = op.attribute("sym_name").and_then(|a| utf8(a.string()?));
        let Some(name) = name else {
            self.error(location, "the function's name is no UTF-8".to_owned());
            return None;
        };
        let mut function = Function::new(&name);
        function.location = location.clone();
        for (name, value) in op.attributes() {
            if !SIGNATURE.contains(&&*name) {
                match self.attribute(value) {
                    Ok(value) => function.attrs.set(&name, value),
                    Err(message) => self.error(location.clone(), message),
                }
            }
        }
        let regions = op.regions();
        let blocks = regions.first()?;
        let [block] = blocks[..] else {
            self.errors.push(
                Diagnostic::error(
                    location,
                    format!("'@{name}' has {} blocks, but hlac takes straight-line functions", blocks.len()),
                )
                .help("replace control flow by select, or specialise the branch with upstream passes (canonicalize, inline) first"),
            );
            return None;
        };
        let failed = self.errors.len();
        self.arguments(op, block.arguments(), &mut function);
        if self.errors.len() > failed {
            return None;
        }
        self.result_attributes(op, &mut function);
        self.body(block, &mut function);
        Some(function)
    }

    fn result_attributes(&mut self, op: Op<'a>, function: &mut Function) {
        let all = op.attribute("res_attrs").and_then(Attribute::array);
        for (i, attrs) in all.unwrap_or_default().into_iter().enumerate() {
            for (name, value) in attrs.dictionary().unwrap_or_default() {
                match self.attribute(value) {
                    Ok(value) => function.set_result_attr(i, &name, value),
                    Err(message) => self.error(op.location(), message),
                }
            }
        }
    }

    fn arguments(
        &mut self,
        op: Op<'a>,
        values: Vec<crate::ffi::Value<'a>>,
        function: &mut Function,
    ) {
        let all_attrs = op.attribute("arg_attrs").and_then(Attribute::array);
        let mut args = Vec::new();
        let mut dynamic = Vec::new();
        for (i, value) in values.into_iter().enumerate() {
            let mut arg = Arg::new(value.ty().import());
            arg.location = value.location();
            let attrs = all_attrs.as_ref().and_then(|a| a.get(i)?.dictionary());
            for (name, value) in attrs.unwrap_or_default() {
                self.argument_attribute(&mut arg, &name, value);
            }
            dynamic.push(value.ty().ranked().filter(|ty| ty.fixed().is_none()));
            args.push(arg);
        }
        let inputs = Inputs {
            function: &function.name,
            args: &mut args,
            dynamic: &dynamic,
        };
        match inputs.specialize(self.options) {
            Ok(()) => {
                for arg in args {
                    function.add_arg(arg);
                }
            }
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn argument_attribute(&mut self, arg: &mut Arg, name: &str, value: Attribute<'a>) {
        if matches!(name, "hla.name" | "hla.param") {
            let Some(text) = value.string().and_then(utf8) else {
                let location = arg.location.clone();
                self.error(location, format!("'{name}' is no UTF-8 string"));
                return;
            };
            let slot = match name {
                "hla.name" => &mut arg.name,
                _ => &mut arg.param,
            };
            *slot = Some(text.into());
            return;
        }
        match self.attribute(value) {
            Ok(value) => arg.attrs.set(name, value),
            Err(message) => {
                let location = arg.location.clone();
                self.error(location, message);
            }
        }
    }

    fn error(&mut self, location: Location, message: String) {
        self.errors.push(Diagnostic::error(location, message));
    }

    /// The printer of opaque text, made when first needed.
    fn printer(&self) -> &Printer<'a> {
        self.printer.get_or_init(|| {
            Printer::new(
                self.ir,
                PrintForm {
                    generic: true,
                    ..PrintForm::default()
                },
            )
        })
    }
}

fn utf8(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// Values that a region of an op takes from outside of it, in order of their first use.
fn captures<'a>(op: Op<'a>) -> Vec<crate::ffi::Value<'a>> {
    let mut inner = HashSet::new();
    let mut used = Vec::new();
    let mut seen = HashSet::new();
    let mut pending = vec![op];
    while let Some(op) = pending.pop() {
        for block in op.regions().into_iter().flatten() {
            inner.extend(block.arguments());
            for op in block.operations() {
                inner.extend(op.results());
                for operand in op.operands() {
                    if seen.insert(operand) {
                        used.push(operand);
                    }
                }
                pending.push(op);
            }
        }
    }
    used.retain(|value| !inner.contains(value));
    used
}
