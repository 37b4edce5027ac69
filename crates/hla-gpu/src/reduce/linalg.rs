//! Reductions as ops of linalg.
//!
//! The elements are computed as a whole, then each segment is reduced, then what follows is computed.

use hla_ir::{DType, TensorType};

use super::access::Access;
use super::combine::{wide, widened};
use super::pass::Pass;
use crate::Text;
use crate::function;
use crate::generic::{Buffer, generic};
use crate::lower::chain::Strided;
use crate::text::{memref, stored};

const DIMS: &str = "d0, d1, d2";

/// The function.
pub(super) fn emit(pass: &Pass<'_>) -> String {
    let (inputs, outputs) = (pass.inputs(), pass.outputs());
    function::linalg((&inputs, &outputs), |t, arguments| {
        let e = pass.extents();
        let mut scratch = Scratch::default();
        let elements = elements(t, pass, &arguments.inputs, &mut scratch);
        let shape = [e.outer, pass.schedule.segments(), e.inner];
        let results: Vec<String> = (arguments.outputs.iter().zip(&outputs))
            .map(|(name, ty)| shaped(t, name, ty.dtype, shape))
            .collect();
        if pass.finishes {
            let dtypes = pass.states();
            let states: Vec<String> = (dtypes.iter())
                .map(|&dtype| scratch.alloc(t, &TensorType::new(shape, dtype)))
                .collect();
            reduce(t, pass, &elements, &states);
            let further = &arguments.inputs[pass.reduce.inputs.len()..];
            follow(t, pass, &states, (further, &results));
        } else {
            reduce(t, pass, &elements, &results);
        }
        scratch.free(t);
    })
}

/// Memory that lives as long as the function runs.
#[derive(Default)]
struct Scratch(Vec<(String, String)>);

impl Scratch {
    fn alloc(&mut self, t: &mut Text, ty: &TensorType) -> String {
        let ty = memref(ty);
        let name = t.op(format_args!("memref.alloc() : {ty}"));
        self.0.push((name.clone(), ty));
        name
    }

    fn free(self, t: &mut Text) {
        for (name, ty) in self.0 {
            t.line(format_args!("memref.dealloc {name} : {ty}"));
        }
    }
}

/// One dimension as three.
fn shaped(t: &mut Text, name: &str, dtype: DType, shape: [usize; 3]) -> String {
    let [a, b, c] = shape;
    t.op(format_args!(
        "memref.expand_shape {name} [[0, 1, 2]] output_shape [{a}, {b}, {c}] : {} into {}",
        memref(&TensorType::new([a * b * c], dtype)),
        memref(&TensorType::new(shape, dtype))
    ))
}

/// An operand as it is read over [outer, axis, inner].
fn read(operand: &Strided, name: &str) -> Buffer {
    let ty = operand.place.flat().ty;
    Buffer {
        name: name.to_owned(),
        ty: memref(&ty),
        element: stored(ty.dtype),
        map: Access::new(operand).map(),
    }
}

fn written(name: &str, ty: &TensorType) -> Buffer {
    Buffer {
        name: name.to_owned(),
        ty: memref(ty),
        element: stored(ty.dtype),
        map: DIMS.to_owned(),
    }
}

/// The states of all elements, as [outer, axis, inner]; `None` for an index along the axis.
fn elements(
    t: &mut Text,
    pass: &Pass<'_>,
    memory: &[String],
    scratch: &mut Scratch,
) -> Vec<Option<(String, DType)>> {
    let reduce = pass.reduce;
    let shape = pass.extents().all();
    let mut found = Vec::new();
    // Which results of the body are kept, and their types before.
    let mut kept: Vec<(usize, DType)> = Vec::new();
    let mut outputs = Vec::new();
    for part in &pass.parts {
        let index = part.accumulators().len() > 1;
        let states = [Some((part.value, part.dtype))].into_iter();
        let index = index.then(|| part.index.map(|i| (i, DType::I32)));
        for state in states.chain(index) {
            found.push(state.map(|(value, dtype)| {
                let ty = TensorType::new(shape, wide(dtype));
                let name = scratch.alloc(t, &ty);
                kept.push((value, dtype));
                outputs.push(written(&name, &ty));
                (name, ty.dtype)
            }));
        }
    }
    let inputs = reduce.inputs.iter().zip(memory);
    let inputs: Vec<Buffer> = inputs.map(|(input, name)| read(input, name)).collect();
    generic(t, &["parallel"; 3], &inputs, &outputs, |t, elements, _| {
        let values = reduce.body.emit(t, 1, elements);
        let kept = kept.iter();
        kept.map(|&(value, dtype)| widened(t, dtype, 1, &values[value]))
            .collect()
    });
    found
}

/// Segments `first..first + count` of `length` elements each.
#[derive(Clone, Copy)]
struct Segments {
    first: usize,
    count: usize,
    length: usize,
}

/// Reduces all segments to states [outer, segment, inner].
fn reduce(t: &mut Text, pass: &Pass<'_>, elements: &[Option<(String, DType)>], states: &[String]) {
    let (e, segments) = (pass.extents(), pass.schedule.segments());
    let start = pass.start(t, 1);
    for ((value, name), &dtype) in start.iter().zip(states).zip(&pass.states()) {
        let ty = TensorType::new([e.outer, segments, e.inner], dtype);
        t.line(format_args!(
            "linalg.fill ins({value} : {}) outs({name} : {})",
            stored(dtype),
            memref(&ty)
        ));
    }
    let length = match segments {
        1 => e.axis,
        _ => pass.schedule.segment(),
    };
    let count = e.axis.checked_div(length).unwrap_or(0);
    let whole = Segments {
        first: 0,
        count,
        length,
    };
    let rest = Segments {
        first: count,
        count: 1,
        length: e.axis - count * length,
    };
    for part in [whole, rest] {
        if part.count * part.length > 0 {
            reduce_segments(t, pass, elements, states, (part, length));
        }
    }
}

