//! From a function to kernels over planned buffers.
//!
//! [`lower`] walks the nodes in order. Reshapes are only other names of a buffer; chains of
//! elementwise ops become one map; every other node is handed to the module of its kind, which
//! asks [`Lowering`] for the places of operands and results and adds kernels. A buffer's lifetime
//! is known once all kernels are; then the memory planner packs the workspace.

mod backend;
mod results;

pub(crate) use backend::root;

use std::collections::HashMap;
use std::sync::Arc;

use hla_ir::{DType, Diagnostic, Function, Layout, Node, NodeId, Op, Tensor, TensorType, ValueId};

use hla_ir::decompose::decompose;

use hla_partition::{self as partition, Group, Kind, stored_constant};

use backend::Cpu;

use crate::kernel::{ALIGN, Buffer, EmitKernel, SLACK, Slot, View};
use crate::options::CodegenOptions;
use crate::target::Target;

/// All that is emitted: kernels, constants, and how much memory they want.
pub(crate) struct Program {
    pub name: String,
    pub inputs: Vec<(Option<Arc<str>>, TensorType)>,
    pub outputs: Vec<TensorType>,
    /// Run once by `NAME_init`, in order.
    pub init: Vec<Box<dyn EmitKernel>>,
    /// Run by `NAME_run`, in order.
    pub kernels: Vec<Box<dyn EmitKernel>>,
    pub rodata: Vec<Tensor>,
    pub temps: Vec<u64>,
    pub state_bytes: u64,
    pub workspace_bytes: u64,
    /// Facts about the whole for the report.
    pub notes: Vec<String>,
}

/// The state of lowering one function, and what kernels' modules ask for and add to.
pub struct Lowering<'a> {
    /// The function.
    pub function: &'a Function,
    /// What code is for.
    pub target: &'a Target,
    /// Choices of the user.
    pub options: &'a CodegenOptions,
    views: Vec<Option<View>>,
    /// Output that each value is written to directly.
    outputs: HashMap<ValueId, u32>,
    temps: Vec<partition::Buffer>,
    rodata: Vec<Tensor>,
    /// Rodata of equal bytes, by address for large tensors and by contents for small ones.
    known_rodata: HashMap<RodataKey, u32>,
    state_bytes: u64,
    init: Vec<Box<dyn EmitKernel>>,
    kernels: Vec<Box<dyn EmitKernel>>,
    step: usize,
    notes: Vec<String>,
}

#[derive(PartialEq, Eq, Hash)]
enum RodataKey {
    Address(usize, usize),
    Contents(Vec<u8>),
}

/// Lowers a function: every op must be known, every value have a static shape.
pub(crate) fn lower(
    function: &Function,
    target: &Target,
    options: &CodegenOptions,
) -> Result<Program, Diagnostic> {
    lower_with(function, target, options, None)
}

/// Lowers a function whose result i is the new value of argument `updates[i]`: the output has the
/// argument's own place in memory.
pub(crate) fn lower_step(
    function: &Function,
    target: &Target,
    options: &CodegenOptions,
    updates: &[Option<usize>],
) -> Result<Program, Diagnostic> {
    lower_with(function, target, options, Some(updates))
}

