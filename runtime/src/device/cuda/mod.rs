//! NVIDIA GPUs, through the driver alone: its library is opened at run time, nothing of CUDA is
//! needed to build, and nothing but the driver to run.
//!
//! - here: the device; a recording is a CUDA graph;
//! - `staging`: uploads through pinned memory;
//! - `check` and `ptx`: what is refused before the driver is asked; `error`: what its failures mean;
//! - `driver`: calls of the driver, and all `unsafe` code.

mod check;
mod driver;
mod error;
mod ptx;
mod staging;

use std::ffi::CString;
use std::rc::Rc;

use hla_ir::{Diagnostic, Location};

use super::{Address, Bound, Device};
use crate::plan::Kernel;
use check::{Allocations, Takes};
use driver::{Context, Driver, Facts, Function, Graph, Module, Stream};
use error::Failed;
use staging::Staging;

/// What is known of a device without using it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// The number to open it by.
    pub index: usize,
    /// `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// `sm_90`.
    pub chip: String,
    /// All its memory.
    pub bytes: u64,
    /// The most shared memory that a block can have.
    pub shared_bytes: u32,
    /// The newest CUDA that the driver knows: `12.4`.
    pub driver: String,
}

/// All devices that the driver shows: `CUDA_VISIBLE_DEVICES` chooses among those of the machine.
///
/// # Errors
/// No driver, or one that does not start.
pub fn devices() -> Result<Vec<DeviceInfo>, Diagnostic> {
    let driver = Driver::open().map_err(|m| error::missing(&m))?;
    list(driver).map_err(|e| error::call(&e))
}

fn list(driver: Driver) -> Result<Vec<DeviceInfo>, Failed> {
    (0..driver.count()?)
        .map(|index| {
            let facts = driver.facts(index)?;
            Ok(DeviceInfo {
                index,
                chip: chip(&facts),
                name: facts.name,
                bytes: facts.bytes,
                shared_bytes: facts.shared_bytes,
                driver: error::version(driver.version),
            })
        })
        .collect()
}

fn chip(facts: &Facts) -> String {
    let (major, minor) = facts.capability;
    format!("sm_{major}{minor}")
}

/// A kernel that is loaded.
#[derive(Debug)]
struct Loaded {
    function: Function,
    block: [u32; 3],
    shared_bytes: u32,
}

/// Commands that are kept.
#[derive(Debug)]
struct Recording {
    /// None if there is nothing to do, or if it is run command by command.
    graph: Option<Graph>,
    commands: Vec<Bound>,
}

/// An NVIDIA GPU. Fields are dropped in this order: what refers to something goes before it.
#[derive(Debug)]
pub struct Cuda {
    recordings: Vec<Recording>,
    staging: Staging,
    kernels: Vec<Loaded>,
    /// Beside [`Cuda::kernels`].
    takes: Vec<Takes>,
    modules: Vec<Module>,
    stream: Stream,
    memory: Allocations,
    /// The most bytes that were allocated at one time.
    peak: u64,
    facts: Facts,
    /// Whether to wait after each command, to know which one failed.
    synchronous: bool,
    context: Rc<Context>,
}

impl Cuda {
    /// Opens a device by its number in [`devices`]. With `synchronous` every command is waited for:
    /// that is slow, but a fault is told with the name of its kernel.
    ///
    /// # Errors
    /// No driver, one that does not start, no such device.
    pub fn open(index: usize, synchronous: bool) -> Result<Cuda, Diagnostic> {
        let driver = Driver::open().map_err(|m| error::missing(&m))?;
        let known = list(driver).map_err(|e| error::call(&e))?;
        if index >= known.len() {
            let names: Vec<String> = known.into_iter().map(|d| d.name).collect();
            return Err(error::no_device(index, &names));
        }
        Cuda::new(driver, index, synchronous).map_err(|e| error::call(&e))
    }

