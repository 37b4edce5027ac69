//! `hla.threshold`: the k-th smallest magnitude, found digit by digit.
//!
//! Magnitudes of floats are ordered as their bits without the sign are, NaNs last. How many values have
//! each first digit (11 bits) says which first digit the wanted one has, and which rank among those
//! with that digit; two more digits (10 bits each) of those give its bits. No value is moved.
//!
//! - Few values: one block does everything in shared memory.
//! - Many: a kernel of many blocks counts a digit, each block in its shared memory before all add what
//!   they have to one array; a kernel of one block then finds the digit. Three times both.
//!
//! Counts are added up by atomic additions of integers, whose result no order changes.

mod gpu;
mod linalg;
mod select;

use hla_ir::{DType, Diagnostic, Node, TensorType};

use crate::int::Ints;
use crate::kernel::KernelCode;
use crate::lower::{Lowering, Place};

/// Some of the bits of a magnitude.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Digit {
    /// The lowest.
    low: usize,
    /// How many.
    bits: usize,
}

impl Digit {
    /// How many digits there are.
    fn count(self) -> usize {
        1 << self.bits
    }
}

/// The digits of a magnitude, the highest first.
const DIGITS: [Digit; 3] = [
    Digit { low: 20, bits: 11 },
    Digit { low: 10, bits: 10 },
    Digit { low: 0, bits: 10 },
];

/// Values that one block selects from by itself.
const FEW: usize = 1 << 15;

/// Threads of the block that does everything.
const ALL_THREADS: usize = 1024;

/// Threads of a block that counts or finds one digit.
const THREADS: usize = 512;

/// Blocks that keep any GPU busy; each ends with additions to memory.
const BLOCKS: usize = 512;

/// Values of which one is selected, as a kernel reads them.
#[derive(Clone, PartialEq, Debug)]
struct Values {
    /// Where they are, in one dimension.
    place: Place,
    /// How many are read at once.
    lanes: usize,
}

impl Values {
    fn new(place: &Place) -> Values {
        Values {
            place: place.flat(),
            lanes: match place.alignment() >= 16 {
                true => 4,
                false => 1,
            },
        }
    }

    fn count(&self) -> usize {
        self.place.ty.elements()
    }

    fn ints(&self) -> Ints {
        Ints::for_elements(self.count())
    }
}

/// Adds the kernels.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let (weight, share) = (cx.operand(node, 0)?, cx.operand(node, 1)?.flat());
    let result = cx.result(node, 0)?.flat();
    let values = Values::new(&weight);
    if values.count() == 0 {
        // No rank but 0.
        cx.fill(&result, 0);
        return Ok(());
    }
    // Counts have 32 bits.
    if u32::try_from(values.count()).is_err() {
        return Err(cx.unsupported(node));
    }
    let read = || values.place.read();
    if values.count() <= FEW {
        let args = vec![read(), share.read(), result.write()];
        let code = kernel(
            format!("threshold of {}", values.count()),
            (1, ALL_THREADS),
            gpu::all(&values),
            linalg::all(&values),
        );
        cx.launch(code, args);
        return Ok(());
    }
    let whole = cx.temp(i32s(DIGITS.iter().map(|d| d.count()).sum()));
    cx.fill(&whole, 0);
    let mut before: Option<Place> = None;
    let mut start = 0;
    for (i, digit) in DIGITS.into_iter().enumerate() {
        let counts = whole.part(start, digit.count());
        start += digit.count();
        let blocks = values.count().div_ceil(values.lanes * THREADS).min(BLOCKS);
        let args = [read()]
            .into_iter()
            .chain(before.iter().map(Place::read))
            .chain([counts.update()]);
        let args = args.collect();
        let code = kernel(
            format!("threshold: counts of digit {i} of {}", values.count()),
            (blocks, THREADS),
            gpu::count(&values, i, blocks),
            linalg::count(&values, i),
        );
        cx.launch(code, args);
        let last = i + 1 == DIGITS.len();
        let found = match last {
            true => result.clone(),
            false => cx.temp(i32s(2)),
        };
        let args = [counts.read()]
            .into_iter()
            .chain(before.iter().map(Place::read))
            .chain((i == 0 || last).then(|| share.read()))
            .chain([found.write()]);
        let args = args.collect();
        let code = kernel(
            format!("threshold: digit {i} of {}", values.count()),
            (1, THREADS),
            gpu::find(&values, i),
            linalg::find(&values, i),
        );
        cx.launch(code, args);
        before = Some(found);
    }
    Ok(())
}

fn kernel(
    computes: String,
    (blocks, threads): (usize, usize),
    gpu: String,
    linalg: String,
) -> KernelCode {
    KernelCode {
        computes,
        grid: [blocks as u32, 1, 1],
        block: [threads as u32, 1, 1],
        shared_bytes: 0,
        gpu,
        linalg,
    }
}

fn i32s(elements: usize) -> TensorType {
    TensorType::new([elements], DType::I32)
}

/// Arguments of the kernel that finds digit i: counts, then what was found of those before (the rank
/// that is left, the digits), then the share for the first and the last.
fn find_types(i: usize) -> (Vec<TensorType>, TensorType) {
    let last = i + 1 == DIGITS.len();
    let mut inputs = vec![i32s(DIGITS[i].count())];
    if i > 0 {
        inputs.push(i32s(2));
    }
    if i == 0 || last {
        inputs.push(TensorType::f32([1]));
    }
    let output = match last {
        true => TensorType::f32([1]),
        false => i32s(2),
    };
    (inputs, output)
}

/// Arguments of the kernel that counts digit i: values, then what was found of those before.
fn count_types(values: &Values, i: usize) -> (Vec<TensorType>, TensorType) {
    let mut inputs = vec![values.place.ty.clone()];
    if i > 0 {
        inputs.push(i32s(2));
    }
    (inputs, i32s(DIGITS[i].count()))
}

/// Arguments of the kernel that does everything.
fn all_types(values: &Values) -> (Vec<TensorType>, TensorType) {
    let inputs = vec![values.place.ty.clone(), TensorType::f32([1])];
    (inputs, TensorType::f32([1]))
}
