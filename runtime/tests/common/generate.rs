//! Random programs that keep the rules of plans.

use hla_ir::{DType, TensorType};
use hla_runtime::Signature;
use hla_runtime::plan::{Access, Command, DeviceProgram, Place, PlanFunction, Span};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{entry, kernel, launch, param, slot, span, update};

/// The kernel i takes i addresses.
const ARITIES: usize = 6;

fn ty() -> impl Strategy<Value = TensorType> {
    let dtype = (0..DType::ALL.len()).prop_map(|i| DType::ALL[i]);
    (vec(0_usize..6, 0..4), dtype).prop_map(|(shape, dtype)| TensorType::new(shape, dtype))
}

/// A function: x… and w… come in, results of kernels pile up in the arena, and the last of them
/// go to the outputs. `choices` say which values each command takes.
fn function(
    name: String,
    inputs: Vec<TensorType>,
    params: Vec<(TensorType, bool)>,
    outputs: Vec<TensorType>,
    commands: Vec<(u8, u64, Vec<prop::sample::Index>)>,
) -> PlanFunction {
    let mut signature = Signature::default();
    let mut values: Vec<Span> = vec![span(Place::Constants, 0, 16, 0)];
    let mut next = 0;
    let mut number = || {
        next += 1;
        next
    };
    for (i, ty) in inputs.into_iter().enumerate() {
        let place = Place::Input(signature.inputs.len() as u32);
        values.push(span(place, 0, ty.bytes() as u64, number()));
        signature.inputs.push(slot(&format!("x{i}"), ty));
    }
    let mut updates = Vec::new();
    for (i, (ty, updated)) in params.into_iter().enumerate() {
        // A parameter has one type in all functions, so its name has the function's.
        let param_name = format!("{name}.w{i}");
        let place = Place::Input(signature.inputs.len() as u32);
        let whole = span(place, 0, ty.bytes() as u64, number());
        if updated {
            signature.outputs.push(update(&param_name, ty.clone()));
            updates.push(whole);
        } else {
            values.push(whole);
        }
        signature.inputs.push(param(&param_name, ty));
    }
    let mut list = Vec::new();
    let mut arena = 0;
    for (kind, bytes, choices) in commands {
        let target = span(Place::Arena, arena, bytes, number());
        let source = *choices.first().unwrap().get(&values);
        match kind {
            0 => list.push(Command::Fill {
                target,
                byte: bytes as u8,
            }),
            1 => {
                let target = Span {
                    bytes: source.bytes,
                    ..target
                };
                list.push(Command::Copy { source, target });
            }
            _ => {
                let read = |i: &prop::sample::Index| (Access::Read, *i.get(&values));
                let mut args: Vec<_> = choices.iter().map(read).collect();
                args.push((Access::Write, target));
                list.push(launch(args.len() as u32, &args));
            }
        }
        let target = match &list[list.len() - 1] {
            Command::Copy { target, .. } => *target,
            _ => target,
        };
        arena = (arena + target.bytes).next_multiple_of(256);
        values.push(target);
    }
    // New state last: what is read above is what the function began with.
    for whole in updates {
        let target = Span {
            value: number(),
            ..whole
        };
        list.push(launch(2, &[(Access::Read, whole), (Access::Write, target)]));
    }
    for (i, ty) in outputs.into_iter().enumerate() {
        let place = Place::Output(signature.outputs.len() as u32);
        let target = span(place, 0, ty.bytes() as u64, number());
        signature.outputs.push(slot(&format!("y{i}"), ty));
        list.push(Command::Fill { target, byte: 1 });
    }
    PlanFunction {
        name,
        signature,
        arena_bytes: arena,
        macs: arena / 3,
        commands: list,
    }
}

/// Programs of up to three functions.
pub fn programs() -> impl Strategy<Value = DeviceProgram> {
    let commands = (
        0_u8..4,
        0_u64..700,
        vec(any::<prop::sample::Index>(), 1..ARITIES - 1),
    );
    let functions = (
        vec(ty(), 0..3),
        vec((ty(), any::<bool>()), 0..3),
        vec(ty(), 0..3),
        vec(commands, 0..12),
    );
    let texts = ("[a-z0-9_]{0,8}", ".{0,12}", prop::option::of(".{0,20}"));
    (vec(functions, 0..4), vec(any::<u8>(), 16..64), texts).prop_map(
        |(functions, constants, (chip, producer, driver))| {
            let functions = functions.into_iter().enumerate();
            let module = |from, to| (from..to).map(|i| entry(&format!("k{i}"), i)).collect();
            DeviceProgram {
                chip,
                precision: "f32".to_owned(),
                producer,
                modules: vec![module(0, 3), module(3, ARITIES + 1)],
                kernels: (0..=ARITIES)
                    .map(|i| kernel(&format!("k{i}"), u32::from(i >= 3)))
                    .collect(),
                constants,
                functions: functions
                    .map(|(i, (x, w, y, c))| function(format!("f{i}"), x, w, y, c))
                    .collect(),
                driver,
            }
        },
    )
}
