//! Programs on a device that is made of this process's memory: what is computed, what is sent and
//! fetched, and that no value is lost or old.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::host::{Compute, HostDevice, Journal};
use common::{launch, program, span};
use hla_ir::{Diagnostic, Tensor};
use hla_runtime::plan::{Access, DeviceProgram, Place};
use hla_runtime::{Begun, DeviceSession, DeviceStep, Executable, State, StepProgram};

const KERNELS: [(&str, Compute); 3] = [
    ("scale", |a| {
        let k = a[1][0];
        a[2] = a[0].iter().map(|x| k * x).collect();
    }),
    ("add", |a| {
        a[2] = a[0].iter().zip(&a[1]).map(|(x, y)| x + y).collect()
    }),
    ("sum", |a| a[1][0] = a[0].iter().sum()),
];

/// The program with a second function, `total(w) = (loss = Σ w)`, over the same state.
fn programs() -> DeviceProgram {
    let mut program = program();
    let mut total = program.functions[0].clone();
    total.name = "total".to_owned();
    total.signature.inputs.remove(0);
    total.signature.outputs.pop();
    total.arena_bytes = 0;
    let (w, loss) = (
        span(Place::Input(0), 0, 256, 0),
        span(Place::Output(0), 0, 4, 1),
    );
    total.commands = vec![launch(2, &[(Access::Read, w), (Access::Write, loss)])];
    program.functions.push(total);
    program
}

struct Bench {
    session: DeviceSession,
    step: DeviceStep,
    total: DeviceStep,
    journal: Rc<RefCell<Journal>>,
}

fn bench() -> Bench {
    let (device, journal) = HostDevice::new(KERNELS);
    let session = DeviceSession::new(Box::new(device), programs()).unwrap();
    let step = session.function("step").unwrap();
    let total = session.function("total").unwrap();
    journal.borrow_mut().take();
    Bench {
        session,
        step,
        total,
        journal,
    }
}

/// 64 elements of one value.
fn all(value: f32) -> Tensor {
    Tensor::from_f32s([64], &[value; 64]).unwrap()
}

fn state(w: f32) -> State {
    let mut state = State::new();
    state.set("w", &all(w)).unwrap();
    state
}

impl Bench {
    /// Steps once; gives the loss, Σ (w + 3·x).
    fn step(&mut self, state: &mut State, x: f32) -> Result<f32, Diagnostic> {
        let outputs = self.step.step(state, &[("x", &all(x))], None)?;
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].0, "loss");
        Ok(outputs[0].1.to_f32s()[0])
    }

    fn total(&mut self, state: &mut State) -> f32 {
        self.total.step(state, &[], None).unwrap()[0].1.to_f32s()[0]
    }

    fn events(&self) -> Vec<String> {
        self.journal.borrow_mut().take()
    }
}

#[test]
fn state_is_sent_once_and_stays() {
    let mut b = bench();
    let mut state = state(1.0);
    assert_eq!(b.step(&mut state, 2.0), Ok(64.0 * 7.0));
    assert_eq!(
        b.events(),
        ["upload 256", "upload 256", "replay 0", "download 4"]
    );
    assert!(state.is_away("w"));
    assert_eq!(b.step(&mut state, 1.0), Ok(64.0 * 10.0));
    assert_eq!(b.events(), ["upload 256", "replay 0", "download 4"]);
    // Another function sees the same state.
    assert_eq!(b.total(&mut state), 64.0 * 10.0);
    assert_eq!(b.events(), ["replay 1", "download 4"]);
    b.total.pull(&mut state, "w").unwrap();
    assert_eq!(b.events(), ["download 256"]);
    assert_eq!(state.get("w"), Some(all(10.0)));
    // What was pulled need not be pulled again, nor sent.
    b.step.pull(&mut state, "w").unwrap();
    b.step.pull(&mut state, "v").unwrap();
    assert_eq!(b.step(&mut state, 0.0), Ok(64.0 * 10.0));
    assert_eq!(b.events(), ["upload 256", "replay 0", "download 4"]);
}

#[test]
fn a_step_again_sends_and_fetches_nothing() {
    let mut b = bench();
    let mut state = state(1.0);
    assert!(b.step.again(&mut state).is_err());
    assert_eq!(b.step(&mut state, 2.0), Ok(64.0 * 7.0));
    b.events();
    // w grows by 3·2 each time.
    b.step.again(&mut state).unwrap();
    b.step.again(&mut state).unwrap();
    assert_eq!(b.events(), ["replay 0", "replay 0"]);
    assert_eq!(b.total(&mut state), 64.0 * 19.0);
    b.step.pull(&mut state, "w").unwrap();
    assert_eq!(state.get("w"), Some(all(19.0)));
    state.set("w", &all(0.0)).unwrap();
    let error = b.step.again(&mut state).unwrap_err();
    assert!(error.message.contains("'w' was changed"), "{error}");
}

