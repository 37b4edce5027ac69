//! The kernel of a fused elementwise chain.

use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{Diagnostic, Layout};

use super::chain::Chain;
use super::nest::Nest;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};

/// Elements of one item, if there is only one loop.
const CHUNK: i64 = 4096;

/// A chain of elementwise ops from inputs to results of one shape; only one is planar.
pub(super) struct MapKernel {
    chain: Chain,
    results: Vec<View>,
    nest: Nest,
    width: Width,
    /// How many of the outer loops are the parallel dimension.
    item_dims: usize,
}

impl MapKernel {
    pub fn new(chain: Chain, results: Vec<View>) -> MapKernel {
        let operands: Vec<&View> = chain.inputs.iter().collect();
        let places: Vec<&View> = results.iter().collect();
        let nest = Nest::new(&operands, &places);
        // Vectors need every operand dense or fixed, and every result dense.
        let regular = operands
            .iter()
            .enumerate()
            .all(|(i, v)| nest.is_fixed(i) || nest.is_dense(i, v.element().bytes()));
        let dense = |(i, v): (usize, &View)| nest.is_dense(operands.len() + i, v.element().bytes());
        let wide = regular
            && results.iter().enumerate().all(dense)
            && nest.inner().extent >= 4
            && chain.is_wide();
        let item_dims = match results[0].layout {
            Layout::RowMajor => nest.dims.len() - 1,
            // A plane is an item: its halo is written with it.
            Layout::Planar { .. } => nest.plane_dims,
        };
        MapKernel {
            chain,
            results,
            nest,
            width: if wide { Width::Four } else { Width::One },
            item_dims,
        }
    }

    /// The first result, whose shape the others have.
    fn result(&self) -> &View {
        &self.results[0]
    }

    /// Whether the parallel dimension is chunks of the only loop.
    fn is_chunked(&self) -> bool {
        self.nest.dims.len() == 1 && self.result().layout == Layout::RowMajor
    }

    fn item_elements(&self) -> i64 {
        let inner: i64 = self.nest.dims[self.item_dims..]
            .iter()
            .map(|d| d.extent)
            .product();
        if self.is_chunked() { CHUNK } else { inner }
    }

    /// Computes the elements `start..end` of the innermost loop, rows beginning at `bases`.
    fn row(&self, k: &mut KernelBuilder<'_>, bases: &[Value], start: Value, end: Value) {
        let last = self.chain.inputs.len();
        let fixed: Vec<Option<Value>> = (0..last)
            .map(|i| {
                let view = &self.chain.inputs[i];
                self.nest
                    .is_fixed(i)
                    .then(|| k.load_lanes(view.element(), Width::One, bases[i], false))
            })
            .collect();
        if self.width == Width::Four {
            let length = k.b.ins().isub(end, start);
            let whole = k.b.ins().band_imm_s(length, -4);
            let middle = k.b.ins().iadd(start, whole);
            k.for_range(start, middle, 4, |k, i| {
                self.element(k, bases, &fixed, i, Width::Four);
            });
            // With whole vectors only, as the extents often say, no tail is written.
            let vectors =
                self.nest.inner().extent % 4 == 0 && (!self.is_chunked() || CHUNK % 4 == 0);
            if !vectors {
                k.for_range(middle, end, 1, |k, i| {
                    self.element(k, bases, &fixed, i, Width::One);
                });
            }
        } else {
            k.for_range(start, end, 1, |k, i| {
                self.element(k, bases, &fixed, i, Width::One);
            });
        }
    }

    fn element(
        &self,
        k: &mut KernelBuilder<'_>,
        bases: &[Value],
        fixed: &[Option<Value>],
        i: Value,
        width: Width,
    ) {
        let inner = self.nest.inner();
        let loaded: Vec<Value> = self
            .chain
            .inputs
            .iter()
            .enumerate()
            .map(|(n, input)| match fixed[n] {
                Some(scalar) => k.splat(width.ty(input.ty.dtype), scalar),
                None => {
                    let at = k.index(bases[n], i, inner.strides[n]);
                    k.load_lanes(input.element(), width, at, false)
                }
            })
            .collect();
        let values = self.chain.emit_all(k, width, None, &loaded);
        let first = self.chain.inputs.len();
        for ((place, value), n) in self.results.iter().zip(values).zip(first..) {
            let at = k.index(bases[n], i, inner.strides[n]);
            k.store_lanes(place.element(), width, value, at);
        }
    }

