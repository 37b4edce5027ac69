//! Where sums go, and what becomes of them on the way: elementwise ops that follow a contraction are
//! computed on its sums while they are in registers.

use std::rc::Rc;

use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{DType, Function, Layout, Node, NodeId, Op, ValueId};

use super::arithmetic::{LANES, WORD};
use crate::kernel::{Buffer, KernelBuilder, View, Width};
use crate::map::{self, Chain};

/// How an input of the ops that follow lies beside the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// One element for each of the output.
    Element,
    /// One for each column.
    Column,
    /// One for all.
    All,
}

impl Reach {
    /// That of an input with this shape, if it has one.
    fn of(shape: &[usize], output: &[usize]) -> Option<Reach> {
        if shape == output {
            return Some(Reach::Element);
        }
        let (last, outer) = shape.split_last()?;
        match outer.iter().all(|&e| e == 1) {
            true if *last == 1 => Some(Reach::All),
            true if Some(last) == output.last() => Some(Reach::Column),
            _ => None,
        }
    }
}

/// The place of a contraction's result.
#[derive(Clone)]
pub(super) struct Output {
    pub buffer: Buffer,
    element: DType,
    chain: Option<Rc<Chain>>,
    reaches: Vec<Reach>,
}

impl Output {
    /// Sums are stored as they are, as f32 or i32.
    pub fn plain(buffer: Buffer, element: DType) -> Output {
        Output {
            buffer,
            element,
            chain: None,
            reaches: Vec::new(),
        }
    }

    /// Sums go through a chain that [`can_follow`].
    pub fn fused(result: &View, chain: Chain) -> Output {
        let reach = |v: &View| Reach::of(&v.ty.shape, &result.ty.shape).unwrap_or(Reach::Element);
        Output {
            buffer: result.buffer,
            element: result.ty.dtype,
            reaches: chain.inputs.iter().map(reach).collect(),
            chain: Some(Rc::new(chain)),
        }
    }

    /// What follows the sums, for reports.
    pub fn describe(&self) -> Option<String> {
        self.chain.as_ref().map(|c| format!("then {}", c.computes))
    }

    /// Stores the sums of four columns, of which so many exist, of the pixel whose first column is
    /// an element of the output.
    pub fn store(
        &self,
        k: &mut KernelBuilder<'_>,
        sums: Value,
        pixel: Value,
        column: Value,
        lanes: u64,
    ) {
        let base = k.address(self.buffer);
        let index = k.b.ins().iadd(pixel, column);
        let at = k.index(base, index, self.element.bytes() as i64);
        let Some(chain) = &self.chain else {
            return store_some(k, sums, at, lanes);
        };
        let mut inputs = Vec::with_capacity(chain.inputs.len());
        for (view, &reach) in chain.inputs.iter().zip(&self.reaches) {
            let base = k.address(view.buffer);
            let bytes = view.ty.dtype.bytes() as i64;
            let value = match reach {
                Reach::Element => {
                    let at = k.index(base, index, bytes);
                    k.load_lanes(view.ty.dtype, Width::Four, at, true)
                }
                Reach::Column => {
                    let at = k.index(base, column, bytes);
                    k.load_lanes(view.ty.dtype, Width::Four, at, true)
                }
                Reach::All => {
                    let one = k.load_lanes(view.ty.dtype, Width::One, base, true);
                    k.splat(Width::Four.ty(view.ty.dtype), one)
                }
            };
            inputs.push(value);
        }
        if let Some(result) = chain.emit(k, Width::Four, Some(sums), &inputs) {
            k.store_lanes(self.element, Width::Four, result, at);
        }
    }
}

fn store_some(k: &mut KernelBuilder<'_>, sums: Value, at: Value, lanes: u64) {
    if lanes == LANES {
        return k.write(sums, at, 0);
    }
    for lane in 0..lanes {
        let value = k.b.ins().extractlane(sums, lane as u8);
        k.write(value, at, (lane * WORD) as i32);
    }
}

/// Whether elementwise nodes can be computed on the sums of an op.
pub(crate) fn is_contraction(op: Op) -> bool {
    matches!(
        op,
        Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d | Op::MatMul | Op::Conv2dInputGrad
    )
}

/// Whether a group of elementwise nodes, the last of which gives the only result, can be computed
/// on the sums of a contraction.
pub(crate) fn can_follow(
    function: &Function,
    users: &[Vec<NodeId>],
    contraction: &Node,
    group: &[NodeId],
) -> bool {
    let Some(last) = group.last().map(|&id| function.node(id)) else {
        return false;
    };
    if !is_contraction(contraction.op) || !map::is_wide(function, group) {
        return false;
    }
    let sums = contraction.result();
    let ty = function.tensor_ty(sums);
    // All lanes of a vector must be columns: see `Tile::of`.
    let columns = ty.shape.last().copied().unwrap_or(0);
    let whole = columns.is_multiple_of(4) || columns >= 32;
    let row_major = |node: &Node| Layout::of(&node.attrs) == Ok(Layout::RowMajor);
    let reaches = |&value: &ValueId| {
        let inside = |id: &&NodeId| function.node(**id).result() == value;
        let plain = function.defining_node(value).is_none_or(row_major);
        value == sums
            || group.iter().any(|id| inside(&id))
            || (plain && Reach::of(&function.tensor_ty(value).shape, &ty.shape).is_some())
    };
    let operands = || group.iter().flat_map(|&id| &function.node(id).operands);
    whole
        && ty.elements() > 0
        && matches!(ty.dtype, DType::F32 | DType::I32)
        && function.tensor_ty(last.result()).shape == ty.shape
        && row_major(contraction)
        && row_major(last)
        && !function.results.contains(&sums)
        && users[sums.index()].iter().all(|user| group.contains(user))
        && operands().any(|&value| value == sums)
        && operands().all(reaches)
}