    fn new(driver: Driver, index: usize, synchronous: bool) -> Result<Cuda, Failed> {
        let facts = driver.facts(index)?;
        let context = Context::new(driver, index)?;
        Ok(Cuda {
            recordings: Vec::new(),
            staging: Staging::new(&context)?,
            kernels: Vec::new(),
            takes: Vec::new(),
            modules: Vec::new(),
            stream: Stream::new(&context)?,
            memory: Allocations::default(),
            peak: 0,
            facts,
            synchronous,
            context,
        })
    }

    /// What a failure means that shows after the fact.
    fn late(failed: &Failed) -> Diagnostic {
        match failed.is_fault() {
            true => error::fault(failed),
            false => error::call(failed),
        }
    }

    /// Queues one command.
    fn queue(&self, stream: &Stream, command: &Bound) -> Result<(), Failed> {
        match command {
            Bound::Launch { kernel, grid, args } => {
                let kernel = &self.kernels[*kernel];
                let (block, shared) = (kernel.block, kernel.shared_bytes);
                let addresses: Vec<Address> = args.iter().map(|arg| arg.address).collect();
                stream.launch(kernel.function, *grid, block, shared, &addresses)
            }
            Bound::Copy {
                source,
                target,
                bytes,
            } => stream.copy(*target, *source, *bytes),
            Bound::Fill {
                target,
                bytes,
                byte,
            } => stream.fill(*target, *bytes, *byte),
        }
    }

    /// What people call a command.
    fn describe(&self, command: &Bound) -> String {
        match command {
            Bound::Launch { kernel, .. } => self.takes[*kernel].name.clone(),
            Bound::Copy { bytes, .. } => format!("a copy of {bytes} bytes"),
            Bound::Fill { bytes, .. } => format!("a fill of {bytes} bytes"),
        }
    }
}

impl Device for Cuda {
    fn name(&self) -> String {
        format!("{} ({})", self.facts.name, chip(&self.facts))
    }

    fn peak_bytes(&self) -> Option<u64> {
        Some(self.peak)
    }

    fn allocate(&mut self, bytes: u64) -> Result<Address, Diagnostic> {
        // The driver refuses to allocate nothing.
        let bytes = bytes.max(1);
        let address =
            self.context
                .allocate(bytes)
                .map_err(|failed| match failed.is_out_of_memory() {
                    true => {
                        let free = self.context.memory().ok();
                        error::out_of_memory(bytes, self.memory.bytes(), free)
                    }
                    false => Cuda::late(&failed),
                })?;
        self.memory.add(address, bytes);
        self.peak = self.peak.max(self.memory.bytes());
        Ok(address)
    }

    fn free(&mut self, address: Address) {
        if self.memory.remove(address).is_some() {
            // After a fault the driver refuses everything, and there is nothing left to free.
            let _ = self.context.free(address);
        }
    }

