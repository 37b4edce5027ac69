//! Types from their MLIR spelling, and the inference of one node.

use hla_ir::{Arg, Attrs, DType, Function, Location, Op, TensorType, ValueId};

/// A tensor type from extents and element type, as `2x3xf32`.
pub fn ty(text: &str) -> TensorType {
    let (shape, dtype) = match text.rsplit_once('x') {
        Some((shape, dtype)) => (
            shape.split('x').map(|e| e.parse().unwrap()).collect(),
            dtype,
        ),
        None => (Vec::new(), text),
    };
    TensorType::new(shape, DType::from_name(dtype).unwrap())
}

/// A function with arguments of these types, and their values.
pub fn function(types: &[&str]) -> (Function, Vec<ValueId>) {
    let mut f = Function::new("test");
    let values = types.iter().map(|t| f.add_arg(Arg::new(ty(t)))).collect();
    (f, values)
}

/// Result types of a node, as `2x3xf32 4xi8`, or the error's message.
pub fn infer(op: Op, operands: &[&str], attrs: Attrs) -> Result<String, String> {
    let (mut f, values) = function(operands);
    let id = f
        .push_node(op, &values, attrs, Location::file("m.mlir", 1, 2))
        .map_err(|e| {
            assert_eq!(e.location, Location::file("m.mlir", 1, 2));
            e.message
        })?;
    let types: Vec<String> = f
        .node(id)
        .results
        .iter()
        .map(|&r| {
            f.tensor_ty(r)
                .to_string()
                .replace("tensor<", "")
                .replace('>', "")
        })
        .collect();
    Ok(types.join(" "))
}

/// Asserts the result types of a node.
#[track_caller]
pub fn gives(op: Op, operands: &[&str], attrs: Attrs, expected: &str) {
    assert_eq!(
        infer(op, operands, attrs).as_deref(),
        Ok(expected),
        "{op} of {operands:?}"
    );
}

/// Asserts that a node is refused with a message that names the op and has these words.
#[track_caller]
pub fn refuses(op: Op, operands: &[&str], attrs: Attrs, words: &str) {
    match infer(op, operands, attrs) {
        Ok(types) => panic!("{op} of {operands:?} gives {types}; '{words}' was expected"),
        Err(message) => {
            assert!(message.starts_with(&format!("'{op}': ")), "{message}");
            assert!(
                message.contains(words),
                "{message}\nwas expected to contain: {words}"
            );
        }
    }
}

/// No attributes.
pub fn none() -> Attrs {
    Attrs::new()
}
