//! The kernels in the gpu dialect.

use super::select::{longer, rank, store_found, tally, value};
use super::{
    ALL_THREADS, DIGITS, Digit, THREADS, Values, all_types, count_types, find_types, i32s,
};
use crate::Text;
use crate::function::{self, Shared, shared_ty};
use crate::int::{Int, Ints, each, fold};
use crate::text::memref;

/// Counts in shared memory.
const COUNTS: &str = "%counts";
/// What the warps' values add up to.
const TOTALS: &str = "%totals";
/// The digit that was found, and the rank that is left.
const FOUND: &str = "%found";

const WARP: usize = 32;

/// Indices of threads and counts.
fn small() -> Ints {
    Ints::for_elements(0)
}

/// A block, and where its threads are.
struct Block {
    threads: usize,
    /// Digits that are counted at once.
    counts: usize,
    thread: Int,
}

impl Block {
    fn shared(threads: usize, counts: usize, finds: bool) -> Vec<Shared> {
        let mut shared = vec![(COUNTS.to_owned(), counts, "i32")];
        if finds {
            shared.push((TOTALS.to_owned(), threads / WARP, "i32"));
            shared.push((FOUND.to_owned(), 2, "i32"));
        }
        shared
    }

    fn new(t: &mut Text, threads: usize, counts: usize) -> Block {
        let thread = small().id(t, "gpu.thread_id x");
        Block {
            threads,
            counts,
            thread,
        }
    }

    fn load(&self, t: &mut Text, (name, elements): (&str, usize), at: &str) -> String {
        let ty = shared_ty(elements, "i32");
        t.op(format_args!("memref.load {name}[{at}] : {ty}"))
    }

    fn store(&self, t: &mut Text, value: &str, (name, elements): (&str, usize), at: &str) {
        let ty = shared_ty(elements, "i32");
        t.line(format_args!("memref.store {value}, {name}[{at}] : {ty}"));
    }

    /// The counts that belong to the thread: neighbours are those of neighbouring threads.
    fn own(&self, t: &mut Text, count: usize) -> Vec<String> {
        let (ints, threads) = (small(), self.threads);
        (0..count.div_ceil(threads))
            .map(|i| {
                let at = ints.add(t, &self.thread, &Int::Known((i * threads) as i64));
                ints.index(t, &at)
            })
            .collect()
    }

    fn clear(&self, t: &mut Text, digit: Digit) {
        let zero = t.i32(0);
        for at in self.own(t, digit.count()) {
            self.store(t, &zero, (COUNTS, self.counts), &at);
        }
        t.line("gpu.barrier");
    }

    /// Counts a digit of the values that are read by this block, one of `blocks`.
    fn count(
        &self,
        t: &mut Text,
        (values, memory): (&Values, &str),
        (block, blocks): (&Int, usize),
        of: (Digit, Option<&str>),
    ) {
        let (ints, lanes) = (values.ints(), values.lanes);
        let flat = memref(&values.place.ty);
        let ty = shared_ty(self.counts, "i32");
        let add = |t: &mut Text, bits: &str| {
            tally(t, bits, of, |t, at| {
                let one = t.i32(1);
                t.op(format_args!(
                    "memref.atomic_rmw addi {one}, {COUNTS}[{at}] : (i32, {ty}) -> i32"
                ));
            });
        };
        let thread = match &self.thread {
            Int::Value(name) if ints.ty() != "i32" => {
                Int::Value(t.op(format_args!("arith.extui {name} : i32 to {}", ints.ty())))
            }
            other => other.clone(),
        };
        let first = ints.mul(t, block, self.threads);
        let first = ints.add(t, &first, &thread);
        let vectors = Int::Known((values.count() / lanes) as i64);
        let step = self.threads * blocks;
        each(t, ints, (&first, &vectors, step), |t, vector| {
            let at = ints.mul(t, vector, lanes);
            let at = ints.index(t, &at);
            if lanes == 1 {
                let value = t.op(format_args!("memref.load {memory}[{at}] : {flat}"));
                let bits = t.op(format_args!("arith.bitcast {value} : f32 to i32"));
                return add(t, &bits);
            }
            let loaded = t.op(format_args!(
                "vector.load {memory}[{at}] {{alignment = 16 : i64}} : {flat}, vector<{lanes}xf32>"
            ));
            let bits = t.op(format_args!(
                "arith.bitcast {loaded} : vector<{lanes}xf32> to vector<{lanes}xi32>"
            ));
            for lane in 0..lanes {
                let bits = t.op(format_args!(
                    "vector.extract {bits}[{lane}] : i32 from vector<{lanes}xi32>"
                ));
                add(t, &bits);
            }
        });
        // What makes no vector: one for each of the first threads.
        let rest = values.count() % lanes;
        if rest > 0 {
            let below = ints.compare(t, "ult", &first, &Int::Known(rest as i64));
            t.open(format_args!("scf.if {below} {{"));
            let whole = Int::Known((values.count() - rest) as i64);
            let at = ints.add(t, &first, &whole);
            let at = ints.index(t, &at);
            let value = t.op(format_args!("memref.load {memory}[{at}] : {flat}"));
            let bits = t.op(format_args!("arith.bitcast {value} : f32 to i32"));
            add(t, &bits);
            t.close("}");
        }
        t.line("gpu.barrier");
    }

