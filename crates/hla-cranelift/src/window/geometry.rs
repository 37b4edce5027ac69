//! Where windows lie.

use cranelift_codegen::ir::{InstBuilder, Value};
use hla_ir::Node;

use crate::kernel::{KernelBuilder, View};

/// Extents of a pooling op, rows before columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Geometry {
    pub input: [i64; 2],
    pub output: [i64; 2],
    pub kernel: [i64; 2],
    pub stride: [i64; 2],
    /// Padding above and to the left.
    pub pad: [i64; 2],
}

impl Geometry {
    pub fn new(node: &Node, input: &View, result: &View) -> Geometry {
        let pair = |name: &str, i: usize, j: usize| {
            let values = node.attrs.i64s(name).unwrap_or_default();
            [
                values.get(i).copied().unwrap_or(1),
                values.get(j).copied().unwrap_or(1),
            ]
        };
        let extents = |view: &View| [view.ty.shape[1] as i64, view.ty.shape[2] as i64];
        Geometry {
            input: extents(input),
            output: extents(result),
            kernel: pair("kernel", 0, 1),
            stride: pair("stride", 0, 1),
            pad: pair("pad", 0, 2),
        }
    }

    /// The taps of window `o` along dimension `d` that are inside the input: (first, one past the
    /// last), as positions of the input.
    pub fn taps(&self, k: &mut KernelBuilder<'_>, d: usize, o: Value) -> (Value, Value) {
        let scaled = k.scale(o, self.stride[d]);
        let first = k.offset(scaled, -self.pad[d]);
        let past = k.offset(first, self.kernel[d]);
        let (zero, extent) = (k.int(0), k.int(self.input[d]));
        (k.b.ins().smax(first, zero), k.b.ins().smin(past, extent))
    }
}
