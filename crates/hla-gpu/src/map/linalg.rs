//! The kernel of a map as a `linalg.generic`.

use std::fmt::Write as _;

use super::gpu::number_text;
use super::nest::Nest;
use super::source::{Piece, Source};
use crate::body::Body;
use crate::kernel::NAME;
use crate::lower::Place;
use crate::lower::chain::Strided;
use crate::text::{Text, memref, stored};

/// The text of a `func.func`.
pub(crate) fn text(nest: &Nest, body: &Body, results: &[Place]) -> String {
    let places = nest.places();
    let flat: Vec<String> = places
        .iter()
        .chain(results)
        .map(|p| memref(&p.flat().ty))
        .collect();
    let parameters: Vec<String> = flat
        .iter()
        .enumerate()
        .map(|(i, ty)| format!("%a{i}: {ty}"))
        .collect();
    let mut text = Text::new();
    // Results have the dimensions of the domain: they say how far the loops run.
    let (mut outs, mut out_types) = (Vec::new(), Vec::new());
    for (i, place) in (places.len()..).zip(results) {
        let shaped = memref(&place.reshaped(nest.extents.clone()).ty);
        outs.push(match nest.extents.len() {
            1 => format!("%a{i}"),
            rank => {
                let dims: Vec<String> = (0..rank).map(|d| d.to_string()).collect();
                let extents: Vec<String> = nest.extents.iter().map(ToString::to_string).collect();
                text.op(format_args!(
                    "memref.expand_shape %a{i} [[{}]] output_shape [{}] : {} into {shaped}",
                    dims.join(", "),
                    extents.join(", "),
                    flat[i]
                ))
            }
        });
        out_types.push(shaped);
    }
    let (mut ins, mut in_types, mut maps, mut arguments) = (vec![], vec![], vec![], vec![]);
    let mut argument = 0;
    for (i, source) in nest.sources.iter().enumerate() {
        if let Some(from) = source.only() {
            ins.push(format!("%a{argument}"));
            in_types.push(flat[argument].clone());
            maps.push(map(nest, &linear(from)));
            arguments.push(format!("%x{i}: {}", stored(source.dtype())));
        }
        argument += source.arguments();
    }
    let identity: Vec<String> = (0..nest.extents.len()).map(|d| format!("d{d}")).collect();
    for (i, place) in results.iter().enumerate() {
        maps.push(map(nest, &identity.join(", ")));
        arguments.push(format!("%y{i}: {}", stored(place.ty.dtype)));
    }
    let mut generic = format!("linalg.generic {{indexing_maps = [{}], ", maps.join(", "));
    let parallel = vec!["\"parallel\""; nest.extents.len()];
    let _ = write!(generic, "iterator_types = [{}]}}", parallel.join(", "));
    if !ins.is_empty() {
        let _ = write!(
            generic,
            " ins({} : {})",
            ins.join(", "),
            in_types.join(", ")
        );
    }
    let _ = write!(
        generic,
        " outs({} : {}) {{",
        outs.join(", "),
        out_types.join(", ")
    );
    text.line(generic);
    text.line(format_args!("^bb0({}):", arguments.join(", ")));
    text.open_again();
    let inputs = inputs(nest, &mut text);
    let values = body.emit(&mut text, 1, &inputs);
    let types: Vec<&str> = results.iter().map(|p| stored(p.ty.dtype)).collect();
    text.line(format_args!(
        "linalg.yield {} : {}",
        values.join(", "),
        types.join(", ")
    ));
    text.close("}");
    text.line("return");
    format!(
        "func.func {NAME}({}) {{\n{}}}\n",
        parameters.join(", "),
        text.finish()
    )
}

/// start + Σ strides\[d\]·d.
fn linear(from: &Strided) -> String {
    let mut terms: Vec<String> = Vec::new();
    for (d, &stride) in from.strides.iter().enumerate() {
        match stride {
            0 => {}
            1 => terms.push(format!("d{d}")),
            _ => terms.push(format!("d{d} * {stride}")),
        }
    }
    if from.start != 0 || terms.is_empty() {
        terms.push(from.start.to_string());
    }
    terms.join(" + ")
}

