//! A device with memory of its own, whose kernels are whole functions: the evaluator computes them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hla_ir::{Diagnostic, Function, Location, Tensor};
use hla_passes::training::TrainingGraphs;
use hla_runtime::device::{Address, Bound, Device};
use hla_runtime::plan::{
    ALIGNMENT, Access, Command, DeviceProgram, Kernel, KernelArg, Place, PlanFunction, Span,
};
use hla_runtime::{DeviceSession, Signature, StepProgram};
use hla_train::Part;

/// The calls of a device: `upload`, `replay`, `download`.
pub type Calls = Rc<RefCell<Vec<String>>>;

struct Evaluator {
    functions: Vec<(Function, Signature)>,
    memory: BTreeMap<Address, Vec<u8>>,
    next: Address,
    recordings: Vec<Vec<Bound>>,
    calls: Calls,
    /// Replays until one fails.
    lives: usize,
}

impl Evaluator {
    fn place(&mut self, address: Address, bytes: usize) -> &mut [u8] {
        let (begin, memory) = self.memory.range_mut(..=address).next_back().unwrap();
        &mut memory[(address - begin) as usize..][..bytes]
    }

    fn run(&mut self, bound: &Bound) -> Result<(), Diagnostic> {
        let Bound::Launch { kernel, args, .. } = bound else {
            panic!("functions are launches here");
        };
        let (function, signature) = self.functions[*kernel].clone();
        let (inputs, outputs) = args.split_at(signature.inputs.len());
        let tensors: Vec<Tensor> = inputs
            .iter()
            .zip(&signature.inputs)
            .map(|(arg, slot)| {
                let bytes = self.place(arg.address, slot.ty.bytes()).to_vec();
                Tensor::from_bytes(slot.ty.clone(), bytes).unwrap()
            })
            .collect();
        for (arg, result) in outputs
            .iter()
            .zip(hla_reference::evaluate(&function, &tensors)?)
        {
            let bytes = result.to_bytes();
            self.place(arg.address, bytes.len()).copy_from_slice(&bytes);
        }
        Ok(())
    }
}

impl Device for Evaluator {
    fn name(&self) -> String {
        "the evaluator".to_owned()
    }

    fn allocate(&mut self, bytes: u64) -> Result<Address, Diagnostic> {
        let address = self.next;
        self.memory.insert(address, vec![0xff; bytes as usize]);
        self.next += bytes.next_multiple_of(ALIGNMENT);
        Ok(address)
    }

    fn free(&mut self, address: Address) {
        self.memory.remove(&address).unwrap();
    }

    fn load(&mut self, _: &[String], kernels: &[Kernel]) -> Result<Vec<usize>, Diagnostic> {
        Ok((0..kernels.len()).collect())
    }

    fn record(&mut self, commands: &[Bound]) -> Result<usize, Diagnostic> {
        self.recordings.push(commands.to_vec());
        Ok(self.recordings.len() - 1)
    }

    fn replay(&mut self, recording: usize) -> Result<(), Diagnostic> {
        if self.lives == 0 {
            return Err(Diagnostic::error(Location::unknown(), "a kernel faulted"));
        }
        self.lives -= 1;
        for command in self.recordings[recording].clone() {
            if let Bound::Launch { kernel, .. } = &command {
                let name = &self.functions[*kernel].0.name;
                self.calls.borrow_mut().push(format!("run {name}"));
            }
            self.run(&command)?;
        }
        Ok(())
    }

    fn upload(&mut self, target: Address, bytes: &[u8]) -> Result<(), Diagnostic> {
        self.calls
            .borrow_mut()
            .push(format!("upload {}", bytes.len()));
        self.place(target, bytes.len()).copy_from_slice(bytes);
        Ok(())
    }

    fn download(&mut self, source: Address, bytes: &mut [u8]) -> Result<(), Diagnostic> {
        self.calls
            .borrow_mut()
            .push(format!("download {}", bytes.len()));
        bytes.copy_from_slice(self.place(source, bytes.len()));
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), Diagnostic> {
        Ok(())
    }
}

/// A function as one launch: inputs are read, outputs written, updates where the input lies.
fn plan(i: usize, name: String, signature: &Signature) -> PlanFunction {
    let mut value = 0;
    let mut arg = |place, bytes: usize, access| {
        value += 1;
        let span = Span {
            place,
            offset: 0,
            bytes: bytes as u64,
            value,
        };
        KernelArg { span, access }
    };
    let inputs = signature.inputs.iter().enumerate();
    let mut args: Vec<KernelArg> = inputs
        .map(|(i, slot)| arg(Place::Input(i as u32), slot.ty.bytes(), Access::Read))
        .collect();
    for (i, slot) in signature.outputs.iter().enumerate() {
        let updated = |s: &hla_runtime::Slot| slot.updates.is_some() && s.param == slot.updates;
        let place = match signature.inputs.iter().position(updated) {
            Some(input) => Place::Input(input as u32),
            None => Place::Output(i as u32),
        };
        args.push(arg(place, slot.ty.bytes(), Access::Write));
    }
    PlanFunction {
        name,
        signature: signature.clone(),
        arena_bytes: 0,
        macs: 0,
        commands: vec![Command::Launch {
            kernel: i as u32,
            grid: [1; 3],
            args,
        }],
    }
}

/// All functions of a training on one device, which fails after so many of their runs.
pub fn session(graphs: &TrainingGraphs, lives: usize) -> (DeviceSession, Calls) {
    let functions: Vec<(Function, Signature)> = Part::ALL
        .into_iter()
        .filter_map(|part| part.graph(graphs))
        .map(|f| (f.clone(), Signature::of(f).unwrap()))
        .collect();
    let (mut plans, mut kernels, mut module) = (Vec::new(), Vec::new(), String::new());
    for (i, (function, signature)) in functions.iter().enumerate() {
        let plan = plan(i, function.name.clone(), signature);
        let Command::Launch { args, .. } = &plan.commands[0] else {
            panic!("it is a launch");
        };
        let parameters = vec![".param .u64 p"; args.len()].join(", ");
        module += &format!(".entry f{i}({parameters}) {{ ret; }}\n");
        kernels.push(Kernel {
            entry: format!("f{i}"),
            module: 0,
            block: [1; 3],
            shared_bytes: 0,
            computes: function.name.clone(),
        });
        plans.push(plan);
    }
    let program = DeviceProgram {
        chip: "none".to_owned(),
        precision: "f32".to_owned(),
        producer: "tests".to_owned(),
        modules: vec![module],
        kernels,
        constants: Vec::new(),
        functions: plans,
        driver: None,
    };
    let calls = Calls::default();
    let device = Evaluator {
        functions,
        memory: BTreeMap::new(),
        next: ALIGNMENT,
        recordings: Vec::new(),
        calls: Rc::clone(&calls),
        lives,
    };
    let session = DeviceSession::new(Box::new(device), program).unwrap();
    calls.borrow_mut().clear();
    (session, calls)
}

/// Takes functions from a session, by name.
pub fn compile(
    session: &DeviceSession,
) -> impl FnMut(Part) -> Result<Box<dyn StepProgram>, Diagnostic> + '_ {
    |part| Ok(Box::new(session.function(part.name())?))
}
