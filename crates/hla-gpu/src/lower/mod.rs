//! From a function to kernels and a launch plan.
//!
//! Groups of nodes ([`hla_partition`]) are lowered in the order in which they run. Whoever lowers a
//! group asks [`Lowering`] for the [`Place`]s of operands and results and adds launches; reshapes are
//! other names of a place. A buffer's lifetime is known once all launches are; then the arena is
//! packed and places become spans.
//!
//! - `place` is where values are, [`chain`] elementwise ops over a domain;
//! - `prepare` says some nodes in another way first;
//! - `results` brings results to their outputs, `finish` plans the arena;
//! - `constants` keeps equal constants once, `linalg` writes the whole program for the CPU.

mod backend;
pub mod chain;
mod constants;
mod finish;
mod linalg;
mod place;
mod prepare;
mod results;

pub use place::{Arg, Place, Slot};

use std::collections::HashMap;

use hla_ir::cost::contraction_products;
use hla_ir::decompose::decompose;
use hla_ir::{Diagnostic, Function, Node, NodeId, Op, Tensor, TensorType, ValueId};
use hla_partition::{self as partition, Group, Kind, stored_constant};
use hla_runtime::executable::Signature;
use hla_runtime::plan::PlanFunction;

use crate::kernel::KernelCode;
use crate::options::GpuOptions;
use backend::Gpu;
pub(crate) use backend::root;
use constants::Constants;

/// Elements that a value may have: more than any GPU has memory for, and few enough for grids.
const MAX_ELEMENTS: usize = 1 << 38;

/// Kernels and the functions that launch them.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The kernels, each once; launches index into them.
    pub kernels: Vec<KernelCode>,
    /// For each kernel the types of its arguments: memrefs of these shapes and elements.
    pub arguments: Vec<Vec<TensorType>>,
    /// The functions, in the order in which they were given.
    pub functions: Vec<PlanFunction>,
    /// All constants, each at a multiple of [`hla_runtime::plan::ALIGNMENT`].
    pub constants: Vec<u8>,
}

/// Lowers a function.
///
/// # Errors
/// If it has an op that no kernel computes, with the place of each such op.
pub fn lower(function: &Function, options: &GpuOptions) -> Result<Lowered, Diagnostic> {
    lower_program(std::slice::from_ref(function), options)
}

/// Lowers functions to one program: equal kernels and constants are shared among them.
///
/// # Errors
/// As [`lower`].
pub fn lower_program(functions: &[Function], options: &GpuOptions) -> Result<Lowered, Diagnostic> {
    let mut program = finish::Program::default();
    for function in functions {
        lower_function(function, options, &mut program)?;
    }
    Ok(program.finish())
}

/// A step of a function before its places are spans.
enum Step {
    Launch(KernelCode, Vec<Arg>),
    Copy(Place, Place),
    Fill(Place, u8),
}

/// The state of lowering one function, and what modules of kernels ask for and add to.
pub struct Lowering<'a> {
    /// The function, its ops of training decomposed.
    pub function: &'a Function,
    /// What kernels are made for.
    pub options: &'a GpuOptions,
    places: Vec<Option<Place>>,
    /// Output that each value is written to directly.
    outputs: HashMap<ValueId, u32>,
    /// The argument that each result updates.
    updates: Vec<Option<usize>>,
    temps: Vec<partition::Buffer>,
    constants: &'a mut Constants,
    steps: Vec<Step>,
    group: usize,
}