fn lower_with(
    function: &Function,
    target: &Target,
    options: &CodegenOptions,
    updates: Option<&[Option<usize>]>,
) -> Result<Program, Diagnostic> {
    let decomposed;
    let function = if function.nodes.iter().any(is_composite) {
        decomposed = decompose(function)?;
        &decomposed
    } else {
        function
    };
    function.refuse_opaque("code generation")?;
    for arg in &function.args {
        if arg.ty.tensor().is_none() {
            return Err(Diagnostic::error(
                arg.location.clone(),
                format!(
                    "an argument has the type {}, which no code can be generated for",
                    arg.ty
                ),
            )
            .help("arguments must be tensors with static shapes"));
        }
    }
    let mut cx = Lowering {
        function,
        target,
        options,
        views: vec![None; function.values.len()],
        outputs: HashMap::new(),
        temps: Vec::new(),
        rodata: Vec::new(),
        known_rodata: HashMap::new(),
        state_bytes: 0,
        init: Vec::new(),
        kernels: Vec::new(),
        step: 0,
        notes: Vec::new(),
    };
    for (i, arg) in function.args.iter().enumerate() {
        if let Some(ty) = arg.ty.tensor() {
            let view = View::row_major(Buffer::new(Slot::Input(i as u32)), ty.clone());
            cx.views[i] = Some(view);
        }
    }
    let mut groups = partition::groups(&Cpu, function);
    let mut kept = Vec::new();
    if let Some(updates) = updates {
        groups = partition::merge(&Cpu, function, groups);
        let schedule = partition::schedule(&Cpu, function, groups, updates)?;
        groups = schedule.groups;
        cx.outputs = schedule.outputs;
        cx.note_copies(updates, &schedule.copied);
        kept = cx.keep_old_values(updates)?;
    } else {
        cx.choose_outputs();
    }
    for group in groups {
        cx.step += 1;
        cx.lower_group(&group)?;
    }
    cx.step += 1;
    match updates {
        Some(updates) => cx.copy_step_results(updates, &kept)?,
        None => cx.copy_results()?,
    }
    cx.finish()
}

/// Whether a node is lowered as the TOSA it stands for.
fn is_composite(node: &Node) -> bool {
    matches!(
        node.op,
        Op::Normalize
            | Op::SteTernarize
            | Op::LossAware
            | Op::StraightThrough
            | Op::StopGradient
            | Op::SoftmaxCrossEntropy
            | Op::BatchNorm
            | Op::SgdUpdate
    )
}

/// Whether planar values of a type can be stored as this element type.
fn fits(dtype: DType, element: DType) -> bool {
    match dtype {
        DType::F32 => element == DType::F32,
        DType::I8 => matches!(element, DType::I8 | DType::I16),
        _ => false,
    }
}

impl<'a> Lowering<'a> {
    fn lower_group(&mut self, group: &Group) -> Result<(), Diagnostic> {
        match (group.kind, &group.nodes[..]) {
            (Kind::Map, nodes) => crate::map::lower(self, nodes, &group.roots),
            (Kind::Reduce, nodes) => crate::reduce::lower_group(self, nodes, &group.roots),
            (Kind::Contraction, [first, rest @ ..]) => {
                crate::contraction::lower(self, self.function.node(*first), rest)
            }
            (_, nodes) => nodes.iter().try_for_each(|&id| self.lower_node(id)),
        }
    }

    fn lower_node(&mut self, id: NodeId) -> Result<(), Diagnostic> {
        let node = self.function.node(id);
        match node.op {
            // Constants and unpacked weights are placed when somebody asks for them.
            Op::Const => Ok(()),
            Op::Unpack if self.is_lazy(node) => Ok(()),
            Op::Transpose if crate::contraction::is_read_transposed(self.function, node) => Ok(()),
            Op::Reshape => self.alias(node),
            Op::Identity if Layout::of(&node.attrs) == Ok(Layout::RowMajor) => self.alias(node),
            Op::TernaryConv2d | Op::TernaryMatMul => crate::ternary::lower(self, node),
            Op::Conv2d
            | Op::DepthwiseConv2d
            | Op::TransposeConv2d
            | Op::MatMul
            | Op::Conv2dInputGrad
            | Op::Conv2dWeightGrad
            | Op::DepthwiseConv2dInputGrad
            | Op::DepthwiseConv2dWeightGrad => crate::contraction::lower(self, node, &[]),
            Op::Transpose
            | Op::Concat
            | Op::Pad
            | Op::Slice
            | Op::Tile
            | Op::Reverse
            | Op::Gather
            | Op::ScatterAdd => crate::copy::lower(self, node),
            Op::ArgMax | Op::Threshold => crate::reduce::lower(self, node),
            Op::AvgPool2d | Op::MaxPool2d | Op::AvgPool2dGrad | Op::MaxPool2dGrad => {
                crate::window::lower(self, node)
            }
            Op::DynamicQuantize | Op::Pack | Op::Unpack | Op::Ternarize => {
                crate::quantize::lower(self, node)
            }
            Op::Relayout => crate::map::lower(self, &[id], &[id]),
            op if op.def().elementwise => crate::map::lower(self, &[id], &[id]),
            _ => Err(self.unsupported(node)),
        }
    }

