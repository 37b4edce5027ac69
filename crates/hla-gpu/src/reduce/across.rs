//! Bringing together what the threads of a block have.

use super::pass::Pass;
use crate::Text;
use crate::function::{Shared, shared_ty};
use crate::int::{Int, Ints, fold};
use crate::text::stored;

/// Which threads of a block have states of the same results: thread t and t ± `stride`, a multiple
/// of it, `members` in all. Where these are more than a warp, they are the whole block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Team {
    /// Neighbours among them are so far apart: a power of two.
    pub stride: usize,
    /// How many there are: a power of two.
    pub members: usize,
    /// Threads of a block.
    pub threads: usize,
}

const WARP: usize = 32;

impl Team {
    /// Groups that have states once warps have combined theirs.
    fn groups(&self) -> usize {
        (self.stride * self.members / self.stride.max(WARP)).max(1)
    }

    /// The shared memory that is needed for states on some lanes.
    pub fn shared(&self, pass: &Pass<'_>, lanes: usize) -> Vec<Shared> {
        if self.groups() == 1 {
            return Vec::new();
        }
        let elements = lanes * self.groups() * self.stride;
        let states = pass.states().into_iter().enumerate();
        states
            .map(|(i, dtype)| (format!("%shared{i}"), elements, stored(dtype)))
            .collect()
    }

    /// Combines states of all members, given for each lane; what comes back is right for the first
    /// `stride` threads of a team.
    pub fn combine(
        &self,
        pass: &Pass<'_>,
        t: &mut Text,
        (ints, thread): (Ints, &Int),
        mut lanes: Vec<Vec<String>>,
    ) -> Vec<Vec<String>> {
        let mut offset = self.stride;
        while offset < WARP.min(self.stride * self.members) {
            for states in &mut lanes {
                let other: Vec<String> = (pass.states().into_iter().zip(&*states))
                    .map(|(dtype, state)| shuffled(t, stored(dtype), state, offset))
                    .collect();
                *states = pass.combine(t, 1, states, &other);
            }
            offset *= 2;
        }
        if self.groups() == 1 {
            return lanes;
        }
        self.share(pass, t, (ints, thread), &lanes);
        let (_, slot) = ints.divide(t, thread, self.stride);
        let count = lanes.len();
        (0..count)
            .map(|lane| self.gather(pass, t, ints, &slot, (lane, count)))
            .collect()
    }

    /// Where group `group` keeps lane `lane` of the thread `slot`.
    fn place(&self, t: &mut Text, ints: Ints, lane: usize, group: &Int, slot: &Int) -> String {
        let group = ints.add(t, group, &Int::Known((lane * self.groups()) as i64));
        let row = ints.mul(t, &group, self.stride);
        let place = ints.add(t, &row, slot);
        ints.index(t, &place)
    }

    /// One thread of each group writes what the group has, for all to see.
    fn share(
        &self,
        pass: &Pass<'_>,
        t: &mut Text,
        (ints, thread): (Ints, &Int),
        lanes: &[Vec<String>],
    ) {
        let (group, slot) = ints.divide(t, thread, self.stride.max(WARP));
        let writes = self.stride < WARP;
        if writes {
            let bound = Int::Known(self.stride as i64);
            let first = ints.compare(t, "slt", &slot, &bound);
            t.open(format_args!("scf.if {first} {{"));
        }
        let shared = self.shared(pass, lanes.len());
        for (lane, states) in lanes.iter().enumerate() {
            let place = self.place(t, ints, lane, &group, &slot);
            for (state, (name, elements, ty)) in states.iter().zip(&shared) {
                let ty = shared_ty(*elements, ty);
                t.line(format_args!("memref.store {state}, {name}[{place}] : {ty}"));
            }
        }
        if writes {
            t.close("}");
        }
        t.line("gpu.barrier");
    }

    /// The states of all groups, combined in order.
    fn gather(
        &self,
        pass: &Pass<'_>,
        t: &mut Text,
        ints: Ints,
        slot: &Int,
        (lane, lanes): (usize, usize),
    ) -> Vec<String> {
        let shared = self.shared(pass, lanes);
        let read = |t: &mut Text, group: &Int| -> Vec<String> {
            let place = self.place(t, ints, lane, group, slot);
            let states = shared.iter().map(|(name, elements, ty)| {
                let ty = shared_ty(*elements, ty);
                t.op(format_args!("memref.load {name}[{place}] : {ty}"))
            });
            states.collect()
        };
        let first = read(t, &Int::Known(0));
        let bounds = (Int::Known(1), Int::Known(self.groups() as i64), 1);
        let types: Vec<&str> = pass.states().into_iter().map(stored).collect();
        fold(t, ints, bounds, (&first, &types), |t, group, states| {
            let next = read(t, group);
            pass.combine(t, 1, states, &next)
        })
    }
}

/// The value that the thread whose number differs in the bit `offset` has.
fn shuffled(t: &mut Text, ty: &str, value: &str, offset: usize) -> String {
    if ty == "i64" {
        let bits = t.constant("32 : i64");
        let high = t.op(format_args!("arith.shrui {value}, {bits} : i64"));
        let halves = [value, &high].map(|half| {
            let half = t.op(format_args!("arith.trunci {half} : i64 to i32"));
            let half = shuffled(t, "i32", &half, offset);
            t.op(format_args!("arith.extui {half} : i32 to i64"))
        });
        let high = t.op(format_args!("arith.shli {}, {bits} : i64", halves[1]));
        return t.op(format_args!("arith.ori {}, {high} : i64", halves[0]));
    }
    let offset = t.constant(format_args!("{offset} : i32"));
    let width = t.constant("32 : i32");
    let (result, valid) = (t.fresh(), t.fresh());
    t.line(format_args!(
        "{result}, {valid} = gpu.shuffle xor {value}, {offset}, {width} : {ty}"
    ));
    result
}