fn map(nest: &Nest, to: &str) -> String {
    let dims: Vec<String> = (0..nest.extents.len()).map(|d| format!("d{d}")).collect();
    format!("affine_map<({}) -> ({to})>", dims.join(", "))
}

/// The elements of the sources: those in pieces are read here.
fn inputs(nest: &Nest, text: &mut Text) -> Vec<String> {
    let mut coordinates: Vec<String> = Vec::new();
    let mut argument = 0;
    let mut names = Vec::with_capacity(nest.sources.len());
    for (i, source) in nest.sources.iter().enumerate() {
        names.push(match source.only() {
            Some(_) => format!("%x{i}"),
            None => {
                if coordinates.is_empty() {
                    for d in 0..nest.extents.len() {
                        coordinates.push(text.op(format_args!("linalg.index {d} : index")));
                    }
                }
                read(nest, source, &source.pieces, argument, &coordinates, text)
            }
        });
        argument += source.arguments();
    }
    names
}

/// The element of the first piece that has it, or else the source's number.
fn read(
    nest: &Nest,
    source: &Source,
    pieces: &[Piece],
    argument: usize,
    coordinates: &[String],
    text: &mut Text,
) -> String {
    let element = stored(source.dtype());
    let Some((piece, others)) = pieces.split_first() else {
        return text.constant(format_args!("{} : {element}", number_text(source)));
    };
    let at = |text: &mut Text, from: &Strided| {
        text.op(format_args!(
            "affine.apply {}({})",
            map(nest, &linear(from)),
            coordinates.join(", ")
        ))
    };
    let read_at = |text: &mut Text, from: &Strided, argument: usize, at: &str| {
        text.op(format_args!(
            "memref.load %a{argument}[{at}] : {}",
            memref(&from.place.flat().ty)
        ))
    };
    let load = |text: &mut Text| {
        let mut offset = at(text, &piece.from);
        if let Some(indices) = &piece.indices {
            let number = at(text, &indices.from);
            let row = read_at(text, &indices.from, argument + 1, &number);
            let row = text.op(format_args!("arith.index_cast {row} : i32 to index"));
            let (first, last) = (text.index(0), text.index(indices.rows as u64 - 1));
            let row = text.op(format_args!("arith.maxsi {row}, {first} : index"));
            let row = text.op(format_args!("arith.minsi {row}, {last} : index"));
            let stride = text.index(indices.stride as u64);
            let start = text.op(format_args!("arith.muli {row}, {stride} : index"));
            offset = text.op(format_args!("arith.addi {offset}, {start} : index"));
        }
        read_at(text, &piece.from, argument, &offset)
    };
    if piece.bounds.is_empty() || (others.is_empty() && source.otherwise.is_none()) {
        return load(text);
    }
    let mut condition = text.constant("true");
    for bound in &piece.bounds {
        let limits = [("sge", bound.low), ("slt", bound.high)];
        for (predicate, limit) in limits {
            let limit = text.index(limit as u64);
            let holds = text.op(format_args!(
                "arith.cmpi {predicate}, {}, {limit} : index",
                coordinates[bound.dim]
            ));
            condition = text.op(format_args!("arith.andi {condition}, {holds} : i1"));
        }
    }
    let result = text.fresh();
    text.open(format_args!(
        "{result} = scf.if {condition} -> ({element}) {{"
    ));
    let value = load(text);
    text.line(format_args!("scf.yield {value} : {element}"));
    text.close("} else {");
    text.open_again();
    let other = read(
        nest,
        source,
        others,
        argument + piece.arguments(),
        coordinates,
        text,
    );
    text.line(format_args!("scf.yield {other} : {element}"));
    text.close("}");
    result
}
