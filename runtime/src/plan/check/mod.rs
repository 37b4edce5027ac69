//! Whether a program keeps the rules of [plans](crate::plan).
//!
//! The check runs each function without its arithmetic: it follows which value lies in which bytes,
//! command by command. So a plan that passes reads and writes nothing outside its places, as far as
//! its kernels do what their arguments say, whatever file it came from. What is checked:
//!
//! - **kernels**: blocks, grids and shared memory within the limits of CUDA; the `.entry` is in the
//!   module, and takes as many addresses as it is given;
//! - **signatures**: an update is of one input with that `hla.param` and of its type; no two inputs
//!   have the same `hla.param`; a parameter has one type in all functions;
//! - **spans**: within their places; in inputs and outputs whole elements; in the arena, the first byte
//!   of each value that is written lies at a multiple of [`ALIGNMENT`];
//! - **reading**: every byte was written before, and last as the value that is read. So two live
//!   buffers that overlap show, and an input that is read after its update was written. All reads of
//!   what an input held at first name one value;
//! - **writing**: never constants, nor an input unless an output updates it;
//! - **arguments** of a launch overlap only where both are read, or where one is read and one written and
//!   they are the same span; source and target of a copy are of one length and do not overlap;
//! - **the end**: each output was written whole, and holds one value; an input with an update was
//!   written whole, or not at all, and holds one value.
//!
//! - `content` knows which value lies where, `kernels` the limits and the code, `function` follows
//!   the commands.

mod content;
mod function;
mod kernels;

use std::collections::{HashMap, HashSet};

use hla_ir::{Diagnostic, Location};

use super::{ALIGNMENT, DeviceProgram, PlanFunction};

/// Checks a program: see the [page](self).
///
/// # Errors
/// The first rule that is broken, with function and command.
pub fn check(program: &DeviceProgram) -> Result<(), Diagnostic> {
    let arguments = kernels::arguments(program).map_err(|(i, what)| {
        let entry = &program.kernels[i].entry;
        refuse(format!("kernel {i}, '{entry}': {what}"))
    })?;
    let kernels: Vec<(&str, usize)> = (program.kernels.iter().map(|k| &*k.computes))
        .zip(arguments)
        .collect();
    functions(&program.functions, &kernels, program.constants.len() as u64)
}

/// Checks functions alone: all rules but those of kernels and their code. `kernels` says what each of
/// them computes, and how many arguments it takes.
///
/// # Errors
/// As [`check`].
pub fn functions(
    functions: &[PlanFunction],
    kernels: &[(&str, usize)],
    constants_bytes: u64,
) -> Result<(), Diagnostic> {
    let mut names = HashSet::new();
    let mut params = HashMap::new();
    for function in functions {
        let name = &function.name;
        if !names.insert(name) {
            return Err(refuse(format!("two functions are named '{name}'")));
        }
        for slot in &function.signature.inputs {
            let Some(param) = &slot.param else { continue };
            let ty = *params.entry(param).or_insert(&slot.ty);
            if *ty != slot.ty {
                return Err(refuse(format!(
                    "function '{name}': the parameter '{param}' is {}, but {ty} in a function before",
                    slot.ty
                )));
            }
        }
        function::check(function, kernels, constants_bytes)
            .map_err(|what| refuse(format!("function '{name}', {what}")))?;
    }
    Ok(())
}

fn refuse(message: String) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
        .help("the program was damaged or compiled wrongly: compile it again")
}
