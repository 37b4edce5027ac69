//! From statements to [`Code`]: names become slots of registers, instructions become closures or
//! small structures, calls are inlined.

mod arith;
mod bits;
mod call;
mod compare;
mod convert;
mod fields;
mod floats;
mod layout;
mod memory;
mod moves;
mod scope;
mod shorts;
mod warp;

use std::collections::HashMap;

use crate::code::*;
use crate::fault::{Fault, at_line};
use crate::read::{Function, Instruction, Module, Operand, Space, Statement, Type, Variable};
use crate::regs::Alu;
use scope::Scope;

/// Where addresses of shared memory begin among generic addresses.
pub const SHARED_WINDOW: u64 = 1 << 56;
/// Where addresses of thread memory begin among generic addresses.
pub const LOCAL_WINDOW: u64 = 2 << 56;

/// How deep calls may nest.
const DEPTH: usize = 32;

/// Decodes an entry of a module.
pub fn decode(module: &Module, entry: &str) -> Result<Code, Fault> {
    let function = module
        .functions
        .iter()
        .find(|function| function.entry && function.name == entry)
        .ok_or_else(|| Fault::new(format!("there is no entry `{entry}` in the module")))?;
    let Some(body) = &function.body else {
        return Err(Fault::new(format!("entry `{entry}` has no body")));
    };
    let mut decoder = Decoder::new(module, function);
    decoder.shared_layout(body)?;
    for param in &function.params {
        let Some(1 | 8) = param.count else {
            return Err(at_line(
                param.line,
                "a parameter that is not a pointer of 64 bits",
            ));
        };
        if param.bytes() != 8 {
            return Err(at_line(
                param.line,
                "a parameter that is not a pointer of 64 bits",
            ));
        }
        let slot = decoder.fresh64()?;
        decoder.code.params.push(slot);
        decoder.scopes[0].param(&param.name, 0, 8, slot);
    }
    decoder.body(body)?;
    decoder.step(Op::Exit, function.line);
    decoder.finish()
}

pub(crate) struct Decoder<'m> {
    module: &'m Module,
    pub(crate) code: Code,
    scopes: Vec<Scope>,
    constants32: HashMap<u32, u16>,
    constants64: HashMap<u64, u16>,
    specials: HashMap<Special, u16>,
    shared: HashMap<String, u64>,
    /// Branches of the function being decoded whose label is not known yet.
    branches: Vec<(usize, String, u32)>,
    labels: HashMap<String, usize>,
    /// Branches to the end of the function being inlined.
    returns: Vec<usize>,
    depth: usize,
    guard: Guard,
    pub(crate) line: u32,
}

