//! Running models in this process.

use hla_ir::{DType, Diagnostic, Function, Location, Tensor};
use hla_runtime::{Executable, Signature, ThreadPool};

use crate::Result;
use crate::compile::Strategy;

/// Compiles a function for this machine, to be run in this process.
pub fn prepare(function: &Function, strategy: Option<Strategy>) -> Result<Box<dyn Executable>> {
    let options = hla_cranelift::CodegenOptions {
        ternary: strategy.map(Into::into),
        ..Default::default()
    };
    Ok(Box::new(hla_cranelift::jit(function, &options)?))
}

/// How many batches of the program these inputs are, if each input's leading extent is that many
/// times the program's. An input that has exactly the program's shape serves every batch.
pub fn slices(signature: &Signature, inputs: &[Tensor]) -> Result<usize> {
    let mut batches = 1;
    if inputs.len() != signature.inputs.len() {
        signature.check(inputs)?;
    }
    for (i, (slot, input)) in signature.inputs.iter().zip(inputs).enumerate() {
        if slot.ty == *input.ty() {
            continue;
        }
        let name = slot
            .name
            .as_deref()
            .map_or_else(|| i.to_string(), |n| format!("'{n}'"));
        let refuse = |message: String| {
            Diagnostic::error(
                Location::unknown(),
                format!(
                    "input {name} is {}, but the model takes {}{message}",
                    input.ty(),
                    slot.ty
                ),
            )
        };
        let whole = match (slot.ty.shape.split_first(), input.shape().split_first()) {
            (Some((&own, rest)), Some((&given, tail)))
                if rest == tail && slot.ty.dtype == input.dtype() && own > 0 && given > 0 =>
            {
                (given % own == 0).then_some(given / own)
            }
            _ => None,
        };
        let count = whole.ok_or_else(|| {
            refuse(String::new()).help(match slot.ty.dtype == input.dtype() {
                true => {
                    "the leading extent may be a multiple of the model's; all others must agree"
                }
                false if slot.ty.dtype == DType::BF16 => {
                    "NumPy has no bf16: let the model begin with a tosa.cast from f32"
                }
                false => "convert the file to the model's element type",
            })
        })?;
        if batches != 1 && count != 1 && batches != count {
            return Err(refuse(format!(", and other inputs hold {batches} batches"))
                .help("give every input as many batches")
                .into());
        }
        batches = batches.max(count);
    }
    Ok(batches)
}

/// The inputs of one of the batches that these inputs hold (see [`slices`]).
pub fn slice(signature: &Signature, inputs: &[Tensor], batch: usize) -> Result<Vec<Tensor>> {
    let mut part = Vec::with_capacity(inputs.len());
    for (slot, input) in signature.inputs.iter().zip(inputs) {
        part.push(match slot.ty == *input.ty() {
            true => input.clone(),
            false => {
                let size = slot.ty.bytes();
                let bytes = input.to_bytes();
                let bytes = bytes
                    .get(batch * size..(batch + 1) * size)
                    .unwrap_or_default();
                Tensor::from_bytes(slot.ty.clone(), bytes.to_vec())
                    .map_err(|e| Diagnostic::error(Location::unknown(), e))?
            }
        });
    }
    Ok(part)
}

/// The inputs of each of the batches that these inputs hold (see [`slices`]).
pub fn samples(signature: &Signature, inputs: &[Tensor]) -> Result<Vec<Vec<Tensor>>> {
    (0..slices(signature, inputs)?)
        .map(|batch| slice(signature, inputs, batch))
        .collect()
}

/// Runs a program once for each batch in the inputs (see [`slices`]) and joins the outputs along
/// their leading dimension. `done` is told after each batch how many are done.
pub fn run_batches(
    program: &dyn Executable,
    inputs: &[Tensor],
    pool: Option<&ThreadPool>,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Tensor>> {
    let batches = slices(program.signature(), inputs)?;
    if batches == 1 {
        let outputs = program.run(inputs, pool)?;
        done(1);
        return Ok(outputs);
    }
    if let Some(slot) = program
        .signature()
        .outputs
        .iter()
        .find(|o| o.ty.rank() == 0)
    {
        return Err(Diagnostic::error(
            Location::unknown(),
            format!(
                "an output is {}, which has no dimension to join {batches} batches along",
                slot.ty
            ),
        )
        .help("give one batch at a time")
        .into());
    }
    let broken = |message: String| Diagnostic::error(Location::unknown(), message);
    let mut joined: Vec<Vec<u8>> = vec![Vec::new(); program.signature().outputs.len()];
    for batch in 0..batches {
        let part = slice(program.signature(), inputs, batch)?;
        for (all, output) in joined.iter_mut().zip(program.run(&part, pool)?) {
            all.extend_from_slice(&output.to_bytes());
        }
        done(batch + 1);
    }
    let mut outputs = Vec::with_capacity(joined.len());
    for (bytes, slot) in joined.into_iter().zip(&program.signature().outputs) {
        let mut ty = slot.ty.clone();
        ty.shape[0] *= batches;
        outputs.push(Tensor::from_bytes(ty, bytes).map_err(broken)?);
    }
    Ok(outputs)
}
