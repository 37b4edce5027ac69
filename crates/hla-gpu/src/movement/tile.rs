//! Transposes through shared memory.
//!
//! A block reads a square of elements along the dimension in which its input is dense, and writes
//! it along the one in which its result is. A row of the square has one element more than it
//! needs, so that neither way meets a bank of the shared memory twice.

use std::fmt::Write as _;

use crate::kernel::{KernelCode, NAME};
use crate::lower::{Arg, Place};
use crate::map::nest::Nest;
use crate::text::{Text, memref, stored};

/// Elements of a side of the square.
const SIDE: usize = 32;

/// Rows of threads; each has four rows of the square.
const ROWS: usize = 8;

/// Fewer elements are not worth it.
const MIN_ELEMENTS: usize = 4096;

/// The kernel of a nest without arithmetic whose only source is dense along another dimension than
/// the result; `None` if it is not such a nest.
pub(super) fn transpose(nest: &Nest, result: &Place) -> Option<(KernelCode, Vec<Arg>)> {
    let [source] = &nest.sources[..] else {
        return None;
    };
    let from = source.only()?;
    let inner = nest.extents.len() - 1;
    let dense = from.strides.iter().position(|&s| s == 1)?;
    let long = |d: usize| nest.extents[d] >= SIDE / 2;
    let positive = from.start == 0 && from.strides.iter().all(|&s| s > 0);
    let small = nest.elements() < 1 << 30 && from.place.ty.elements() < 1 << 30;
    let worth = nest.elements() >= MIN_ELEMENTS && long(dense) && long(inner);
    if dense == inner || !positive || !small || !worth || result.ty.dtype.bytes() == 8 {
        return None;
    }
    // The square's two dimensions, and the others, of which every combination is a batch.
    let to = nest.dense();
    let batches: Vec<usize> = (0..inner).filter(|&d| d != dense).collect();
    let tiles = [dense, inner].map(|d| nest.extents[d].div_ceil(SIDE));
    let batch: usize = batches.iter().map(|&d| nest.extents[d]).product();
    let blocks = tiles[0] * tiles[1] * batch;
    let element = stored(result.ty.dtype);
    let input = memref(&from.place.flat().ty);
    let output = memref(&result.flat().ty);
    let tile = format!(
        "memref<{SIDE}x{}x{element}, #gpu.address_space<workgroup>>",
        SIDE + 1
    );
    let mut w = Writer { text: Text::new() };
    let block = w.id("gpu.block_id x");
    let column = w.id("gpu.thread_id x");
    let row = w.id("gpu.thread_id y");
    let tile_in = w.rem(&block, tiles[0]);
    let rest = w.div(&block, tiles[0]);
    let tile_out = w.rem(&rest, tiles[1]);
    let mut rest = w.div(&rest, tiles[1]);
    let (mut read, mut write) = (w.int(0), w.int(0));
    for &d in batches.iter().rev() {
        let coordinate = w.rem(&rest, nest.extents[d]);
        rest = w.div(&rest, nest.extents[d]);
        read = w.multiply_add(&coordinate, from.strides[d], &read);
        write = w.multiply_add(&coordinate, to[d], &write);
    }
    let first_in = w.multiply_add(&tile_in, SIDE as i64, "");
    let first_out = w.multiply_add(&tile_out, SIDE as i64, "");
    // Each thread moves an element of every ROWS-th row, first in, then out.
    let extent_in = w.int(nest.extents[dense] as i64);
    let extent_out = w.int(nest.extents[inner] as i64);
    let (mut along, mut across) = (w.add(&first_in, &column), w.add(&first_out, &row));
    for step in 0..SIDE / ROWS {
        let at = w.add_int(&across, (step * ROWS) as i64);
        let shared = w.add_int(&row, (step * ROWS) as i64);
        w.guarded(&[(&along, &extent_in), (&at, &extent_out)], |w| {
            let offset = w.multiply_add(&at, from.strides[inner], &read);
            let offset = w.add(&offset, &along);
            let index = w.index(&offset);
            let value = w
                .text
                .op(format_args!("memref.load %a0[{index}] : {input}"));
            let (shared, column) = (w.index(&shared), w.index(&column));
            w.text.line(format_args!(
                "memref.store {value}, %tile[{shared}, {column}] : {tile}"
            ));
        });
    }
    w.text.line("gpu.barrier");
    (along, across) = (w.add(&first_out, &column), w.add(&first_in, &row));
    for step in 0..SIDE / ROWS {
        let at = w.add_int(&across, (step * ROWS) as i64);
        let shared = w.add_int(&row, (step * ROWS) as i64);
        w.guarded(&[(&along, &extent_out), (&at, &extent_in)], |w| {
            let (column, shared) = (w.index(&column), w.index(&shared));
            let value = w.text.op(format_args!(
                "memref.load %tile[{column}, {shared}] : {tile}"
            ));
            let offset = w.multiply_add(&at, to[dense], &write);
            let offset = w.add(&offset, &along);
            let index = w.index(&offset);
            w.text.line(format_args!(
                "memref.store {value}, %a1[{index}] : {output}"
            ));
        });
    }
    let mut gpu = format!("gpu.func {NAME}(");
    for (i, (ty, place)) in [(&input, &from.place), (&output, result)]
        .iter()
        .enumerate()
    {
        let comma = if i > 0 { ", " } else { "" };
        let align = place.alignment().min(16);
        let _ = write!(
            gpu,
            "{comma}%a{i}: {ty} {{llvm.noalias, llvm.align = {align} : i64}}"
        );
    }
    let _ = write!(
        gpu,
        ") workgroup(%tile : {tile}) kernel attributes {{known_block_size = array<i32: {SIDE}, {ROWS}, 1>}} {{\n{}  gpu.return\n}}\n",
        w.text.finish()
    );
    let code = KernelCode {
        computes: format!("transpose over {:?}", nest.extents),
        grid: [blocks as u32, 1, 1],
        block: [SIDE as u32, ROWS as u32, 1],
        shared_bytes: 0,
        gpu,
        linalg: linalg(nest, result),
    };
    Some((code, vec![from.place.flat().read(), result.flat().write()]))
}

