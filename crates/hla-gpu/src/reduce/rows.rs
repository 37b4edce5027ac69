//! Reductions of the innermost axis.

use super::across::Team;
use super::columns::unpacked;
use super::pass::Pass;
use super::plan::Rows;
use crate::Text;
use crate::function::{self, Block};
use crate::int::{Int, Ints, fold};
use crate::text::{stored, vector};

/// The kernel, its grid and its block.
pub(super) fn emit(pass: &Pass<'_>, schedule: Rows) -> (String, [u32; 3], [u32; 3]) {
    let Rows {
        lanes,
        group,
        threads,
        segments,
        segment,
    } = schedule;
    let e = pass.extents();
    let per_block = threads / group;
    let team = Team {
        stride: 1,
        members: group,
        threads,
    };
    let (inputs, outputs) = (pass.inputs(), pass.outputs());
    let shared = team.shared(pass, 1);
    let grid = [e.outer.div_ceil(per_block) as u32, segments as u32, 1];
    let block = Block::of_grid(threads, grid[0] as usize * segments);
    let gpu = function::gpu((&inputs, &outputs), &shared, block, |t, arguments| {
        let ints = pass.ints();
        let thread = ints.id(t, "gpu.thread_id x");
        let block = ints.id(t, "gpu.block_id x");
        let part = match segments {
            1 => Int::Known(0),
            _ => ints.id(t, "gpu.block_id y"),
        };
        let (row, member) = ints.divide(t, &thread, group);
        let first = ints.mul(t, &block, per_block);
        let outer = ints.add(t, &first, &row);
        // A thread without a row reads nothing, but takes part in the shuffles.
        let inside = (!e.outer.is_multiple_of(per_block))
            .then(|| ints.compare(t, "slt", &outer, &Int::Known(e.outer as i64)));
        let walk = Walk {
            pass,
            ints,
            memory: &arguments.inputs,
            outer: &outer,
            inside: inside.as_deref(),
        };
        let whole = e.axis - e.axis % lanes;
        let begin = ints.mul(t, &part, segment);
        let end = ints.add(t, &begin, &Int::Known(segment as i64));
        let end = ints.min(t, &end, &Int::Known(whole as i64));
        let mine = ints.mul(t, &member, lanes);
        let begin = ints.add(t, &begin, &mine);
        let states = walk.states(t, lanes, (begin, end, group * lanes));
        let mut states = folded(t, pass, lanes, &states);
        if whole < e.axis {
            // What no vector holds belongs to the last segment.
            let end = Int::Known(e.axis as i64);
            let mut begin = ints.add(t, &Int::Known(whole as i64), &member);
            if segments > 1 {
                let last = Int::Known(segments as i64 - 1);
                let is_last = ints.compare(t, "eq", &part, &last);
                begin = ints.select(t, &is_last, &begin, &end);
            }
            let rest = walk.states(t, 1, (begin, end, group));
            states = pass.combine(t, 1, &states, &rest);
        }
        let states = team
            .combine(pass, t, (ints, &thread), vec![states])
            .remove(0);
        let is_first = (group > 1).then(|| ints.compare(t, "eq", &member, &Int::Known(0)));
        let writes = match (is_first, inside) {
            (Some(a), Some(b)) => Some(t.op(format_args!("arith.andi {a}, {b} : i1"))),
            (a, b) => a.or(b),
        };
        if let Some(writes) = &writes {
            t.open(format_args!("scf.if {writes} {{"));
        }
        let memory = (&arguments.inputs[..], &arguments.outputs[..]);
        pass.write(t, memory, 1, &states, (&outer, &part, &Int::Known(0)));
        if writes.is_some() {
            t.close("}");
        }
    });
    (gpu, grid, [threads as u32, 1, 1])
}

/// A thread's way along its row.
struct Walk<'a> {
    pass: &'a Pass<'a>,
    ints: Ints,
    memory: &'a [String],
    outer: &'a Int,
    inside: Option<&'a str>,
}

impl Walk<'_> {
    /// The states of the elements from `start` to `end` in steps, `lanes` at once.
    fn states(
        &self,
        t: &mut Text,
        lanes: usize,
        (start, mut end, step): (Int, Int, usize),
    ) -> Vec<String> {
        if let Some(inside) = self.inside {
            end = self.ints.select(t, inside, &end, &Int::Known(0));
        }
        let init = self.pass.start(t, lanes);
        let states = self.pass.states();
        let types: Vec<String> = states.iter().map(|&d| vector(lanes, stored(d))).collect();
        fold(
            t,
            self.ints,
            (start, end, step),
            (&init, &types),
            |t, r, states| {
                let at = [self.outer.clone(), r.clone(), Int::Known(0)];
                let elements = self.pass.read(t, self.memory, (1, lanes), &at);
                self.pass.combine(t, lanes, states, &elements)
            },
        )
    }
}

/// The lanes of states as one, by halves.
fn folded(t: &mut Text, pass: &Pass<'_>, lanes: usize, states: &[String]) -> Vec<String> {
    let dtypes = pass.states();
    let types: Vec<String> = dtypes.iter().map(|&d| vector(lanes, stored(d))).collect();
    let mut all = unpacked(t, lanes, states, &types);
    while all.len() > 1 {
        let upper = all.split_off(all.len() / 2);
        all = (all.iter().zip(&upper))
            .map(|(a, b)| pass.combine(t, 1, a, b))
            .collect();
    }
    all.remove(0)
}
