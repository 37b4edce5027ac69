//! The emulator as a device that runs launch plans.

use hla_ir::{Diagnostic, Location};
use hla_runtime::device::{Address, Bound, BoundArg, Device};
use hla_runtime::plan::{Access, Kernel};

use crate::code::Code;
use crate::decode::decode;
use crate::fault::Fault;
use crate::memory::{Memory, WINDOW_BITS, Window};
use crate::options::{Options, Report};
use crate::read::{self, Space};
use crate::run::{self, Launch};

/// A device that runs PTX on the CPU and checks it.
#[derive(Default)]
pub struct Emulator {
    options: Options,
    memory: Memory,
    modules: Vec<LoadedModule>,
    kernels: Vec<LoadedKernel>,
    recordings: Vec<Vec<Bound>>,
    serial: u32,
    report: Report,
}

struct LoadedModule {
    source: Vec<String>,
    /// Name, address and bytes of each variable in global memory.
    variables: Vec<(String, u64, u64)>,
}

struct LoadedKernel {
    code: Code,
    module: usize,
    block: [u32; 3],
    shared_bytes: u32,
}

impl Emulator {
    /// A device without memory or code.
    pub fn new(options: Options) -> Emulator {
        Emulator {
            options,
            ..Emulator::default()
        }
    }

    /// What was run so far.
    pub fn report(&self) -> Report {
        self.report
    }

    /// Changes how later launches run.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// Loads a module and gives its number.
    fn load_module(&mut self, ptx: &str) -> Result<(usize, read::Module), Fault> {
        let module = read::module(ptx)?;
        let mut variables = Vec::new();
        for variable in module
            .variables
            .iter()
            .filter(|variable| variable.space == Space::Global)
        {
            let bytes = variable.bytes();
            let address = self.memory.allocate(bytes, 0)?;
            let each = variable.ty.bytes() as usize;
            let data = self.memory.bytes_mut(address, bytes)?;
            for (target, value) in data.chunks_mut(each).zip(&variable.values) {
                target.copy_from_slice(&value.to_le_bytes()[..each]);
            }
            variables.push((variable.name.clone(), address, bytes));
        }
        self.modules.push(LoadedModule {
            source: module.source.clone(),
            variables,
        });
        Ok((self.modules.len() - 1, module))
    }

    fn load_kernel(
        &mut self,
        (number, module): (usize, &read::Module),
        entry: &str,
        block: [u32; 3],
        shared_bytes: u32,
    ) -> Result<usize, Fault> {
        let code =
            decode(module, entry).map_err(|fault| fault.with_source(entry, &module.source))?;
        let all = code.shared_bytes + u64::from(shared_bytes);
        let most = shared_limit(&module.target);
        if all > most {
            return Err(Fault::new(format!(
                "kernel `{entry}` uses {all} bytes of shared memory; {} has {most}",
                module.target
            )));
        }
        self.kernels.push(LoadedKernel {
            code,
            module: number,
            block,
            shared_bytes,
        });
        Ok(self.kernels.len() - 1)
    }

    /// Loads one kernel of a text.
    pub(crate) fn kernel(
        &mut self,
        ptx: &str,
        entry: &str,
        block: [u32; 3],
        shared_bytes: u32,
    ) -> Result<usize, Fault> {
        let (number, module) = self.load_module(ptx)?;
        self.load_kernel((number, &module), entry, block, shared_bytes)
    }