/// The same as a map.
fn linalg(nest: &Nest, result: &Place) -> String {
    let body = crate::Body {
        inputs: vec![result.ty.dtype],
        ops: Vec::new(),
        results: vec![crate::BodyValue::Input(0)],
    };
    crate::map::linalg::text(nest, &body, std::slice::from_ref(result))
}

struct Writer {
    text: Text,
}

impl Writer {
    fn id(&mut self, op: &str) -> String {
        let id = self.text.op(op);
        self.text
            .op(format_args!("arith.index_castui {id} : index to i32"))
    }

    fn int(&mut self, value: i64) -> String {
        self.text.constant(format_args!("{value} : i32"))
    }

    fn index(&mut self, value: &str) -> String {
        self.text
            .op(format_args!("arith.index_castui {value} : i32 to index"))
    }

    fn add(&mut self, a: &str, b: &str) -> String {
        self.text.op(format_args!("arith.addi {a}, {b} : i32"))
    }

    fn add_int(&mut self, a: &str, by: i64) -> String {
        let by = self.int(by);
        self.add(a, &by)
    }

    fn rem(&mut self, a: &str, by: usize) -> String {
        let by = self.int(by as i64);
        self.text.op(format_args!("arith.remui {a}, {by} : i32"))
    }

    fn div(&mut self, a: &str, by: usize) -> String {
        let by = self.int(by as i64);
        self.text.op(format_args!("arith.divui {a}, {by} : i32"))
    }

    /// a·by + c, or a·by if there is no c.
    fn multiply_add(&mut self, a: &str, by: i64, c: &str) -> String {
        let by = self.int(by);
        let product = self.text.op(format_args!("arith.muli {a}, {by} : i32"));
        match c {
            "" => product,
            _ => self.add(&product, c),
        }
    }

    /// Does something where each of some numbers is below its limit.
    fn guarded(&mut self, limits: &[(&str, &str)], then: impl FnOnce(&mut Writer)) {
        let mut holds: Option<String> = None;
        for (value, limit) in limits {
            let below = self
                .text
                .op(format_args!("arith.cmpi ult, {value}, {limit} : i32"));
            holds = Some(match holds {
                None => below,
                Some(c) => self.text.op(format_args!("arith.andi {c}, {below} : i1")),
            });
        }
        let holds = holds.unwrap_or_default();
        self.text.open(format_args!("scf.if {holds} {{"));
        then(self);
        self.text.close("}");
    }
}
