//! Operands and results of contractions as their kernels want them.

use hla_ir::types::MAX_ELEMENTS;
use hla_ir::{DType, Diagnostic, Layout, Node, NodeId, Tensor};

use super::arithmetic::{Arithmetic, LANES};
use super::output::Output;
use super::pack::Pack;
use super::pad::Pad;
use super::tile::Bias;
use crate::kernel::{Buffer, Slot, View};
use crate::lower::Lowering;
use crate::map::Chain;

/// The array attribute of a node, none of whose entries is negative.
pub(super) fn array<const N: usize>(node: &Node, name: &str) -> Result<[u64; N], Diagnostic> {
    let values: Option<Vec<u64>> = node
        .attrs
        .i64s(name)
        .and_then(|v| v.iter().map(|&v| u64::try_from(v).ok()).collect());
    values.and_then(|v| v.try_into().ok()).ok_or_else(|| {
        Diagnostic::error(
            node.location.clone(),
            format!(
                "'{}': attribute '{name}' must be {N} integers, none negative",
                node.name()
            ),
        )
    })
}

/// Extents of a value of rank N.
pub(super) fn extents<const N: usize>(shape: &[usize]) -> [u64; N] {
    std::array::from_fn(|i| shape.get(i).map_or(1, |&e| e as u64))
}

/// The zero point that an attribute names.
pub(super) fn zero_point(node: &Node, name: &str) -> i64 {
    node.attrs.i64(name).unwrap_or(0)
}

fn refuse_planar(node: &Node, view: &View) -> Result<(), Diagnostic> {
    if view.layout == Layout::RowMajor {
        return Ok(());
    }
    Err(Diagnostic::error(
        node.location.clone(),
        format!(
            "'{}' does not read or write the layout {}",
            node.name(),
            view.layout
        ),
    )
    .help("insert hla.relayout between it and what needs that layout"))
}

/// A row-major operand as f32 if it holds floats, else as it is.
pub(super) fn operand(cx: &mut Lowering<'_>, node: &Node, i: usize) -> Result<View, Diagnostic> {
    let view = wide(cx, node, i)?;
    refuse_planar(node, &view)?;
    Ok(view)
}

/// An operand of 16-bit floats as f32, row-major; any other as it is.
pub(crate) fn wide(cx: &mut Lowering<'_>, node: &Node, i: usize) -> Result<View, Diagnostic> {
    let dtype = cx.function.tensor_ty(node.operands[i]).dtype;
    if !matches!(dtype, DType::F16 | DType::BF16) {
        return cx.operand(node, i);
    }
    if let Some(constant) = cx.constant(node, i) {
        let wide = Tensor::from_f32s(constant.shape(), &constant.to_f32s())
            .map_err(|message| Diagnostic::error(node.location.clone(), message))?;
        let ty = wide.ty().clone();
        return Ok(View::row_major(cx.rodata(&wide), ty));
    }
    let view = cx.operand(node, i)?;
    refuse_planar(node, &view)?;
    let mut ty = view.ty.clone();
    ty.dtype = DType::F32;
    let wide = View::row_major(cx.temp(ty.bytes() as u64), ty);
    crate::map::copy(cx, view, wide.clone());
    Ok(wide)
}

/// The bias operand, with the arithmetic's element type of sums.
pub(super) fn bias(cx: &mut Lowering<'_>, node: &Node, first: bool) -> Result<Bias, Diagnostic> {
    let view = operand(cx, node, 2)?;
    Ok(Bias {
        buffer: view.buffer,
        one: view.ty.elements() == 1,
        first,
    })
}

/// Where sums go, and the result if it is narrower than they are.
pub(super) struct Target {
    pub output: Output,
    narrow: Option<(View, View)>,
}

