//! From tokens to statements.

use super::lex::{Token, tokens};
use super::syntax::*;
use crate::fault::{Fault, at_line};

/// Reads a module.
pub fn module(source: &str) -> Result<Module, Fault> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
    };
    let mut module = Module {
        target: String::new(),
        variables: Vec::new(),
        functions: Vec::new(),
        source: source.lines().map(|line| line.trim().to_string()).collect(),
    };
    while parser.peek().is_some() {
        parser.item(&mut module)?;
    }
    Ok(module)
}

pub(super) struct Parser {
    tokens: Vec<(Token, u32)>,
    pub(super) at: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn line(&self) -> u32 {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(0, |&(_, line)| line)
    }

    pub(super) fn fail<T>(&self, what: impl std::fmt::Display) -> Result<T, Fault> {
        Err(at_line(
            self.line(),
            format!("not PTX as it is understood here: {what}"),
        ))
    }

    pub(super) fn eat(&mut self, punct: char) -> bool {
        let found = self.peek() == Some(&Token::Punct(punct));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, punct: char) -> Result<(), Fault> {
        if self.eat(punct) {
            return Ok(());
        }
        self.fail(format_args!("`{punct}` expected, not {:?}", self.peek()))
    }

    pub(super) fn word(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            other => self.fail(format_args!("a name expected, not {other:?}")),
        }
    }

    /// The next word, if it is one of a directive.
    fn directive(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.starts_with('.') => {
                let word = word.clone();
                self.at += 1;
                Some(word)
            }
            _ => None,
        }
    }

    fn count(&mut self) -> Result<u64, Fault> {
        match self.operand()? {
            Operand::Int(value) if value >= 0 => Ok(value as u64),
            other => self.fail(format_args!("a number expected, not {other:?}")),
        }
    }

    fn skip_line(&mut self) {
        let line = self.line();
        while self.peek().is_some() && self.line() == line {
            self.at += 1;
        }
    }

    fn item(&mut self, module: &mut Module) -> Result<(), Fault> {
        let start = self.at;
        let Some(word) = self.directive() else {
            return self.fail("a directive expected");
        };
        match word.as_str() {
            ".version" | ".address_size" | ".file" => self.skip_line(),
            ".target" => {
                module.target = self.word()?;
                self.skip_line();
            }
            ".section" => {
                while !self.eat('}') {
                    self.at += 1;
                    if self.peek().is_none() {
                        return self.fail("a section does not end");
                    }
                }
            }
            ".visible" | ".extern" | ".weak" | ".common" => {}
            ".entry" | ".func" => {
                let function = self.function(word == ".entry")?;
                let known = module
                    .functions
                    .iter()
                    .position(|f| f.name == function.name);
                match known {
                    Some(i) if module.functions[i].body.is_none() => module.functions[i] = function,
                    Some(_) if function.body.is_none() => {}
                    Some(_) => {
                        return self.fail(format_args!("`{}` is defined twice", function.name));
                    }
                    None => module.functions.push(function),
                }
            }
            ".global" | ".const" | ".shared" => {
                self.at = start;
                module.variables.extend(self.variables()?);
            }
            other => return self.fail(format_args!("directive `{other}`")),
        }
        Ok(())
    }

    fn function(&mut self, entry: bool) -> Result<Function, Fault> {
        let line = self.line();
        let results = match self.peek() {
            Some(Token::Punct('(')) => self.params()?,
            _ => Vec::new(),
        };
        let name = self.word()?;
        let params = match self.peek() {
            Some(Token::Punct('(')) => self.params()?,
            _ => Vec::new(),
        };
        let mut threads = None;
        while let Some(directive) = self.directive() {
            let mut numbers = Vec::new();
            while matches!(self.peek(), Some(Token::Number(_))) {
                numbers.push(self.count()?);
                self.eat(',');
            }
            if directive == ".maxntid" || directive == ".reqntid" {
                threads = Some(numbers.iter().product());
            }
        }
        let body = if self.eat(';') {
            None
        } else {
            Some(self.body()?)
        };
        Ok(Function {
            name,
            entry,
            params,
            results,
            threads,
            body,
            line,
        })
    }

    fn params(&mut self) -> Result<Vec<Variable>, Fault> {
        self.expect('(')?;
        let mut params = Vec::new();
        while !self.eat(')') {
            params.push(self.variable()?);
            self.eat(',');
        }
        Ok(params)
    }

    /// A variable up to its name, its extents and its values.
    fn variable(&mut self) -> Result<Variable, Fault> {
        let line = self.line();
        let mut space = Space::Param;
        let (mut ty, mut align) = (None, None);
        while let Some(word) = self.directive() {
            match word.as_str() {
                ".global" | ".const" if ty.is_none() => space = Space::Global,
                ".shared" if ty.is_none() => space = Space::Shared,
                ".local" if ty.is_none() => space = Space::Local,
                ".align" => align = Some(self.count()?),
                ".param" | ".reg" | ".ptr" | ".global" | ".shared" | ".const" | ".local" => {}
                other => match Type::parse(&other[1..]) {
                    Some(found) => ty = Some(found),
                    None => return self.fail(format_args!("`{other}` in a declaration")),
                },
            }
        }
        let Some(ty) = ty else {
            return self.fail("a variable without a type");
        };
        let name = self.word()?;
        let mut count = Some(1u64);
        while self.eat('[') {
            if self.eat(']') {
                count = None;
                continue;
            }
            let extent = self.count()?;
            count = count.and_then(|count| count.checked_mul(extent));
            self.expect(']')?;
        }
        let mut values = Vec::new();
        if self.eat('=') {
            let operand = self.operand()?;
            let list = match operand {
                Operand::Vector(list) => list,
                one => vec![one],
            };
            for value in list {
                values.push(match value {
                    Operand::Int(value) => value as u64,
                    Operand::F32(bits) => u64::from(bits),
                    Operand::F64(bits) => bits,
                    other => return self.fail(format_args!("`{other:?}` as an initial value")),
                });
            }
        }
        Ok(Variable {
            space,
            align: align.unwrap_or(ty.bytes()).max(1),
            ty,
            name,
            count,
            values,
            line,
        })
    }

    fn variables(&mut self) -> Result<Vec<Variable>, Fault> {
        let first = self.variable()?;
        let mut all = vec![first];
        while self.eat(',') {
            let name = self.word()?;
            all.push(Variable {
                name,
                ..all[0].clone()
            });
        }
        self.expect(';')?;
        Ok(all)
    }

    fn body(&mut self) -> Result<Vec<Statement>, Fault> {
        self.expect('{')?;
        let mut body = Vec::new();
        let mut depth = 1;
        loop {
            let line = self.line();
            if self.eat('{') {
                depth += 1;
                body.push(Statement::Open);
            } else if self.eat('}') {
                depth -= 1;
                if depth == 0 {
                    return Ok(body);
                }
                body.push(Statement::Close);
            } else if self.eat(';') {
            } else if self.peek() == Some(&Token::Punct('@')) {
                let instruction = self.instruction()?;
                body.push(Statement::Instruction(instruction));
            } else {
                let start = self.at;
                let word = self.word()?;
                if self.eat(':') {
                    body.push(Statement::Label(word, line));
                    continue;
                }
                match word.as_str() {
                    ".reg" => self.registers(&mut body)?,
                    ".loc" | ".file" => self.skip_line(),
                    ".pragma" => {
                        while !self.eat(';') {
                            self.at += 1;
                            if self.peek().is_none() {
                                return self.fail("a pragma does not end");
                            }
                        }
                    }
                    ".param" | ".local" | ".shared" | ".global" | ".const" => {
                        self.at = start;
                        let variables = self.variables()?;
                        body.extend(variables.into_iter().map(Statement::Variable));
                    }
                    _ if word.starts_with('.') => {
                        return self.fail(format_args!("directive `{word}`"));
                    }
                    _ => {
                        self.at = start;
                        let instruction = self.instruction()?;
                        body.push(Statement::Instruction(instruction));
                    }
                }
            }
        }
    }

    fn registers(&mut self, body: &mut Vec<Statement>) -> Result<(), Fault> {
        let word = self.word()?;
        let Some(ty) = Type::parse(word.trim_start_matches('.')) else {
            return self.fail(format_args!("registers of type `{word}`"));
        };
        loop {
            let name = self.word()?;
            let mut count = None;
            if self.eat('<') {
                count = Some(self.count()?.min(1 << 16) as u32);
                self.expect('>')?;
            }
            body.push(Statement::Registers(ty, name, count));
            if !self.eat(',') {
                return self.expect(';');
            }
        }
    }

    fn instruction(&mut self) -> Result<Instruction, Fault> {
        let line = self.line();
        let mut guard = None;
        if self.eat('@') {
            let negated = self.eat('!');
            guard = Some((self.word()?, negated));
        }
        let opcode = self.word()?;
        let mut operands = Vec::new();
        while !self.eat(';') {
            operands.push(self.operand()?);
            if !self.eat(',') {
                self.expect(';')?;
                break;
            }
        }
        Ok(Instruction {
            guard,
            opcode: opcode.split('.').map(str::to_string).collect(),
            operands,
            line,
        })
    }
}
