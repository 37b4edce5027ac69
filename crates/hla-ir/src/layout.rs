//! Physical layouts: how a backend stores a value whose logical type stays NHWC.
//!
//! The attribute `hla.layout` on a node names the layout of its first result; absent means
//! row-major. It never changes a value, only its bytes, so an evaluator ignores it.
//!
//! # Who accepts what
//! This is the contract between `hla-plan-layout`, which sets layouts, and backends, which must
//! accept all that it produces:
//! - `hla.ternary_conv2d` reads its input and residual, and writes its result, in any layout, each
//!   in its own;
//! - `tosa.max_pool2d`, `tosa.avg_pool2d`, `hla.dynamic_quantize`, `hla.relayout` and elementwise
//!   ops whose operands and results have rank 4 and elements of f32 or i8 likewise;
//! - every other op, arguments, constants and results of a function are row-major;
//! - a planar layout has any halo and, for i8 values, elements of i8 or i16. Whoever writes a planar
//!   value writes its halo, too.
//!
//! `hla-plan-layout` itself makes planes without halo, of the value's own element type, and no
//! `hla.relayout`: the CPU's ternary kernels copy what they read, in whatever layout, into padded
//! planes of their own.

use std::fmt;

use crate::attr::Attrs;
use crate::types::DType;

/// Name of the attribute.
pub const LAYOUT: &str = "hla.layout";

/// How the bytes of a value are arranged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Layout {
    /// Dense, in the order of the logical dimensions.
    RowMajor,
    /// A rank-4 NHWC value stored as `[N][C][halo.0 + H + halo.1][halo.2 + W + halo.3]`, the halo
    /// holding zeros, with elements widened to `element`: what sparse addition reads.
    Planar {
        /// Zero rows above and below, zero columns left and right.
        halo: [u8; 4],
        /// Element type in memory: f32 for f32 values; i8 or i16 for i8 values.
        element: DType,
    },
}

impl Layout {
    /// The layout that attributes name.
    pub fn of(attrs: &Attrs) -> Result<Layout, String> {
        match attrs.get(LAYOUT) {
            None => Ok(Layout::RowMajor),
            Some(_) => attrs
                .str(LAYOUT)
                .and_then(Layout::parse)
                .ok_or_else(|| format!("attribute '{LAYOUT}' is not a layout")),
        }
    }

    /// Reads what [`fmt::Display`] writes: `planar<1,1,1,1,i16>` or `row_major`.
    pub fn parse(text: &str) -> Option<Layout> {
        if text == "row_major" {
            return Some(Layout::RowMajor);
        }
        let inner = text.strip_prefix("planar<")?.strip_suffix('>')?;
        let mut parts = inner.split(',');
        let mut halo = [0; 4];
        for h in &mut halo {
            *h = parts.next()?.parse().ok()?;
        }
        let element = DType::from_name(parts.next()?)?;
        let supported = matches!(element, DType::F32 | DType::I8 | DType::I16);
        (parts.next().is_none() && supported).then_some(Layout::Planar { halo, element })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::RowMajor => f.write_str("row_major"),
            Layout::Planar {
                halo: [t, b, l, r],
                element,
            } => {
                write!(f, "planar<{t},{b},{l},{r},{element}>")
            }
        }
    }
}
