//! Sum, product, maximum and minimum along an axis.

use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::{Diagnostic, Op};

use super::Domain;
use super::combine::Combine;
use super::loops::Place;
use crate::kernel::{EmitKernel, KernelBuilder, KernelReport, View, Width};
use crate::map::Chain;

/// Elements of the inner dimension that one item covers.
const BLOCK: i64 = 256;

/// Blocks of the inner dimension.
pub(super) fn inner_blocks(domain: &Domain) -> i64 {
    (domain.inner + BLOCK - 1) / BLOCK
}

/// One of the reductions that a kernel computes in one pass.
pub(super) struct Part {
    pub(super) combine: Combine,
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
    pub(super) domain: Domain,
    /// What is reduced: an output for each part.
    pub(super) chain: Chain,
    /// For each input of the chain: bytes between neighbours along outer, axis and inner.
    pub(super) strides: Vec<[i64; 3]>,
    pub(super) parts: Vec<Part>,
    /// Rows of a block, if the axis is cut into blocks, which have results of their own.
    rows: Option<i64>,
    pub(super) width: Width,
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
