//! Where shared variables lie.

use super::Decoder;
use crate::fault::Fault;
use crate::read::{Operand, Space, Statement, Variable};

impl Decoder<'_> {
    /// Places shared variables: those of the module, then those of bodies, dynamic memory last.
    pub(super) fn shared_layout(&mut self, body: &[Statement]) -> Result<(), Fault> {
        let inner = body.iter().filter_map(|statement| match statement {
            Statement::Variable(variable) => Some(variable),
            _ => None,
        });
        let all: Vec<&Variable> = self
            .module
            .variables
            .iter()
            .chain(inner)
            .filter(|variable| variable.space == Space::Shared)
            .collect();
        let mut end = 0u64;
        for variable in all.iter().filter(|variable| variable.count.is_some()) {
            if !self.mentions(body, &variable.name) {
                continue;
            }
            end = end.next_multiple_of(variable.align);
            self.shared.insert(variable.name.clone(), end);
            end += variable.bytes();
        }
        for variable in all.iter().filter(|variable| variable.count.is_none()) {
            end = end.next_multiple_of(variable.align);
            self.shared.insert(variable.name.clone(), end);
        }
        self.code.shared_bytes = end;
        Ok(())
    }

    /// Whether a body uses a name; a body that calls may use any.
    pub(super) fn mentions(&self, body: &[Statement], name: &str) -> bool {
        fn within(operand: &Operand, name: &str) -> bool {
            match operand {
                Operand::Name(found) => found == name,
                Operand::Address(base, _) => within(base, name),
                Operand::Vector(list) | Operand::List(list) => {
                    list.iter().any(|operand| within(operand, name))
                }
                _ => false,
            }
        }
        body.iter().any(|statement| match statement {
            Statement::Instruction(instruction) => {
                instruction.opcode[0] == "call"
                    || instruction
                        .operands
                        .iter()
                        .any(|operand| within(operand, name))
            }
            _ => false,
        })
    }
}
