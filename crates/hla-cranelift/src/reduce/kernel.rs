//! Sum, product, maximum and minimum along an axis.

use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{Diagnostic, Op};

use super::Domain;
use super::combine::Combine;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};
use crate::map::Chain;

/// Vectors that run side by side.
const SIDE_BY_SIDE: i64 = 4;

/// Elements of the inner dimension that one item covers.
const BLOCK: i64 = 256;

/// Blocks of the inner dimension.
pub(super) fn inner_blocks(domain: &Domain) -> i64 {
    (domain.inner + BLOCK - 1) / BLOCK
}

/// One of the reductions that a kernel computes in one pass.
pub(super) struct Part {
    combine: Combine,
    pub result: View,
}

impl Part {
    pub fn new(op: Op, ignore_nan: bool, result: View, domain: &Domain) -> Part {
        let combine = Combine {
            op,
            dtype: result.ty.dtype,
            ignore_nan,
            empty: domain.axis == 0,
        };
        Part { combine, result }
    }

    /// The same reduction to another place.
    pub fn with_result(&self, result: View) -> Part {
        Part {
            combine: self.combine,
            result,
        }
    }
}

pub(super) struct Reduce {
    domain: Domain,
    /// What is reduced: an output for each part.
    chain: Chain,
    /// For each input of the chain: bytes between neighbours along outer, axis and inner.
    strides: Vec<[i64; 3]>,
    parts: Vec<Part>,
    /// Rows of a block, if the axis is cut into blocks, which have results of their own.
    rows: Option<i64>,
    width: Width,
}

/// Where one item reads: the range along the axis, and the inputs at its outer index.
struct Place {
    from: Vec<Value>,
    axis: (Value, Value),
}

impl Reduce {
    pub fn new(
        domain: Domain,
        chain: Chain,
        strides: Vec<[i64; 3]>,
        parts: Vec<Part>,
        rows: Option<i64>,
    ) -> Reduce {
        let lanes = if domain.inner == 1 {
            domain.axis
        } else {
            domain.inner
        };
        let along = if domain.inner == 1 { 1 } else { 2 };
        let regular = strides
            .iter()
            .zip(&chain.inputs)
            .all(|(s, view)| s[along] == 0 || s[along] == view.ty.dtype.bytes() as i64);
        let narrow = parts.iter().all(|p| p.result.ty.dtype.bytes() <= 4);
        let wide = lanes >= 4 && regular && narrow && chain.is_wide();
        Reduce {
            domain,
            chain,
            strides,
            parts,
            rows,
            width: if wide { Width::Four } else { Width::One },
        }
    }

    fn axis_blocks(&self) -> i64 {
        match self.rows {
            Some(rows) => (self.domain.axis + rows - 1) / rows,
            None => 1,
        }
    }

    fn start(&self, k: &mut KernelBuilder<'_>, width: Width) -> Vec<Value> {
        let parts = self.parts.iter();
        parts.map(|p| p.combine.start(k, width)).collect()
    }

    /// Combines two rows of partial results, one for each part, or several rows after each other.
    fn apply(&self, k: &mut KernelBuilder<'_>, sums: &[Value], values: &[Value]) -> Vec<Value> {
        let parts = self.parts.iter().cycle();
        parts
            .zip(sums.iter().zip(values))
            .map(|(p, (&sum, &value))| p.combine.apply(k, sum, value))
            .collect()
    }

