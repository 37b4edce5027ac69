//! Matrix products without tensor cores: any shape, any element type.
//!
//! A block of 256 threads makes a tile of the result. It walks over k in steps of 16: elements of
//! both operands come into registers while the tile before is multiplied, then into shared memory,
//! summed axis first, from where each thread reads four neighbours at a time. Each result is one
//! chain of fused multiply-adds in the order of k.

use hla_ir::DType;

use super::epilogue::Place;
use super::gemm::{Arguments, Block, Gemm, close};
use super::index::{Int, Ints, all};
use super::memory::{Flat, widened, zero};
use super::view::{Operand, View};
use crate::{KernelCode, Text};

const THREADS: usize = 256;
/// Steps of k in shared memory at a time.
const DEPTH: usize = 16;
/// Elements between rows in shared memory beyond the tile: neighbours along k then lie in different banks.
const PAD: usize = 4;

/// The shape of the tile.
struct Tile {
    /// Extent along m and n.
    extent: usize,
    /// Results of a thread along each, in groups of four.
    each: usize,
}

/// A tile of one operand on its way to shared memory.
struct Loader<'a> {
    operand: &'a Operand,
    memory: &'a Flat,
    /// In shared memory, [DEPTH][extent + PAD].
    shared: String,
    shared_ty: String,
    zero_point: i64,
    /// First m or n of the tile, and how many there are.
    first: Int,
    bound: usize,
    extent: usize,
}

/// Numbers that a kernel begins with.
struct Start {
    ints: Ints,
    thread: Int,
    batch: Int,
    /// First k and how many.
    k: Int,
}

