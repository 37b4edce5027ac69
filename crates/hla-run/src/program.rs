//! A program and its device.

use std::collections::BTreeMap;
use std::path::Path;

use hla_ir::{Diagnostic, Location, Tensor};
use hla_runtime::device::{DeviceSession, DeviceStep};
use hla_runtime::plan::DeviceProgram;
use hla_runtime::{Signature, State, program};
use hla_train::Blueprint;

use crate::place::Place;
use crate::values;

/// Reads a program, and brings it onto the device.
pub fn open(path: &Path, place: Place) -> Result<DeviceSession, Diagnostic> {
    let program = program::read(path)?;
    DeviceSession::new(place.open()?, program)
}

/// Refuses names that are no functions of a program.
pub fn check_names(program: &DeviceProgram, names: &[String]) -> Result<(), Diagnostic> {
    match names.iter().find(|name| program.function(name).is_none()) {
        None => Ok(()),
        Some(name) => Err(Diagnostic::error(
            Location::unknown(),
            format!("the program has no function '{name}'"),
        )
        .help(format!("its functions are {}", functions(program)))),
    }
}

fn functions(program: &DeviceProgram) -> String {
    let names: Vec<&str> = program.functions.iter().map(|f| &*f.name).collect();
    names.join(", ")
}

/// What a program says of its training, if it is one.
pub fn blueprint(program: &DeviceProgram) -> Result<Option<Blueprint>, Diagnostic> {
    program
        .driver
        .as_deref()
        .map(Blueprint::from_json)
        .transpose()
}

/// The function of this name; without one that of a program which has no other, or `main`.
pub fn function(session: &DeviceSession, name: Option<&str>) -> Result<DeviceStep, Diagnostic> {
    let program = session.program();
    let name = match (name, &*program.functions) {
        (Some(name), _) => name,
        (None, [only]) => &only.name,
        (None, _) if program.function("main").is_some() => "main",
        (None, _) => {
            return Err(Diagnostic::error(
                Location::unknown(),
                "the program has more than one function",
            )
            .help(format!(
                "choose one with --function: {}",
                functions(&program)
            )));
        }
    };
    session.function(name)
}

/// The state before a training's first step; what is in `given` is taken from there. A program that
/// is no training has random parameters.
pub fn state(
    signature: &Signature,
    blueprint: Option<&Blueprint>,
    given: &BTreeMap<String, Tensor>,
) -> Result<State, Diagnostic> {
    let mut state = match blueprint {
        Some(blueprint) => hla_train::init::state(&blueprint.state, given, 0)?,
        None => State::new(),
    };
    for slot in &signature.inputs {
        let Some(name) = slot.param.as_deref() else {
            continue;
        };
        if state.ty(name).is_some() {
            continue;
        }
        let value = match given.get(name) {
            Some(value) => value.clone(),
            None => values::random(name, &slot.ty)?,
        };
        state.set(name, &value)?;
    }
    Ok(state)
}
