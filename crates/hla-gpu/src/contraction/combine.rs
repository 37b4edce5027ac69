//! The sum of the parts of a divided contraction: for each element of the result the parts one
//! after the other, then the epilogue. One order, so the same bits each time.

use hla_ir::{DType, TensorType};

use super::epilogue::Place;
use super::gemm;
use super::index::{Int, Ints};
use super::linalg::{self, Finish};
use super::memory::zero;
use super::op::Contraction;
use crate::text::memref;
use crate::{KernelCode, Text};

const THREADS: usize = 256;

/// The kernel that sums `shape[0]` parts of `shape[1]`×`shape[2]` sums.
pub(super) fn kernel(contraction: &Contraction<'_>, shape: [usize; 3]) -> KernelCode {
    let [parts, m, n] = shape;
    let epilogue = &contraction.epilogue;
    let buffer = TensorType::f32(shape);
    let out = contraction.result.with_dtype(epilogue.dtype());
    let extras = epilogue.extras.iter().map(|extra| &extra.ty);
    let types: Vec<&TensorType> = [&buffer].into_iter().chain(extras).chain([&out]).collect();
    let ints = Ints::for_elements(buffer.elements());
    let t = &mut Text::new();
    let arguments = gemm::open_any(t, &types, 1, gemm::Block::of(THREADS));
    let thread = t.op("gpu.thread_id x");
    let thread = ints.of_index(t, &thread);
    let block = t.op("gpu.block_id x");
    let block = ints.of_index(t, &block);
    // Four neighbours a thread, where they are aligned.
    let lanes = if n.is_multiple_of(4) { 4 } else { 1 };
    let groups = m * n / lanes;
    let first = ints.mul(t, &block, THREADS);
    let group = ints.add(t, &first, &thread);
    let inside = match groups.is_multiple_of(THREADS) {
        true => None,
        false => ints.below(t, &group, groups),
    };
    if let Some(inside) = &inside {
        t.open(format_args!("scf.if {inside} {{"));
    }
    let element = ints.mul(t, &group, lanes);
    let (row, column) = ints.divide(t, &element, n);
    let none = match lanes {
        1 => zero(t, DType::F32),
        _ => t.constant("dense<0.0> : vector<4xf32>"),
    };
    let ty = crate::text::vector(lanes, "f32");
    let (from, to, step) = (t.index(0), t.index(parts as u64), t.index(1));
    let [sum, part, old] = [(); 3].map(|()| t.fresh());
    t.open(format_args!(
        "{sum} = scf.for {part} = {from} to {to} step {step} iter_args({old} = {none}) -> ({ty}) {{"
    ));
    let part = ints.of_index(t, &part);
    let place = ints.mul(t, &part, m * n);
    let place = ints.add(t, &place, &element);
    let value = arguments[0].load(t, ints, &place, lanes);
    let new = t.op(format_args!("arith.addf {old}, {value} : {ty}"));
    t.line(format_args!("scf.yield {new} : {ty}"));
    t.close("}");
    let place = Place {
        element: &element,
        at: [&Int::Known(0), &row, &column],
    };
    let last = arguments.len() - 1;
    epilogue.store_lanes(
        t,
        ints,
        &place,
        &sum,
        lanes,
        DType::F32,
        &arguments[1..last],
        &arguments[last],
    );
    if inside.is_some() {
        t.close("}");
    }
    gemm::close(t);
    KernelCode {
        computes: format!("{}: sum of {parts} parts", contraction.computes),
        grid: [groups.div_ceil(THREADS) as u32, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared_bytes: 0,
        gpu: std::mem::take(t).finish(),
        linalg: text(&types, shape, contraction),
    }
}

fn text(types: &[&TensorType], shape: [usize; 3], contraction: &Contraction<'_>) -> String {
    let t = &mut Text::new();
    linalg::open(t, types);
    let [_, m, n] = shape;
    let sums = linalg::allocate(t, &[m, n], DType::F32);
    let none = zero(t, DType::F32);
    t.line(format_args!(
        "linalg.fill ins({none} : f32) outs({} : {})",
        sums.0, sums.1
    ));
    let parts = memref(types[0]);
    t.open(format_args!(
        "linalg.generic {{indexing_maps = [affine_map<(d0, d1, d2) -> (d2, d0, d1)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = [\"parallel\", \"parallel\", \"reduction\"]}} ins(%arg0 : {parts}) outs({} : {}) {{",
        sums.0, sums.1
    ));
    t.line("^bb0(%part: f32, %sum: f32):");
    let sum = t.op("arith.addf %sum, %part : f32");
    t.line(format_args!("linalg.yield {sum} : f32"));
    t.close("}");
    let finish = Finish {
        shape: [1, m, n],
        sum: DType::F32,
        epilogue: &contraction.epilogue,
        out: types[types.len() - 1],
        arguments: types.len(),
    };
    finish.emit(t, &sums);
    t.line("return");
    t.close("}");
    std::mem::take(t).finish()
}
