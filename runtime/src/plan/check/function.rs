//! The commands of a function, one after the other.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ALIGNMENT;
use super::content::{Content, Held};
use super::kernels;
use crate::plan::{Access, Command, KernelArg, Place, PlanFunction, Span};

/// Checks a function over kernels that are told by what they compute and how many arguments they take.
pub(super) fn check(
    function: &PlanFunction,
    kernels: &[(&str, usize)],
    constants_bytes: u64,
) -> Result<(), String> {
    let mut state = Following::begin(function, constants_bytes)?;
    for (i, command) in function.commands.iter().enumerate() {
        let named = |what: String| match command {
            Command::Launch { kernel, .. } => match kernels.get(*kernel as usize) {
                Some((computes, _)) => format!("command {i} ({computes}): {what}"),
                None => format!("command {i}: {what}"),
            },
            Command::Copy { .. } => format!("command {i} (copy): {what}"),
            Command::Fill { .. } => format!("command {i} (fill): {what}"),
        };
        state.command(kernels, command).map_err(named)?;
    }
    state.end()
}

/// An input or output.
struct Tensor {
    bytes: u64,
    element: u64,
    content: Content,
    /// Whether commands may write it.
    writable: bool,
}

struct Following {
    inputs: Vec<Tensor>,
    /// The number of what each input held at first, once it is known.
    initial: Vec<Option<u32>>,
    /// None where the output updates an input.
    outputs: Vec<Option<Tensor>>,
    arena_bytes: u64,
    arena: Content,
    /// Where each value begins that was written into the arena.
    begins: BTreeMap<u32, u64>,
    constants_bytes: u64,
}

impl Following {
    fn begin(function: &PlanFunction, constants_bytes: u64) -> Result<Following, String> {
        let signature = &function.signature;
        let mut params = HashMap::new();
        for (i, param) in signature.inputs.iter().map(|s| &s.param).enumerate() {
            if let Some(param) = param
                && params.insert(&**param, i).is_some()
            {
                return Err(format!("inputs: two are the parameter '{param}'"));
            }
        }
        let mut updated = HashSet::new();
        let mut outputs = Vec::with_capacity(signature.outputs.len());
        for (i, slot) in signature.outputs.iter().enumerate() {
            let Some(param) = &slot.updates else {
                let bytes = slot.ty.bytes() as u64;
                outputs.push(Some(Tensor {
                    bytes,
                    element: slot.ty.dtype.bytes() as u64,
                    content: Content::default(),
                    writable: true,
                }));
                continue;
            };
            let input = params.get(&**param).ok_or_else(|| {
                format!("output {i}: it updates '{param}', which is no parameter of an input")
            })?;
            let ty = &signature.inputs[*input].ty;
            if *ty != slot.ty {
                return Err(format!(
                    "output {i}: it is {}, but updates '{param}', which is {ty}",
                    slot.ty
                ));
            }
            if !updated.insert(*input) {
                return Err(format!("outputs: two update '{param}'"));
            }
            outputs.push(None);
        }
        let inputs = signature.inputs.iter().enumerate();
        let inputs: Vec<Tensor> = inputs
            .map(|(i, slot)| Tensor {
                bytes: slot.ty.bytes() as u64,
                element: slot.ty.dtype.bytes() as u64,
                content: Content::initial(slot.ty.bytes() as u64),
                writable: updated.contains(&i),
            })
            .collect();
        Ok(Following {
            initial: vec![None; inputs.len()],
            inputs,
            outputs,
            arena_bytes: function.arena_bytes,
            arena: Content::default(),
            begins: BTreeMap::new(),
            constants_bytes,
        })
    }

    fn command(&mut self, known: &[(&str, usize)], command: &Command) -> Result<(), String> {
        match command {
            Command::Launch { kernel, grid, args } => {
                let (_, takes) = known
                    .get(*kernel as usize)
                    .ok_or_else(|| format!("there is no kernel {kernel}, only {}", known.len()))?;
                if *takes != args.len() {
                    return Err(format!(
                        "its code takes {takes} arguments, but {} are given",
                        args.len()
                    ));
                }
                kernels::grid(*grid)?;
                self.launch(args)
            }
            Command::Copy { source, target } => {
                self.bounds(source)?;
                self.bounds(target)?;
                if source.bytes != target.bytes {
                    return Err(format!(
                        "{} bytes cannot be copied to {}",
                        source.bytes, target.bytes
                    ));
                }
                if overlap(source, target) {
                    return Err("source and target overlap".to_owned());
                }
                self.read(source)?;
                self.write(target)
            }
            Command::Fill { target, .. } => {
                self.bounds(target)?;
                self.write(target)
            }
        }
    }