    /// Computes what is reduced from the inputs at addresses, or from what was loaded before.
    fn values(
        &self,
        k: &mut KernelBuilder<'_>,
        width: Width,
        at: impl Fn(&mut KernelBuilder<'_>, usize) -> Result<Value, Value>,
    ) -> Vec<Value> {
        let inputs: Vec<Value> = (0..self.chain.inputs.len())
            .map(|n| match at(k, n) {
                Ok(loaded) => loaded,
                Err(address) => self.load(k, n, width, address),
            })
            .collect();
        self.chain.emit_all(k, width, None, &inputs)
    }

    fn load(&self, k: &mut KernelBuilder<'_>, n: usize, width: Width, address: Value) -> Value {
        k.load_lanes(self.chain.inputs[n].ty.dtype, width, address, true)
    }

    /// A scalar input in all lanes.
    fn fixed(&self, k: &mut KernelBuilder<'_>, n: usize, width: Width, address: Value) -> Value {
        let scalar = self.load(k, n, Width::One, address);
        k.splat(width.ty(self.chain.inputs[n].ty.dtype), scalar)
    }

    /// One result of each part: a reduction of neighbours.
    fn along(&self, k: &mut KernelBuilder<'_>, place: &Place, to: &[Value]) {
        let step = SIDE_BY_SIDE * 4;
        let stride = |n: usize| self.strides[n][1];
        // What does not change along the axis is loaded once.
        let hoist = |k: &mut KernelBuilder<'_>, width| -> Vec<Option<Value>> {
            (0..self.strides.len())
                .map(|n| (stride(n) == 0).then(|| self.fixed(k, n, width, place.from[n])))
                .collect()
        };
        let mut totals = self.start(k, Width::One);
        let (mut start, end) = place.axis;
        if self.width == Width::Four && self.domain.axis >= step {
            let length = k.b.ins().isub(end, start);
            let whole = k.b.ins().band_imm_s(length, -step);
            let middle = k.b.ins().iadd(start, whole);
            let fixed = hoist(k, Width::Four);
            let init = self.start(k, Width::Four).repeat(SIDE_BY_SIDE as usize);
            let sums = k.for_range_carry(start, middle, step, &init, |k, i, sums| {
                let at: Vec<Value> = (0..fixed.len())
                    .map(|n| k.index(place.from[n], i, stride(n)))
                    .collect();
                let mut next = Vec::with_capacity(sums.len());
                for (side, sums) in (0..).zip(sums.chunks(self.parts.len())) {
                    let values = self.values(k, Width::Four, |k, n| {
                        fixed[n].ok_or_else(|| k.offset(at[n], side * 4 * stride(n)))
                    });
                    next.extend(self.apply(k, sums, &values));
                }
                next
            });
            let sums = self.fold(k, &sums, self.parts.len());
            for lane in 0..4 {
                let values: Vec<Value> = sums
                    .iter()
                    .map(|&sum| k.b.ins().extractlane(sum, lane))
                    .collect();
                totals = self.apply(k, &totals, &values);
            }
            start = middle;
        }
        let fixed = hoist(k, Width::One);
        let totals = k.for_range_carry(start, end, 1, &totals, |k, i, sums| {
            let values = self.values(k, Width::One, |k, n| {
                fixed[n].ok_or_else(|| k.index(place.from[n], i, stride(n)))
            });
            self.apply(k, sums, &values)
        });
        self.store(k, &totals, to, Width::One);
    }

    fn store(&self, k: &mut KernelBuilder<'_>, sums: &[Value], to: &[Value], width: Width) {
        for ((part, &sum), &to) in self.parts.iter().zip(sums).zip(to) {
            let value = part.combine.finish(k, sum);
            k.store_lanes(part.result.ty.dtype, width, value, to);
        }
    }

