//! Kernels in which each thread computes a few neighbouring elements of the result by itself.
//!
//! The same function writes an element in both forms of the kernel.

use hla_ir::TensorType;

use crate::Text;
use crate::function::{self, Arguments};
use crate::generic::{Buffer, generic};
use crate::int::{Int, Ints};
use crate::kernel::KernelCode;
use crate::lower::Place;
use crate::text::{memref, stored, vector};

/// Threads of a block.
const THREADS: usize = 256;

/// The most bytes that a thread reads at once.
const WORD: usize = 16;

/// What a kernel computes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Pointwise<'a> {
    /// What, for people.
    pub computes: String,
    /// What is read, each in one dimension.
    pub inputs: &'a [Place],
    /// The result in one dimension.
    pub output: &'a Place,
    /// The result's extents.
    pub shape: Vec<usize>,
    /// Neighbours along the last dimension that a thread computes; they divide it.
    pub lanes: usize,
}

/// What an element is computed from.
pub(crate) struct Element<'a> {
    pub t: &'a mut Text,
    pub ints: Ints,
    /// The names of what is read.
    pub inputs: &'a [String],
    /// The position of the first lane.
    pub at: &'a [Int],
    pub lanes: usize,
}

/// How many lanes suit rows of so many elements that all these values are made of.
pub(crate) fn lanes(row: usize, values: &[&Place]) -> usize {
    let widest = values.iter().map(|p| p.ty.dtype.bytes()).min();
    let mut lanes = (WORD / widest.unwrap_or(4)).min(8);
    let aligned = |lanes: usize| {
        let bytes = |p: &Place| (lanes * p.ty.dtype.bytes()).min(WORD) as u64;
        values
            .iter()
            .all(|p| p.alignment().is_multiple_of(bytes(p)))
    };
    while lanes > 1 && !(row.is_multiple_of(lanes) && aligned(lanes)) {
        lanes /= 2;
    }
    lanes
}

impl Pointwise<'_> {
    /// The kernel; `element` gives the name of the result's element, or lanes, as it is stored.
    pub fn code(&self, element: impl Fn(Element<'_>) -> String) -> KernelCode {
        let row = self.shape.last().copied().unwrap_or(1).max(1);
        let vectors = self.output.ty.elements() / self.lanes;
        let places = self.inputs.iter().chain([self.output]);
        let largest = places.map(|p| p.ty.elements()).max().unwrap_or(0);
        let ints = Ints::for_elements(largest);
        let inputs: Vec<TensorType> = self.inputs.iter().map(|p| p.ty.clone()).collect();
        let outputs = [self.output.ty.clone()];
        let gpu = function::gpu((&inputs, &outputs), &[], THREADS, |t, arguments| {
            let thread = ints.id(t, "gpu.thread_id x");
            let block = ints.id(t, "gpu.block_id x");
            let first = ints.mul(t, &block, THREADS);
            let vector = ints.add(t, &first, &thread);
            let inside = (!vectors.is_multiple_of(THREADS))
                .then(|| ints.compare(t, "slt", &vector, &Int::Known(vectors as i64)));
            if let Some(inside) = &inside {
                t.open(format_args!("scf.if {inside} {{"));
            }
            let (mut rest, last) = ints.divide(t, &vector, row / self.lanes);
            let mut at = vec![ints.mul(t, &last, self.lanes)];
            for (d, &extent) in self.shape.iter().enumerate().rev().skip(1) {
                let (above, index) = match d {
                    0 => (Int::Known(0), rest),
                    _ => ints.divide(t, &rest, extent),
                };
                at.insert(0, index);
                rest = above;
            }
            let value = element(Element {
                t,
                ints,
                inputs: &arguments.inputs,
                at: &at,
                lanes: self.lanes,
            });
            let place = ints.mul(t, &vector, self.lanes);
            self.store(t, ints, &value, (&arguments.outputs[0], &place));
            if inside.is_some() {
                t.close("}");
            }
        });
        KernelCode {
            computes: format!("{} → {:?}", self.computes, self.shape),
            grid: [vectors.div_ceil(THREADS) as u32, 1, 1],
            block: [THREADS as u32, 1, 1],
            shared_bytes: 0,
            gpu,
            linalg: function::linalg((&inputs, &outputs), |t, arguments| {
                self.linalg(t, ints, arguments, element);
            }),
        }
    }

    fn store(&self, t: &mut Text, ints: Ints, value: &str, (memory, place): (&str, &Int)) {
        let (ty, place) = (&self.output.ty, ints.index(t, place));
        let flat = memref(ty);
        t.line(match self.lanes {
            1 => format!("memref.store {value}, {memory}[{place}] : {flat}"),
            lanes => format!(
                "vector.store {value}, {memory}[{place}] {{alignment = {} : i64}} : {flat}, {}",
                (lanes * ty.dtype.bytes()).min(WORD),
                vector(lanes, stored(ty.dtype))
            ),
        });
    }

    fn linalg(
        &self,
        t: &mut Text,
        ints: Ints,
        arguments: &Arguments,
        element: impl Fn(Element<'_>) -> String,
    ) {
        let dtype = self.output.ty.dtype;
        let ty = memref(&TensorType::new(self.shape.clone(), dtype));
        let (dims, extents): (Vec<String>, Vec<String>) = (self.shape.iter().enumerate())
            .map(|(d, extent)| (d.to_string(), extent.to_string()))
            .unzip();
        let name = match self.shape.len() {
            1 => arguments.outputs[0].clone(),
            _ => t.op(format_args!(
                "memref.expand_shape {} [[{}]] output_shape [{}] : {} into {ty}",
                arguments.outputs[0],
                dims.join(", "),
                extents.join(", "),
                memref(&self.output.ty)
            )),
        };
        let dims: Vec<String> = dims.iter().map(|d| format!("d{d}")).collect();
        let output = Buffer {
            name,
            ty,
            element: stored(dtype),
            map: dims.join(", "),
        };
        let parallel = vec!["parallel"; self.shape.len()];
        generic(t, &parallel, &[], &[output], |t, _, _| {
            let at: Vec<Int> = (0..self.shape.len())
                .map(|d| {
                    let index = t.op(format_args!("linalg.index {d} : index"));
                    ints.of_index(t, &index)
                })
                .collect();
            let inputs = &arguments.inputs;
            let lanes = 1;
            vec![element(Element {
                t,
                ints,
                inputs,
                at: &at,
                lanes,
            })]
        });
    }
}

/// Reads lanes at a place.
pub(crate) fn load(
    t: &mut Text,
    ints: Ints,
    lanes: usize,
    (memory, of): (&str, &Place),
    place: &Int,
) -> String {
    let place = ints.index(t, place);
    let (flat, dtype) = (memref(&of.ty), of.ty.dtype);
    t.op(match lanes {
        1 => format!("memref.load {memory}[{place}] : {flat}"),
        _ => format!(
            "vector.load {memory}[{place}] {{alignment = {} : i64}} : {flat}, {}",
            (lanes * dtype.bytes()).min(WORD),
            vector(lanes, stored(dtype))
        ),
    })
}
