//! Loads and stores of a contraction's kernels.

use hla_ir::{DType, TensorType};

use super::index::{Condition, Int, Ints};
use crate::Text;
use crate::text::{memref, stored, vector};

/// A tensor in memory, seen as a run of elements.
#[derive(Clone, Debug)]
pub(super) struct Flat {
    /// The name of the memref.
    pub(super) name: String,
    /// Its type.
    pub(super) ty: String,
    /// Element type.
    pub(super) dtype: DType,
}

impl Flat {
    /// An argument without its shape.
    pub(super) fn of(t: &mut Text, argument: &str, ty: &TensorType) -> Flat {
        let flat = format!("memref<{}x{}>", ty.elements(), stored(ty.dtype));
        let from = memref(ty);
        let name = match ty.rank() {
            1 => argument.to_owned(),
            0 => t.op(format_args!(
                "memref.expand_shape {argument} [] output_shape [1] : {from} into {flat}"
            )),
            rank => {
                let axes: Vec<_> = (0..rank).map(|axis| axis.to_string()).collect();
                let axes = axes.join(", ");
                t.op(format_args!(
                    "memref.collapse_shape {argument} [[{axes}]] : {from} into {flat}"
                ))
            }
        };
        Flat {
            name,
            ty: flat,
            dtype: ty.dtype,
        }
    }

    /// Neighbours as a vector, or one element; from a place that is a multiple of how many they are.
    pub(super) fn load(&self, t: &mut Text, ints: Ints, place: &Int, lanes: usize) -> String {
        let (name, ty) = (&self.name, &self.ty);
        let place = ints.index(t, place);
        if lanes == 1 {
            return t.op(format_args!("memref.load {name}[{place}] : {ty}"));
        }
        let lanes = vector(lanes, stored(self.dtype));
        t.op(format_args!("vector.load {name}[{place}] : {ty}, {lanes}"))
    }

    /// An element, or some element where there is none.
    pub(super) fn load_inside(
        &self,
        t: &mut Text,
        ints: Ints,
        place: &Int,
        inside: &Condition,
    ) -> String {
        let place = ints.or_zero(t, inside, place);
        self.load(t, ints, &place, 1)
    }

    /// Stores what [`Flat::load`] would load.
    pub(super) fn store(&self, t: &mut Text, ints: Ints, place: &Int, value: &str, lanes: usize) {
        let (name, ty) = (&self.name, &self.ty);
        let place = ints.index(t, place);
        if lanes == 1 {
            t.line(format_args!("memref.store {value}, {name}[{place}] : {ty}"));
        } else {
            let lanes = vector(lanes, stored(self.dtype));
            t.line(format_args!(
                "vector.store {value}, {name}[{place}] : {ty}, {lanes}"
            ));
        }
    }
}

/// Values of one type of numbers as another that a contraction sums in, f32 or i32, exactly.
pub(super) fn widened(t: &mut Text, value: &str, from: DType, to: DType, lanes: usize) -> String {
    let op = match (from, to) {
        _ if from == to => return value.to_owned(),
        (from, DType::F32) if from.is_float() => "arith.extf",
        (_, DType::F32) => "arith.sitofp",
        _ => "arith.extsi",
    };
    let (from, to) = (vector(lanes, stored(from)), vector(lanes, stored(to)));
    t.op(format_args!("{op} {value} : {from} to {to}"))
}

/// A zero.
pub(super) fn zero(t: &mut Text, dtype: DType) -> String {
    match dtype.is_float() {
        true => t.constant(format_args!("0.0 : {dtype}")),
        false => t.constant(format_args!("0 : {dtype}")),
    }
}
