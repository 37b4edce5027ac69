//! Where windows lie.

use hla_ir::Node;

use crate::Text;
use crate::int::{Int, Ints, fold};

/// Extents of a pooling op, rows before columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Geometry {
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Padding above and to the left.
    pub pad: [usize; 2],
    pub channels: usize,
}

/// A run of rows or columns: first, and past the last.
pub(super) type Run = (Int, Int);

impl Geometry {
    /// Of a node, with the shapes of what is pooled and of the result of pooling.
    pub fn new(node: &Node, input: &[usize], output: &[usize]) -> Option<Geometry> {
        let pair = |name: &str, i: usize, j: usize| {
            let values = node.attrs.i64s(name)?;
            let value = |i: usize| usize::try_from(*values.get(i)?).ok();
            Some([value(i)?, value(j)?])
        };
        let (&[_, ih, iw, channels], &[_, oh, ow, _]) = (input, output) else {
            return None;
        };
        Some(Geometry {
            input: [ih, iw],
            output: [oh, ow],
            kernel: pair("kernel", 0, 1)?,
            stride: pair("stride", 0, 1)?,
            pad: pair("pad", 0, 2)?,
            channels,
        })
    }

    /// The rows (axis 0) or columns of the image that a window has.
    pub fn taps(&self, t: &mut Text, ints: Ints, axis: usize, window: &Int) -> Run {
        let start = ints.mul(t, window, self.stride[axis]);
        let start = ints.add(t, &start, &Int::Known(-(self.pad[axis] as i64)));
        let end = ints.add(t, &start, &Int::Known(self.kernel[axis] as i64));
        let reach = (self.output[axis].max(1) - 1) * self.stride[axis] + self.kernel[axis];
        let start = match self.pad[axis] {
            0 => start,
            _ => ints.max(t, &start, &Int::Known(0)),
        };
        let end = match reach <= self.input[axis] + self.pad[axis] {
            true => end,
            false => ints.min(t, &end, &Int::Known(self.input[axis] as i64)),
        };
        (start, end)
    }

    /// The windows that have a row (axis 0) or column of the image.
    pub fn windows(&self, t: &mut Text, ints: Ints, axis: usize, at: &Int) -> Run {
        let (kernel, stride) = (self.kernel[axis] as i64, self.stride[axis]);
        let padded = ints.add(t, at, &Int::Known(self.pad[axis] as i64));
        // The first window that begins at most kernel − 1 before.
        let first = ints.add(t, &padded, &Int::Known(stride as i64 - kernel));
        let first = ints.max(t, &first, &Int::Known(0));
        let (first, _) = ints.divide(t, &first, stride);
        let (last, _) = ints.divide(t, &padded, stride);
        let past = ints.add(t, &last, &Int::Known(1));
        let past = ints.min(t, &past, &Int::Known(self.output[axis] as i64));
        (first, past)
    }

    /// The place of (n, row, column, channel) in an image of these extents.
    pub fn place(
        &self,
        t: &mut Text,
        ints: Ints,
        extents: [usize; 2],
        [n, row, column, channel]: [&Int; 4],
    ) -> Int {
        let n = ints.mul(t, n, extents[0]);
        let row = ints.add(t, &n, row);
        let row = ints.mul(t, &row, extents[1]);
        let pixel = ints.add(t, &row, column);
        let pixel = ints.mul(t, &pixel, self.channels);
        ints.add(t, &pixel, channel)
    }
}

/// How many elements two runs have together.
pub(super) fn count(t: &mut Text, ints: Ints, rows: &Run, columns: &Run) -> String {
    let [height, width] = [rows, columns].map(|(start, end)| {
        let length = ints.sub(t, end, start);
        ints.i32(t, &length)
    });
    t.op(format_args!("arith.muli {height}, {width} : i32"))
}

/// Visits rows and columns in row-major order, handing a value on from each to the next.
pub(super) fn visit(
    t: &mut Text,
    ints: Ints,
    visited: (&Run, &Run),
    (init, ty): (&str, &str),
    body: impl Fn(&mut Text, [&Int; 2], &str) -> String,
) -> String {
    let (init, types) = ([init.to_owned()], [ty.to_owned()]);
    visit_all(t, ints, visited, (&init, &types), |t, at, carried| {
        vec![body(t, at, &carried[0])]
    })
    .remove(0)
}

/// The same with several values.
pub(super) fn visit_all(
    t: &mut Text,
    ints: Ints,
    (rows, columns): (&Run, &Run),
    (init, types): (&[String], &[String]),
    body: impl Fn(&mut Text, [&Int; 2], &[String]) -> Vec<String>,
) -> Vec<String> {
    let bounds = (rows.0.clone(), rows.1.clone(), 1);
    fold(t, ints, bounds, (init, types), |t, row, carried| {
        let bounds = (columns.0.clone(), columns.1.clone(), 1);
        fold(t, ints, bounds, (carried, types), |t, column, carried| {
            body(t, [row, column], carried)
        })
    })
}
