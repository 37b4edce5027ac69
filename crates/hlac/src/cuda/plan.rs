//! Launch plans as text.

use std::fmt::Write as _;

use hla_runtime::plan::{Access, Command, DeviceProgram, Place, PlanFunction, Span};

/// Every command of every function, a line each.
pub(super) fn listing(program: &DeviceProgram) -> String {
    let mut text = format!(
        "{}, {}, by {}; {} kernels in {} modules, {} bytes of constants\n",
        program.chip,
        program.precision,
        program.producer,
        program.kernels.len(),
        program.modules.len(),
        program.constants.len()
    );
    for function in &program.functions {
        let _ = writeln!(
            text,
            "\n{}{}\n  arena {} bytes",
            function.name, function.signature, function.arena_bytes
        );
        for command in &function.commands {
            let line = match command {
                Command::Launch { kernel, grid, args } => {
                    let kernel = &program.kernels[*kernel as usize];
                    let args: Vec<String> = args
                        .iter()
                        .map(|arg| {
                            let access = match arg.access {
                                Access::Read => "in",
                                Access::Write => "out",
                                Access::ReadWrite => "inout",
                            };
                            format!("{access} {}", span(function, &arg.span))
                        })
                        .collect();
                    format!(
                        "{} <<<{}, {}, {}>>>({})  // {}",
                        kernel.entry,
                        extents(grid),
                        extents(&kernel.block),
                        kernel.shared_bytes,
                        args.join(", "),
                        kernel.computes
                    )
                }
                Command::Copy { source, target } => {
                    format!(
                        "copy {} -> {}",
                        span(function, source),
                        span(function, target)
                    )
                }
                Command::Fill { target, byte } => {
                    format!("fill {} with {byte:#04x}", span(function, target))
                }
            };
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn extents(of: &[u32; 3]) -> String {
    let used = of.iter().rposition(|&n| n != 1).map_or(1, |last| last + 1);
    let texts: Vec<String> = of[..used].iter().map(u32::to_string).collect();
    texts.join("x")
}

/// `arena[256..+1024]`, `'conv1.weight'[0..+432]`.
fn span(function: &PlanFunction, span: &Span) -> String {
    let slot = |slots: &[hla_runtime::Slot], kind: &str, i: u32| {
        let slot = slots.get(i as usize);
        match slot.and_then(|s| s.param.as_ref().or(s.name.as_ref())) {
            Some(name) => format!("'{name}'"),
            None => format!("{kind}{i}"),
        }
    };
    let place = match span.place {
        Place::Input(i) => slot(&function.signature.inputs, "input", i),
        Place::Output(i) => slot(&function.signature.outputs, "output", i),
        Place::Arena => "arena".to_owned(),
        Place::Constants => "constants".to_owned(),
    };
    format!("{place}[{}..+{}]", span.offset, span.bytes)
}
