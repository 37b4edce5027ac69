//! Contractions with ternary weights: `hla.ternary_conv2d` and `hla.ternary_matmul`.
//!
//! - [`geometry`]: the shape of a contraction and of its staged input; [`stage`]: the kernel that
//!   stages it;
//! - [`lists`]: the weights as lists of offsets, expanded from 2-bit codes by `NAME_init`;
//! - [`sparse`]: the sums by sparse addition, [`rows`] for few rows; [`lut`]: those by look-up
//!   tables, which [`tables`] makes;
//! - [`range`]: which inputs cannot be negative;
//! - [`epilogue`]: scale, bias, residual, clamp, rounding; [`block`]: the output's layout.

mod block;
mod epilogue;
mod geometry;
mod lists;
mod lut;
mod range;
mod rows;
mod sparse;
mod stage;
mod tables;

use hla_ir::{DType, Diagnostic, Layout, Node, Op};

use self::epilogue::Epilogue;
use self::geometry::{Geometry, Stage, Strided};
use self::lists::{ExpandKernel, ListPlan, Walk, tap_table};
use self::lut::{LutKernel, LutPlan};
use self::rows::{MOST_ROWS, RowsKernel, RowsPlan, TurnsKernel};
use self::sparse::{FAN_IN_LIMIT, SEGMENT_LIMIT, SparseKernel};
use self::stage::{BIAS, StageKernel};
use self::tables::{ArrangeKernel, TableKernel};
use crate::contraction::wide;
use crate::kernel::{Buffer, View};
use crate::lower::Lowering;
use crate::options::TernaryStrategy;

/// Scales below this keep every product with an integer sum finite: 2³¹·10²⁸ < 2¹²⁷.
const LARGE: f32 = 1e28;

/// The weights of a contraction.
struct Weights {
    /// Row-major, −1, 0 or 1.
    trits: Vec<i8>,
    /// The same as 2-bit codes, in the object.
    codes: Buffer,
}

/// A ternary contraction.
struct Contraction {
    geometry: Geometry,
    /// Whether it is a matrix product.
    matrix: bool,
    float: bool,
    /// Whether the input is int8 and never negative.
    non_negative: bool,
    input: Strided,
    weights: Weights,
    epilogue: Epilogue,
}

/// Adds the kernels of a ternary convolution or matrix product.
pub(crate) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<(), Diagnostic> {
    let contraction = Contraction::new(cx, node)?;
    let look_up = match cx.options.ternary {
        Some(TernaryStrategy::SparseAdd) => false,
        Some(TernaryStrategy::LookUpTable) => contraction.can_look_up(),
        None => contraction.can_look_up() && contraction.prefers_look_up(),
    };
    if look_up {
        look_up_table(cx, contraction);
        Ok(())
    } else if contraction.matrix && contraction.float && contraction.geometry.output[1] <= MOST_ROWS
    {
        few_rows(cx, node, contraction)
    } else {
        sparse_add(cx, node, contraction)
    }
}

/// Adds the kernels of sparse addition for few rows of f32.
fn few_rows(cx: &mut Lowering<'_>, node: &Node, c: Contraction) -> Result<(), Diagnostic> {
    let g = c.geometry;
    let plan = RowsPlan::new(&c.weights.trits, &g);
    let stage = Stage::new(&g, 4, false).ok_or_else(|| too_large(node))?;
    let bytes = 4 * stage.elements as u64;
    if plan.list_bytes() > u64::from(u32::MAX) {
        return Err(too_large(node));
    }
    let lists = cx.state(plan.list_bytes());
    let taps = cx.rodata_bytes(tap_table(&stage, 4))?;
    let bounds = cx.rodata_bytes(plan.bound_bytes())?;
    cx.init(TurnsKernel {
        plan: plan.clone(),
        walk: walk(&g, &stage, 4),
        zeros_at: bytes as i64,
        codes: c.weights.codes,
        taps,
        bounds,
        lists,
    });
    let staged = cx.temp(bytes + rows::ZEROS as u64);
    cx.run(StageKernel {
        geometry: g,
        stage,
        from: c.input,
        to: staged,
        bias: 0,
        zeros: rows::ZEROS,
    });
    let note = fallback_note(cx);
    cx.run(RowsKernel {
        plan,
        staged,
        bounds,
        lists,
        epilogue: c.epilogue,
        note,
    });
    Ok(())
}

