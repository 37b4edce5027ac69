//! Matrix products on tensor cores.
//!
//! Tiles of both operands come to shared memory by asynchronous copies, [`Tile::stages`] − 1 of
//! them ahead of the one that is multiplied. A step of the loop over k
//! 1. waits until the copies of its own tile have landed, for this thread's part;
//! 2. passes the only barrier: now all parts have landed, and all warps are done with the tile before;
//! 3. begins the copies of a later tile, into the place of the tile before;
//! 4. multiplies;
//! 5. stores what of the later tile passed through registers.
//!
//! What lies outside an operand, or is padding, is copied as zeros. Each result is summed in the
//! order of k, by the instruction in steps of its own.

use hla_ir::DType;

use super::codes::Codes;
use super::epilogue::Place;
use super::fragment::{Lane, Multiply};
use super::gemm::{Arguments, Block, Gemm, close};
use super::index::{Int, Ints, all};
use super::memory::zero;
use super::phases::{Phases, Walk};
use super::staging::{SPACE, Staging, Start};
use super::tile::Tile;
use super::view::View;
use crate::{KernelCode, Text};

/// Where a warp is in the tile, and a thread in it.
struct Warp {
    lane: Lane,
    /// First m and n of the warp in the tile.
    first: [Int; 2],
}

/// The kernel.
pub(super) fn kernel(gemm: &Gemm, linalg: String) -> KernelCode {
    let dtype = gemm.types[0].dtype;
    let tile = gemm.tile(gemm.batch * gemm.splits);
    let phases = Phases::of(gemm, &tile);
    let rows = phases.as_ref().map_or(gemm.m, Phases::all_rows);
    let tiles = [0, 1].map(|i| [rows, gemm.n][i].div_ceil(tile.extents[i]));
    let parts = gemm.batch * gemm.splits;
    let threads = tile.threads();
    let ints = gemm.ints();
    let t = &mut Text::new();
    let arguments = gemm.open(
        t,
        Block {
            threads,
            resident: tile.resident,
        },
    );
    let id = t.op("gpu.thread_id x");
    let thread = [Ints::SHORT.of_index(t, &id), ints.of_index(t, &id)];
    let block = t.op("gpu.block_id x");
    let block = ints.of_index(t, &block);
    let (rest, column) = ints.divide(t, &block, tiles[1]);
    let (part, row) = match parts {
        1 => (Int::Known(0), rest),
        _ => ints.divide(t, &rest, tiles[0]),
    };
    let first = [
        ints.mul(t, &row, tile.extents[0]),
        ints.mul(t, &column, tile.extents[1]),
    ];
    let (batch, k) = match gemm.splits {
        1 => (part.clone(), Int::Known(0)),
        _ => (Int::Known(0), ints.mul(t, &part, gemm.per_split)),
    };
    let (number, lane) = Ints::SHORT.divide(t, &thread[0], 32);
    let (warp_m, warp_n) = Ints::SHORT.divide(t, &number, tile.warps[1]);
    let warp = Warp {
        lane: Lane::new(t, &lane),
        first: [
            Ints::SHORT.mul(t, &warp_m, tile.extents[0] / tile.warps[0]),
            Ints::SHORT.mul(t, &warp_n, tile.extents[1] / tile.warps[1]),
        ],
    };
    let start = Start {
        ints,
        thread,
        batch,
        k,
    };
    let shared = t.op(format_args!(
        "gpu.dynamic_shared_memory : memref<?xi8, {SPACE}>"
    ));
    let bytes = [0, 1].map(|i| Staging::bytes(gemm, &tile, i));
    let stagings = [0, 1].map(|i| {
        let memory = &arguments.operands[i];
        let place = (shared.as_str(), i * bytes[0]);
        let first = (&first[i], phases.as_ref());
        Staging::new(t, gemm, &tile, &start, i, memory, first, place)
    });
    let codes = matches!(gemm.b.view, View::Codes { .. })
        .then(|| Codes::new(t, &tile, &warp.lane, dtype, (shared.as_str(), bytes[0])));
    let steps = match &phases {
        None => Steps::Known(gemm.per_split.div_ceil(tile.depth)),
        Some(phases) => Steps::Walk(phases.walk(t, ints, &first[0])),
    };
    let operands = (&stagings, codes.as_ref());
    let sums = sum(gemm, t, &start, &tile, &warp, operands, &steps);
    store(
        gemm,
        t,
        &start,
        &tile,
        &warp,
        ([&part, &first[0], &first[1]], phases.as_ref()),
        &sums,
        &arguments,
    );
    close(t);
    let name = match dtype {
        DType::F32 => "tf32",
        other => other.name(),
    };
    KernelCode {
        computes: format!("{} ({name})", gemm.computes),
        grid: [(tiles[0] * tiles[1] * parts) as u32, 1, 1],
        block: [threads as u32, 1, 1],
        shared_bytes: (bytes[0] + bytes[1]) as u32,
        gpu: std::mem::take(t).finish(),
        linalg,
    }
}

