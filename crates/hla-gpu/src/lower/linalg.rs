//! The whole program for the CPU: a module of linalg on memrefs.

use std::fmt::{self, Display, Write as _};

use hla_ir::TensorType;
use hla_runtime::plan::{Command, Place, PlanFunction, Span};

use super::Lowered;
use crate::kernel::NAME;
use crate::text::{Text, memref};

impl Lowered {
    /// The program as MLIR: a `func.func` for each kernel, `@kernel0` and so on, and one for each
    /// function, which does what its plan says, one command after the other.
    ///
    /// A function takes memory as bytes: `%arena`, `%constants`, then its inputs, then those of its
    /// outputs that update no input. What is in the arena before does not matter. Any tool that can
    /// lower linalg to loops runs it; what it computes, with which buffers in which places, is
    /// what the GPU does, but for the order of sums.
    pub fn linalg(&self) -> String {
        let mut module = String::from("module {\n");
        for (i, kernel) in self.kernels.iter().enumerate() {
            let _ = writeln!(module, "// {}", kernel.computes);
            module.push_str(&kernel.linalg.replace(NAME, &format!("@kernel{i}")));
            if !module.ends_with('\n') {
                module.push('\n');
            }
        }
        for function in &self.functions {
            self.function(&mut module, function);
        }
        module.push_str("}\n");
        module
    }

    fn function(&self, module: &mut String, function: &PlanFunction) {
        let signature = &function.signature;
        let mut parameters = vec![
            parameter("arena", function.arena_bytes),
            parameter("constants", self.constants.len() as u64),
        ];
        for (i, slot) in signature.inputs.iter().enumerate() {
            parameters.push(parameter(&format!("input{i}"), slot.ty.bytes() as u64));
        }
        for (i, slot) in signature.outputs.iter().enumerate() {
            if slot.updates.is_none() {
                parameters.push(parameter(&format!("output{i}"), slot.ty.bytes() as u64));
            }
        }
        let _ = writeln!(
            module,
            "func.func @{}({}) {{",
            function.name,
            parameters.join(", ")
        );
        let mut text = Text::new();
        for command in &function.commands {
            self.command(&mut text, function, command);
        }
        text.line("return");
        module.push_str(&text.finish());
        module.push_str("}\n");
    }

    fn command(&self, text: &mut Text, function: &PlanFunction, command: &Command) {
        let view = |text: &mut Text, span: &Span, ty: &TensorType| {
            let bytes = match span.place {
                Place::Arena => function.arena_bytes,
                Place::Constants => self.constants.len() as u64,
                Place::Input(i) => function.signature.inputs[i as usize].ty.bytes() as u64,
                Place::Output(o) => function.signature.outputs[o as usize].ty.bytes() as u64,
            };
            let at = text.index(span.offset);
            text.op(format_args!(
                "memref.view %{}[{at}][] : memref<{bytes}xi8> to {}",
                Name(span.place),
                memref(ty)
            ))
        };
        let bytes = |span: &Span| TensorType {
            shape: vec![span.bytes as usize],
            dtype: hla_ir::DType::I8,
        };
        match command {
            Command::Launch { kernel, args, .. } => {
                let types = &self.arguments[*kernel as usize];
                let names: Vec<String> = args
                    .iter()
                    .zip(types)
                    .map(|(arg, ty)| view(text, &arg.span, ty))
                    .collect();
                let types: Vec<String> = types.iter().map(memref).collect();
                text.line(format_args!(
                    "call @kernel{kernel}({}) : ({}) -> ()",
                    names.join(", "),
                    types.join(", ")
                ));
            }
            Command::Copy { source, target } => {
                let ty = bytes(source);
                let (from, to) = (view(text, source, &ty), view(text, target, &ty));
                let ty = memref(&ty);
                text.line(format_args!("memref.copy {from}, {to} : {ty} to {ty}"));
            }
            Command::Fill { target, byte } => {
                let ty = bytes(target);
                let value = text.constant(format_args!("{} : i8", *byte as i8));
                let to = view(text, target, &ty);
                text.line(format_args!(
                    "linalg.fill ins({value} : i8) outs({to} : {})",
                    memref(&ty)
                ));
            }
        }
    }
}

fn parameter(name: &str, bytes: u64) -> String {
    format!("%{name}: memref<{bytes}xi8>")
}

/// The parameter that a place is.
struct Name(Place);

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Place::Input(i) => write!(f, "input{i}"),
            Place::Output(o) => write!(f, "output{o}"),
            Place::Arena => f.write_str("arena"),
            Place::Constants => f.write_str("constants"),
        }
    }
}
