//! The loops of a reduction: along neighbours, and across rows with results in the lanes.

use cranelift_codegen::ir::{InstBuilder, Value};

use super::kernel::Reduce;
use crate::kernel::{KernelBuilder, Width};

/// Vectors that run side by side.
const SIDE_BY_SIDE: i64 = 4;

/// Where one item reads: the range along the axis, and the inputs at its outer index.
pub(super) struct Place {
    pub from: Vec<Value>,
    pub axis: (Value, Value),
}

impl Reduce {
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
    pub(super) fn along(&self, k: &mut KernelBuilder<'_>, place: &Place, to: &[Value]) {
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
    pub(super) fn across(
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
}