    /// Results `start..end` of one item: `rows` rows side by side, each with results of its own
    /// that are combined at the end, of `vectors` vectors of lanes.
    fn across(
        &self,
        k: &mut KernelBuilder<'_>,
        place: &Place,
        to: &[Value],
        (start, end): (Value, Value),
        (width, vectors, rows): (Width, i64, i64),
    ) {
        let lanes = width.lanes();
        k.for_range(start, end, lanes * vectors, |k, i| {
            let column: Vec<Value> = (0..self.strides.len())
                .map(|n| k.index(place.from[n], i, self.strides[n][2]))
                .collect();
            // What does not change along the axis is loaded once.
            let fixed: Vec<Vec<Value>> = (0..self.strides.len())
                .map(|n| match self.strides[n] {
                    [_, 0, 0] => {
                        let value = self.fixed(k, n, width, column[n]);
                        vec![value; vectors as usize]
                    }
                    [_, 0, inner] => (0..vectors)
                        .map(|v| {
                            let at = k.offset(column[n], v * lanes * inner);
                            self.load(k, n, width, at)
                        })
                        .collect(),
                    _ => Vec::new(),
                })
                .collect();
            let group = |k: &mut KernelBuilder<'_>, row: &[Value], sums: &[Value]| {
                let mut next = Vec::with_capacity(sums.len());
                for (v, sums) in (0..vectors).zip(sums.chunks(self.parts.len())) {
                    let values = self.values(k, width, |k, n| match self.strides[n] {
                        [_, 0, _] => Ok(fixed[n][v as usize]),
                        // One number for all lanes of a row.
                        [_, _, 0] => Ok(self.fixed(k, n, width, row[n])),
                        [_, _, inner] => Err(k.offset(row[n], v * lanes * inner)),
                    });
                    next.extend(self.apply(k, sums, &values));
                }
                next
            };
            let at = |k: &mut KernelBuilder<'_>, a: Value| -> Vec<Value> {
                (0..self.strides.len())
                    .map(|n| match self.strides[n][1] {
                        0 => column[n],
                        stride => k.index(column[n], a, stride),
                    })
                    .collect()
            };
            let one = self.start(k, width).repeat(vectors as usize);
            let (mut first, last) = place.axis;
            let mut sums = one.clone();
            if rows > 1 {
                let length = k.b.ins().isub(last, first);
                let whole = k.b.ins().band_imm_s(length, -rows);
                let middle = k.b.ins().iadd(first, whole);
                let init = one.repeat(rows as usize);
                let all = k.for_range_carry(first, middle, rows, &init, |k, a, sums| {
                    let from = at(k, a);
                    let mut next = Vec::with_capacity(sums.len());
                    for (r, sums) in (0..).zip(sums.chunks(one.len())) {
                        let row: Vec<Value> = from
                            .iter()
                            .zip(&self.strides)
                            .map(|(&from, s)| k.offset(from, r * s[1]))
                            .collect();
                        next.extend(group(k, &row, sums));
                    }
                    next
                });
                sums = self.fold(k, &all, one.len());
                first = middle;
            }
            let sums = k.for_range_carry(first, last, 1, &sums, |k, a, sums| {
                let row = at(k, a);
                group(k, &row, sums)
            });
            for (v, sums) in (0..).zip(sums.chunks(self.parts.len())) {
                let to: Vec<Value> = to
                    .iter()
                    .zip(&self.parts)
                    .map(|(&to, part)| {
                        let bytes = part.result.ty.dtype.bytes() as i64;
                        let at = k.index(to, i, bytes);
                        k.offset(at, v * lanes * bytes)
                    })
                    .collect();
                self.store(k, sums, &to, width);
            }
        });
    }

    /// Combines rows of `row` partial results, neighbours first.
    fn fold(&self, k: &mut KernelBuilder<'_>, sums: &[Value], row: usize) -> Vec<Value> {
        if sums.len() == row {
            return sums.to_vec();
        }
        let half = (sums.len() / row).div_ceil(2) * row;
        let left = self.fold(k, &sums[..half], row);
        let right = self.fold(k, &sums[half..], row);
        self.apply(k, &left, &right)
    }

    /// Which widths the columns of the blocks need: how many elements each takes at most.
    fn shapes(&self) -> Vec<(Width, i64, i64)> {
        let inner = self.domain.inner;
        let last = inner % BLOCK;
        let has = |elements: i64, within: i64| last % within >= elements;
        let mut shapes = Vec::new();
        // The order of a sum depends on its place alone, not on how many parts there are.
        let vectors = |most: i64| {
            if self.parts.len() > 1 {
                most.min(2)
            } else {
                most
            }
        };
        if self.width == Width::Four {
            if inner >= BLOCK || has(16, BLOCK) {
                shapes.push((Width::Four, vectors(4), 1));
            }
            if has(8, 16) {
                shapes.push((Width::Four, 2, 2));
            }
            if has(4, 8) {
                shapes.push((Width::Four, 1, 4));
            }
            if has(1, 4) {
                shapes.push((Width::One, 1, 4));
            }
        } else {
            shapes.push((Width::One, 1, 4));
        }
        shapes
    }

    /// Elements that columns of a shape begin at a multiple of.
    fn unit(rows: i64, width: Width) -> i64 {
        match width {
            Width::Four => 16 / rows,
            Width::One => 1,
        }
    }

    fn item(&self, k: &mut KernelBuilder<'_>, place: &Place, to: &[Value], block: Value) {
        let mut start = k.scale(block, BLOCK);
        let stop = k.offset(start, BLOCK);
        let limit = k.int(self.domain.inner);
        let end = k.b.ins().smin(stop, limit);
        for (width, vectors, rows) in self.shapes() {
            let length = k.b.ins().isub(end, start);
            let whole = k.b.ins().band_imm_s(length, -Self::unit(rows, width));
            let middle = k.b.ins().iadd(start, whole);
            self.across(k, place, to, (start, middle), (width, vectors, rows));
            start = middle;
        }
    }

    fn extents(&self) -> [i64; 3] {
        [
            self.domain.outer,
            self.axis_blocks(),
            inner_blocks(&self.domain),
        ]
    }
}

