//! What a person wants to know of a program.

use std::fmt;

use serde::Serialize;

use crate::plan::{Command, DeviceProgram, PlanFunction};

/// A program in numbers. It prints as a table; as JSON it has a key for each field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Summary {
    /// What it is compiled for: `sm_80`.
    pub chip: String,
    /// How contractions are computed.
    pub precision: String,
    /// What compiled it.
    pub producer: String,
    /// Modules of PTX.
    pub modules: usize,
    /// Bytes of PTX.
    pub ptx_bytes: usize,
    /// Bytes of constants.
    pub constant_bytes: usize,
    /// Bytes of the scratch memory that its functions share.
    pub arena_bytes: u64,
    /// Bytes of its state: every parameter of every function, once.
    pub state_bytes: u64,
    /// Whether it says how a training goes on, or anything else for its driver.
    pub has_driver: bool,
    /// The functions.
    pub functions: Vec<FunctionSummary>,
    /// The kernels.
    pub kernels: Vec<KernelSummary>,
}

/// A function in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FunctionSummary {
    /// Its name.
    pub name: String,
    /// What it takes and gives, without its state: `(images: tensor<…>) -> (loss: tensor<f32>)`.
    pub signature: String,
    /// Parameters that it reads.
    pub parameters: usize,
    /// Parameters that it updates.
    pub updates: usize,
    /// Launches of kernels.
    pub launches: usize,
    /// Copies.
    pub copies: usize,
    /// Fills.
    pub fills: usize,
    /// Bytes of its arena.
    pub arena_bytes: u64,
    /// Products that its contractions sum up, or 0 if nobody counted.
    pub macs: u64,
    /// Bytes that its commands read and write.
    pub moved_bytes: u64,
}

/// A kernel in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KernelSummary {
    /// Its `.entry`.
    pub entry: String,
    /// What it computes.
    pub computes: String,
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// How often all functions together launch it.
    pub launches: usize,
    /// The grids that it is launched with, each once, in order of their appearance.
    pub grids: Vec<[u32; 3]>,
}

impl DeviceProgram {
    /// The program in numbers.
    pub fn summary(&self) -> Summary {
        let mut kernels: Vec<KernelSummary> = self
            .kernels
            .iter()
            .map(|kernel| KernelSummary {
                entry: kernel.entry.clone(),
                computes: kernel.computes.clone(),
                block: kernel.block,
                shared_bytes: kernel.shared_bytes,
                launches: 0,
                grids: Vec::new(),
            })
            .collect();
        for command in self.functions.iter().flat_map(|f| &f.commands) {
            if let Command::Launch { kernel, grid, .. } = command
                && let Some(kernel) = kernels.get_mut(*kernel as usize)
            {
                kernel.launches += 1;
                if !kernel.grids.contains(grid) {
                    kernel.grids.push(*grid);
                }
            }
        }
        Summary {
            chip: self.chip.clone(),
            precision: self.precision.clone(),
            producer: self.producer.clone(),
            modules: self.modules.len(),
            ptx_bytes: self.modules.iter().map(String::len).sum(),
            constant_bytes: self.constants.len(),
            arena_bytes: self.arena_bytes(),
            state_bytes: self.state().map(|(_, slot)| slot.ty.bytes() as u64).sum(),
            has_driver: self.driver.is_some(),
            functions: self.functions.iter().map(summary_of).collect(),
            kernels,
        }
    }
}

fn summary_of(function: &PlanFunction) -> FunctionSummary {
    let mut without_state = function.signature.clone();
    without_state.inputs.retain(|slot| slot.param.is_none());
    without_state.outputs.retain(|slot| slot.updates.is_none());
    let count = |kind: fn(&Command) -> bool| function.commands.iter().filter(|c| kind(c)).count();
    FunctionSummary {
        name: function.name.clone(),
        signature: without_state.to_string(),
        parameters: function.signature.inputs.len() - without_state.inputs.len(),
        updates: function.signature.outputs.len() - without_state.outputs.len(),
        launches: count(|c| matches!(c, Command::Launch { .. })),
        copies: count(|c| matches!(c, Command::Copy { .. })),
        fills: count(|c| matches!(c, Command::Fill { .. })),
        arena_bytes: function.arena_bytes,
        macs: function.macs,
        moved_bytes: function.moved_bytes(),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "program for {}, contractions in {}, by {}",
            self.chip, self.precision, self.producer
        )?;
        writeln!(
            f,
            "{} of PTX in {} modules, {} of constants, {} of state, {} of scratch memory",
            Bytes(self.ptx_bytes as u64),
            self.modules,
            Bytes(self.constant_bytes as u64),
            Bytes(self.state_bytes),
            Bytes(self.arena_bytes)
        )?;
        for function in &self.functions {
            writeln!(f, "\nfunction {}{}", function.name, function.signature)?;
            writeln!(
                f,
                "  {} parameters, {} of them updated; {} launches, {} copies, {} fills; {} of scratch memory; {} read and written{}",
                function.parameters,
                function.updates,
                function.launches,
                function.copies,
                function.fills,
                Bytes(function.arena_bytes),
                Bytes(function.moved_bytes),
                match function.macs {
                    0 => String::new(),
                    macs => format!("; {:.3} million products", macs as f64 / 1e6),
                }
            )?;
        }
        writeln!(
            f,
            "\n{:>8}  {:<14} {:>10}  {:<18} kernel",
            "launches", "block", "shared", "grid"
        )?;
        for kernel in &self.kernels {
            let grid = match &kernel.grids[..] {
                [] => "-".to_owned(),
                [one] => extents(*one),
                [first, rest @ ..] => format!("{} and {} more", extents(*first), rest.len()),
            };
            writeln!(
                f,
                "{:>8}  {:<14} {:>10}  {:<18} {}: {}",
                kernel.launches,
                extents(kernel.block),
                kernel.shared_bytes,
                grid,
                kernel.entry,
                kernel.computes
            )?;
        }
        Ok(())
    }
}

fn extents([x, y, z]: [u32; 3]) -> String {
    format!("{x}x{y}x{z}")
}

/// A number of bytes for people: `1.5 MiB`.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=0x3ff => write!(f, "{} B", self.0),
            0x400..=0xf_ffff => write!(f, "{:.1} KiB", self.0 as f64 / 1024.0),
            0x10_0000..=0x3fff_ffff => write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20)),
            _ => write!(f, "{:.2} GiB", self.0 as f64 / f64::from(1 << 30)),
        }
    }
}
