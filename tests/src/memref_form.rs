//! Programs for a GPU in their linalg form, run on the CPU by upstream's tools: the partition into
//! kernels, their fused bodies and the plan of the arena are held against the reference without a
//! GPU.
//!
//! Memory is bytes. The arena is filled with ones before each call, so a byte that is read before it
//! is written shows as a NaN or a large number.

use std::fmt::Write as _;

use hla_gpu::Lowered;
use hla_ir::{Tensor, TensorType};

use crate::upstream::{Printed, Upstream};

/// Linalg on memrefs to LLVM.
const PIPELINE: &str = "builtin.module(\
    func.func(convert-linalg-to-loops),expand-strided-metadata,lower-affine,convert-scf-to-cf,\
    func.func(convert-math-to-llvm),convert-math-to-libm,convert-vector-to-llvm,convert-arith-to-llvm,\
    finalize-memref-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,convert-index-to-llvm,\
    convert-ub-to-llvm,reconcile-unrealized-casts)";

impl Upstream {
    /// Calls each function of a program once; gives the outputs of each.
    ///
    /// # Errors
    /// What the tools reported.
    pub fn run_lowered(
        &self,
        program: &Lowered,
        inputs: &[&[Tensor]],
    ) -> Result<Vec<Vec<Tensor>>, String> {
        let text = module(program, inputs);
        let mut printed = Printed::new(self.run_text(&text, PIPELINE)?);
        let mut all = Vec::with_capacity(program.functions.len());
        for function in &program.functions {
            let outputs = function.signature.outputs.iter();
            all.push(
                outputs
                    .map(|slot| tensor(&mut printed, &slot.ty))
                    .collect::<Result<_, _>>()?,
            );
        }
        printed.end()?;
        Ok(all)
    }
}

/// Bytes, rounded up to whole words, which are what is printed.
fn padded(ty: &TensorType) -> usize {
    ty.bytes().next_multiple_of(4).max(4)
}

fn tensor(printed: &mut Printed, ty: &TensorType) -> Result<Tensor, String> {
    let mut bytes: Vec<u8> = Vec::new();
    for word in printed.read()? {
        bytes.extend_from_slice(&word.to_le_bytes()[..4]);
    }
    bytes.truncate(ty.bytes());
    Tensor::from_bytes(ty.clone(), bytes)
}

/// The program, its memory as globals, and a `@main` that calls every function.
fn module(program: &Lowered, inputs: &[&[Tensor]]) -> String {
    let text = program.linalg();
    let mut text = text.trim_end().trim_end_matches('}').to_owned();
    text.push_str("  func.func private @printMemrefI32(memref<*xi32>)\n");
    let mut main = String::from("  func.func @main() {\n");
    let constants = global(
        &mut text,
        "constants",
        program.constants.len(),
        Some(&program.constants),
    );
    for (f, function) in program.functions.iter().enumerate() {
        let arena = global(
            &mut text,
            &format!("arena{f}"),
            function.arena_bytes as usize,
            None,
        );
        let _ = writeln!(
            text,
            "  func.func @call{f}() {{\n    %ones = arith.constant -1 : i8"
        );
        let mut names = Vec::new();
        let mut types = Vec::new();
        let mut get = |text: &mut String, name: &str, (padded, bytes): (usize, usize)| {
            let _ = writeln!(
                text,
                "    %{name}_all = memref.get_global @{name} : memref<{padded}xi8>"
            );
            let _ = writeln!(text, "    %{name}_0 = arith.constant 0 : index");
            let _ = writeln!(
                text,
                "    %{name} = memref.view %{name}_all[%{name}_0][] : memref<{padded}xi8> to memref<{bytes}xi8>"
            );
            names.push(format!("%{name}"));
            types.push(format!("memref<{bytes}xi8>"));
        };
        get(&mut text, &format!("arena{f}"), arena);
        get(&mut text, "constants", constants);
        // A global is declared outside of the function.
        let mut globals = String::new();
        let mut results = vec![String::new(); function.signature.outputs.len()];
        for (i, (slot, value)) in function.signature.inputs.iter().zip(inputs[f]).enumerate() {
            let name = format!("in{f}_{i}");
            let size = global(
                &mut globals,
                &name,
                slot.ty.bytes(),
                Some(&value.to_bytes()),
            );
            get(&mut text, &name, size);
            for (o, output) in function.signature.outputs.iter().enumerate() {
                if output.updates.is_some() && output.updates == slot.param {
                    results[o] = name.clone();
                }
            }
        }
        for (o, slot) in function.signature.outputs.iter().enumerate() {
            if slot.updates.is_none() {
                let name = format!("out{f}_{o}");
                let size = global(&mut globals, &name, slot.ty.bytes(), None);
                get(&mut text, &name, size);
                results[o] = name;
            }
        }
        let _ = writeln!(
            text,
            "    linalg.fill ins(%ones : i8) outs(%arena{f} : memref<{}xi8>)",
            arena.1
        );
        let _ = writeln!(
            text,
            "    func.call @{}({}) : ({}) -> ()",
            function.name,
            names.join(", "),
            types.join(", ")
        );
        for (name, slot) in results.iter().zip(&function.signature.outputs) {
            print(&mut text, name, padded(&slot.ty));
        }
        text.push_str("    func.return\n  }\n");
        text.push_str(&globals);
        let _ = writeln!(main, "    func.call @call{f}() : () -> ()");
    }
    main.push_str("    func.return\n  }\n");
    text + &main + "}\n"
}

/// Declares memory; gives its size with padding and without.
fn global(text: &mut String, name: &str, bytes: usize, value: Option<&[u8]>) -> (usize, usize) {
    let padded = bytes.next_multiple_of(4).max(4);
    let value = match value {
        None => "dense<0>".to_owned(),
        Some(value) => {
            let mut hex: String = value.iter().map(|b| format!("{b:02X}")).collect();
            hex.push_str(&"00".repeat(padded - bytes));
            format!("dense<\"0x{hex}\">")
        }
    };
    let _ = writeln!(
        text,
        "  memref.global \"private\" @{name} : memref<{padded}xi8> = {value} {{alignment = 256 : i64}}"
    );
    (padded, bytes)
}

/// Prints the words of a global that a function has got already.
fn print(text: &mut String, name: &str, bytes: usize) {
    let words = bytes / 4;
    // A value may be returned twice, so each printing has names of its own.
    let at = text.len();
    let _ = writeln!(
        text,
        "    %words{at} = memref.view %{name}_all[%{name}_0][] : memref<{bytes}xi8> to memref<{words}xi32>"
    );
    let _ = writeln!(
        text,
        "    %print{at} = memref.cast %words{at} : memref<{words}xi32> to memref<*xi32>"
    );
    let _ = writeln!(
        text,
        "    func.call @printMemrefI32(%print{at}) : (memref<*xi32>) -> ()"
    );
}