impl<'m> Decoder<'m> {
    fn new(module: &'m Module, function: &Function) -> Decoder<'m> {
        Decoder {
            module,
            code: Code {
                entry: function.name.clone(),
                steps: Vec::new(),
                lines: Vec::new(),
                registers: [0; 3],
                constants32: Vec::new(),
                constants64: Vec::new(),
                specials: Vec::new(),
                params: Vec::new(),
                globals: HashMap::new(),
                shared_bytes: 0,
                local_bytes: 0,
                shared_grain: 16,
                global_grain: 16,
                threads: function.threads,
                float_atomics: Vec::new(),
            },
            scopes: vec![Scope::default()],
            constants32: HashMap::new(),
            constants64: HashMap::new(),
            specials: HashMap::new(),
            shared: HashMap::new(),
            branches: Vec::new(),
            labels: HashMap::new(),
            returns: Vec::new(),
            depth: 0,
            guard: Guard::Always,
            line: function.line,
        }
    }

    pub(crate) fn fail<T>(&self, what: impl Into<String>) -> Result<T, Fault> {
        Err(at_line(self.line, what))
    }

    fn finish(self) -> Result<Code, Fault> {
        Ok(self.code)
    }

    pub(crate) fn step(&mut self, op: Op, line: u32) {
        self.code.steps.push(Step {
            guard: self.guard,
            op,
        });
        self.code.lines.push(line);
    }

    pub(crate) fn alu(&mut self, alu: Alu) {
        self.step(Op::Alu(alu), self.line);
    }

    fn body(&mut self, body: &[Statement]) -> Result<(), Fault> {
        let outer_branches = std::mem::take(&mut self.branches);
        let outer_labels = std::mem::take(&mut self.labels);
        for statement in body {
            self.statement(statement)?;
        }
        for (step, label, line) in std::mem::replace(&mut self.branches, outer_branches) {
            let Some(&target) = self.labels.get(&label) else {
                return Err(at_line(line, format!("there is no label `{label}`")));
            };
            self.code.steps[step].op = Op::Branch(target as u32);
        }
        self.labels = outer_labels;
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Fault> {
        match statement {
            Statement::Open => self.scopes.push(Scope::default()),
            Statement::Close => {
                self.scopes.pop();
            }
            Statement::Registers(ty, name, count) => self.declare(*ty, name, *count)?,
            Statement::Variable(variable) => self.variable(variable)?,
            Statement::Label(name, line) => {
                if self
                    .labels
                    .insert(name.clone(), self.code.steps.len())
                    .is_some()
                {
                    return Err(at_line(*line, format!("label `{name}` is there twice")));
                }
            }
            Statement::Instruction(instruction) => {
                self.line = instruction.line;
                self.guard = match &instruction.guard {
                    None => Guard::Always,
                    Some((name, negated)) => {
                        let slot = self.predicate(&Operand::Name(name.clone()))?;
                        if *negated {
                            Guard::Unless(slot)
                        } else {
                            Guard::If(slot)
                        }
                    }
                };
                self.instruction(instruction)?;
                self.guard = Guard::Always;
            }
        }
        Ok(())
    }

    fn variable(&mut self, variable: &Variable) -> Result<(), Fault> {
        match variable.space {
            Space::Shared => {}
            Space::Param => self.scope().declare_param(&variable.name),
            Space::Local => {
                let at = self.code.local_bytes.next_multiple_of(variable.align);
                self.code.local_bytes = at + variable.bytes();
                self.scope().address(&variable.name, at);
            }
            _ => {
                return Err(at_line(
                    variable.line,
                    "a global variable within a function",
                ));
            }
        }
        Ok(())
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        let opcode: Vec<&str> = instruction.opcode.iter().map(String::as_str).collect();
        let operands = &instruction.operands;
        match opcode[0] {
            "bra" => {
                let Some(Operand::Name(label)) = operands.first() else {
                    return self.fail("a branch without a label");
                };
                self.branches
                    .push((self.code.steps.len(), label.clone(), self.line));
                self.step(Op::Nothing, self.line);
            }
            "ret" if self.depth > 0 => {
                self.returns.push(self.code.steps.len());
                self.step(Op::Nothing, self.line);
            }
            "ret" | "exit" => self.step(Op::Exit, self.line),
            "trap" => self.step(Op::Trap, self.line),
            "call" => self.call(operands)?,
            _ => {
                let known = self.memory(&opcode, operands)?
                    || self.warp(&opcode, operands)?
                    || self.convert(&opcode, operands)?
                    || self.compare(&opcode, operands)?
                    || self.short_arith(&opcode, operands)?
                    || self.arith(&opcode, operands)?
                    || self.bits(&opcode, operands)?;
                if !known {
                    return self.fail(format!(
                        "the emulator does not know the instruction `{}`",
                        instruction.opcode.join(".")
                    ));
                }
            }
        }
        Ok(())
    }

    /// The types among an opcode's suffixes, in order.
    pub(crate) fn types(opcode: &[&str]) -> Vec<Type> {
        opcode[1..]
            .iter()
            .filter_map(|part| Type::parse(part))
            .collect()
    }

    /// The last type of an opcode.
    pub(crate) fn ty(&self, opcode: &[&str]) -> Result<Type, Fault> {
        match Self::types(opcode).last() {
            Some(&ty) => Ok(ty),
            None => self.fail(format!("`{}` has no type", opcode.join("."))),
        }
    }
}
