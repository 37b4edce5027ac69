//! Gradients of pooling by its input: each window hands its gradient to its taps.
//!
//! An image is an item, its windows are visited in row-major order and channels lie in the lanes.
//! Where windows neither overlap nor leave gaps, each element is written once; else the image is
//! zeroed first and windows add to it.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hla_ir::{DType, Diagnostic, Layout, Node, Op};

use super::geometry::Geometry;
use crate::contraction::wide;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};
use crate::lower::Lowering;

/// Windows of at most this many taps are written out.
const UNROLLED: i64 = 16;

/// Adds the kernel of a pool's gradient.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let maximum = node.op == Op::MaxPool2dGrad;
    let input = match maximum {
        true => Some(wide(cx, node, 0)?),
        false => None,
    };
    let gradient = wide(cx, node, usize::from(maximum))?;
    let stored = cx.result(node, 0)?;
    let planar = |v: &View| v.layout != Layout::RowMajor;
    if input.as_ref().is_some_and(planar) || planar(&gradient) || planar(&stored) {
        return Err(cx
            .unsupported(node)
            .help("a planar value needs hla.relayout before this op"));
    }
    // Windows add to what is stored, so that sums of 16-bit floats need a place of their own.
    let result = match stored.ty.dtype {
        DType::F32 => stored.clone(),
        _ => {
            let ty = stored.ty.with_dtype(DType::F32);
            View::row_major(cx.temp(ty.bytes() as u64), ty)
        }
    };
    let sums = result.clone();
    let geometry = Geometry::new(node, &result, &gradient);
    cx.run(PoolGradient {
        input,
        gradient,
        result,
        geometry,
    });
    if stored.ty.dtype != DType::F32 {
        crate::map::copy(cx, sums, stored);
    }
    Ok(())
}

struct PoolGradient {
    /// What was pooled, for a maximum.
    input: Option<View>,
    gradient: View,
    result: View,
    geometry: Geometry,
}

/// The taps of one window, as byte offsets from the window's image and lane.
struct Taps {
    rows: (Value, Value),
    columns: (Value, Value),
    /// Offsets of all taps from the first, where every window has all.
    fixed: Option<Vec<i64>>,
}

/// What is done at a tap's offset with what the tap before handed on.
type Visitor<'v> = dyn Fn(&mut KernelBuilder<'_>, Value, &[Value]) -> Vec<Value> + 'v;

impl PoolGradient {
    fn channels(&self) -> i64 {
        self.result.ty.shape[3] as i64
    }

    /// Bytes from one column to the next, and from one row to the next.
    fn steps(&self) -> (i64, i64) {
        let column = self.channels() * 4;
        (column, column * self.geometry.input[1])
    }

    /// Whether each element of the result is in exactly one window.
    fn tiles(&self) -> bool {
        let g = &self.geometry;
        g.pad == [0, 0]
            && g.kernel == g.stride
            && (0..2).all(|d| g.output[d] * g.stride[d] == g.input[d])
    }

    /// Whether no window has padding.
    fn is_inside(&self) -> bool {
        let g = &self.geometry;
        g.pad == [0, 0]
            && (0..2).all(|d| (g.output[d] - 1) * g.stride[d] + g.kernel[d] <= g.input[d])
    }

    fn fixed_taps(&self) -> Option<Vec<i64>> {
        let [rows, columns] = self.geometry.kernel;
        let (column, row) = self.steps();
        (self.is_inside() && rows.saturating_mul(columns) <= UNROLLED).then(|| {
            (0..rows)
                .flat_map(|r| (0..columns).map(move |c| r * row + c * column))
                .collect()
        })
    }

    /// Visits the taps in row-major order, with values handed from each to the next.
    fn visit(
        &self,
        k: &mut KernelBuilder<'_>,
        taps: &Taps,
        init: &[Value],
        body: &Visitor<'_>,
    ) -> Vec<Value> {
        let (column, row) = self.steps();
        if let Some(fixed) = &taps.fixed {
            let first = k.index(taps.columns.0, taps.rows.0, 1);
            let mut carried = init.to_vec();
            for &offset in fixed {
                let at = k.offset(first, offset);
                carried = body(k, at, &carried);
            }
            return carried;
        }
        k.for_range_carry(taps.rows.0, taps.rows.1, row, init, |k, r, carried| {
            let (start, end) = (
                k.b.ins().iadd(r, taps.columns.0),
                k.b.ins().iadd(r, taps.columns.1),
            );
            k.for_range_carry(start, end, column, carried, |k, at, carried| {
                body(k, at, carried)
            })
        })
    }

    /// Adds to the element at an address of the result, or writes it.
    fn give(&self, k: &mut KernelBuilder<'_>, width: Width, value: Value, at: Value) {
        let value = if self.tiles() {
            value
        } else {
            let sum = k.load_lanes(DType::F32, width, at, false);
            k.b.ins().fadd(sum, value)
        };
        k.store_lanes(DType::F32, width, value, at);
    }

