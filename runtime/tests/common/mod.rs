//! Programs to test with.
#![allow(dead_code, clippy::unwrap_used)]

pub mod generate;
pub mod host;

use hla_ir::{DType, TensorType};
use hla_runtime::plan::{
    Access, Command, DeviceProgram, Kernel, KernelArg, Place, PlanFunction, Span,
};
use hla_runtime::{Signature, Slot};

pub fn span(place: Place, offset: u64, bytes: u64, value: u32) -> Span {
    Span {
        place,
        offset,
        bytes,
        value,
    }
}

pub fn arg(access: Access, span: Span) -> KernelArg {
    KernelArg { span, access }
}

pub fn launch(kernel: u32, args: &[(Access, Span)]) -> Command {
    Command::Launch {
        kernel,
        grid: [1; 3],
        args: args
            .iter()
            .map(|&(access, span)| arg(access, span))
            .collect(),
    }
}

/// A slot without a role.
pub fn slot(name: &str, ty: TensorType) -> Slot {
    Slot {
        name: Some(name.into()),
        ty,
        param: None,
        updates: None,
    }
}

/// An input that is state.
pub fn param(name: &str, ty: TensorType) -> Slot {
    Slot {
        param: Some(name.into()),
        ..slot(name, ty)
    }
}

/// An output that updates state.
pub fn update(name: &str, ty: TensorType) -> Slot {
    Slot {
        name: None,
        updates: Some(name.into()),
        ..slot(name, ty)
    }
}

/// PTX with an entry that takes so many addresses.
pub fn entry(name: &str, arguments: usize) -> String {
    let arguments: Vec<String> = (0..arguments)
        .map(|i| format!("\t.param .u64 {name}_{i}"))
        .collect();
    format!(
        ".visible .entry {name}(\n{}\n)\n{{ ret; }}\n",
        arguments.join(",\n")
    )
}

pub fn kernel(name: &str, module: u32) -> Kernel {
    Kernel {
        entry: name.to_owned(),
        module,
        block: [64, 1, 1],
        shared_bytes: 0,
        computes: format!("{name} of all"),
    }
}

pub const X: Place = Place::Input(0);
pub const W: Place = Place::Input(1);
pub const LOSS: Place = Place::Output(0);

/// `step(x, w) = (loss = Σ w', w' = w + k·x)`, with k in the constants and k·x in the arena.
/// Values: x 0, w 1, k 2, k·x 3, w' 4, loss 5.
pub fn program() -> DeviceProgram {
    let ty = TensorType::f32([64]);
    let signature = Signature {
        inputs: vec![slot("x", ty.clone()), param("w", ty.clone())],
        outputs: vec![
            slot("loss", TensorType::new([], DType::F32)),
            update("w", ty),
        ],
    };
    let (read, write) = (Access::Read, Access::Write);
    let scaled = span(Place::Arena, 256, 256, 3);
    let commands = vec![
        launch(
            0,
            &[
                (read, span(X, 0, 256, 0)),
                (read, span(Place::Constants, 0, 4, 2)),
                (write, scaled),
            ],
        ),
        launch(
            1,
            &[
                (read, span(W, 0, 256, 1)),
                (read, scaled),
                (write, span(W, 0, 256, 4)),
            ],
        ),
        launch(
            2,
            &[(read, span(W, 0, 256, 4)), (write, span(LOSS, 0, 4, 5))],
        ),
    ];
    DeviceProgram {
        chip: "sm_80".to_owned(),
        precision: "f32".to_owned(),
        producer: "hlac 0.1.0".to_owned(),
        modules: vec![entry("scale", 3) + &entry("add", 3), entry("sum", 2)],
        kernels: vec![kernel("scale", 0), kernel("add", 0), kernel("sum", 1)],
        constants: 3.0_f32.to_le_bytes().to_vec(),
        functions: vec![PlanFunction {
            name: "step".to_owned(),
            signature,
            arena_bytes: 512,
            macs: 0,
            commands,
        }],
        driver: None,
    }
}