    /// Runs a kernel.
    pub(crate) fn launch(
        &mut self,
        kernel: usize,
        grid: [u32; 3],
        args: &[BoundArg],
    ) -> Result<Report, Fault> {
        let Some(kernel) = self.kernels.get(kernel) else {
            return Err(Fault::new(format!("kernel {kernel} was not loaded")));
        };
        let module = &self.modules[kernel.module];
        let code = &kernel.code;
        let report = (|| {
            if args.len() != code.params.len() {
                return Err(Fault::new(format!(
                    "{} arguments for {} parameters",
                    args.len(),
                    code.params.len()
                )));
            }
            let mut windows = Vec::new();
            for (i, arg) in args.iter().enumerate() {
                let span = [arg.address, arg.bytes];
                let name = format!("argument {i}");
                windows.push(Window::new(&mut self.memory, i, name, span, arg.access)?);
            }
            let mut globals = Vec::new();
            for (name, address, bytes) in &module.variables {
                if let Some(&slot) = code.globals.get(name) {
                    let number = windows.len();
                    globals.push((slot, (number as u64 + 1) << WINDOW_BITS));
                    let span = [*address, *bytes];
                    let name = format!("variable `{name}`");
                    windows.push(Window::new(
                        &mut self.memory,
                        number,
                        name,
                        span,
                        Access::ReadWrite,
                    )?);
                }
            }
            Window::track(&mut windows);
            run::run(Launch {
                code,
                options: &self.options,
                memory: &mut self.memory,
                windows,
                globals,
                grid,
                block: kernel.block,
                shared_bytes: kernel.shared_bytes,
                serial: &mut self.serial,
            })
        })();
        let report = report.map_err(|fault| fault.with_source(&code.entry, &module.source))?;
        self.report.add(&report);
        Ok(report)
    }

    fn run(&mut self, command: &Bound) -> Result<(), Fault> {
        match command {
            Bound::Launch { kernel, grid, args } => self.launch(*kernel, *grid, args).map(drop),
            Bound::Copy {
                source,
                target,
                bytes,
            } => self.memory.copy(*source, *target, *bytes),
            Bound::Fill {
                target,
                bytes,
                byte,
            } => {
                self.memory.bytes_mut(*target, *bytes)?.fill(*byte);
                Ok(())
            }
        }
    }
}

/// Bytes of shared memory that a block can have.
fn shared_limit(target: &str) -> u64 {
    let number = target
        .trim_start_matches("sm_")
        .trim_end_matches(|c: char| c.is_ascii_alphabetic());
    1024 * match number.parse::<u32>() {
        Ok(90..) => 227,
        Ok(86 | 89) => 99,
        Ok(80..) => 163,
        _ => 48,
    }
}

fn missing(what: &str) -> Diagnostic {
    Diagnostic::error(Location::unknown(), what)
        .help("this is a mistake in whoever drives the device")
}

impl Device for Emulator {
    fn name(&self) -> String {
        "PTX emulator".to_string()
    }

    fn allocate(&mut self, bytes: u64) -> Result<Address, Diagnostic> {
        Ok(self.memory.allocate(bytes, self.options.garbage)?)
    }

    fn free(&mut self, address: Address) {
        self.memory.free(address);
    }

    fn load(&mut self, modules: &[String], kernels: &[Kernel]) -> Result<Vec<usize>, Diagnostic> {
        let mut loaded = Vec::new();
        for module in modules {
            loaded.push(self.load_module(module)?);
        }
        let mut numbers = Vec::new();
        for kernel in kernels {
            let Some((number, module)) = loaded.get(kernel.module as usize) else {
                return Err(missing("a kernel of a module that is not there"));
            };
            let module = (*number, module);
            numbers.push(self.load_kernel(
                module,
                &kernel.entry,
                kernel.block,
                kernel.shared_bytes,
            )?);
        }
        Ok(numbers)
    }

    fn record(&mut self, commands: &[Bound]) -> Result<usize, Diagnostic> {
        self.recordings.push(commands.to_vec());
        Ok(self.recordings.len() - 1)
    }

    fn replay(&mut self, recording: usize) -> Result<(), Diagnostic> {
        let Some(commands) = self.recordings.get(recording).cloned() else {
            return Err(missing("a recording that is not there"));
        };
        for command in &commands {
            self.run(command)?;
        }
        Ok(())
    }

    fn upload(&mut self, target: Address, bytes: &[u8]) -> Result<(), Diagnostic> {
        self.memory
            .bytes_mut(target, bytes.len() as u64)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn download(&mut self, source: Address, bytes: &mut [u8]) -> Result<(), Diagnostic> {
        bytes.copy_from_slice(self.memory.bytes(source, bytes.len() as u64)?);
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), Diagnostic> {
        Ok(())
    }
}
