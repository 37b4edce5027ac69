//! The check of plans against another one, which knows what lies in each single byte: they agree on
//! plans of which anything was changed.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::generate::programs;
use hla_runtime::plan::{Access, Command, Place, PlanFunction, Span, check};
use proptest::prelude::*;
use proptest::sample::Index;

/// What a byte holds: nothing, what was there at first, or a part of a value.
type Byte = Option<Option<u32>>;

/// The rules again, byte by byte. `None` is a plan that breaks one.
struct Bytes<'f> {
    function: &'f PlanFunction,
    places: BTreeMap<Place, Vec<Byte>>,
    first: BTreeMap<Place, u32>,
    begins: BTreeMap<u32, u64>,
}

impl Bytes<'_> {
    fn new(function: &PlanFunction, constants: usize) -> Bytes<'_> {
        let mut places = BTreeMap::new();
        for (i, slot) in function.signature.inputs.iter().enumerate() {
            places.insert(Place::Input(i as u32), vec![Some(None); slot.ty.bytes()]);
        }
        for (i, slot) in function.signature.outputs.iter().enumerate() {
            if slot.updates.is_none() {
                places.insert(Place::Output(i as u32), vec![None; slot.ty.bytes()]);
            }
        }
        places.insert(Place::Arena, vec![None; function.arena_bytes as usize]);
        places.insert(Place::Constants, vec![Some(None); constants]);
        Bytes {
            function,
            places,
            first: BTreeMap::new(),
            begins: BTreeMap::new(),
        }
    }

    fn is_updated(&self, input: u32) -> bool {
        let param = &self.function.signature.inputs[input as usize].param;
        let outputs = &self.function.signature.outputs;
        param.is_some() && outputs.iter().any(|o| o.updates == *param)
    }

    fn bytes(&mut self, span: &Span) -> Option<&mut [Byte]> {
        let slot = match span.place {
            Place::Input(i) => self.function.signature.inputs.get(i as usize),
            Place::Output(i) => self.function.signature.outputs.get(i as usize),
            Place::Arena | Place::Constants => None,
        };
        let element = slot.map_or(1, |s| s.ty.dtype.bytes()) as u64;
        let whole = span.offset.is_multiple_of(element) && span.bytes.is_multiple_of(element);
        let (start, bytes) = (usize::try_from(span.offset).ok()?, span.bytes as usize);
        let place = self.places.get_mut(&span.place).filter(|_| whole)?;
        place.get_mut(start..)?.get_mut(..bytes)
    }

    fn read(&mut self, span: &Span) -> Option<()> {
        let held = self.bytes(span)?.to_vec();
        if span.place == Place::Constants {
            return Some(());
        }
        for byte in held {
            let value = match byte? {
                Some(value) => value,
                None => *self.first.entry(span.place).or_insert(span.value),
            };
            if value != span.value {
                return None;
            }
        }
        Some(())
    }

    fn write(&mut self, span: &Span) -> Option<()> {
        match span.place {
            Place::Constants => return None,
            Place::Input(i) if !self.is_updated(i) => return None,
            Place::Arena => {
                let begins = self.begins.entry(span.value).or_insert(span.offset);
                *begins = span.offset.min(*begins);
            }
            _ => {}
        }
        self.bytes(span)?.fill(Some(Some(span.value)));
        Some(())
    }

    fn command(&mut self, command: &Command) -> Option<()> {
        match command {
            Command::Launch { args, .. } => {
                let mut touched: BTreeMap<(Place, u64), Vec<usize>> = BTreeMap::new();
                for (i, arg) in args.iter().enumerate() {
                    self.bytes(&arg.span)?;
                    for byte in arg.span.offset..arg.span.offset + arg.span.bytes {
                        touched.entry((arg.span.place, byte)).or_default().push(i);
                    }
                }
                for users in touched.values() {
                    let writers = users.iter().filter(|&&i| args[i].access != Access::Read);
                    let (start, bytes) = (args[users[0]].span.offset, args[users[0]].span.bytes);
                    let same =
                        |&i: &usize| (args[i].span.offset, args[i].span.bytes) == (start, bytes);
                    let writer = writers.clone().next();
                    if writers.count() > 1 || writer.is_some() && !users.iter().all(same) {
                        return None;
                    }
                }
                let read = args.iter().filter(|a| a.access != Access::Write);
                read.map(|a| a.span).try_for_each(|s| self.read(&s))?;
                let written = args.iter().filter(|a| a.access != Access::Read);
                written.map(|a| a.span).try_for_each(|s| self.write(&s))
            }
            Command::Copy { source, target } => {
                let apart = source.place != target.place
                    || source.offset + source.bytes <= target.offset
                    || target.offset + target.bytes <= source.offset
                    || source.bytes == 0;
                self.read(source)?;
                self.write(target)?;
                (source.bytes == target.bytes && apart).then_some(())
            }
            Command::Fill { target, .. } => self.write(target),
        }
    }

    fn run(mut self) -> Option<()> {
        let function = self.function;
        function.commands.iter().try_for_each(|c| self.command(c))?;
        if self.begins.values().any(|at| !at.is_multiple_of(256)) {
            return None;
        }
        for (place, bytes) in &self.places {
            let ends = match place {
                Place::Output(_) => true,
                Place::Input(i) => self.is_updated(*i),
                Place::Arena | Place::Constants => false,
            };
            let whole = bytes.iter().all(|b| b.is_some() && *b == bytes[0]);
            if ends && !whole {
                return None;
            }
        }
        Some(())
    }
}

fn spans(command: &mut Command) -> Vec<&mut Span> {
    match command {
        Command::Launch { args, .. } => args.iter_mut().map(|a| &mut a.span).collect(),
        Command::Copy { source, target } => vec![source, target],
        Command::Fill { target, .. } => vec![target],
    }
}

/// A change of one span: to another place, by some bytes, to another value, to another span.
fn change(function: &mut PlanFunction, (at, which, kind, by): (Index, Index, u8, u8)) {
    let all: Vec<Span> = function
        .commands
        .iter_mut()
        .flat_map(|c| spans(c).into_iter().map(|s| *s).collect::<Vec<_>>())
        .collect();
    if function.commands.is_empty() {
        return;
    }
    let command = at.index(function.commands.len());
    let mut of_command = spans(&mut function.commands[command]);
    let span = which.index(of_command.len());
    let span = &mut of_command[span];
    let other = all[by as usize % all.len()];
    let by = [0, 1, 4, 8, 128, 256][by as usize % 6];
    match kind {
        0 => span.place = other.place,
        1 => span.offset += by,
        2 => span.offset = span.offset.saturating_sub(by),
        3 => span.bytes += by,
        4 => span.bytes = span.bytes.saturating_sub(by),
        5 => span.value = other.value,
        6 => **span = other,
        _ => {
            span.place = other.place;
            span.offset = other.offset;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn two_checks_agree(
        program in programs(),
        changes in prop::collection::vec(
            (any::<Index>(), any::<Index>(), 0_u8..8, any::<u8>()), 0..3),
        of in any::<Index>(),
    ) {
        let mut program = program;
        let functions = program.functions.len();
        for what in changes {
            if functions > 0 {
                change(&mut program.functions[of.index(functions)], what);
            }
        }
        let constants = program.constants.len();
        let mut functions = program.functions.iter();
        let sound = functions.all(|f| Bytes::new(f, constants).run().is_some());
        let told = check(&program);
        prop_assert_eq!(told.is_ok(), sound, "{:?}", told);
    }
}