/// The tiles of k that a block multiplies.
enum Steps<'a> {
    /// So many, one after the other.
    Known(usize),
    /// Those of some taps.
    Walk(Walk<'a>),
}

impl Steps<'_> {
    /// How many, in 32 bits.
    fn count(&self) -> Int {
        match self {
            Steps::Known(count) => Int::Known(*count as i64),
            Steps::Walk(walk) => walk.steps.clone(),
        }
    }

    /// Whether there is a step of a number that may be too large.
    fn exists(&self, t: &mut Text, step: &Int) -> String {
        let [step, count] = [step, &self.count()].map(|value| Ints::SHORT.i32(t, value));
        t.op(format_args!("arith.cmpi ult, {step}, {count} : i32"))
    }

    /// Where in k a step is.
    fn depth(&self, t: &mut Text, ints: Ints, tile: &Tile, step: &Int) -> Int {
        match self {
            Steps::Known(_) => {
                let step = ints.widen(t, step);
                ints.mul(t, &step, tile.depth)
            }
            Steps::Walk(walk) => {
                let depth = walk.depth(t, step);
                ints.widen(t, &depth)
            }
        }
    }
}

/// Makes a group of all asynchronous copies since the last one; gives its token.
fn group(t: &mut Text) -> String {
    t.op("\"nvgpu.device_async_create_group\"() : () -> !nvgpu.device.async.token")
}

