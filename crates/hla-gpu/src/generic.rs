//! `linalg.generic` on memrefs.

use crate::Text;

/// A memref with its type, and where its elements are read or written at: an affine map's results.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Buffer {
    pub name: String,
    /// Its type as MLIR spells it.
    pub ty: String,
    /// The type of its elements.
    pub element: &'static str,
    /// Results of its map from (d0, d1, …).
    pub map: String,
}

/// Writes a `linalg.generic`; `iterators` has one word for each dimension. The body is given the
/// elements of inputs and of outputs, and gives the new ones of outputs.
pub(crate) fn generic(
    t: &mut Text,
    iterators: &[&str],
    inputs: &[Buffer],
    outputs: &[Buffer],
    body: impl FnOnce(&mut Text, &[String], &[String]) -> Vec<String>,
) {
    let dims: Vec<String> = (0..iterators.len()).map(|d| format!("d{d}")).collect();
    let dims = dims.join(", ");
    let all = || inputs.iter().chain(outputs);
    let maps: Vec<String> = all()
        .map(|b| format!("affine_map<({dims}) -> ({})>", b.map))
        .collect();
    let iterators: Vec<String> = iterators.iter().map(|i| format!("\"{i}\"")).collect();
    let operands = |word: &str, buffers: &[Buffer]| {
        let names: Vec<&str> = buffers.iter().map(|b| &b.name[..]).collect();
        let types: Vec<&str> = buffers.iter().map(|b| &b.ty[..]).collect();
        match buffers {
            [] => String::new(),
            _ => format!(" {word}({} : {})", names.join(", "), types.join(", ")),
        }
    };
    t.open(format_args!(
        "linalg.generic {{indexing_maps = [{}], iterator_types = [{}]}}{}{} {{",
        maps.join(", "),
        iterators.join(", "),
        operands("ins", inputs),
        operands("outs", outputs)
    ));
    let elements: Vec<String> = all().map(|_| t.fresh()).collect();
    let declared: Vec<String> = (elements.iter().zip(all()))
        .map(|(name, b)| format!("{name}: {}", b.element))
        .collect();
    t.line(format_args!("^bb0({}):", declared.join(", ")));
    let (read, written) = elements.split_at(inputs.len());
    let results = body(t, read, written);
    let types: Vec<&str> = outputs.iter().map(|b| b.element).collect();
    t.line(format_args!(
        "linalg.yield {} : {}",
        results.join(", "),
        types.join(", ")
    ));
    t.close("}");
}
