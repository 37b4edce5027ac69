//! The check of plans: what it takes, and a program for each rule that it refuses.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Instant;

use common::generate::programs;
use common::{LOSS, W, X, arg, entry, kernel, launch, param, program, slot, span, update};
use hla_ir::TensorType;
use hla_runtime::plan::{
    Access, Command, DeviceProgram, KernelArg, Place, PlanFunction, Span, check,
};
use proptest::prelude::*;

const READ: Access = Access::Read;
const WRITE: Access = Access::Write;

/// What is said of a program after a change.
fn refused(change: impl FnOnce(&mut DeviceProgram)) -> String {
    let mut program = program();
    change(&mut program);
    check(&program).expect_err("the change is not seen").message
}

fn step(program: &mut DeviceProgram) -> &mut PlanFunction {
    &mut program.functions[0]
}

/// Argument i of a launch.
fn argument(program: &mut DeviceProgram, command: usize, i: usize) -> &mut KernelArg {
    match &mut step(program).commands[command] {
        Command::Launch { args, .. } => &mut args[i],
        other => panic!("{other:?}"),
    }
}

fn grid(program: &mut DeviceProgram, to: [u32; 3]) {
    match &mut step(program).commands[0] {
        Command::Launch { grid, .. } => *grid = to,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn says(message: &str, expected: &str) {
    assert!(message.contains(expected), "{message}\n  lacks: {expected}");
}

#[test]
fn a_sound_program_passes() {
    assert_eq!(check(&program()), Ok(()));
}

#[test]
fn limits_of_kernels() {
    let block = |b: [u32; 3]| refused(|p| p.kernels[1].block = b);
    says(
        &block([1025, 1, 1]),
        "kernel 1, 'add': the block [1025, 1, 1] is beyond",
    );
    says(&block([1, 1, 65]), "is beyond what a GPU takes");
    says(&block([64, 0, 1]), "is beyond what a GPU takes");
    says(&block([512, 2, 2]), "has 2048 threads");
    says(
        &refused(|p| p.kernels[0].shared_bytes = 232_449),
        "232449 bytes of shared memory",
    );
    for most in [[i32::MAX as u32, 1, 1], [1, 65_535, 65_535]] {
        let mut program = program();
        grid(&mut program, most);
        program.kernels[0].shared_bytes = 232_448;
        program.kernels[0].block = [1, 1024, 1];
        assert_eq!(check(&program), Ok(()));
    }
    for more in [[1 << 31, 1, 1], [1, 65_536, 1], [1, 1, 65_536], [0, 1, 1]] {
        let message = refused(|p| grid(p, more));
        says(
            &message,
            "function 'step', command 0 (scale of all): the grid",
        );
    }
}

#[test]
fn kernels_and_their_code() {
    says(
        &refused(|p| p.kernels[2].module = 2),
        "it is of module 2, but there are 2",
    );
    says(
        &refused(|p| p.kernels[2].entry = "mean".to_owned()),
        "module 1 has no such .entry",
    );
    says(
        &refused(|p| p.kernels[2].module = 0),
        "module 0 has no such .entry",
    );
    says(
        &refused(|p| p.modules[1] = entry("sum", 3)),
        "takes 3 arguments, but 2 are given",
    );
    says(
        &refused(|p| p.modules[1] = entry("sum", 513)),
        "it takes 513 arguments, but a GPU takes 512",
    );
    let narrow = |p: &mut DeviceProgram| p.modules[1] = entry("sum", 2).replacen(".u64", ".u32", 1);
    says(&refused(narrow), "an argument that is no 64-bit address");
    let unknown = |p: &mut DeviceProgram| step(p).commands[0] = launch(3, &[]);
    says(&refused(unknown), "there is no kernel 3, only 3");
}

#[test]
fn signatures() {
    let twice = |p: &mut DeviceProgram| {
        let again = p.functions[0].clone();
        p.functions.push(again);
    };
    says(&refused(twice), "two functions are named 'step'");
    let same = |p: &mut DeviceProgram| {
        let inputs = &mut step(p).signature.inputs;
        inputs.push(inputs[1].clone());
    };
    says(&refused(same), "two are the parameter 'w'");
    let other = |p: &mut DeviceProgram| step(p).signature.outputs[1].updates = Some("v".into());
    says(
        &refused(other),
        "output 1: it updates 'v', which is no parameter of an input",
    );
    let wide = |p: &mut DeviceProgram| step(p).signature.outputs[1].ty = TensorType::f32([65]);
    says(
        &refused(wide),
        "output 1: it is tensor<65xf32>, but updates 'w', which is tensor<64xf32>",
    );
    let both = |p: &mut DeviceProgram| {
        let outputs = &mut step(p).signature.outputs;
        outputs.push(outputs[1].clone());
    };
    says(&refused(both), "two update 'w'");
    let types = |p: &mut DeviceProgram| {
        let mut other = p.functions[0].clone();
        other.name = "other".to_owned();
        other.signature.inputs = vec![param("w", TensorType::f32([65]))];
        p.functions.push(other);
    };
    says(
        &refused(types),
        "function 'other': the parameter 'w' is tensor<65xf32>, but tensor<64xf32>",
    );
}

#[test]
fn spans_lie_in_their_places() {
    let place = |place| refused(|p| argument(p, 0, 0).span.place = place);
    says(
        &place(Place::Input(2)),
        "command 0 (scale of all): argument 0: there is no input 2",
    );
    says(&place(Place::Output(2)), "there is no output 2");
    says(
        &place(Place::Output(1)),
        "output 1 updates an input, so it has no place of its own",
    );
    let of =
        |offset, bytes, place| refused(|p| argument(p, 0, 2).span = span(place, offset, bytes, 3));
    says(
        &of(512, 256, Place::Arena),
        "256 bytes from byte 512 on are not within the arena, which has 512",
    );
    says(&of(256, 257, Place::Arena), "not within the arena");
    says(&of(u64::MAX, 2, Place::Arena), "not within the arena");
    says(
        &of(0, 5, Place::Constants),
        "not within the constants, which has 4",
    );
    says(&of(4, 256, W), "not within input 1");
    says(&of(2, 4, W), "no whole elements of input 1");
    says(&of(0, 3, LOSS), "no whole elements of output 0");
    let shifted = |p: &mut DeviceProgram| {
        argument(p, 0, 2).span.offset = 128;
        argument(p, 1, 1).span.offset = 128;
    };
    says(
        &refused(shifted),
        "arena: value 3 begins at byte 128, which is no multiple of 256",
    );
}

#[test]
fn parts_of_a_value_may_begin_anywhere() {
    // The two halves of k·x are written one after the other, the second first.
    let mut program = program();
    let whole = argument(&mut program, 0, 2).span;
    let half = |offset| Span {
        offset,
        bytes: 128,
        ..whole
    };
    let fill = |target| Command::Fill { target, byte: 0 };
    step(&mut program).commands[0] = fill(half(384));
    step(&mut program).commands.insert(1, fill(half(256)));
    assert_eq!(check(&program), Ok(()));
    step(&mut program).commands.remove(0);
    let message = check(&program).unwrap_err().message;
    says(
        &message,
        "value 3 is read from bytes 256 to 512 of the arena, but bytes 384 to 512 were never written",
    );
}

#[test]
fn what_is_read_was_written_as_the_same_value() {
    let dropped = |p: &mut DeviceProgram| drop(step(p).commands.remove(0));
    says(
        &refused(dropped),
        "command 0 (add of all): argument 1: value 3 is read from bytes 256 to 512 of the arena, but bytes 256 to 512 were never written",
    );
    let other = |p: &mut DeviceProgram| argument(p, 1, 1).span.value = 7;
    says(
        &refused(other),
        "value 7 is read from bytes 256 to 512 of the arena, but bytes 256 to 512 hold value 3",
    );
    // A buffer that lies over a live one.
    let over = |p: &mut DeviceProgram| {
        let target = span(Place::Arena, 0, 260, 9);
        step(p)
            .commands
            .insert(1, Command::Fill { target, byte: 0 });
    };
    says(&refused(over), "bytes 256 to 260 hold value 9");
    // It is no matter once the value is dead.
    let mut program = program();
    let target = span(Place::Arena, 0, 260, 9);
    step(&mut program)
        .commands
        .insert(2, Command::Fill { target, byte: 0 });
    assert_eq!(check(&program), Ok(()));
    // Outputs are read like the arena.
    let early = |p: &mut DeviceProgram| {
        let target = span(Place::Arena, 0, 4, 5);
        let source = span(LOSS, 0, 4, 5);
        step(p).commands.insert(2, Command::Copy { source, target });
    };
    says(
        &refused(early),
        "command 2 (copy): value 5 is read from bytes 0 to 4 of output 0",
    );
}

#[test]
fn inputs_hold_one_value_until_they_are_updated() {
    let two = |p: &mut DeviceProgram| {
        let source = span(X, 0, 4, 8);
        let target = span(Place::Arena, 0, 4, 9);
        step(p).commands.insert(1, Command::Copy { source, target });
    };
    says(
        &refused(two),
        "value 8 is read from bytes 0 to 4 of input 0, but bytes 0 to 4 hold value 0",
    );
    let old = |p: &mut DeviceProgram| argument(p, 2, 0).span.value = 1;
    says(
        &refused(old),
        "value 1 is read from bytes 0 to 256 of input 1, but bytes 0 to 256 hold value 4",
    );
}

#[test]
fn what_is_never_written() {
    let to = |place, bytes| refused(|p| argument(p, 0, 2).span = span(place, 0, bytes, 3));
    says(
        &to(X, 256),
        "argument 2: input 0 is written, but no output updates it",
    );
    let fill = |place| {
        refused(|p| {
            let target = span(place, 0, 4, 9);
            step(p).commands.push(Command::Fill { target, byte: 0 });
        })
    };
    says(
        &fill(X),
        "command 3 (fill): input 0 is written, but no output updates it",
    );
    says(&fill(Place::Constants), "the constants are written");
    let not_updated = |p: &mut DeviceProgram| drop(step(p).signature.outputs.pop());
    says(
        &refused(not_updated),
        "input 1 is written, but no output updates it",
    );
}

#[test]
fn arguments_that_overlap() {
    let add = |args: &[(Access, Span)]| {
        let mut program = program();
        step(&mut program).commands[1] = launch(1, args);
        check(&program).map_err(|e| e.message)
    };
    let (x, kx, w) = (
        span(X, 0, 256, 0),
        span(Place::Arena, 256, 256, 3),
        span(W, 0, 256, 1),
    );
    let new = Span { value: 4, ..w };
    let part = Span { bytes: 4, ..w };
    // Reading twice, and writing over what is read.
    assert_eq!(add(&[(READ, x), (READ, x), (WRITE, new)]), Ok(()));
    assert_eq!(add(&[(READ, w), (READ, w), (WRITE, new)]), Ok(()));
    let message = add(&[(READ, kx), (READ, part), (WRITE, new)]).unwrap_err();
    says(&message, "arguments 1 and 2 overlap, and one is written");
    let message = add(&[(READ, kx), (WRITE, new), (WRITE, new)]).unwrap_err();
    says(&message, "arguments 1 and 2 overlap");
    let both = Access::ReadWrite;
    let message = add(&[(WRITE, new), (READ, kx), (both, w)]).unwrap_err();
    says(&message, "arguments 0 and 2 overlap");
    // What is read and written must have been there.
    let scratch = span(Place::Arena, 0, 256, 6);
    let message = add(&[(READ, kx), (both, scratch), (WRITE, new)]).unwrap_err();
    says(
        &message,
        "argument 1: value 6 is read from bytes 0 to 256 of the arena, but",
    );
    assert_eq!(add(&[(READ, x), (both, kx), (WRITE, new)]), Ok(()));
}

#[test]
fn copies() {
    let copy = |source: Span, target: Span| {
        refused(|p| step(p).commands.insert(1, Command::Copy { source, target }))
    };
    let (kx, free) = (
        span(Place::Arena, 256, 256, 3),
        span(Place::Arena, 0, 256, 6),
    );
    says(
        &copy(kx, Span { bytes: 128, ..free }),
        "256 bytes cannot be copied to 128",
    );
    says(
        &copy(kx, Span { value: 6, ..kx }),
        "source and target overlap",
    );
    says(&copy(free, kx), "value 6 is read");
    let mut program = program();
    step(&mut program).commands.insert(
        1,
        Command::Copy {
            source: kx,
            target: free,
        },
    );
    assert_eq!(check(&program), Ok(()));
}

#[test]
fn the_end() {
    let unwritten = |p: &mut DeviceProgram| drop(step(p).commands.pop());
    says(
        &refused(unwritten),
        "function 'step', end: bytes 0 to 4 of output 0 were never written",
    );
    let half = |p: &mut DeviceProgram| {
        let target = span(W, 128, 128, 7);
        step(p).commands.push(Command::Fill { target, byte: 0 });
    };
    says(
        &refused(half),
        "end: input 1 holds one value before byte 128 and another after it",
    );
    // A new state that is the old one needs no command.
    let mut program = program();
    let last = argument(&mut program, 2, 0);
    last.span.value = 1;
    step(&mut program).commands.remove(1);
    assert_eq!(check(&program), Ok(()));
}

/// Which values a command reads from the arena.
fn reads(command: &Command) -> Vec<u32> {
    let spans: Vec<Span> = match command {
        Command::Launch { args, .. } => {
            let read = args.iter().filter(|a| a.access != WRITE);
            read.map(|a| a.span).collect()
        }
        Command::Copy { source, .. } => vec![*source],
        Command::Fill { .. } => Vec::new(),
    };
    let full = spans
        .iter()
        .filter(|s| s.place == Place::Arena && s.bytes > 0);
    full.map(|s| s.value).collect()
}

proptest! {
    /// A command without which a later one reads what was never written.
    #[test]
    fn no_command_can_be_left_out(program in programs()) {
        prop_assert_eq!(check(&program), Ok(()));
        for (i, function) in program.functions.iter().enumerate() {
            for at in 0..function.commands.len() {
                let mut less = program.clone();
                let removed = less.functions[i].commands.remove(at);
                let written = match &removed {
                    Command::Launch { args, .. } => args[args.len() - 1].span,
                    Command::Copy { target, .. } | Command::Fill { target, .. } => *target,
                };
                let needed = less.functions[i].commands[at..]
                    .iter()
                    .any(|c| reads(c).contains(&written.value));
                let output = matches!(written.place, Place::Output(_)) && written.bytes > 0;
                prop_assert_eq!(check(&less).is_err(), needed || output, "command {}", at);
            }
        }
    }
}

#[test]
fn a_thousand_commands_take_milliseconds() {
    // 4,000 launches over 100 buffers in turn, each of which reads the four before it.
    let buffer = |i: u64| span(Place::Arena, i % 100 * 1024, 1000, i as u32);
    let mut commands: Vec<Command> = (0..4)
        .map(|i| Command::Fill {
            target: buffer(i),
            byte: 0,
        })
        .collect();
    for i in 4..4000 {
        let mut args: Vec<_> = (1..5).map(|back| (READ, buffer(i - back))).collect();
        args.push((WRITE, buffer(i)));
        commands.push(launch(0, &args));
    }
    let mut program = program();
    program.modules = vec![entry("k", 5)];
    program.kernels = vec![kernel("k", 0)];
    program.functions = vec![PlanFunction {
        name: "f".to_owned(),
        signature: Default::default(),
        arena_bytes: 100 * 1024,
        macs: 0,
        commands,
    }];
    let begun = Instant::now();
    assert_eq!(check(&program), Ok(()));
    // About 5 ms; a check that is quadratic in the commands takes minutes.
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn zero_elements_and_unused_slots_are_fine() {
    let mut program = program();
    let signature = &mut step(&mut program).signature;
    signature
        .inputs
        .push(slot("empty", TensorType::f32([0, 3])));
    signature.inputs.push(param("v", TensorType::f32([2])));
    signature
        .outputs
        .push(slot("nothing", TensorType::f32([0])));
    signature.outputs.push(update("v", TensorType::f32([2])));
    let empty = arg(READ, span(Place::Input(2), 0, 0, 9));
    *argument(&mut program, 0, 1) = empty;
    assert_eq!(check(&program), Ok(()));
}