    fn launch(&mut self, args: &[KernelArg]) -> Result<(), String> {
        let argument = |i: usize| move |what: String| format!("argument {i}: {what}");
        for (i, arg) in args.iter().enumerate() {
            self.bounds(&arg.span).map_err(argument(i))?;
        }
        for (i, a) in args.iter().enumerate() {
            for (j, b) in args.iter().enumerate().skip(i + 1) {
                let same = (a.span.place, a.span.offset, a.span.bytes)
                    == (b.span.place, b.span.offset, b.span.bytes);
                let reads = [a, b].iter().filter(|x| x.access == Access::Read).count();
                if reads < 2 && !(reads == 1 && same) && overlap(&a.span, &b.span) {
                    return Err(format!("arguments {i} and {j} overlap, and one is written"));
                }
            }
        }
        for (i, arg) in args.iter().enumerate() {
            if arg.access != Access::Write {
                self.read(&arg.span).map_err(argument(i))?;
            }
        }
        for (i, arg) in args.iter().enumerate() {
            if arg.access != Access::Read {
                self.write(&arg.span).map_err(argument(i))?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, place: Place) -> Result<Option<&mut Tensor>, String> {
        match place {
            Place::Input(i) => match self.inputs.get_mut(i as usize) {
                Some(tensor) => Ok(Some(tensor)),
                None => Err(format!("there is no input {i}")),
            },
            Place::Output(i) => match self.outputs.get_mut(i as usize) {
                Some(Some(tensor)) => Ok(Some(tensor)),
                Some(None) => Err(format!(
                    "output {i} updates an input, so it has no place of its own"
                )),
                None => Err(format!("there is no output {i}")),
            },
            Place::Arena | Place::Constants => Ok(None),
        }
    }

    /// Checks that a span lies in its place.
    fn bounds(&mut self, span: &Span) -> Result<(), String> {
        let mut element = 1;
        let bytes = match (self.tensor(span.place)?, span.place) {
            (Some(tensor), _) => {
                element = tensor.element;
                tensor.bytes
            }
            (None, Place::Arena) => self.arena_bytes,
            (None, _) => self.constants_bytes,
        };
        match span.offset.checked_add(span.bytes) {
            Some(end) if end <= bytes => {}
            _ => {
                return Err(format!(
                    "{} bytes from byte {} on are not within {}, which has {bytes}",
                    span.bytes,
                    span.offset,
                    name(span.place)
                ));
            }
        }
        if !(span.offset.is_multiple_of(element) && span.bytes.is_multiple_of(element)) {
            return Err(format!(
                "{} bytes from byte {} on are no whole elements of {}",
                span.bytes,
                span.offset,
                name(span.place)
            ));
        }
        Ok(())
    }

    /// Checks that a span, which lies in its place, holds the value that is read.
    fn read(&mut self, span: &Span) -> Result<(), String> {
        let (start, end) = (span.offset, span.offset + span.bytes);
        let runs = match (self.tensor(span.place)?, span.place) {
            (Some(tensor), _) => tensor.content.runs(start, end),
            (None, Place::Arena) => self.arena.runs(start, end),
            (None, _) => return Ok(()),
        };
        for (from, to, held) in runs {
            let mut held = held;
            if let (Some(Held::Initial), Place::Input(i)) = (held, span.place)
                && let Some(known) = self.initial.get_mut(i as usize)
            {
                held = Some(Held::Value(*known.get_or_insert(span.value)));
            }
            let has = match held {
                Some(Held::Value(value)) if value == span.value => continue,
                Some(Held::Value(value)) => format!("hold value {value}"),
                Some(Held::Initial) | None => "were never written".to_owned(),
            };
            return Err(format!(
                "value {} is read from bytes {start} to {end} of {}, but bytes {from} to {to} {has}",
                span.value,
                name(span.place)
            ));
        }
        Ok(())
    }

    /// Writes a span, which lies in its place.
    fn write(&mut self, span: &Span) -> Result<(), String> {
        let (start, end, held) = (
            span.offset,
            span.offset + span.bytes,
            Held::Value(span.value),
        );
        match (self.tensor(span.place)?, span.place) {
            (Some(tensor), _) if tensor.writable => tensor.content.write(start, end, held),
            (Some(_), _) => {
                return Err(format!(
                    "{} is written, but no output updates it",
                    name(span.place)
                ));
            }
            (None, Place::Arena) => {
                let begins = self.begins.entry(span.value).or_insert(start);
                *begins = (*begins).min(start);
                self.arena.write(start, end, held);
            }
            (None, _) => return Err("the constants are written".to_owned()),
        }
        Ok(())
    }

    /// Checks what is left when all commands are done.
    fn end(self) -> Result<(), String> {
        if let Some((value, begins)) = self
            .begins
            .iter()
            .find(|(_, at)| !at.is_multiple_of(ALIGNMENT))
        {
            return Err(format!(
                "arena: value {value} begins at byte {begins}, which is no multiple of {ALIGNMENT}"
            ));
        }
        let places = |of: fn(u32) -> Place| (0..).map(of);
        let outputs = places(Place::Output).zip(self.outputs.iter().map(Option::as_ref));
        let inputs = places(Place::Input).zip(self.inputs.iter().map(Some));
        for (place, tensor) in outputs.chain(inputs) {
            let Some(tensor) = tensor.filter(|t| t.writable) else {
                continue;
            };
            let runs = tensor.content.runs(0, tensor.bytes);
            if let Some((from, to, _)) = runs.iter().find(|(_, _, held)| held.is_none()) {
                return Err(format!(
                    "end: bytes {from} to {to} of {} were never written",
                    name(place)
                ));
            }
            if let Some(two) = runs.windows(2).find(|two| two[0].2 != two[1].2) {
                return Err(format!(
                    "end: {} holds one value before byte {} and another after it",
                    name(place),
                    two[0].1
                ));
            }
        }
        Ok(())
    }
}

/// Whether spans, which lie in their places, have a byte in common.
fn overlap(a: &Span, b: &Span) -> bool {
    a.place == b.place && a.offset.max(b.offset) < (a.offset + a.bytes).min(b.offset + b.bytes)
}

fn name(place: Place) -> String {
    match place {
        Place::Input(i) => format!("input {i}"),
        Place::Output(i) => format!("output {i}"),
        Place::Arena => "the arena".to_owned(),
        Place::Constants => "the constants".to_owned(),
    }
}