/// The kernel.
pub(super) fn kernel(gemm: &Gemm, linalg: String) -> KernelCode {
    let tile = match gemm.m >= 128 && gemm.n >= 128 && gemm.m * gemm.n >= 1 << 20 {
        true => Tile {
            extent: 128,
            each: 8,
        },
        false => Tile {
            extent: 64,
            each: 4,
        },
    };
    let tiles = [gemm.m, gemm.n].map(|extent| extent.div_ceil(tile.extent));
    let blocks = tiles[0] * tiles[1] * gemm.batch * gemm.splits;
    let acc = gemm.accumulator();
    let ints = gemm.ints();
    let t = &mut Text::new();
    let arguments = gemm.open(t, Block::of(THREADS));
    let thread = t.op("gpu.thread_id x");
    let thread = ints.of_index(t, &thread);
    let block = t.op("gpu.block_id x");
    let block = ints.of_index(t, &block);
    let (rest, column) = ints.divide(t, &block, tiles[1]);
    let (part, row) = ints.divide(t, &rest, tiles[0]);
    let (part, row) = if gemm.batch * gemm.splits == 1 {
        (Int::Known(0), rest)
    } else {
        (part, row)
    };
    let first = [
        ints.mul(t, &row, tile.extent),
        ints.mul(t, &column, tile.extent),
    ];
    let start = Start {
        ints,
        thread,
        batch: if gemm.splits == 1 {
            part.clone()
        } else {
            Int::Known(0)
        },
        k: if gemm.splits == 1 {
            Int::Known(0)
        } else {
            ints.mul(t, &part, gemm.per_split)
        },
    };
    let bytes = DEPTH * (tile.extent + PAD) * 4;
    let space = "#gpu.address_space<workgroup>";
    let shared = t.op(format_args!(
        "gpu.dynamic_shared_memory : memref<?xi8, {space}>"
    ));
    let ty = format!("memref<{DEPTH}x{}x{acc}, {space}>", tile.extent + PAD);
    let loaders = [0, 1].map(|i| {
        let at = t.index((i * bytes) as u64);
        Loader {
            operand: gemm.operands()[i],
            memory: &arguments.operands[i],
            shared: t.op(format_args!(
                "memref.view {shared}[{at}][] : memref<?xi8, {space}> to {ty}"
            )),
            shared_ty: ty.clone(),
            zero_point: gemm.zero_points[i],
            first: first[i].clone(),
            bound: [gemm.m, gemm.n][i],
            extent: tile.extent,
        }
    });
    let sums = sum(gemm, t, &start, &tile, &loaders);
    store(gemm, t, &start, &tile, &part, &first, &sums, &arguments);
    close(t);
    KernelCode {
        computes: gemm.computes.clone(),
        grid: [blocks as u32, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared_bytes: 2 * bytes as u32,
        gpu: std::mem::take(t).finish(),
        linalg,
    }
}

/// Where a thread's group of four along m or n begins in the tile.
fn group(t: &mut Text, ints: Ints, tile: &Tile, along: &Int, group: usize) -> Int {
    let four = ints.mul(t, along, 4);
    ints.add(
        t,
        &four,
        &Int::Known((group * tile.extent * 4 / tile.each) as i64),
    )
}

/// A thread's place among 16×16.
fn places(t: &mut Text, start: &Start) -> [Int; 2] {
    let (y, x) = start.ints.divide(t, &start.thread, 16);
    [y, x]
}

/// The loop over k: gives the sums of a thread, row by row.
fn sum(
    gemm: &Gemm,
    t: &mut Text,
    start: &Start,
    tile: &Tile,
    loaders: &[Loader<'_>; 2],
) -> Vec<String> {
    let acc = gemm.accumulator();
    let none = zero(t, acc);
    let steps = gemm.per_split.div_ceil(DEPTH);
    let count = tile.each * tile.each;
    if steps == 0 {
        return vec![none; count];
    }
    let ints = start.ints;
    let first: Vec<String> = loaders
        .iter()
        .flat_map(|l| l.load(gemm, t, start, &Int::Known(0)))
        .collect();
    let carried: Vec<String> = (0..count)
        .map(|_| none.clone())
        .chain(first.iter().cloned())
        .collect();
    let names: Vec<String> = carried.iter().map(|_| t.fresh()).collect();
    let pairs: Vec<String> = names
        .iter()
        .zip(&carried)
        .map(|(n, c)| format!("{n} = {c}"))
        .collect();
    let types = vec![acc.name(); carried.len()].join(", ");
    let (zero_index, end, one) = (t.index(0), t.index(steps as u64), t.index(1));
    let (result, step) = (t.fresh(), t.fresh());
    t.open(format_args!(
        "{result}:{} = scf.for {step} = {zero_index} to {end} step {one} iter_args({}) -> ({types}) {{",
        carried.len(),
        pairs.join(", ")
    ));
    let half = (names.len() - count) / 2;
    for (i, loader) in loaders.iter().enumerate() {
        loader.store(t, start, &names[count + i * half..][..half]);
    }
    t.line("gpu.barrier");
    let next = ints.of_index(t, &step);
    let next = ints.add(t, &next, &Int::Known(1));
    let next = ints.mul(t, &next, DEPTH);
    let mut loaded: Vec<String> = Vec::new();
    for loader in loaders {
        loaded.extend(loader.load(gemm, t, start, &next));
    }
    let along = places(t, start);
    let mut sums = names[..count].to_vec();
    for k in 0..DEPTH {
        let [a, b] = [0, 1].map(|i| {
            let mut values = Vec::new();
            for g in 0..tile.each / 4 {
                let at = group(t, ints, tile, &along[i], g);
                let (at, k) = (ints.index(t, &at), t.index(k as u64));
                let vector = t.op(format_args!(
                    "vector.load {}[{k}, {at}] : {}, vector<4x{acc}>",
                    loaders[i].shared, loaders[i].shared_ty
                ));
                for lane in 0..4 {
                    values.push(t.op(format_args!(
                        "vector.extract {vector}[{lane}] : {acc} from vector<4x{acc}>"
                    )));
                }
            }
            values
        });
        for (i, a) in a.iter().enumerate() {
            for (j, b) in b.iter().enumerate() {
                let sum = &mut sums[i * tile.each + j];
                *sum = if acc.is_float() {
                    t.op(format_args!("math.fma {a}, {b}, {sum} : {acc}"))
                } else {
                    let product = t.op(format_args!("arith.muli {a}, {b} : {acc}"));
                    t.op(format_args!("arith.addi {sum}, {product} : {acc}"))
                };
            }
        }
    }
    t.line("gpu.barrier");
    sums.extend(loaded);
    t.line(format_args!("scf.yield {} : {types}", sums.join(", ")));
    t.close("}");
    (0..count).map(|i| format!("{result}#{i}")).collect()
}

/// The epilogue of a thread's sums.
#[allow(clippy::too_many_arguments)]
fn store(
    gemm: &Gemm,
    t: &mut Text,
    start: &Start,
    tile: &Tile,
    part: &Int,
    first: &[Int; 2],
    sums: &[String],
    arguments: &Arguments,
) {
    let ints = start.ints;
    let along = places(t, start);
    let lanes = if gemm.n.is_multiple_of(4) { 4 } else { 1 };
    for i in 0..tile.each {
        let m = group(t, ints, tile, &along[0], i / 4);
        let m = ints.add(t, &m, &Int::Known(i as i64 % 4));
        let m = ints.add(t, &first[0], &m);
        let row_inside = (!gemm.m.is_multiple_of(tile.extent))
            .then(|| ints.below(t, &m, gemm.m))
            .flatten();
        let row = ints.mul(t, part, gemm.m);
        let row = ints.add(t, &row, &m);
        let row = ints.mul(t, &row, gemm.n);
        for j in (0..tile.each).step_by(lanes) {
            let n = group(t, ints, tile, &along[1], j / 4);
            let n = ints.add(t, &n, &Int::Known(j as i64 % 4));
            let n = ints.add(t, &first[1], &n);
            let inside = (!gemm.n.is_multiple_of(tile.extent))
                .then(|| ints.below(t, &n, gemm.n))
                .flatten();
            let inside = all(t, [&row_inside, &inside]);
            if let Some(inside) = &inside {
                t.open(format_args!("scf.if {inside} {{"));
            }
            let place = Place {
                element: &ints.add(t, &row, &n),
                at: [part, &m, &n],
            };
            let sums = &sums[i * tile.each + j..][..lanes];
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

impl Loader<'_> {
    /// Extents of the tile along the operand's slow and fast axis.
    fn extents(&self) -> [usize; 2] {
        match self.operand.sums_fast {
            true => [self.extent, DEPTH],
            false => [DEPTH, self.extent],
        }
    }

    /// A thread's places in the tile, along the slow and the fast axis.
    fn places(&self, t: &mut Text, start: &Start) -> (Vec<Int>, Int) {
        let [slow, fast] = self.extents();
        let (row, column) = start.ints.divide(t, &start.thread, fast);
        let step = THREADS / fast;
        let rows = (0..slow / step)
            .map(|i| start.ints.add(t, &row, &Int::Known((i * step) as i64)))
            .collect();
        (rows, column)
    }

    /// Loads a thread's elements of the tile from `depth` of this part's k on.
    fn load(&self, gemm: &Gemm, t: &mut Text, start: &Start, depth: &Int) -> Vec<String> {
        let ints = start.ints;
        let (rows, column) = self.places(t, start);
        let view = &self.operand.view;
        let along_k = |t: &mut Text, place: &Int| {
            let inner = ints.add(t, depth, place);
            let mut inside = ints.below(t, &inner, gemm.per_split);
            let k = ints.add(t, &start.k, &inner);
            if gemm.per_split * gemm.splits > gemm.k {
                let exists = ints.below(t, &k, gemm.k);
                inside = all(t, [&inside, &exists]);
            }
            (k, inside)
        };
        let along_other = |t: &mut Text, place: &Int| {
            let at = ints.add(t, &self.first, place);
            let inside = (!self.bound.is_multiple_of(self.extent))
                .then(|| ints.below(t, &at, self.bound))
                .flatten();
            (at, inside)
        };
        let (at, inside) = match self.operand.sums_fast {
            true => along_k(t, &column),
            false => along_other(t, &column),
        };
        let column = view.column(t, ints, &at, inside);
        let mut values = Vec::new();
        for row in &rows {
            let (at, inside) = match self.operand.sums_fast {
                true => along_other(t, row),
                false => along_k(t, row),
            };
            let row = view.row(t, ints, &start.batch, &at, inside);
            let value = self.element(gemm.accumulator(), t, ints, &row, &column);
            values.push(value);
        }
        values
    }

    fn element(
        &self,
        acc: DType,
        t: &mut Text,
        ints: Ints,
        row: &super::view::Row,
        column: &super::view::Column,
    ) -> String {
        let (place, inside) = self.operand.view.element(t, ints, row, column);
        let mut value = match &self.operand.view {
            View::Codes { .. } => code(self.memory, t, ints, row, column, &inside, acc),
            _ => {
                let value = self.memory.load_inside(t, ints, &place, &inside);
                widened(t, &value, self.memory.dtype, acc, 1)
            }
        };
        if self.zero_point != 0 {
            let point = t.constant(format_args!("{} : {acc}", self.zero_point));
            value = t.op(format_args!("arith.subi {value}, {point} : {acc}"));
        }
        if let Some(inside) = inside {
            let none = zero(t, acc);
            value = t.op(format_args!(
                "arith.select {inside}, {value}, {none} : {acc}"
            ));
        }
        value
    }

    /// Stores what [`Loader::load`] gave.
    fn store(&self, t: &mut Text, start: &Start, values: &[String]) {
        let (rows, column) = self.places(t, start);
        let column = start.ints.index(t, &column);
        for (row, value) in rows.iter().zip(values) {
            let row = start.ints.index(t, row);
            let place = match self.operand.sums_fast {
                true => format!("{column}, {row}"),
                false => format!("{row}, {column}"),
            };
            t.line(format_args!(
                "memref.store {value}, {}[{place}] : {}",
                self.shared, self.shared_ty
            ));
        }
    }
}

/// The weight behind a 2-bit code: its low bit minus its high bit.
fn code(
    memory: &Flat,
    t: &mut Text,
    ints: Ints,
    row: &super::view::Row,
    column: &super::view::Column,
    inside: &super::index::Condition,
    acc: DType,
) -> String {
    let (byte, position) = ints.divide(t, &column.offset, 4);
    let place = ints.add(t, &row.base, &byte);
    let byte = memory.load_inside(t, ints, &place, inside);
    let byte = t.op(format_args!("arith.extui {byte} : i8 to i32"));
    let shift = ints.mul(t, &position, 2);
    let shift = ints.i32(t, &shift);
    let code = t.op(format_args!("arith.shrui {byte}, {shift} : i32"));
    let one = t.constant("1 : i32");
    let plus = t.op(format_args!("arith.andi {code}, {one} : i32"));
    let high = t.op(format_args!("arith.shrui {code}, {one} : i32"));
    let minus = t.op(format_args!("arith.andi {high}, {one} : i32"));
    let weight = t.op(format_args!("arith.subi {plus}, {minus} : i32"));
    widened(t, &weight, DType::I32, acc, 1)
}
