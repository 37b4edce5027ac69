//! Copying or filling a box of elements, any stride to any stride.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use hla_ir::{Diagnostic, TensorType};

use crate::kernel::{Buffer, EmitKernel, KernelBuilder, KernelReport, READ};

/// Bytes of one item, if the box is one run of bytes.
const CHUNK: i64 = 1 << 15;

/// Items beyond this many are not needed to keep threads busy; loops inside an item are cheaper.
const ITEMS: i64 = 64;

/// What a box is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// Elements from this place on.
    Copy(Buffer),
    /// The little-endian bytes of one element.
    Fill([u8; 8]),
}

/// One dimension of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dim {
    extent: i64,
    /// Bytes between neighbours where it is read.
    from: i64,
    /// Bytes between neighbours where it is written.
    to: i64,
}

impl Dim {
    pub fn new(extent: i64, from: i64, to: i64) -> Dim {
        Dim { extent, from, to }
    }
}

/// Copies or fills a box.
pub(super) struct BoxKernel {
    op: &'static str,
    source: Source,
    to: Buffer,
    /// Bytes of an element.
    bytes: i64,
    /// Loops around the innermost run or row, outermost first.
    dims: Vec<Dim>,
    inner: Inner,
    item_dims: usize,
    computes: String,
}

/// The innermost part of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Inner {
    /// This many bytes that lie together on both sides.
    Run(i64),
    /// Elements at strides.
    Row(Dim),
}

impl BoxKernel {
    pub fn new(
        op: &'static str,
        source: Source,
        to: Buffer,
        bytes: i64,
        mut dims: Vec<Dim>,
        ty: &TensorType,
    ) -> BoxKernel {
        let empty = dims.iter().any(|d| d.extent == 0);
        dims.retain(|d| d.extent != 1);
        dims.sort_by_key(|d| std::cmp::Reverse(d.to));
        let fills = matches!(source, Source::Fill(_));
        let mut merged: Vec<Dim> = Vec::new();
        for dim in dims {
            match merged.last_mut() {
                Some(outer)
                    if outer.to == dim.to * dim.extent
                        && (fills || outer.from == dim.from * dim.extent) =>
                {
                    outer.extent *= dim.extent;
                    outer.from = dim.from;
                    outer.to = dim.to;
                }
                _ => merged.push(dim),
            }
        }
        let inner = match merged.pop() {
            None => Inner::Run(bytes),
            Some(last) if last.to == bytes && (fills || last.from == bytes) => {
                Inner::Run(last.extent * bytes)
            }
            Some(last) => Inner::Row(last),
        };
        // A single long run is cut into chunks.
        let inner = match inner {
            Inner::Run(run) if merged.is_empty() && run >= 2 * CHUNK && run % CHUNK == 0 => {
                merged.push(Dim::new(run / CHUNK, CHUNK, CHUNK));
                Inner::Run(CHUNK)
            }
            other => other,
        };
        if empty {
            merged = vec![Dim::new(0, 0, 0)];
        }
        let mut item_dims = 0;
        let mut items = 1;
        while item_dims < merged.len() && items < ITEMS {
            items *= merged[item_dims].extent;
            item_dims += 1;
        }
        BoxKernel {
            op,
            source,
            to,
            bytes,
            dims: merged,
            inner,
            item_dims,
            computes: format!("{op} {ty}"),
        }
    }

    fn item_bytes(&self) -> i64 {
        let inner = match self.inner {
            Inner::Run(bytes) => bytes,
            // Strided elements cost more than their bytes say.
            Inner::Row(dim) => dim.extent * self.bytes * 4,
        };
        let loops: i64 = self.dims[self.item_dims..]
            .iter()
            .map(|d| d.extent)
            .product();
        inner * loops
    }

    fn element_type(&self) -> Type {
        match self.bytes {
            1 => types::I8,
            2 => types::I16,
            4 => types::I32,
            _ => types::I64,
        }
    }

    fn loops(&self, k: &mut KernelBuilder<'_>, from: Option<Value>, to: Value, depth: usize) {
        let Some(&dim) = self.dims.get(depth) else {
            self.innermost(k, from, to);
            return;
        };
        k.repeat(dim.extent, 1, |k, i| {
            let (from, to) = advance(k, from, to, i, dim);
            self.loops(k, from, to, depth + 1);
        });
    }