    fn load(&mut self, modules: &[String], kernels: &[Kernel]) -> Result<Vec<usize>, Diagnostic> {
        let first = self.modules.len();
        for text in modules {
            let target = ptx::target(text).unwrap_or("another chip");
            if let Some(why) = ptx::mismatch(target, self.facts.capability) {
                return Err(Diagnostic::error(Location::unknown(), why)
                    .help("compile the program for this GPU: hlac train --target cuda:sm_XY"));
            }
            let text = CString::new(text.as_str()).map_err(|_| damaged("its PTX holds a zero"))?;
            let module = Module::load(&self.context, &text)
                .map_err(|(failed, log)| error::module(&failed, &log, target, &self.name()))?;
            self.modules.push(module);
        }
        let mut numbers = Vec::with_capacity(kernels.len());
        for kernel in kernels {
            let name = format!("the kernel '{}' ({})", kernel.entry, kernel.computes);
            let place = kernel.module as usize;
            let (Some(module), Some(text)) = (self.modules.get(first + place), modules.get(place))
            else {
                return Err(damaged(&format!("{name} is in no module")));
            };
            check::block(&name, kernel.block)?;
            if kernel.shared_bytes > self.facts.shared_bytes {
                return Err(Diagnostic::error(
                    Location::unknown(),
                    format!(
                        "{name} needs {} bytes of shared memory, but a block of {} has at most {}",
                        kernel.shared_bytes,
                        self.name(),
                        self.facts.shared_bytes
                    ),
                )
                .help("compile the program for this GPU: hlac train --target cuda:sm_XY"));
            }
            let parameters = ptx::parameters(text, &kernel.entry).ok_or_else(|| {
                damaged(&format!(
                    "{name} is not in its module, with addresses alone"
                ))
            })?;
            let entry =
                CString::new(kernel.entry.as_str()).map_err(|_| damaged("a name holds a zero"))?;
            let function = module
                .function(&entry, kernel.shared_bytes)
                .map_err(|failed| error::kernel(&failed, &name))?;
            numbers.push(self.kernels.len());
            self.kernels.push(Loaded {
                function,
                block: kernel.block,
                shared_bytes: kernel.shared_bytes,
            });
            self.takes.push(Takes { name, parameters });
        }
        Ok(numbers)
    }

    fn record(&mut self, commands: &[Bound]) -> Result<usize, Diagnostic> {
        check::commands(commands, &self.takes, &self.memory)?;
        let graph = match self.synchronous || commands.is_empty() {
            true => None,
            false => {
                let mut at = None;
                let made = self.stream.capture(|stream| {
                    for command in commands {
                        at = Some(command);
                        self.queue(stream, command)?;
                    }
                    at = None;
                    Ok(())
                });
                Some(made.map_err(|failed| match at {
                    Some(command) => error::kernel(&failed, &self.describe(command)),
                    None => Cuda::late(&failed),
                })?)
            }
        };
        self.recordings.push(Recording {
            graph,
            commands: commands.to_vec(),
        });
        Ok(self.recordings.len() - 1)
    }

    fn replay(&mut self, recording: usize) -> Result<(), Diagnostic> {
        let turned = self.staging.turn(&self.stream);
        turned.map_err(|failed| Cuda::late(&failed))?;
        let Some(recording) = self.recordings.get(recording) else {
            return Err(damaged(&format!("there is no recording {recording}")));
        };
        if let Some(graph) = &recording.graph {
            let run = self.stream.run(graph);
            return run.map_err(|failed| Cuda::late(&failed));
        }
        for command in &recording.commands {
            let done = self
                .queue(&self.stream, command)
                .and_then(|()| self.stream.synchronize());
            done.map_err(|failed| error::kernel(&failed, &self.describe(command)))?;
        }
        Ok(())
    }

    fn upload(&mut self, target: Address, bytes: &[u8]) -> Result<(), Diagnostic> {
        let length = bytes.len() as u64;
        self.memory.check("an upload", target, length)?;
        let queued = self.staging.upload(&self.stream, target, bytes);
        queued.map_err(|failed| Cuda::late(&failed))
    }

    fn download(&mut self, source: Address, bytes: &mut [u8]) -> Result<(), Diagnostic> {
        let length = bytes.len() as u64;
        self.memory.check("a download", source, length)?;
        if bytes.is_empty() {
            return self.synchronize();
        }
        let copied = self.stream.download(source, bytes);
        copied.map_err(|failed| Cuda::late(&failed))
    }

    fn synchronize(&mut self) -> Result<(), Diagnostic> {
        let idle = self.stream.synchronize();
        idle.map_err(|failed| Cuda::late(&failed))
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // Nothing that is freed below may be in use. If a kernel faulted, nothing runs any more.
        let _ = self.stream.synchronize();
        for address in self.memory.addresses() {
            let _ = self.context.free(address);
        }
    }
}

fn damaged(message: &str) -> Diagnostic {
    Diagnostic::error(Location::unknown(), message)
        .help("the program is damaged, or this is a mistake in hlac: please report it")
}