/// What the report says where sparse addition stands in for the strategy that was asked for.
fn fallback_note(cx: &Lowering<'_>) -> Option<&'static str> {
    let wanted = cx.options.ternary == Some(TernaryStrategy::LookUpTable);
    wanted.then_some("look-up tables are for products of int8 only")
}

fn walk(g: &Geometry, stage: &Stage, element_bytes: usize) -> Walk {
    Walk {
        plane_bytes: (stage.plane * element_bytes) as i64,
        in_channels: g.in_channels as i64,
    }
}

/// Adds the kernels of the look-up table.
fn look_up_table(cx: &mut Lowering<'_>, c: Contraction) {
    let plan = LutPlan::new(&c.geometry, cx.target);
    let codes = cx.state(plan.code_bytes());
    cx.init(ArrangeKernel {
        plan,
        codes: c.weights.codes,
        to: codes,
    });
    let tables = cx.temp(plan.table_bytes());
    cx.run(TableKernel {
        plan,
        from: c.input,
        to: tables,
    });
    cx.run(LutKernel {
        plan,
        tables,
        codes,
        epilogue: c.epilogue,
    });
}

/// Adds the kernels of sparse addition.
fn sparse_add(cx: &mut Lowering<'_>, node: &Node, c: Contraction) -> Result<(), Diagnostic> {
    let g = c.geometry;
    let limit = (!c.float).then_some(SEGMENT_LIMIT);
    let element_bytes = if c.float { 4 } else { 1 };
    let pairs = c.non_negative;
    let plan = ListPlan::new(&c.weights.trits, &g, limit, pairs);
    let run = Stage::new(&g, 1, pairs).ok_or_else(|| too_large(node))?.run;
    let vectors = sparse::vectors(run, c.float);
    let block = vectors * sparse::lanes(c.float);
    let stage = Stage::new(&g, block, pairs).ok_or_else(|| too_large(node))?;
    let filler = stage.zeros.map(|z| (z * element_bytes) as i64);
    let bytes = (stage.elements * element_bytes) as u64;
    if plan.list_bytes() > u64::from(u32::MAX) {
        return Err(too_large(node));
    }
    let table = cx.state(plan.table_bytes());
    let lists = cx.state(plan.list_bytes());
    let taps = cx.rodata_bytes(tap_table(&stage, element_bytes))?;
    cx.init(ExpandKernel {
        plan: plan.clone(),
        walk: walk(&g, &stage, element_bytes),
        filler,
        codes: c.weights.codes,
        taps,
        table,
        lists,
    });
    let staged = cx.temp(bytes);
    cx.run(StageKernel {
        geometry: g.clone(),
        stage: stage.clone(),
        from: c.input,
        to: staged,
        bias: if c.non_negative { 0 } else { BIAS },
        zeros: 0,
    });
    let note = fallback_note(cx);
    cx.run(SparseKernel {
        geometry: g,
        stage,
        float: c.float,
        non_negative: c.non_negative,
        vectors,
        plan,
        staged,
        table,
        lists,
        epilogue: c.epilogue,
        note,
    });
    Ok(())
}

fn too_large(node: &Node) -> Diagnostic {
    Diagnostic::error(
        node.location.clone(),
        format!(
            "'{}' is too large: one image or its weights take gigabytes",
            node.name()
        ),
    )
    .help("split the layer or use a smaller input")
}

impl Contraction {
    /// Whether look-up tables can compute it: they are for matrix products of int8.
    fn can_look_up(&self) -> bool {
        self.matrix && self.input.element == DType::I8
    }

    /// Whether look-up tables are faster than sparse addition, which uses as many of 16 lanes as
    /// there are rows. By measurement, an addition of 16 lanes takes about the time of the look-up
    /// of 34 weights.
    fn prefers_look_up(&self) -> bool {
        let rows = self.geometry.output[1];
        let trits = &self.weights.trits;
        let non_zero = trits.iter().filter(|&&t| t != 0).count();
        rows <= 16 && 34 * non_zero > rows * trits.len()
    }

    fn new(cx: &mut Lowering<'_>, node: &Node) -> Result<Contraction, Diagnostic> {
        let input = wide(cx, node, 0)?;
        let weights = Weights::new(cx, node)?;
        let scale = cx.operand(node, 2)?;
        let bias = cx.operand(node, 3)?;
        let residual = match node.operands.len() {
            5.. => Some(wide(cx, node, 4)?),
            _ => None,
        };
        let out = cx.result(node, 0)?;
        let weight = cx.function.tensor_ty(node.operands[1]).shape.clone();
        let list = |name: &str| node.attrs.i64s(name).unwrap_or_default();
        let matrix = node.op == Op::TernaryMatMul;
        let geometry = if matrix {
            let rows = out.ty.shape[0] * out.ty.shape[1];
            Geometry::matmul(rows, weight[1], weight[0])
        } else {
            Geometry::conv2d(
                &input.ty,
                &weight,
                &out.ty,
                list("pad"),
                list("stride"),
                list("dilation"),
            )
        };
        if geometry.fan_in() >= FAN_IN_LIMIT {
            return Err(too_large(node));
        }
        let strided = |view: &View| {
            if matrix {
                Strided::matrix(view)
            } else {
                Strided::image(view)
            }
        };
        let residual_scale = node.attrs.f32("residual_scale").unwrap_or(1.0);
        let float = input.ty.dtype == DType::F32;
        let bound = |name: &str, default| node.attrs.f32(name).unwrap_or(default);
        let epilogue = Epilogue {
            scale: scale.buffer,
            bias: bias.buffer,
            residual: residual.as_ref().map(|r| (strided(r), residual_scale)),
            clamp: [
                bound("min_val", f32::NEG_INFINITY),
                bound("max_val", f32::INFINITY),
            ],
            never_nan: !float
                && residual_scale.abs() < LARGE
                && residual.as_ref().is_none_or(|r| r.ty.dtype == DType::I8)
                && [2, 3].iter().all(|&i| {
                    cx.constant(node, i)
                        .is_some_and(|t| t.to_f32s().iter().all(|v| v.abs() < LARGE))
                }),
            out: strided(&out),
            extents: geometry.output,
            halo: halo(&out),
        };
        Ok(Contraction {
            geometry,
            matrix,
            float,
            non_negative: !float && range::non_negative(cx.function, node.operands[0]),
            input: strided(&input),
            weights,
            epilogue,
        })
    }
}

/// Bytes of padding of a planar value: before the first element, between rows, after the last.
fn halo(view: &View) -> Option<[i64; 3]> {
    let Layout::Planar { halo, element } = view.layout else {
        return None;
    };
    let [top, bottom, left, right] = halo.map(i64::from);
    let row = left + view.ty.shape[2] as i64 + right;
    let bytes = element.bytes() as i64;
    Some([top * row + left, left + right, right + bottom * row].map(|e| e * bytes))
}

impl Weights {
    fn new(cx: &mut Lowering<'_>, node: &Node) -> Result<Weights, Diagnostic> {
        let shape = &cx.function.tensor_ty(node.operands[1]).shape;
        let (rows, len) = hla_quant::pack::rows(shape);
        let wrong = |e: hla_quant::Error| {
            Diagnostic::error(
                node.location.clone(),
                format!("the weights of '{}' are damaged: {e}", node.name()),
            )
        };
        if let Some(packed) = cx.packed(node, 1) {
            let trits = hla_quant::pack::unpack(&packed.to_bytes(), rows, len).map_err(wrong)?;
            let codes = cx.rodata(packed);
            return Ok(Weights { trits, codes });
        }
        let Some(constant) = cx.constant(node, 1) else {
            return Err(Diagnostic::error(
                node.location.clone(),
                format!("the weights of '{}' are no constant", node.name()),
            )
            .help("bind parameters with --weights, and run hla-freeze before code generation"));
        };
        let trits: Vec<i8> = constant.to_bytes().iter().map(|&b| b as i8).collect();
        let packed = hla_quant::pack::pack(&trits, rows, len).map_err(wrong)?;
        let codes = cx.rodata_bytes(packed)?;
        Ok(Weights { trits, codes })
    }
}