    /// The error for a node that no kernel computes.
    pub fn unsupported(&self, node: &Node) -> Diagnostic {
        Diagnostic::error(
            node.location.clone(),
            format!(
                "there is no CPU kernel for '{}' of these types",
                node.name()
            ),
        )
    }

    /// A place for the result of one node under another name.
    fn alias(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let mut view = self.operand(node, 0)?;
        if view.layout != Layout::RowMajor {
            return Err(Diagnostic::error(
                node.location.clone(),
                format!("'{}' of a value in planar layout", node.name()),
            )
            .help("insert hla.relayout before it"));
        }
        view.ty = self.function.tensor_ty(node.result()).clone();
        self.views[node.result().index()] = Some(view);
        Ok(())
    }

    /// Whether an unpack feeds nothing but the weights of ternary contractions, which read the
    /// packed codes themselves.
    fn is_lazy(&self, node: &Node) -> bool {
        let value = node.result();
        self.function.constant_value(node.operands[0]).is_some()
            && !self.function.results.contains(&value)
            && self.function.nodes.iter().all(|user| {
                user.operands.iter().enumerate().all(|(i, &operand)| {
                    let ternary = matches!(user.op, Op::TernaryConv2d | Op::TernaryMatMul);
                    operand != value || (ternary && i == 1)
                })
            })
    }

    /// The place of a value that has been computed; a constant is placed in rodata.
    pub fn view(&mut self, value: ValueId) -> Result<View, Diagnostic> {
        if let Some(view) = self.views[value.index()].clone() {
            self.touch(&view);
            return Ok(view);
        }
        let tensor = stored_constant(self.function, value)?;
        let view = View::row_major(self.rodata(tensor), tensor.ty().clone());
        self.views[value.index()] = Some(view.clone());
        Ok(view)
    }

    /// Says that a buffer of the workspace is needed now.
    fn touch(&mut self, view: &View) {
        if let Slot::Temp(t) = view.buffer.slot {
            self.temps[t as usize].last = self.step;
        }
    }

    /// The place of an operand.
    pub fn operand(&mut self, node: &Node, i: usize) -> Result<View, Diagnostic> {
        self.view(node.operands[i])
    }

