//! The functions around the bodies of kernels.

use hla_ir::TensorType;

use crate::Text;
use crate::kernel::NAME;
use crate::text::memref;

/// An array in the shared memory of a block: name, elements, element type.
pub(crate) type Shared = (String, usize, &'static str);

/// Multiprocessors of an A100; later GPUs for servers have more.
const MULTIPROCESSORS: usize = 108;

/// A block of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    /// Its threads.
    pub threads: usize,
    /// Whether it has a multiprocessor to itself: its threads may have more registers than would let others
    /// run beside it, which an assembler that does not know would rather spill.
    pub alone: bool,
}

impl Block {
    /// Of a grid of so many blocks.
    pub fn of_grid(threads: usize, blocks: usize) -> Block {
        Block {
            threads,
            alone: blocks <= MULTIPROCESSORS,
        }
    }
}

impl From<usize> for Block {
    /// Of so many threads, of which there may be any number.
    fn from(threads: usize) -> Block {
        Block {
            threads,
            alone: false,
        }
    }
}

/// Names of the arguments that are read, and of those that are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Arguments {
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

impl Arguments {
    fn new(inputs: &[TensorType], outputs: &[TensorType]) -> Arguments {
        let names = |stem: &str, n: usize| (0..n).map(|i| format!("%{stem}{i}")).collect();
        Arguments {
            inputs: names("in", inputs.len()),
            outputs: names("out", outputs.len()),
        }
    }

    fn declared(&self, inputs: &[TensorType], outputs: &[TensorType], attrs: &str) -> String {
        let names = self.inputs.iter().chain(&self.outputs);
        let declared: Vec<String> = names
            .zip(inputs.iter().chain(outputs))
            .map(|(name, ty)| format!("{name}: {}{attrs}", memref(ty)))
            .collect();
        declared.join(", ")
    }
}

/// The type of an array in shared memory.
pub(crate) fn shared_ty(elements: usize, ty: &str) -> String {
    format!("memref<{elements}x{ty}, #gpu.address_space<workgroup>>")
}

/// A `gpu.func`.
pub(crate) fn gpu(
    (inputs, outputs): (&[TensorType], &[TensorType]),
    shared: &[Shared],
    block: impl Into<Block>,
    body: impl FnOnce(&mut Text, &Arguments),
) -> String {
    let Block { threads, alone } = block.into();
    let resident = match alone {
        true => ", nvvm.minctasm = 1 : i32",
        false => "",
    };
    let arguments = Arguments::new(inputs, outputs);
    // No kernel is given two arguments that overlap unless it only reads both.
    let attrs = " {llvm.noalias, llvm.align = 16 : i64}";
    let declared = arguments.declared(inputs, outputs, attrs);
    let shared: Vec<String> = shared
        .iter()
        .map(|(name, elements, ty)| format!("{name}: {}", shared_ty(*elements, ty)))
        .collect();
    let shared = match shared.is_empty() {
        true => String::new(),
        false => format!(" workgroup({})", shared.join(", ")),
    };
    let mut text = Text::new();
    body(&mut text, &arguments);
    format!(
        "gpu.func {NAME}({declared}){shared} kernel attributes {{known_block_size = array<i32: {threads}, 1, 1>{resident}}} {{\n{}  gpu.return\n}}\n",
        text.finish()
    )
}

/// A `func.func` of the same arguments.
pub(crate) fn linalg(
    (inputs, outputs): (&[TensorType], &[TensorType]),
    body: impl FnOnce(&mut Text, &Arguments),
) -> String {
    let arguments = Arguments::new(inputs, outputs);
    let mut text = Text::new();
    body(&mut text, &arguments);
    format!(
        "func.func {NAME}({}) {{\n{}  func.return\n}}\n",
        arguments.declared(inputs, outputs, ""),
        text.finish()
    )
}
