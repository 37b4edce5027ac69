//! Calls are inlined: parameters become slots, a return becomes a branch to the end.

use super::{DEPTH, Decoder, Scope};
use crate::code::{Guard, Op};
use crate::fault::Fault;
use crate::read::{Function, Operand};

impl Decoder<'_> {
    /// Inlines a call: parameters are slots, a return is a branch to the end.
    pub(super) fn call(&mut self, operands: &[Operand]) -> Result<(), Fault> {
        let guard = self.guard;
        if guard != Guard::Always {
            return self.fail("a call under a predicate");
        }
        let (results, name, params) = match operands {
            [
                Operand::List(results),
                Operand::Name(name),
                Operand::List(params),
            ] => (results.as_slice(), name, params.as_slice()),
            [Operand::Name(name), Operand::List(params)] => (&[][..], name, params.as_slice()),
            [Operand::List(results), Operand::Name(name)] => (results.as_slice(), name, &[][..]),
            [Operand::Name(name)] => (&[][..], name, &[][..]),
            _ => return self.fail("a call that is not direct"),
        };
        let function = self.module.functions.iter().find(|f| &f.name == name);
        let Some(Function {
            body: Some(body),
            params: formal,
            results: formal_results,
            ..
        }) = function
        else {
            return self.fail(format!("the function `{name}` is not in the module"));
        };
        if self.depth == DEPTH {
            return self.fail("calls nest too deeply");
        }
        if formal.len() != params.len() || formal_results.len() != results.len() {
            return self.fail(format!("`{name}` takes another number of arguments"));
        }
        let mut scope = Scope::default();
        for (formal, actual) in formal
            .iter()
            .zip(params)
            .chain(formal_results.iter().zip(results))
        {
            let Operand::Name(actual) = actual else {
                return self.fail("an argument that is not a name");
            };
            scope.bind(&formal.name, actual);
        }
        let outer = std::mem::take(&mut self.returns);
        self.scopes.push(scope);
        self.depth += 1;
        self.body(body)?;
        self.depth -= 1;
        self.scopes.pop();
        let end = self.code.steps.len() as u32;
        for step in std::mem::replace(&mut self.returns, outer) {
            self.code.steps[step].op = Op::Branch(end);
        }
        // A place for the branches to go to.
        self.step(Op::Nothing, self.line);
        Ok(())
    }
}