    /// The constant that an operand is, if it is one; nothing is placed in memory.
    pub fn constant(&self, node: &Node, i: usize) -> Option<&'a Tensor> {
        self.function.constant_value(*node.operands.get(i)?)
    }

    /// The packed bytes behind an operand that is `hla.unpack` of a constant.
    pub fn packed(&self, node: &Node, i: usize) -> Option<&'a Tensor> {
        let unpack = self.function.defining_node(*node.operands.get(i)?)?;
        (unpack.op == Op::Unpack)
            .then(|| self.function.constant_value(unpack.operands[0]))
            .flatten()
    }

    /// The place for result `i` of a node: an output, or a new buffer of the workspace in the
    /// layout that `hla.layout` names.
    pub fn result(&mut self, node: &Node, i: usize) -> Result<View, Diagnostic> {
        let value = node.results[i];
        let ty = self.function.tensor_ty(value).clone();
        let layout = match i {
            0 => Layout::of(&node.attrs)
                .map_err(|message| Diagnostic::error(node.location.clone(), message))?,
            _ => Layout::RowMajor,
        };
        if let Layout::Planar { element, .. } = layout
            && (ty.rank() != 4 || !fits(ty.dtype, element))
        {
            return Err(Diagnostic::error(
                node.location.clone(),
                format!("{ty} cannot have the layout {layout}"),
            )
            .help("planar layouts are for rank 4: f32 values as f32, i8 values as i8 or i16"));
        }
        let mut view = View {
            buffer: Buffer::new(Slot::State),
            ty,
            layout,
        };
        view.buffer = match self.outputs.get(&value) {
            Some(&output) => Buffer::new(Slot::Output(output)),
            None => self.temp(view.bytes()),
        };
        self.views[value.index()] = Some(view.clone());
        Ok(view)
    }

    /// A buffer of the workspace for the kernels of this node only. Its contents are undefined
    /// before they write it; [`SLACK`] bytes after it can be read.
    pub fn temp(&mut self, bytes: u64) -> Buffer {
        self.temps.push(partition::Buffer {
            bytes,
            first: self.step,
            last: self.step,
            over: Vec::new(),
        });
        Buffer::new(Slot::Temp(self.temps.len() as u32 - 1))
    }

    /// Says that a result may take the place of an operand which it depends on element by element
    /// at equal addresses.
    pub fn may_overwrite(&mut self, result: &View, operand: &View) {
        if let (Slot::Temp(r), Slot::Temp(o)) = (result.buffer.slot, operand.buffer.slot)
            && self.temps[r as usize].bytes == self.temps[o as usize].bytes
        {
            self.temps[r as usize].over.push(o);
        }
    }

    /// A region of the state, [`ALIGN`]-aligned, which init kernels fill.
    pub fn state(&mut self, bytes: u64) -> Buffer {
        let offset = self.state_bytes;
        self.state_bytes = (offset + bytes + SLACK).next_multiple_of(ALIGN);
        Buffer {
            slot: Slot::State,
            offset,
        }
    }

    /// A constant in the object; equal ones are placed once.
    pub fn rodata(&mut self, tensor: &Tensor) -> Buffer {
        const SMALL: usize = 1 << 16;
        let key = match tensor.dense_bytes() {
            Some(bytes) if bytes.len() > SMALL => {
                RodataKey::Address(bytes.as_ptr() as usize, bytes.len())
            }
            _ => RodataKey::Contents(tensor.to_bytes().into_owned()),
        };
        let id = *self.known_rodata.entry(key).or_insert_with(|| {
            self.rodata.push(tensor.clone());
            self.rodata.len() as u32 - 1
        });
        Buffer::new(Slot::Rodata(id))
    }

    /// A constant of these bytes in the object.
    pub fn rodata_bytes(&mut self, bytes: Vec<u8>) -> Result<Buffer, Diagnostic> {
        let refused = |m| Diagnostic::error(self.function.location.clone(), m);
        let ty = TensorType::try_new([bytes.len()], DType::I8).map_err(refused)?;
        let tensor = Tensor::from_bytes(ty, bytes).map_err(refused)?;
        Ok(self.rodata(&tensor))
    }

    /// Adds a kernel that `NAME_init` runs.
    pub fn init(&mut self, kernel: impl EmitKernel + 'static) {
        self.init.push(Box::new(kernel));
    }

    /// Adds a kernel that `NAME_run` runs. One without items is left out.
    pub fn run(&mut self, kernel: impl EmitKernel + 'static) {
        if kernel.parallel_items() > 0 {
            self.kernels.push(Box::new(kernel));
        }
    }

    fn finish(self) -> Result<Program, Diagnostic> {
        let (temps, workspace_bytes) = partition::plan(&self.temps, ALIGN, SLACK);
        let outputs = self.function.results.iter();
        Ok(Program {
            name: self.options.symbol_prefix(&self.function.name),
            inputs: self
                .function
                .args
                .iter()
                .filter_map(|a| Some((a.name.clone(), a.ty.tensor()?.clone())))
                .collect(),
            outputs: outputs
                .map(|&r| self.function.tensor_ty(r).clone())
                .collect(),
            init: self.init,
            kernels: self.kernels,
            rodata: self.rodata,
            temps,
            state_bytes: self.state_bytes,
            workspace_bytes,
            notes: self.notes,
        })
    }
}