    fn innermost(&self, k: &mut KernelBuilder<'_>, from: Option<Value>, to: Value) {
        let ty = self.element_type();
        match (self.inner, from, self.source) {
            (Inner::Run(bytes), Some(from), _) => k.copy_bytes(from, to, bytes),
            (Inner::Run(bytes), None, Source::Fill(value)) => {
                let mut wide = [0; 16];
                for (i, byte) in wide.iter_mut().enumerate() {
                    *byte = value[i % self.bytes as usize];
                }
                let vector = k.vector_const(types::I8X16, wide);
                k.repeat(bytes & !15, 16, |k, i| {
                    let at = k.b.ins().iadd(to, i);
                    k.write(vector, at, 0);
                });
                let element = k.b.ins().iconst(ty, element_bits(value, self.bytes));
                for at in ((bytes & !15)..bytes).step_by(self.bytes as usize) {
                    let place = k.offset(to, at);
                    k.write(element, place, 0);
                }
            }
            (Inner::Row(dim), from, source) => {
                // The addresses are carried along, so nothing is multiplied in the loop.
                let init: Vec<Value> = std::iter::once(to).chain(from).collect();
                let (start, end) = (k.int(0), k.int(dim.extent));
                k.for_range_carry(start, end, 1, &init, |k, _, at| {
                    let value = match (at.get(1), source) {
                        (Some(&from), _) => k.b.ins().load(ty, READ, from, 0),
                        (None, Source::Fill(value)) => {
                            k.b.ins().iconst(ty, element_bits(value, self.bytes))
                        }
                        (None, Source::Copy(_)) => return at.to_vec(),
                    };
                    k.write(value, at[0], 0);
                    let mut next = vec![k.offset(at[0], dim.to)];
                    if let Some(&from) = at.get(1) {
                        next.push(k.offset(from, dim.from));
                    }
                    next
                });
            }
            (Inner::Run(_), None, Source::Copy(_)) => {}
        }
    }
}

/// The low `bytes` bytes as the immediate that Cranelift wants: zero-extended.
fn element_bits(value: [u8; 8], bytes: i64) -> i64 {
    let mut low = [0; 8];
    low[..bytes as usize].copy_from_slice(&value[..bytes as usize]);
    i64::from_le_bytes(low)
}

fn advance(
    k: &mut KernelBuilder<'_>,
    from: Option<Value>,
    to: Value,
    i: Value,
    dim: Dim,
) -> (Option<Value>, Value) {
    let from = from.map(|from| {
        if dim.from == 0 {
            from
        } else {
            k.index(from, i, dim.from)
        }
    });
    (from, k.index(to, i, dim.to))
}

impl EmitKernel for BoxKernel {
    fn name(&self) -> String {
        let op = self.op.split('.').next_back().unwrap_or(self.op);
        match self.source {
            Source::Copy(_) => op.to_owned(),
            Source::Fill(_) => format!("{op}_fill"),
        }
    }

    fn parallel_items(&self) -> u64 {
        self.dims[..self.item_dims]
            .iter()
            .map(|d| d.extent as u64)
            .product()
    }

    fn grain(&self) -> u64 {
        (CHUNK / self.item_bytes().max(1)).max(1) as u64
    }

    fn emit(&self, k: &mut KernelBuilder<'_>) -> Result<(), Diagnostic> {
        let from = match self.source {
            Source::Copy(buffer) => Some(k.address(buffer)),
            Source::Fill(_) => None,
        };
        let to = k.address(self.to);
        let extents: Vec<i64> = self.dims[..self.item_dims]
            .iter()
            .map(|d| d.extent)
            .collect();
        let (begin, end) = (k.begin(), k.end());
        k.for_range(begin, end, 1, |k, item| {
            let coordinates = k.unravel(item, &extents);
            let (mut from, mut to) = (from, to);
            for (&i, &dim) in coordinates.iter().zip(&self.dims) {
                (from, to) = advance(k, from, to, i, dim);
            }
            self.loops(k, from, to, self.item_dims);
        });
        Ok(())
    }

    fn describe(&self) -> KernelReport {
        let strategy = match (self.source, self.inner) {
            (Source::Fill(_), _) => "fill",
            (_, Inner::Run(_)) => "copy of runs",
            (_, Inner::Row(_)) => "copy of elements",
        };
        KernelReport {
            multiply_free: true,
            ..KernelReport::new(self.computes.clone(), strategy)
        }
    }
}
