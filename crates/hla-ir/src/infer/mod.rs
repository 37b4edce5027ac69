//! Shape inference, which is also the verification of an op's operands and attributes: one
//! function per kind of op, named in the declaration.

pub mod contraction;
pub mod data;
pub mod elementwise;
pub mod gradient;
pub mod hla;
pub mod reduction;
pub mod training;

use crate::types::{DType, TensorType};

/// A type error about an operand, in the words all messages share.
fn wrong_type(operand: &str, ty: &TensorType, wanted: &str) -> String {
    format!("operand '{operand}' is {ty}, but {wanted} is needed")
}

/// Checks an operand's rank.
fn need_rank(operand: &str, ty: &TensorType, rank: usize) -> Result<(), String> {
    if ty.rank() == rank {
        Ok(())
    } else {
        Err(wrong_type(operand, ty, &format!("a tensor of rank {rank}")))
    }
}

/// Checks an operand's element type.
fn need_dtype(operand: &str, ty: &TensorType, dtype: DType) -> Result<(), String> {
    if ty.dtype == dtype {
        Ok(())
    } else {
        Err(wrong_type(
            operand,
            ty,
            &format!("an element type of {dtype}"),
        ))
    }
}