/// The loop over k: gives the sums of a thread, four a fragment.
fn sum(
    gemm: &Gemm,
    t: &mut Text,
    start: &Start,
    tile: &Tile,
    warp: &Warp,
    (stagings, codes): (&[Staging<'_>; 2], Option<&Codes>),
    steps: &Steps<'_>,
) -> Vec<String> {
    let [rows, columns] = tile.fragments();
    let acc = gemm.accumulator();
    let none = zero(t, acc);
    let count = rows * columns * 4;
    if matches!(steps, Steps::Known(0)) {
        return vec![none; count];
    }
    let mut last = String::new();
    for step in 0..tile.stages - 1 {
        let number = Int::Known(step as i64);
        let sure = match steps {
            Steps::Known(count) => step < *count,
            Steps::Walk(_) => {
                let exists = steps.exists(t, &number);
                t.open(format_args!("scf.if {exists} {{"));
                true
            }
        };
        if sure {
            let depth = steps.depth(t, start.ints, tile, &number);
            for staging in stagings {
                let stage = Int::Known((step * staging.stage()) as i64);
                let pending = staging.copy(gemm, tile, t, start, &depth, &stage);
                staging.store(t, start, &stage, &pending);
            }
        }
        if matches!(steps, Steps::Walk(_)) {
            t.close("}");
        }
        last = group(t);
    }
    let names: Vec<String> = (0..count).map(|_| t.fresh()).collect();
    let pairs: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = {none}"))
        .collect();
    let types = vec![acc.name(); count].join(", ");
    let end = Ints::SHORT.index(t, &steps.count());
    // The number of the block along z is 0, which the assembler does not know: a loop whose length it
    // knows it may unroll until registers run out.
    let zero = t.op("gpu.block_id z");
    let end = t.op(format_args!("arith.addi {end}, {zero} : index"));
    let (first, one) = (t.index(0), t.index(1));
    let (result, step) = (t.fresh(), t.fresh());
    t.open(format_args!(
        "{result}:{count} = scf.for {step} = {first} to {end} step {one} iter_args({}) -> ({types}) {{",
        pairs.join(", ")
    ));
    t.line(format_args!(
        "nvgpu.device_async_wait {last} {{numGroups = {} : i32}}",
        tile.stages - 2
    ));
    t.line("gpu.barrier");
    let short = Ints::SHORT.of_index(t, &step);
    let later = Later::begin(gemm, t, start, tile, stagings, (&step, steps));
    group(t);
    let place = Ints::SHORT.rem(t, &short, tile.stages);
    let [a_stage, b_stage] = [0, 1].map(|i| Ints::SHORT.mul(t, &place, stagings[i].stage()));
    let multiply = Multiply::new(gemm.types[0].dtype);
    let mut sums = names.clone();
    for k in 0..tile.depth / multiply.depth() {
        let mut left = Vec::new();
        for i in 0..rows {
            let row = Ints::SHORT.add(t, &warp.first[0], &Int::Known(16 * i as i64));
            left.push(multiply.a(t, &stagings[0], &a_stage, &warp.lane, &row, k));
        }
        for pair in 0..columns / 2 {
            let column = Ints::SHORT.add(t, &warp.first[1], &Int::Known(16 * pair as i64));
            let right = match codes {
                None => multiply.b(t, &stagings[1], &b_stage, &warp.lane, &column, k),
                Some(codes) => codes.b(t, &b_stage, &warp.lane, &column, k),
            };
            for (i, a) in left.iter().enumerate() {
                for half in 0..2 {
                    let at = 4 * (i * columns + 2 * pair + half);
                    let b = &right[2 * half..2 * half + 2];
                    let new = multiply.multiply(t, a, b, &sums[at..at + 4]);
                    sums.splice(at..at + 4, new);
                }
            }
        }
    }
    later.end(t, start, stagings);
    t.line(format_args!("scf.yield {} : {types}", sums.join(", ")));
    t.close("}");
    (0..count).map(|i| format!("{result}#{i}")).collect()
}

/// A tile that is brought while another is multiplied.
struct Later {
    /// Whether there is one.
    exists: String,
    /// Where its stage is among the stages.
    place: Int,
    /// What passes through registers, of both operands.
    pending: [Vec<String>; 2],
}

impl Later {
    /// Begins the copies of the tile that comes `stages` − 1 after that of a number, an index.
    fn begin(
        gemm: &Gemm,
        t: &mut Text,
        start: &Start,
        tile: &Tile,
        stagings: &[Staging<'_>; 2],
        (step, steps): (&str, &Steps<'_>),
    ) -> Later {
        let ahead = Int::Known(tile.stages as i64 - 1);
        let now = Ints::SHORT.of_index(t, step);
        let next = Ints::SHORT.add(t, &now, &ahead);
        let place = Ints::SHORT.rem(t, &next, tile.stages);
        let exists = steps.exists(t, &next);
        let counts = stagings.each_ref().map(Staging::pending);
        let types: Vec<&str> = stagings
            .iter()
            .zip(counts)
            .flat_map(|(staging, count)| vec![staging.dtype.name(); count])
            .collect();
        let result = t.fresh();
        match types.len() {
            0 => t.open(format_args!("scf.if {exists} {{")),
            count => t.open(format_args!(
                "{result}:{count} = scf.if {exists} -> ({}) {{",
                types.join(", ")
            )),
        }
        let depth = steps.depth(t, start.ints, tile, &next);
        let mut all = Vec::new();
        for staging in stagings {
            let stage = Ints::SHORT.mul(t, &place, staging.stage());
            all.extend(staging.copy(gemm, tile, t, start, &depth, &stage));
        }
        if !all.is_empty() {
            let types = types.join(", ");
            t.line(format_args!("scf.yield {} : {types}", all.join(", ")));
            t.close("} else {");
            t.open_again();
            let none: Vec<String> = stagings
                .iter()
                .zip(counts)
                .flat_map(|(staging, count)| vec![zero(t, staging.dtype); count])
                .collect();
            t.line(format_args!("scf.yield {} : {types}", none.join(", ")));
        }
        t.close("}");
        let mut names = (0..all.len()).map(|i| format!("{result}#{i}"));
        let pending = counts.map(|count| names.by_ref().take(count).collect());
        Later {
            exists,
            place,
            pending,
        }
    }

    /// Stores what passes through registers.
    fn end(&self, t: &mut Text, start: &Start, stagings: &[Staging<'_>; 2]) {
        if self.pending.iter().all(Vec::is_empty) {
            return;
        }
        t.open(format_args!("scf.if {} {{", self.exists));
        for (staging, pending) in stagings.iter().zip(&self.pending) {
            let stage = Ints::SHORT.mul(t, &self.place, staging.stage());
            staging.store(t, start, &stage, pending);
        }
        t.close("}");
    }
}

/// The epilogue of a thread's sums: two neighbours at a time.
#[allow(clippy::too_many_arguments)]
fn store(
    gemm: &Gemm,
    t: &mut Text,
    start: &Start,
    tile: &Tile,
    warp: &Warp,
    ([part, first_m, first_n], phases): ([&Int; 3], Option<&Phases>),
    sums: &[String],
    arguments: &Arguments,
) {
    let ints = start.ints;
    let [rows, columns] = tile.fragments();
    let lanes = if gemm.n.is_multiple_of(2) { 2 } else { 1 };
    let m = Ints::SHORT.add(t, &warp.first[0], &warp.lane.group[0]);
    let m = ints.widen(t, &m);
    let m = ints.add(t, first_m, &m);
    let two = Ints::SHORT.mul(t, &warp.lane.group[1], 2);
    let n = Ints::SHORT.add(t, &warp.first[1], &two);
    let n = ints.widen(t, &n);
    let n = ints.add(t, first_n, &n);
    let ragged = [
        !gemm.m.is_multiple_of(tile.extents[0]),
        !gemm.n.is_multiple_of(tile.extents[1]),
    ];
    for i in 0..2 * rows {
        let m = ints.add(t, &m, &Int::Known(8 * i as i64));
        let (m, row_inside) = match phases {
            Some(phases) => phases.pixel(t, ints, &m),
            None if ragged[0] => {
                let inside = ints.below(t, &m, gemm.m);
                (m, inside)
            }
            None => (m, None),
        };
        let row = ints.mul(t, part, gemm.m);
        let row = ints.add(t, &row, &m);
        let row = ints.mul(t, &row, gemm.n);
        for j in 0..columns {
            for lane in (0..2).step_by(lanes) {
                let n = ints.add(t, &n, &Int::Known((8 * j + lane) as i64));
                let inside = if ragged[1] {
                    ints.below(t, &n, gemm.n)
                } else {
                    None
                };
                let inside = all(t, [&row_inside, &inside]);
                if let Some(inside) = &inside {
                    t.open(format_args!("scf.if {inside} {{"));
                }
                let place = Place {
                    element: &ints.add(t, &row, &n),
                    at: [part, &m, &n],
                };
                let at = 4 * (i / 2 * columns + j) + 2 * (i % 2) + lane;
                let sums = &sums[at..at + lanes];
                gemm.epilogue.store(
                    t,
                    ints,
                    &place,
                    sums,
                    gemm.accumulator(),
                    &arguments.extras,
                    &arguments.out,
                );
                if inside.is_some() {
                    t.close("}");
                }
            }
        }
    }
}