impl EmitKernel for Reduce {
    fn name(&self) -> String {
        let part = self.parts.first().map(|p| p.combine.op.def().name);
        let op = part.unwrap_or("reduce");
        let op = op.split('.').next_back().unwrap_or(op);
        match (self.chain.steps(), self.parts.len()) {
            (0, 1) => op.to_owned(),
            (0, n) => format!("{op}_x{n}"),
            (steps, 1) => format!("{op}_of_{steps}"),
            (steps, n) => format!("{op}_x{n}_of_{steps}"),
        }
    }

    fn parallel_items(&self) -> u64 {
        self.extents().iter().product::<i64>() as u64
    }

    fn grain(&self) -> u64 {
        let rows = self.rows.unwrap_or(self.domain.axis);
        let steps = 1 + self.chain.steps() as i64 / 2;
        let work = rows * self.domain.inner.min(BLOCK) * steps;
        (16384 / work.max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let from: Vec<Value> = self
            .chain
            .inputs
            .iter()
            .map(|view| k.address(view.buffer))
            .collect();
        let to: Vec<Value> = self
            .parts
            .iter()
            .map(|part| k.address(part.result.buffer))
            .collect();
        let blocks = self.axis_blocks();
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let at = k.unravel(item, &self.extents());
            let from: Vec<Value> = from
                .iter()
                .zip(&self.strides)
                .map(|(&from, s)| match s[0] {
                    0 => from,
                    stride => k.index(from, at[0], stride),
                })
                .collect();
            let limit = k.int(self.domain.axis);
            let axis = match self.rows {
                Some(rows) => {
                    let start = k.scale(at[1], rows);
                    let stop = k.offset(start, rows);
                    (start, k.b.ins().smin(stop, limit))
                }
                None => (k.int(0), limit),
            };
            // Results lie as [outer, blocks, inner].
            let row = k.scale(at[0], blocks);
            let row = k.b.ins().iadd(row, at[1]);
            let to: Vec<Value> = to
                .iter()
                .zip(&self.parts)
                .map(|(&to, part)| {
                    let bytes = part.result.ty.dtype.bytes() as i64;
                    k.index(to, row, self.domain.inner * bytes)
                })
                .collect();
            let place = Place { from, axis };
            if self.domain.inner == 1 {
                self.along(k, &place, &to);
            } else {
                self.item(k, &place, &to, at[2]);
            }
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let strategy = match (self.width, self.rows) {
            (Width::Four, None) => "vector reduction",
            (Width::One, None) => "scalar reduction",
            (Width::Four, Some(_)) => "vector reduction of blocks",
            (Width::One, Some(_)) => "scalar reduction of blocks",
        };
        let Domain { outer, axis, inner } = self.domain;
        let parts: Vec<&str> = self.parts.iter().map(|p| p.combine.op.def().name).collect();
        let before = match self.chain.steps() {
            0 => String::new(),
            _ => format!("{} → ", self.chain.computes),
        };
        KernelReport::new(
            format!("{before}{} [{outer}, {axis}, {inner}]", parts.join(", ")),
            strategy,
        )
    }
}
