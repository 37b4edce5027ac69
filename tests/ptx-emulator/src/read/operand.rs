//! Operands of instructions.

use super::lex::Token;
use super::parse::Parser;
use super::syntax::Operand;
use crate::fault::Fault;

impl Parser {
    pub(super) fn operand(&mut self) -> Result<Operand, Fault> {
        let first = self.simple()?;
        if self.eat('|') {
            return Ok(Operand::Either(Box::new(first), Box::new(self.simple()?)));
        }
        Ok(first)
    }

    pub(super) fn list(&mut self, end: char) -> Result<Vec<Operand>, Fault> {
        let mut list = Vec::new();
        while !self.eat(end) {
            list.push(self.operand()?);
            if !self.eat(',') {
                self.expect(end)?;
                break;
            }
        }
        Ok(list)
    }

    pub(super) fn simple(&mut self) -> Result<Operand, Fault> {
        if self.eat('{') {
            return Ok(Operand::Vector(self.list('}')?));
        }
        if self.eat('(') {
            return Ok(Operand::List(self.list(')')?));
        }
        if self.eat('!') {
            return Ok(Operand::Not(self.word()?));
        }
        if self.eat('-') {
            return match self.simple()? {
                Operand::Int(value) => Ok(Operand::Int(-value)),
                other => self.fail(format_args!("minus before {other:?}")),
            };
        }
        if self.eat('[') {
            let base = self.simple()?;
            let mut offset = 0;
            let signed = self.eat('+') || self.peek() == Some(&Token::Punct('-'));
            if signed {
                match self.simple()? {
                    Operand::Int(value) => offset = value as i64,
                    other => return self.fail(format_args!("{other:?} as an offset")),
                }
            }
            self.expect(']')?;
            return Ok(Operand::Address(Box::new(base), offset));
        }
        match self.peek().cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(Operand::Name(word))
            }
            Some(Token::Number(text)) => {
                self.at += 1;
                match number(&text) {
                    Some(value) => Ok(value),
                    None => self.fail(format_args!("the number `{text}`")),
                }
            }
            other => self.fail(format_args!("an operand expected, not {other:?}")),
        }
    }
}

fn number(text: &str) -> Option<Operand> {
    if let Some(hex) = text.strip_prefix("0f").or(text.strip_prefix("0F")) {
        return u32::from_str_radix(hex, 16).ok().map(Operand::F32);
    }
    if let Some(hex) = text.strip_prefix("0d").or(text.strip_prefix("0D")) {
        return u64::from_str_radix(hex, 16).ok().map(Operand::F64);
    }
    let text = text.trim_end_matches(['U', 'u']);
    let value = if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16).ok()?
    } else {
        text.parse::<u64>().ok()?
    };
    Some(Operand::Int(i128::from(value)))
}