    /// The digit that the value of a rank has, and its rank among those with that digit: all threads
    /// get them. Each thread looks at neighbouring counts.
    fn find(&self, t: &mut Text, digit: Digit, rank: &str) -> (String, String) {
        let ints = small();
        let per_thread = digit.count() / self.threads;
        let first = ints.mul(t, &self.thread, per_thread);
        let mut counts = Vec::with_capacity(per_thread);
        for i in 0..per_thread {
            let at = ints.add(t, &first, &Int::Known(i as i64));
            let place = ints.index(t, &at);
            counts.push((at, self.load(t, (COUNTS, self.counts), &place)));
        }
        let mut own = counts[0].1.clone();
        for (_, count) in &counts[1..] {
            own = t.i32_op("addi", &own, count);
        }
        // The counts of the threads before.
        let up_to = self.up_to(t, &own);
        let mut before = t.i32_op("subi", &up_to, &own);
        for (at, count) in &counts {
            let past = t.i32_op("addi", &before, count);
            let reached = t.op(format_args!("arith.cmpi ule, {before}, {rank} : i32"));
            let ends = t.op(format_args!("arith.cmpi ugt, {past}, {rank} : i32"));
            let here = t.op(format_args!("arith.andi {reached}, {ends} : i1"));
            t.open(format_args!("scf.if {here} {{"));
            let (first, second) = (t.index(0), t.index(1));
            let at = ints.name(t, at);
            self.store(t, &at, (FOUND, 2), &first);
            let left = t.i32_op("subi", rank, &before);
            self.store(t, &left, (FOUND, 2), &second);
            t.close("}");
            before = past;
        }
        t.line("gpu.barrier");
        let (first, second) = (t.index(0), t.index(1));
        let digit = self.load(t, (FOUND, 2), &first);
        (digit, self.load(t, (FOUND, 2), &second))
    }

    /// The sum of the values of all threads up to this one.
    fn up_to(&self, t: &mut Text, own: &str) -> String {
        let ints = small();
        let warps = self.threads / WARP;
        let (warp, lane) = ints.divide(t, &self.thread, WARP);
        let width = t.i32(WARP as i64);
        let mut sum = own.to_owned();
        for bit in 0..WARP.trailing_zeros() {
            let offset = t.i32(1 << bit);
            let (other, valid) = (t.fresh(), t.fresh());
            t.line(format_args!(
                "{other}, {valid} = gpu.shuffle up {sum}, {offset}, {width} : i32"
            ));
            let more = t.i32_op("addi", &sum, &other);
            sum = t.op(format_args!("arith.select {valid}, {more}, {sum} : i32"));
        }
        let last = ints.compare(t, "eq", &lane, &Int::Known(WARP as i64 - 1));
        t.open(format_args!("scf.if {last} {{"));
        let place = ints.index(t, &warp);
        self.store(t, &sum, (TOTALS, warps), &place);
        t.close("}");
        t.line("gpu.barrier");
        let bounds = (Int::Known(0), warp, 1);
        let zero = t.i32(0);
        let others = fold(t, ints, bounds, (&[zero], &["i32"]), |t, w, sum| {
            let place = ints.index(t, w);
            let total = self.load(t, (TOTALS, warps), &place);
            vec![t.i32_op("addi", &sum[0], &total)]
        });
        t.i32_op("addi", &sum, &others[0])
    }
}

fn only(t: &mut Text, memory: &str) -> String {
    let at = t.index(0);
    t.op(format_args!("memref.load {memory}[{at}] : memref<1xf32>"))
}

/// The digits found before.
fn digits(t: &mut Text, memory: &str) -> String {
    let at = t.index(1);
    t.op(format_args!("memref.load {memory}[{at}] : memref<2xi32>"))
}

