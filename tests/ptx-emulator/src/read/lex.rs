//! PTX as tokens.

use crate::fault::{Fault, at_line};

/// A token.
#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    /// A name, a directive, or an opcode with all its suffixes: `%r1`, `.reg`, `ld.global.nc.v4.b32`.
    Word(String),
    /// A number as it is written.
    Number(String),
    /// A string, without its quotes.
    Text(String),
    /// Any other character.
    Punct(char),
}

fn starts_word(c: u8) -> bool {
    c.is_ascii_alphabetic() || matches!(c, b'_' | b'$' | b'%' | b'.')
}

fn in_word(c: u8) -> bool {
    starts_word(c) || c.is_ascii_digit()
}

/// All tokens with their lines, which count from 1.
pub fn tokens(source: &str) -> Result<Vec<(Token, u32)>, Fault> {
    let bytes = source.as_bytes();
    let (mut at, mut line) = (0, 1);
    let mut out = Vec::new();
    while at < bytes.len() {
        let c = bytes[at];
        let rest = &bytes[at..];
        if c == b'\n' {
            line += 1;
            at += 1;
        } else if c.is_ascii_whitespace() || c == 0 {
            at += 1;
        } else if rest.starts_with(b"//") {
            at += rest.iter().position(|&c| c == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            let end = source[at..]
                .find("*/")
                .ok_or_else(|| at_line(line, "a comment does not end"))?;
            line += rest[..end].iter().filter(|&&c| c == b'\n').count() as u32;
            at += end + 2;
        } else if c == b'"' {
            let end = rest[1..]
                .iter()
                .position(|&c| c == b'"')
                .ok_or_else(|| at_line(line, "a string does not end"))?;
            out.push((Token::Text(source[at + 1..at + 1 + end].to_string()), line));
            at += end + 2;
        } else if starts_word(c) || c.is_ascii_digit() {
            let number = c.is_ascii_digit();
            let start = at;
            while at < bytes.len() {
                if in_word(bytes[at]) {
                    at += 1;
                } else if !number && bytes[at..].starts_with(b"::") {
                    at += 2;
                } else {
                    break;
                }
            }
            let word = source[start..at].to_string();
            out.push((
                if number {
                    Token::Number(word)
                } else {
                    Token::Word(word)
                },
                line,
            ));
        } else if c.is_ascii() {
            out.push((Token::Punct(c as char), line));
            at += 1;
        } else {
            return Err(at_line(line, "a character that is not ASCII"));
        }
    }
    Ok(out)
}