impl Target {
    /// The place for the result of a node, or of the group that follows it.
    pub fn of(cx: &mut Lowering<'_>, node: &Node, group: &[NodeId]) -> Result<Target, Diagnostic> {
        if let Some(&last) = group.last() {
            let chain = Chain::of(cx, group, Some(node.result()))?;
            let result = cx.result(cx.function.node(last), 0)?;
            return Ok(Target {
                output: Output::fused(&result, chain),
                narrow: None,
            });
        }
        let result = cx.result(node, 0)?;
        refuse_planar(node, &result)?;
        if !matches!(result.ty.dtype, DType::F16 | DType::BF16) {
            return Ok(Target {
                output: Output::plain(result.buffer, result.ty.dtype),
                narrow: None,
            });
        }
        let mut ty = result.ty.clone();
        ty.dtype = DType::F32;
        let wide = View::row_major(cx.temp(ty.bytes() as u64), ty);
        Ok(Target {
            output: Output::plain(wide.buffer, DType::F32),
            narrow: Some((wide, result)),
        })
    }

    /// Adds what must happen once the sums are there.
    pub fn finish(self, cx: &mut Lowering<'_>) {
        if let Some((wide, result)) = self.narrow {
            crate::map::copy(cx, wide, result);
        }
    }
}

/// Adds the kernel that packs weights: in `NAME_init` where they are constant.
pub(super) fn pack(cx: &mut Lowering<'_>, node: &Node, mut pack: Pack) -> Buffer {
    let bytes = pack.bytes();
    if cx.constant(node, 1).is_some() {
        pack.panels = cx.state(bytes);
        let panels = pack.panels;
        cx.init(pack);
        panels
    } else {
        pack.panels = cx.temp(bytes);
        let panels = pack.panels;
        cx.run(pack);
        panels
    }
}

/// An NHWC input as a kernel reads it, and its strides in bytes.
pub(super) struct Prepared {
    pub buffer: Buffer,
    pub batch: u64,
    pub row: u64,
    pub pixel: u64,
}

/// Channels that must lie in memory for each pixel where whole vectors of `columns` channels are
/// read: nothing may be read past the end of a caller's tensor.
pub(super) fn stored_channels(buffer: Buffer, columns: u64, copied: bool) -> u64 {
    let guarded = matches!(buffer.slot, Slot::Input(_) | Slot::Output(_)) && !copied;
    match guarded {
        true => columns.next_multiple_of(LANES),
        false => columns.max(LANES),
    }
}

/// How an input must be prepared.
pub(super) struct Preparation {
    pub arithmetic: Arithmetic,
    pub zero_point: i64,
    /// Top, bottom, left, right.
    pub pad: [u64; 4],
    /// See [`Pad::spread`].
    pub spread: [u64; 2],
    pub repeat: u64,
    pub channels: u64,
}

/// Copies the NHWC input if it cannot be read as it is.
pub(super) fn prepare(
    cx: &mut Lowering<'_>,
    node: &Node,
    view: &View,
    how: &Preparation,
) -> Result<Prepared, Diagnostic> {
    let shape: [u64; 4] = extents(&view.ty.shape);
    let to = how.arithmetic.element();
    let mut pad = Pad {
        source: view.buffer,
        from: view.ty.dtype,
        to,
        zero_point: how.zero_point,
        shape,
        pad: how.pad,
        spread: how.spread,
        repeat: how.repeat,
        channels: how.channels,
        target: view.buffer,
    };
    let [n, h, w, c] = pad.padded();
    let elements = [n, h, w, c]
        .iter()
        .map(|&e| u128::from(e))
        .product::<u128>();
    if elements > u128::from(MAX_ELEMENTS) {
        return Err(Diagnostic::error(
            node.location.clone(),
            format!(
                "'{}': the padded input of {n}x{h}x{w}x{c} is too large",
                node.name()
            ),
        )
        .help("check its padding and its stride"));
    }
    let as_is = pad.padded() == shape && view.ty.dtype == to;
    if !as_is {
        pad.target = cx.temp(pad.bytes());
    }
    let pixel = c * to.bytes() as u64;
    let prepared = Prepared {
        buffer: pad.target,
        batch: h * w * pixel,
        row: w * pixel,
        pixel,
    };
    if !as_is {
        cx.run(pad);
    }
    Ok(prepared)
}
