//! Reductions of an axis within which something lies.

use super::across::Team;
use super::pass::Pass;
use super::plan::Columns;
use crate::Text;
use crate::function::{self, Block};
use crate::int::{Int, fold};
use crate::text::{stored, vector};

/// Vectors of 16 bytes that a thread reads before it combines the first: they are under way together.
const UNDER_WAY: usize = 8;

/// How many rows a thread reads at once; they are combined in order all the same.
fn at_once(pass: &Pass<'_>, schedule: Columns) -> usize {
    let rows = schedule.segment / schedule.down;
    let inputs = pass.reduce.inputs.iter();
    let inputs = inputs.filter(|i| i.strides.get(1).is_some_and(|&s| s != 0));
    let bytes = inputs.map(|i| i.place.ty.dtype.bytes() * schedule.lanes);
    let vectors: usize = bytes.map(|bytes| bytes.div_ceil(16)).sum();
    let fits = |n: &usize| rows >= 4 * n && n * vectors <= UNDER_WAY;
    [4, 2].into_iter().find(fits).unwrap_or(1)
}

/// The kernel, its grid and its block.
pub(super) fn emit(pass: &Pass<'_>, schedule: Columns) -> (String, [u32; 3], [u32; 3]) {
    let Columns {
        lanes,
        across,
        down,
        segments,
        segment,
    } = schedule;
    let e = pass.extents();
    let per_row = e.inner / lanes;
    let count = e.outer * per_row;
    let threads = across * down;
    let team = Team {
        stride: across,
        members: down,
        threads,
    };
    let (inputs, outputs) = (pass.inputs(), pass.outputs());
    let shared = team.shared(pass, lanes);
    let grid = [count.div_ceil(across) as u32, segments as u32, 1];
    let block = Block::of_grid(threads, grid[0] as usize * segments);
    let gpu = function::gpu((&inputs, &outputs), &shared, block, |t, arguments| {
        let ints = pass.ints();
        let thread = ints.id(t, "gpu.thread_id x");
        let block = ints.id(t, "gpu.block_id x");
        let part = match segments {
            1 => Int::Known(0),
            _ => ints.id(t, "gpu.block_id y"),
        };
        let (row, side) = ints.divide(t, &thread, across);
        let first = ints.mul(t, &block, across);
        let column = ints.add(t, &first, &side);
        let (outer, inner) = ints.divide(t, &column, per_row);
        let inner = ints.mul(t, &inner, lanes);
        let begin = ints.mul(t, &part, segment);
        let end = ints.add(t, &begin, &Int::Known(segment as i64));
        let mut end = ints.min(t, &end, &Int::Known(e.axis as i64));
        let begin = ints.add(t, &begin, &row);
        // A thread without a column has no rows, but meets the others at the barrier.
        let inside = (!count.is_multiple_of(across))
            .then(|| ints.compare(t, "slt", &column, &Int::Known(count as i64)));
        if let Some(inside) = &inside {
            end = ints.select(t, inside, &end, &Int::Known(0));
        }
        let start = pass.start(t, lanes);
        let states = pass.states();
        let types: Vec<String> = states.iter().map(|&d| vector(lanes, stored(d))).collect();
        let memory = &arguments.inputs;
        let read = |t: &mut Text, r: &Int| {
            let at = [outer.clone(), r.clone(), inner.clone()];
            pass.read(t, memory, (2, lanes), &at)
        };
        let (begin, states) = match at_once(pass, schedule) {
            1 => (begin, start),
            rows => {
                let step = rows * down;
                let ahead = Int::Known(-((step - down) as i64));
                let limit = ints.add(t, &end, &ahead);
                // Where the next rows begin is handed on with the states.
                let init = [vec![ints.name(t, &begin)], start].concat();
                let with_row = [vec![ints.ty().to_owned()], types.clone()].concat();
                let bounds = (begin, limit, step);
                let mut found = fold(t, ints, bounds, (&init, &with_row), |t, r, carried| {
                    let elements: Vec<Vec<String>> = (0..rows)
                        .map(|row| {
                            let r = ints.add(t, r, &Int::Known((row * down) as i64));
                            read(t, &r)
                        })
                        .collect();
                    let states = carried[1..].to_vec();
                    let states = (elements.iter())
                        .fold(states, |states, row| pass.combine(t, lanes, &states, row));
                    let next = ints.add(t, r, &Int::Known(step as i64));
                    [vec![ints.name(t, &next)], states].concat()
                });
                (Int::Value(found.remove(0)), found)
            }
        };
        let bounds = (begin, end, down);
        let states = fold(t, ints, bounds, (&states, &types), |t, r, states| {
            let elements = read(t, r);
            pass.combine(t, lanes, states, &elements)
        });
        let states = match down {
            1 => states,
            _ => {
                let scalars = unpacked(t, lanes, &states, &types);
                let combined = team.combine(pass, t, (ints, &thread), scalars);
                packed(t, lanes, &combined, &types)
            }
        };
        let is_first =
            (down > 1).then(|| ints.compare(t, "slt", &thread, &Int::Known(across as i64)));
        let writes = match (is_first, inside) {
            (Some(a), Some(b)) => Some(t.op(format_args!("arith.andi {a}, {b} : i1"))),
            (a, b) => a.or(b),
        };
        if let Some(writes) = &writes {
            t.open(format_args!("scf.if {writes} {{"));
        }
        let memory = (&arguments.inputs[..], &arguments.outputs[..]);
        pass.write(t, memory, lanes, &states, (&outer, &part, &inner));
        if writes.is_some() {
            t.close("}");
        }
    });
    (gpu, grid, [threads as u32, 1, 1])
}

/// The lanes of vectors: for each lane, one element of each.
pub(super) fn unpacked(
    t: &mut Text,
    lanes: usize,
    vectors: &[String],
    types: &[String],
) -> Vec<Vec<String>> {
    if lanes == 1 {
        return vec![vectors.to_vec()];
    }
    let lane = |lane: usize| {
        let elements = vectors.iter().zip(types);
        elements
            .map(|(v, ty)| {
                t.op(format_args!(
                    "vector.extract {v}[{lane}] : {} from {ty}",
                    scalar(ty)
                ))
            })
            .collect()
    };
    (0..lanes).map(lane).collect()
}

/// The inverse.
fn packed(t: &mut Text, lanes: usize, scalars: &[Vec<String>], types: &[String]) -> Vec<String> {
    if lanes == 1 {
        return scalars[0].clone();
    }
    let vector = |(i, ty): (usize, &String)| {
        let elements: Vec<&str> = scalars.iter().map(|lane| &lane[i][..]).collect();
        let elements = elements.join(", ");
        t.op(format_args!("vector.from_elements {elements} : {ty}"))
    };
    types.iter().enumerate().map(vector).collect()
}

/// `f32` of `vector<4xf32>`.
fn scalar(vector: &str) -> &str {
    vector
        .rsplit('x')
        .next()
        .unwrap_or(vector)
        .trim_end_matches('>')
}