    /// The loops between the items and the innermost one.
    fn middle(&self, k: &mut KernelBuilder<'_>, bases: Vec<Value>, depth: usize) {
        if depth + 1 == self.nest.dims.len() {
            let start = k.int(0);
            let end = k.int(self.nest.inner().extent);
            self.row(k, &bases, start, end);
            return;
        }
        let dim = &self.nest.dims[depth];
        k.repeat(dim.extent, 1, |k, i| {
            let bases = advance(k, &bases, i, &dim.strides);
            self.middle(k, bases, depth + 1);
        });
    }

    /// Zeros around a plane of a planar result, which begins at an address.
    fn zero_halo(&self, k: &mut KernelBuilder<'_>, plane: Value) {
        let Layout::Planar { halo, element } = self.result().layout else {
            return;
        };
        crate::kernel::zero_halo(k, plane, &self.result().storage_shape(), halo, element);
    }
}

fn advance(k: &mut KernelBuilder<'_>, bases: &[Value], i: Value, strides: &[i64]) -> Vec<Value> {
    bases
        .iter()
        .zip(strides)
        .map(|(&base, &stride)| match stride {
            0 => base,
            _ => k.index(base, i, stride),
        })
        .collect()
}

impl EmitKernel for MapKernel {
    fn name(&self) -> String {
        let op = self.chain.steps.last().map_or("copy", |s| s.op.def().name);
        let op = op.split('.').next_back().unwrap_or(op);
        match self.chain.steps.len() {
            1 => format!("map_{op}"),
            n => format!("map_{op}_{n}"),
        }
    }

    fn parallel_items(&self) -> u64 {
        if self.is_chunked() {
            return (self.nest.inner().extent as u64).div_ceil(CHUNK as u64);
        }
        self.nest.dims[..self.item_dims]
            .iter()
            .map(|d| d.extent as u64)
            .product::<u64>()
            * u64::from(self.result().ty.elements() > 0)
    }

    fn grain(&self) -> u64 {
        // An element of one op takes a fraction of a nanosecond, handing over a microsecond or more.
        let work = self.item_elements() * (3 + self.chain.steps() as i64);
        (16 * CHUNK / work.max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let mut bases: Vec<Value> = self
            .chain
            .inputs
            .iter()
            .map(|i| k.address(i.origin()))
            .collect();
        for result in &self.results {
            bases.push(k.address(result.origin()));
        }
        let (begin, end) = (k.begin(), k.end());
        if self.is_chunked() {
            let start = k.scale(begin, CHUNK);
            let stop = k.scale(end, CHUNK);
            let limit = k.int(self.nest.inner().extent);
            let stop = k.b.ins().smin(stop, limit);
            self.row(k, &bases, start, stop);
            return Ok(());
        }
        let extents: Vec<i64> = self.nest.dims[..self.item_dims]
            .iter()
            .map(|d| d.extent)
            .collect();
        let plane = match self.result().layout {
            Layout::Planar { .. } => Some(k.address(self.result().buffer)),
            Layout::RowMajor => None,
        };
        k.for_range(begin, end, 1, |k, item| {
            let coordinates = k.unravel(item, &extents);
            let mut at = bases.clone();
            for (d, &i) in coordinates.iter().enumerate() {
                at = advance(k, &at, i, &self.nest.dims[d].strides);
            }
            if let Some(plane) = plane {
                let shape = self.result().storage_shape();
                let bytes = shape[2] * shape[3] * self.result().element().bytes();
                let plane = k.index(plane, item, bytes as i64);
                self.zero_halo(k, plane);
            }
            self.middle(k, at, self.item_dims);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let strategy = match self.width {
            Width::Four => "vector map",
            Width::One => "scalar map",
        };
        KernelReport::new(
            format!("{} → {}", self.chain.computes, self.result().ty),
            strategy,
        )
    }
}