/// The kernel of one block that does everything.
pub(super) fn all(values: &Values) -> String {
    let (inputs, output) = all_types(values);
    let counts = DIGITS[0].count();
    let shared = Block::shared(ALL_THREADS, counts, true);
    let types = (&inputs[..], std::slice::from_ref(&output));
    function::gpu(types, &shared, ALL_THREADS, |t, arguments| {
        let block = Block::new(t, ALL_THREADS, counts);
        let share = only(t, &arguments.inputs[1]);
        let (mut rank, any) = rank(t, &share, values.count());
        let mut before: Option<String> = None;
        for digit in DIGITS {
            block.clear(t, digit);
            let memory = (values, &arguments.inputs[0][..]);
            let of = (digit, before.as_deref());
            block.count(t, memory, (&Int::Known(0), 1), of);
            let (found, left) = block.find(t, digit, &rank);
            before = Some(longer(t, before.as_deref(), digit, &found));
            rank = left;
        }
        let value = value(t, &before.unwrap_or_default(), &any);
        write_first(t, &block, |t| {
            let at = t.index(0);
            let memory = &arguments.outputs[0];
            t.line(format_args!(
                "memref.store {value}, {memory}[{at}] : memref<1xf32>"
            ));
        });
    })
}

/// Does something in the first thread.
fn write_first(t: &mut Text, block: &Block, write: impl FnOnce(&mut Text)) {
    let first = small().compare(t, "eq", &block.thread, &Int::Known(0));
    t.open(format_args!("scf.if {first} {{"));
    write(t);
    t.close("}");
}

/// The kernel of many blocks that counts digit i.
pub(super) fn count(values: &Values, i: usize, blocks: usize) -> String {
    let (inputs, output) = count_types(values, i);
    let (digit, ints) = (DIGITS[i], values.ints());
    let shared = Block::shared(THREADS, digit.count(), false);
    let types = (&inputs[..], std::slice::from_ref(&output));
    function::gpu(types, &shared, THREADS, |t, arguments| {
        let block = Block::new(t, THREADS, digit.count());
        let number = ints.id(t, "gpu.block_id x");
        let before = (i > 0).then(|| digits(t, &arguments.inputs[1]));
        block.clear(t, digit);
        let memory = (values, &arguments.inputs[0][..]);
        block.count(t, memory, (&number, blocks), (digit, before.as_deref()));
        let all = &arguments.outputs[0];
        let ty = memref(&output);
        for at in block.own(t, digit.count()) {
            let count = block.load(t, (COUNTS, digit.count()), &at);
            let zero = t.i32(0);
            let any = t.op(format_args!("arith.cmpi ne, {count}, {zero} : i32"));
            t.open(format_args!("scf.if {any} {{"));
            t.op(format_args!(
                "memref.atomic_rmw addi {count}, {all}[{at}] : (i32, {ty}) -> i32"
            ));
            t.close("}");
        }
    })
}

/// The kernel of one block that finds digit i from all counts.
pub(super) fn find(values: &Values, i: usize) -> String {
    let (inputs, output) = find_types(i);
    let digit = DIGITS[i];
    let shared = Block::shared(THREADS, digit.count(), true);
    let types = (&inputs[..], std::slice::from_ref(&output));
    function::gpu(types, &shared, THREADS, |t, arguments| {
        let block = Block::new(t, THREADS, digit.count());
        let share = (inputs.last().is_some_and(|ty| ty.dtype.is_float()))
            .then(|| only(t, &arguments.inputs[inputs.len() - 1]));
        let wanted = share.map(|share| rank(t, &share, values.count()));
        let before = (i > 0).then(|| {
            let at = t.index(0);
            let memory = &arguments.inputs[1];
            let rank = t.op(format_args!("memref.load {memory}[{at}] : memref<2xi32>"));
            (rank, digits(t, memory))
        });
        for at in block.own(t, digit.count()) {
            let (memory, ty) = (&arguments.inputs[0], memref(&i32s(digit.count())));
            let count = t.op(format_args!("memref.load {memory}[{at}] : {ty}"));
            block.store(t, &count, (COUNTS, digit.count()), &at);
        }
        t.line("gpu.barrier");
        let rank = match (&before, &wanted) {
            (Some((rank, _)), _) | (None, Some((rank, _))) => rank.clone(),
            (None, None) => t.i32(0),
        };
        let (found, left) = block.find(t, digit, &rank);
        let digits = longer(t, before.as_ref().map(|(_, d)| &d[..]), digit, &found);
        write_first(t, &block, |t| {
            let any = wanted
                .map(|(_, any)| any)
                .filter(|_| output.dtype.is_float());
            store_found(t, &arguments.outputs[0], (&left, &digits), any);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_digits_evenly() {
        for digit in DIGITS {
            assert_eq!(digit.count() % ALL_THREADS, 0);
            assert_eq!(digit.count() % THREADS, 0);
        }
        let all: usize = DIGITS.iter().map(|d| d.bits).sum();
        assert_eq!(all, 31);
        for pair in DIGITS.windows(2) {
            assert_eq!(pair[0].low, pair[1].low + pair[1].bits);
        }
    }
}