#[test]
fn what_the_host_changes_is_sent() {
    let mut b = bench();
    let mut state = state(1.0);
    b.step(&mut state, 2.0).unwrap();
    b.events();
    // Setting anew needs no pull: the value on the device is given up.
    state.set("w", &all(0.5)).unwrap();
    assert_eq!(b.total(&mut state), 32.0);
    assert_eq!(b.events(), ["upload 256", "replay 1", "download 4"]);
    state.bytes_mut("w").unwrap()[..4].copy_from_slice(&32.5_f32.to_le_bytes());
    assert_eq!(b.total(&mut state), 64.0);
}

#[test]
fn another_state_cannot_overwrite_the_newest_value() {
    let mut b = bench();
    let (mut first, mut second) = (state(1.0), state(2.0));
    b.step(&mut first, 1.0).unwrap();
    b.events();
    let error = b.step(&mut second, 1.0).unwrap_err();
    assert!(
        error
            .message
            .contains("'w' on the device is the newest value of another state"),
        "{error}"
    );
    assert!(b.events().is_empty());
    assert_eq!(second.get("w"), Some(all(2.0)));
    b.step.pull(&mut first, "w").unwrap();
    assert_eq!(b.step(&mut second, 1.0), Ok(64.0 * 5.0));
    // The second is away now; the first has its value and may not overwrite that.
    b.step(&mut first, 1.0).unwrap_err();
    b.step.pull(&mut second, "w").unwrap();
    assert_eq!(b.step(&mut first, 1.0), Ok(64.0 * 7.0));
    b.step.pull(&mut first, "w").unwrap();
    assert_eq!(first.get("w"), Some(all(7.0)));
    assert_eq!(second.get("w"), Some(all(5.0)));
}

#[test]
fn a_state_that_is_gone_has_no_claim() {
    let mut b = bench();
    b.step(&mut state(1.0), 1.0).unwrap();
    assert_eq!(b.step(&mut state(2.0), 1.0), Ok(64.0 * 5.0));
}

#[test]
fn a_copy_that_was_pulled_is_known_by_its_revision() {
    let mut b = bench();
    let mut first = state(1.0);
    b.step(&mut first, 1.0).unwrap();
    first.try_clone().unwrap_err();
    b.step.pull(&mut first, "w").unwrap();
    let mut copy = first.try_clone().unwrap();
    b.events();
    assert_eq!(b.total(&mut copy), 64.0 * 4.0);
    assert_eq!(b.events(), ["replay 1", "download 4"]);
    // Its step does not change the other.
    b.step(&mut copy, 1.0).unwrap();
    assert_eq!(first.get("w"), Some(all(4.0)));
}

#[test]
fn what_is_away_elsewhere_is_refused() {
    let (mut one, mut other) = (bench(), bench());
    let mut state = state(1.0);
    one.step(&mut state, 1.0).unwrap();
    let error = other.step(&mut state, 1.0).unwrap_err();
    assert_eq!(error.message, "the newest value of 'w' is on a device");
    // Whoever has not taken it away has nothing to bring.
    other.step.pull(&mut state, "w").unwrap();
    assert!(state.is_away("w"));
    one.step.pull(&mut state, "w").unwrap();
    assert_eq!(other.step(&mut state, 1.0), Ok(64.0 * 7.0));
}

#[test]
fn it_runs_without_a_state() {
    let b = bench();
    let outputs = b.step.run(&[all(2.0), all(1.0)], None).unwrap();
    assert_eq!(
        outputs,
        [Tensor::from_f32s([], &[448.0]).unwrap(), all(7.0)]
    );
    let error = b.step.run(&[all(2.0)], None).unwrap_err();
    assert!(error.message.contains("takes 2 inputs"), "{error}");
}

#[test]
fn running_spares_the_state_of_steps() {
    let mut b = bench();
    let mut state = state(1.0);
    b.step(&mut state, 2.0).unwrap();
    let error = b.total.run(&[all(3.0)], None).unwrap_err();
    assert!(error.message.contains("would be lost"), "{error}");
    b.step.pull(&mut state, "w").unwrap();
    assert_eq!(
        b.total.run(&[all(3.0)], None).unwrap()[0].to_f32s(),
        [192.0]
    );
    // What was run with is no state's: the step sends its own again.
    assert_eq!(b.step(&mut state, 0.0), Ok(448.0));
}

