//! Once all launches are known: the arena is packed, places become spans, equal kernels one.

use std::collections::HashMap;

use hla_ir::TensorType;
use hla_partition::{Buffer, plan};
use hla_runtime::executable::Signature;
use hla_runtime::plan::{
    ALIGNMENT, Access, Command, KernelArg, Place as PlanPlace, PlanFunction, SLACK, Span,
};

use super::constants::Constants;
use super::{Arg, Lowered, Place, Slot, Step};
use crate::kernel::KernelCode;

/// The functions lowered so far.
#[derive(Default)]
pub(super) struct Program {
    pub constants: Constants,
    kernels: Vec<KernelCode>,
    arguments: Vec<Vec<TensorType>>,
    known: HashMap<(KernelCode, Vec<TensorType>), u32>,
    functions: Vec<PlanFunction>,
}

/// A function whose places are not spans yet.
pub(super) struct Body {
    /// The input that each output updates.
    pub updates: Vec<Option<usize>>,
    pub temps: Vec<Buffer>,
    pub steps: Vec<Step>,
    /// As [`PlanFunction::macs`].
    pub macs: u64,
}

impl Program {
    /// Adds a function.
    pub fn add(&mut self, name: String, signature: Signature, body: Body) {
        let (offsets, arena) = plan(&body.temps, ALIGNMENT, SLACK);
        let mut spans = Spans {
            constants: &self.constants,
            updates: &body.updates,
            offsets: &offsets,
            values: HashMap::new(),
        };
        // Inputs have the first numbers, whether or not they are used.
        for i in 0..signature.inputs.len() {
            spans.value(Slot::Input(i as u32));
        }
        let mut bound = Vec::with_capacity(body.steps.len());
        for step in body.steps {
            bound.push(match step {
                Step::Copy(from, to) => {
                    let (source, target) = (spans.span(&from), spans.span(&to));
                    if source.place == target.place && source.offset == target.offset {
                        continue;
                    }
                    Bound::Ready(Command::Copy { source, target })
                }
                Step::Fill(place, byte) => Bound::Ready(Command::Fill {
                    target: spans.span(&place),
                    byte,
                }),
                Step::Launch(code, args) => {
                    let spans = args.iter().map(|a| spans.span(&a.place)).collect();
                    Bound::Launch(code, args, spans)
                }
            });
        }
        let commands = bound.into_iter().map(|step| match step {
            Bound::Ready(command) => command,
            Bound::Launch(code, args, spans) => self.launch(code, args, spans),
        });
        let commands = commands.collect();
        self.functions.push(PlanFunction {
            name,
            signature,
            // What follows the last buffer is SLACK, which every place has.
            arena_bytes: arena,
            macs: body.macs,
            commands,
        });
    }

    fn launch(&mut self, mut code: KernelCode, args: Vec<Arg>, spans: Vec<Span>) -> Command {
        let args: Vec<(Arg, Span)> = args.into_iter().zip(spans).collect();
        if is_in_place(&args) {
            code.gpu = code.gpu.replace("llvm.noalias, ", "");
            code.gpu = code.gpu.replace(" {llvm.noalias}", "");
        }
        let types: Vec<TensorType> = args.iter().map(|(a, _)| a.place.ty.clone()).collect();
        let grid = code.grid;
        // The grid is the launch's.
        let key = (
            KernelCode {
                grid: [0; 3],
                ..code.clone()
            },
            types.clone(),
        );
        let kernel = *self.known.entry(key).or_insert_with(|| {
            self.kernels.push(code);
            self.arguments.push(types);
            self.kernels.len() as u32 - 1
        });
        let args = args.into_iter().map(|(arg, span)| KernelArg {
            span,
            access: arg.access,
        });
        Command::Launch {
            kernel,
            grid,
            args: args.collect(),
        }
    }

    /// The program.
    pub fn finish(self) -> Lowered {
        Lowered {
            kernels: self.kernels,
            arguments: self.arguments,
            functions: self.functions,
            constants: self.constants.into_bytes(),
        }
    }
}

/// A step whose places are spans.
enum Bound {
    Ready(Command),
    Launch(KernelCode, Vec<Arg>, Vec<Span>),
}

/// Whether something is written where something else is read or written.
fn is_in_place(args: &[(Arg, Span)]) -> bool {
    let overlap = |a: &Span, b: &Span| {
        a.place == b.place && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
    };
    args.iter().enumerate().any(|(i, (arg, span))| {
        arg.access != Access::Read
            && args
                .iter()
                .enumerate()
                .any(|(j, (_, other))| i != j && overlap(span, other))
    })
}

/// From places to spans.
struct Spans<'a> {
    constants: &'a Constants,
    updates: &'a [Option<usize>],
    offsets: &'a [u64],
    values: HashMap<Slot, u32>,
}

impl Spans<'_> {
    /// The number of a value.
    fn value(&mut self, slot: Slot) -> u32 {
        let next = self.values.len() as u32;
        *self.values.entry(slot).or_insert(next)
    }

    fn span(&mut self, place: &Place) -> Span {
        let (at, base) = match place.slot {
            Slot::Input(i) => (PlanPlace::Input(i), 0),
            Slot::Output(o) => match self.updates[o as usize] {
                Some(input) => (PlanPlace::Input(input as u32), 0),
                None => (PlanPlace::Output(o), 0),
            },
            Slot::Temp(t) => (PlanPlace::Arena, self.offsets[t as usize]),
            Slot::Constant(c) => (PlanPlace::Constants, self.constants.offset(c)),
        };
        Span {
            place: at,
            offset: base + place.offset,
            bytes: place.bytes(),
            value: self.value(place.slot),
        }
    }
}