fn lower_function(
    function: &Function,
    options: &GpuOptions,
    program: &mut finish::Program,
) -> Result<(), Diagnostic> {
    function.refuse_opaque("code generation for a GPU")?;
    let decomposed = decompose(&prepare::prepare(function)?)?;
    let decomposed = prepare::widen_last(&decomposed)?;
    let function = &decomposed;
    refuse_huge(function)?;
    let signature = Signature::of(function)?;
    let updates = updates(&signature);
    let groups = partition::groups(&Gpu, function);
    let groups = partition::merge(&Gpu, function, groups);
    let schedule = partition::schedule(&Gpu, function, groups, &updates)?;
    let mut cx = Lowering {
        function,
        options,
        places: vec![None; function.values.len()],
        outputs: schedule.outputs,
        updates,
        temps: Vec::new(),
        constants: &mut program.constants,
        steps: Vec::new(),
        group: 0,
    };
    for (i, slot) in signature.inputs.iter().enumerate() {
        cx.places[i] = Some(Place {
            slot: Slot::Input(i as u32),
            offset: 0,
            ty: slot.ty.clone(),
        });
    }
    let kept = cx.keep_old_values()?;
    let mut refused: Option<Diagnostic> = None;
    for group in &schedule.groups {
        cx.group += 1;
        if let Err(error) = cx.lower_group(group) {
            // Results get places all the same, so that everything refused is reported at once.
            for &root in &group.roots {
                for i in 0..function.node(root).results.len() {
                    cx.result(function.node(root), i)?;
                }
            }
            refused = Some(match refused {
                None => error,
                Some(first) => first.note(error.location, error.message),
            });
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    cx.group += 1;
    cx.copy_results(&kept)?;
    let body = finish::Body {
        updates: cx.updates,
        temps: cx.temps,
        steps: cx.steps,
        macs: contraction_products(function),
    };
    program.add(function.name.clone(), signature, body);
    Ok(())
}

/// Refuses a value of more than [`MAX_ELEMENTS`].
fn refuse_huge(function: &Function) -> Result<(), Diagnostic> {
    for i in 0..function.values.len() {
        let value = ValueId(i as u32);
        let elements = function.ty(value).tensor().map_or(0, TensorType::elements);
        if elements > MAX_ELEMENTS {
            let node = function.defining_node(value);
            let location = node.map_or(&function.location, |n| &n.location);
            let message = format!("{} has {elements} elements", function.ty(value));
            return Err(Diagnostic::error(location.clone(), message)
                .help("no GPU has memory for it: make the batch smaller"));
        }
    }
    Ok(())
}

/// The input that each output updates.
fn updates(signature: &Signature) -> Vec<Option<usize>> {
    let input = |name: &std::sync::Arc<str>| {
        let mut inputs = signature.inputs.iter();
        inputs.position(|slot| slot.param.as_ref() == Some(name))
    };
    let outputs = signature.outputs.iter();
    outputs
        .map(|slot| slot.updates.as_ref().and_then(input))
        .collect()
}

impl<'a> Lowering<'a> {
    fn lower_group(&mut self, group: &Group) -> Result<(), Diagnostic> {
        match group.kind {
            Kind::Map => crate::map::lower(self, &group.nodes, &group.roots),
            Kind::Reduce => crate::reduce::lower(self, &group.nodes, &group.roots),
            Kind::Contraction => {
                let node = self.function.node(group.nodes[0]);
                crate::contraction::lower(self, node, &group.nodes[1..])
            }
            Kind::Node => {
                let nodes = group.nodes.iter();
                nodes.clone().try_for_each(|&id| self.lower_node(id))
            }
        }
    }

    fn lower_node(&mut self, id: NodeId) -> Result<(), Diagnostic> {
        let node = self.function.node(id);
        match node.op {
            // A constant is placed when somebody asks for it.
            Op::Const => Ok(()),
            Op::Reshape | Op::Identity | Op::Relayout => self.alias(node),
            Op::Transpose | Op::Slice
                if crate::contraction::is_read_in_place(self.function, node) =>
            {
                Ok(())
            }
            op if crate::contraction::is_contraction(op) => {
                crate::contraction::lower(self, node, &[])
            }
            Op::ArgMax => crate::reduce::lower_argmax(self, node),
            Op::Transpose
            | Op::Concat
            | Op::Pad
            | Op::Slice
            | Op::Tile
            | Op::Reverse
            | Op::Gather => crate::movement::lower(self, node),
            Op::AvgPool2d | Op::MaxPool2d => crate::window::lower(self, node),
            Op::AvgPool2dGrad | Op::MaxPool2dGrad => crate::window::lower_gradient(self, node),
            Op::ScatterAdd => crate::scatter::lower(self, node),
            Op::Threshold => crate::threshold::lower(self, node),
            Op::Pack => crate::codes::pack(self, node),
            Op::Unpack => crate::codes::unpack(self, node),
            Op::DynamicQuantize => crate::quantize::lower(self, node),
            op if op.def().elementwise => crate::map::lower(self, &[id], &[id]),
            _ => Err(self.unsupported(node)),
        }
    }

    /// The error for a node that no kernel computes.
    pub fn unsupported(&self, node: &Node) -> Diagnostic {
        let types: Vec<String> = node
            .operands
            .iter()
            .map(|&v| self.function.ty(v).to_string())
            .collect();
        Diagnostic::error(
            node.location.clone(),
            format!(
                "there is no GPU kernel for '{}' of ({})",
                node.name(),
                types.join(", ")
            ),
        )
        .help("compile this function for the CPU, or express the op by others")
    }

    /// A place for the result of a node under another name.
    fn alias(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let place = self.operand(node, 0)?;
        let shape = self.function.tensor_ty(node.result()).shape.clone();
        self.places[node.result().index()] = Some(place.reshaped(shape));
        Ok(())
    }

    /// The place of a value that has been computed; a constant is placed among the constants.
    ///
    /// # Errors
    /// If it is a constant that would take too much memory.
    pub fn place(&mut self, value: ValueId) -> Result<Place, Diagnostic> {
        if let Some(place) = self.places[value.index()].clone() {
            self.touch(&place);
            return Ok(place);
        }
        let tensor = stored_constant(self.function, value)?;
        let place = self.constant_place(tensor);
        self.places[value.index()] = Some(place.clone());
        Ok(place)
    }

    /// The place of operand i.
    ///
    /// # Errors
    /// As [`Lowering::place`].
    pub fn operand(&mut self, node: &Node, i: usize) -> Result<Place, Diagnostic> {
        self.place(node.operands[i])
    }

    /// The place for result i of a node: an output, or a new buffer of the arena.
    ///
    /// # Errors
    /// None today.
    pub fn result(&mut self, node: &Node, i: usize) -> Result<Place, Diagnostic> {
        let value = node.results[i];
        if let Some(place) = &self.places[value.index()] {
            return Ok(place.clone());
        }
        let ty = self.function.tensor_ty(value).clone();
        let place = match self.outputs.get(&value) {
            Some(&output) => Place {
                slot: Slot::Output(output),
                offset: 0,
                ty,
            },
            None => self.temp(ty),
        };
        self.places[value.index()] = Some(place.clone());
        Ok(place)
    }

    /// A buffer of the arena for the launches of this group only. Its contents are undefined
    /// before they write it.
    pub fn temp(&mut self, ty: TensorType) -> Place {
        self.temps.push(partition::Buffer {
            bytes: ty.bytes() as u64,
            first: self.group,
            last: self.group,
            over: Vec::new(),
        });
        Place {
            slot: Slot::Temp(self.temps.len() as u32 - 1),
            offset: 0,
            ty,
        }
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

    /// The place of a constant; equal ones are kept once.
    pub fn constant_place(&mut self, tensor: &Tensor) -> Place {
        Place {
            slot: Slot::Constant(self.constants.add_tensor(tensor)),
            offset: 0,
            ty: tensor.ty().clone(),
        }
    }

    /// Adds a launch. Argument i of the kernel is a memref of the type of the i-th place, which
    /// its `gpu` and `linalg` texts must agree with. A launch without blocks is left out.
    pub fn launch(&mut self, code: KernelCode, args: Vec<Arg>) {
        if !code.grid.contains(&0) {
            self.steps.push(Step::Launch(code, args));
        }
    }

    /// Adds a copy of a value to a place with as many bytes.
    pub fn copy(&mut self, from: &Place, to: &Place) {
        debug_assert_eq!(from.bytes(), to.bytes());
        if from.bytes() > 0 {
            self.steps.push(Step::Copy(from.clone(), to.clone()));
        }
    }

    /// Sets every byte of a place.
    pub fn fill(&mut self, place: &Place, byte: u8) {
        if place.bytes() > 0 {
            self.steps.push(Step::Fill(place.clone(), byte));
        }
    }

    /// Says that a result may take the place of an operand of as many bytes: each of its elements
    /// depends on the element at the same place alone, and is written by the thread that reads it.
    pub fn may_overwrite(&mut self, result: &Place, operand: &Place) {
        if let (Slot::Temp(r), Slot::Temp(o)) = (result.slot, operand.slot)
            && (result.offset, operand.offset) == (0, 0)
            && self.temps[r as usize].bytes == self.temps[o as usize].bytes
        {
            self.temps[r as usize].over.push(o);
        }
    }

    /// Says that a buffer of the arena is needed now.
    fn touch(&mut self, place: &Place) {
        if let Slot::Temp(t) = place.slot {
            self.temps[t as usize].last = self.group;
        }
    }
}