#[test]
fn wrong_inputs_change_nothing() {
    let mut b = bench();
    let mut state = state(1.0);
    let x = all(1.0);
    b.step.step(&mut state, &[], None).unwrap_err();
    b.step.step(&mut state, &[("y", &x)], None).unwrap_err();
    b.step
        .step(&mut State::new(), &[("x", &x)], None)
        .unwrap_err();
    assert!(b.events().is_empty());
    assert_eq!(state.get("w"), Some(all(1.0)));
}

#[test]
fn one_step_at_a_time() {
    let mut b = bench();
    let mut state = state(1.0);
    let x = all(1.0);
    b.step.finish(Begun::Running).unwrap_err();
    let begun = b.step.begin(&mut state, &[("x", &x)], None).unwrap();
    assert_eq!(b.events(), ["upload 256", "upload 256", "replay 0"]);
    assert!(state.is_away("w"));
    let busy = "a step begins before the one before it is finished";
    assert_eq!(
        b.total.step(&mut state, &[], None).unwrap_err().message,
        busy
    );
    assert_eq!(b.total.run(&[all(1.0)], None).unwrap_err().message, busy);
    assert_eq!(
        b.step
            .begin(&mut state, &[("x", &x)], None)
            .unwrap_err()
            .message,
        busy
    );
    assert_eq!(b.step.finish(begun).unwrap()[0].1.to_f32s(), [256.0]);
    // A step that nobody finishes is no matter once it is gone.
    let mut other = b.session.function("step").unwrap();
    let _ = other.begin(&mut state, &[("x", &x)], None).unwrap();
    drop(other);
    assert_eq!(b.total(&mut state), 64.0 * 7.0);
}

#[test]
fn after_a_failure_nothing_is_believed() {
    for call in ["upload", "replay", "download"] {
        let mut b = bench();
        let mut state = state(1.0);
        b.step(&mut state, 1.0).unwrap();
        b.journal.borrow_mut().fail = Some(call);
        assert_eq!(
            b.step(&mut state, 1.0).unwrap_err().message,
            format!("{call} failed")
        );
        let after = b.step(&mut state, 1.0).unwrap_err();
        assert_eq!(
            after.message,
            format!("the device failed before: {call} failed")
        );
        b.step.pull(&mut state, "w").unwrap_err();
        assert!(state.is_away("w"));
        state.set("w", &all(1.0)).unwrap();
        b.step(&mut state, 1.0).unwrap_err();
        assert_eq!(state.get("w"), Some(all(1.0)));
    }
}

#[test]
fn everything_is_given_back() {
    let mut b = bench();
    let mut state = state(1.0);
    b.step(&mut state, 1.0).unwrap();
    let Bench {
        session,
        step,
        total,
        journal,
    } = b;
    assert!(journal.borrow().alive > 0);
    drop((session, total));
    assert!(journal.borrow().alive > 0);
    drop(step);
    assert_eq!(journal.borrow().alive, 0);
}

#[test]
fn too_little_memory_is_told_and_given_back() {
    let (device, journal) = HostDevice::new(KERNELS);
    // Constants, scratch memory, inputs, outputs, each with 256 more: 260 + 768 + 512 + 260.
    journal.borrow_mut().capacity = Some(1800 + 511);
    let error = DeviceSession::new(Box::new(device), programs())
        .err()
        .unwrap();
    assert_eq!(error.message, "512 bytes are not free");
    assert_eq!(
        error.notes[0].1,
        "the program takes 4 bytes of constants, 512 of scratch memory, 260 of inputs and outputs, \
         256 of state; this was for its state"
    );
    assert_eq!(journal.borrow().alive, 0);
    let (device, journal) = HostDevice::new(KERNELS);
    journal.borrow_mut().capacity = Some(1800 + 512);
    assert!(DeviceSession::new(Box::new(device), programs()).is_ok());
}

#[test]
fn what_cannot_be_brought_onto_the_device() {
    let (device, journal) = HostDevice::new(KERNELS);
    let mut wrong = programs();
    wrong.functions[0].arena_bytes = 0;
    let error = DeviceSession::new(Box::new(device), wrong).err().unwrap();
    assert!(error.message.contains("not within the arena"), "{error}");
    assert!(journal.borrow().events.is_empty());
    let (device, _) = HostDevice::new([]);
    let error = DeviceSession::new(Box::new(device), programs())
        .err()
        .unwrap();
    assert!(error.message.starts_with("no kernel"), "{error}");
    let error = bench().session.function("mean").err().unwrap();
    assert_eq!(error.message, "the program has no function 'mean'");
    assert_eq!(error.help.as_deref(), Some("its functions are step, total"));
}