    /// One window at some channels; `x` and `to` are the images' addresses at the first of them.
    fn window(
        &self,
        k: &mut KernelBuilder<'_>,
        taps: &Taps,
        (x, gradient, to): (Option<Value>, Value, Value),
        count: Value,
        width: Width,
    ) {
        let ty = width.ty(DType::F32);
        let gradient = k.load_lanes(DType::F32, width, gradient, true);
        let zero = k.f32_const(ty, 0.0);
        let Some(x) = x else {
            let count = k.splat(ty, count);
            let share = k.b.ins().fdiv(gradient, count);
            // As a sum from +0, which −0 does not change.
            let share = k.b.ins().fadd(share, zero);
            self.visit(k, taps, &[], &|k, offset, _| {
                let at = k.b.ins().iadd(to, offset);
                self.give(k, width, share, at);
                Vec::new()
            });
            return;
        };
        let gradient = k.b.ins().fadd(gradient, zero);
        let least = k.f32_const(ty, f32::NEG_INFINITY);
        let largest = self.visit(k, taps, &[least], &|k, offset, carried| {
            let at = k.b.ins().iadd(x, offset);
            let value = k.load_lanes(DType::F32, width, at, true);
            let larger = k.max_or_second(carried[0], value);
            let ordered = k.fmask(FloatCC::Equal, carried[0], carried[0]);
            vec![k.choose(ordered, larger, carried[0])]
        });
        let nobody = k.int_const(width.ty(DType::I32), 0);
        self.visit(k, taps, &[nobody], &|k, offset, carried| {
            let at = k.b.ins().iadd(x, offset);
            let value = k.load_lanes(DType::F32, width, at, true);
            // A NaN is the maximum, whatever else there is.
            let equal = k.fmask(FloatCC::Equal, value, largest[0]);
            let nan = k.fmask(FloatCC::NotEqual, value, value);
            let wins = k.b.ins().bor(equal, nan);
            let first = k.b.ins().band_not(wins, carried[0]);
            let share = k.choose(first, gradient, zero);
            let at = k.b.ins().iadd(to, offset);
            self.give(k, width, share, at);
            vec![k.b.ins().bor(wins, carried[0])]
        });
    }
}

impl EmitKernel for PoolGradient {
    fn name(&self) -> String {
        match self.input {
            Some(_) => "max_pool2d_grad",
            None => "avg_pool2d_grad",
        }
        .to_owned()
    }

    fn parallel_items(&self) -> u64 {
        self.result.ty.shape[0] as u64
    }

    fn grain(&self) -> u64 {
        let image = self.result.ty.elements() / self.result.ty.shape[0].max(1);
        (8192 / image.max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let (column, row) = self.steps();
        let image = row * self.geometry.input[0];
        let [height, breadth] = self.geometry.output;
        let x = self.input.as_ref().map(|x| k.address(x.buffer));
        let gradients = k.address(self.gradient.buffer);
        let to = k.address(self.result.buffer);
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, n| {
            let x = x.map(|x| k.index(x, n, image));
            let to = k.index(to, n, image);
            let gradients = k.index(gradients, n, height * breadth * column);
            if !self.tiles() {
                k.zero_fill(to, image);
            }
            k.repeat(height, 1, |k, oh| {
                let rows = self.geometry.taps(k, 0, oh);
                let gradients = k.index(gradients, oh, breadth * column);
                k.repeat(breadth, 1, |k, ow| {
                    let columns = self.geometry.taps(k, 1, ow);
                    let gradients = k.index(gradients, ow, column);
                    let count = {
                        let high = k.b.ins().isub(rows.1, rows.0);
                        let broad = k.b.ins().isub(columns.1, columns.0);
                        let count = k.b.ins().imul(high, broad);
                        k.b.ins().fcvt_from_sint(types::F32, count)
                    };
                    let taps = Taps {
                        rows: (k.scale(rows.0, row), k.scale(rows.1, row)),
                        columns: (k.scale(columns.0, column), k.scale(columns.1, column)),
                        fixed: self.fixed_taps(),
                    };
                    let whole = self.channels() & !3;
                    for (start, end, width) in [
                        (0, whole, Width::Four),
                        (whole, self.channels(), Width::One),
                    ] {
                        if start == end {
                            continue;
                        }
                        let (start, end) = (k.int(start), k.int(end));
                        k.for_range(start, end, width.lanes(), |k, c| {
                            let x = x.map(|x| k.index(x, c, 4));
                            let places = (x, k.index(gradients, c, 4), k.index(to, c, 4));
                            self.window(k, &taps, places, count, width);
                        });
                    }
                });
            });
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let how = match self.tiles() {
            true => "windows that tile, channels in lanes",
            false => "windows that add, channels in lanes",
        };
        KernelReport::new(
            format!(
                "hla.{} {} → {}",
                self.name(),
                self.gradient.ty,
                self.result.ty
            ),
            how,
        )
    }
}
