//! The verifier: what every function must satisfy, before and after each pass.

use crate::diagnostic::Diagnostic;
use crate::graph::{Def, Function, Module, NodeId};
use crate::layout::Layout;
use crate::ops::Op;
use crate::types::Type;

/// Checks a module: unique function names, and every function.
pub fn verify_module(module: &Module) -> Result<(), Diagnostic> {
    for (i, function) in module.functions.iter().enumerate() {
        if module.functions[..i]
            .iter()
            .any(|f| f.name == function.name)
        {
            return Err(Diagnostic::error(
                function.location.clone(),
                format!("there are two functions named '{}'", function.name),
            ));
        }
        verify(function)?;
    }
    Ok(())
}

/// Checks a function: operands are defined before they are used, numbering is consistent, every
/// node satisfies its declaration and has the types that its operands imply.
pub fn verify(function: &Function) -> Result<(), Diagnostic> {
    let broken = |location: &crate::Location, message: String| {
        Err(Diagnostic::error(location.clone(), message))
    };
    for (i, arg) in function.args.iter().enumerate() {
        match function.values.get(i) {
            Some(value) if value.def == Def::Arg(i) && value.ty == arg.ty => {}
            _ => return broken(&arg.location, format!("argument {i} is not value {i}")),
        }
    }
    let mut defined = vec![false; function.values.len()];
    defined[..function.args.len()].fill(true);
    for (index, node) in function.nodes.iter().enumerate() {
        let name = node.name();
        for (i, operand) in node.operands.iter().enumerate() {
            if !defined.get(operand.index()).copied().unwrap_or(false) {
                return broken(
                    &node.location,
                    format!("'{name}': operand {i} is used before it is defined"),
                );
            }
        }
        for (i, result) in node.results.iter().enumerate() {
            let sound = function
                .values
                .get(result.index())
                .is_some_and(|v| v.def == Def::Node(NodeId(index as u32), i));
            if !sound || std::mem::replace(&mut defined[result.index()], true) {
                return broken(
                    &node.location,
                    format!("'{name}': result {i} is misnumbered"),
                );
            }
        }
        if let Err(message) = Layout::of(&node.attrs) {
            return broken(&node.location, format!("'{name}': {message}"));
        }
        if node.op == Op::Opaque {
            continue;
        }
        let mut attrs = node.attrs.clone();
        let types = match function.infer(node.op, &node.operands, &mut attrs) {
            Ok(types) => types,
            Err(message) => return broken(&node.location, format!("'{name}': {message}")),
        };
        if attrs != node.attrs {
            return broken(
                &node.location,
                format!("'{name}': attributes are not normalised"),
            );
        }
        let have: Vec<&Type> = node.results.iter().map(|&r| function.ty(r)).collect();
        let agree = have.len() == types.len()
            && have.iter().zip(&types).all(|(h, t)| h.tensor() == Some(t));
        if !agree {
            let list = |types: Vec<String>| types.join(", ");
            return broken(
                &node.location,
                format!(
                    "'{name}': the result is declared as {}, but its operands imply {}",
                    list(have.iter().map(ToString::to_string).collect()),
                    list(types.iter().map(ToString::to_string).collect())
                ),
            );
        }
    }
    for (i, result) in function.results.iter().enumerate() {
        if !defined.get(result.index()).copied().unwrap_or(false) {
            return broken(
                &function.location,
                format!("result {i} of '{}' is undefined", function.name),
            );
        }
    }
    updates(function)
}

/// Results that update a parameter have its type, and none is updated twice.
fn updates(function: &Function) -> Result<(), Diagnostic> {
    let broken = |message| Err(Diagnostic::error(function.location.clone(), message));
    if function.result_attrs.len() > function.results.len() {
        return broken(format!(
            "'{}' has attributes of more results than it returns",
            function.name
        ));
    }
    let mut known = std::collections::HashSet::new();
    for (i, &result) in function.results.iter().enumerate() {
        let Some(name) = function.updates(i) else {
            continue;
        };
        if !known.insert(name) {
            return broken(format!("two results update '{name}'"));
        }
        let arg = function
            .args
            .iter()
            .find(|a| a.param.as_deref() == Some(name));
        match arg {
            None => {
                return broken(format!(
                    "result {i} updates '{name}', but no argument has this hla.param"
                ));
            }
            Some(arg) if arg.ty != *function.ty(result) => {
                let (have, want) = (function.ty(result), &arg.ty);
                return broken(format!(
                    "result {i} updates '{name}' of type {want}, but has type {have}"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