fn reduce_segments(
    t: &mut Text,
    pass: &Pass<'_>,
    elements: &[Option<(String, DType)>],
    states: &[String],
    (part, segment): (Segments, usize),
) {
    let (e, segments) = (pass.extents(), pass.schedule.segments());
    let begin = part.first * segment;
    let inputs: Vec<Buffer> = elements
        .iter()
        .flatten()
        .map(|(name, dtype)| elements_of(t, name, (e.all(), *dtype), part, begin))
        .collect();
    let outputs: Vec<Buffer> = (states.iter().zip(pass.states()))
        .map(|(name, dtype)| {
            let from = ([e.outer, segments, e.inner], dtype);
            let (name, ty) = subview(t, name, from, (part.first, part.count));
            Buffer {
                name,
                ty,
                element: stored(dtype),
                map: "d0, d1, d3".to_owned(),
            }
        })
        .collect();
    let iterators = ["parallel", "parallel", "reduction", "parallel"];
    generic(t, &iterators, &inputs, &outputs, |t, read, states| {
        let mut read = read.iter();
        let mut next: Vec<String> = Vec::with_capacity(elements.len());
        for element in elements {
            let value = match element {
                Some(_) => read.next().cloned(),
                None => None,
            };
            next.push(value.unwrap_or_else(|| index(t, begin, segment)));
        }
        pass.combine(t, 1, states, &next)
    });
}

/// The index along the axis of an element of (outer, segment, element, inner), as i32.
fn index(t: &mut Text, begin: usize, segment: usize) -> String {
    let (s, r) = (
        t.op("linalg.index 1 : index"),
        t.op("linalg.index 2 : index"),
    );
    let (begin, segment) = (t.index(begin as u64), t.index(segment as u64));
    let s = t.op(format_args!("arith.muli {s}, {segment} : index"));
    let r = t.op(format_args!("arith.addi {r}, {s} : index"));
    let r = t.op(format_args!("arith.addi {r}, {begin} : index"));
    t.op(format_args!("arith.index_cast {r} : index to i32"))
}

/// Segments of [outer, axis, inner] as [outer, segment, element, inner].
fn elements_of(
    t: &mut Text,
    name: &str,
    (shape, dtype): ([usize; 3], DType),
    part: Segments,
    begin: usize,
) -> Buffer {
    let [outer, axis, inner] = shape;
    let Segments { count, length, .. } = part;
    let (name, ty) = subview(t, name, (shape, dtype), (begin, count * length));
    let to = format!(
        "memref<{outer}x{count}x{length}x{inner}x{}, strided<[{}, {}, {inner}, 1]{}>>",
        stored(dtype),
        axis * inner,
        length * inner,
        offset(begin * inner)
    );
    let name = t.op(format_args!(
        "memref.expand_shape {name} [[0], [1, 2], [3]] output_shape [{outer}, {count}, {length}, {inner}] : {ty} into {to}"
    ));
    Buffer {
        name,
        ty: to,
        element: stored(dtype),
        map: "d0, d1, d2, d3".to_owned(),
    }
}

fn offset(elements: usize) -> String {
    match elements {
        0 => String::new(),
        n => format!(", offset: {n}"),
    }
}

/// A part of [a, b, c]: so many along b from a position on.
fn subview(
    t: &mut Text,
    name: &str,
    (shape, dtype): ([usize; 3], DType),
    (begin, count): (usize, usize),
) -> (String, String) {
    let [a, b, c] = shape;
    let ty = format!(
        "memref<{a}x{count}x{c}x{}, strided<[{}, {c}, 1]{}>>",
        stored(dtype),
        b * c,
        offset(begin * c)
    );
    let name = t.op(format_args!(
        "memref.subview {name}[0, {begin}, 0] [{a}, {count}, {c}] [1, 1, 1] : {} to {ty}",
        memref(&TensorType::new(shape, dtype))
    ));
    (name, ty)
}

/// Computes the results from states, all [outer, 1, inner].
fn follow(
    t: &mut Text,
    pass: &Pass<'_>,
    states: &[String],
    (further, results): (&[String], &[String]),
) {
    let e = pass.extents();
    let shape = [e.outer, 1, e.inner];
    let all = |names: &[String], dtypes: Vec<DType>| -> Vec<Buffer> {
        let names = names.iter().zip(dtypes);
        names
            .map(|(name, dtype)| written(name, &TensorType::new(shape, dtype)))
            .collect()
    };
    let mut inputs = all(states, pass.states());
    let more = pass.reduce.finish_inputs.iter().zip(further);
    inputs.extend(more.map(|(input, name)| read(input, name)));
    let outputs = all(results, pass.outputs().iter().map(|ty| ty.dtype).collect());
    generic(t, &["parallel"; 3], &inputs, &outputs, |t, elements, _| {
        let (states, further) = elements.split_at(states.len());
        let mut values = pass.results(t, 1, states);
        values.extend_from_slice(further);
        pass.reduce.finish.emit(t, 1, &values)
    });
}
