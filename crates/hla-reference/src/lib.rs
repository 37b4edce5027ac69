//! Scalar evaluator of every op of the tensor IR: the oracle that each backend is held against.
//!
//! Nothing here is fast; everything is meant to be read beside TOSA 1.0.
//! - [`evaluate`] runs a function, [`evaluate_f64`] does so in f64; one module per family of ops: `elementwise`, `contraction`,
//!   `pool`, `reduction`, `movement`, `ternary`, `training`, `gradient`;
//! - `number` rounds, wraps and saturates; `real` is the float computed in; `value` is a tensor
//!   while it is computed with;
//! - [`tolerance`] says how near a backend must come, [`cases`] is the suite every backend runs.
//!
//! # Arithmetic
//! - f16 and bf16 are computed in f32 (functions in f64) and rounded to nearest even once, when the
//!   result of the op is stored; an accumulator is f32 whatever `acc_type` permits.
//! - Mathematical functions are computed in f64 by `libm` and rounded.
//! - A float contraction sums from +0 with one fused multiply-add per product, in the order of
//!   (kh, kw, ic) or k, skips padding, then adds the bias; a transposed convolution begins with the
//!   bias and scatters in the order of (n, ih, iw, kh, kw, ic), as in TOSA's pseudocode. A backend may sum
//!   in another order within a case's tolerance.
//! - A ternary contraction sums in the order its declaration states; backends give the same bits.
//! - Integer sums and products wrap modulo 2ⁿ of the result type. `negate` with zero points,
//!   average pooling, and casts from floats saturate.
//! - Maximum and minimum take −0 as smaller than +0; which zero a backend gives is not tested.
//! - A cast turns NaN into 0 of an integer type.

pub mod cases;
mod contraction;
mod elementwise;
mod evaluate;
mod gradient;
mod movement;
mod number;
mod pool;
mod real;
mod reduction;
mod ternary;
pub mod tolerance;
mod training;
mod value;

pub use evaluate::{MAX_LIVE_ELEMENTS, evaluate, evaluate_f64};
pub use tolerance::Tolerance;
