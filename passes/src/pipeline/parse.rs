//! The grammar of a textual pipeline: `name`, `name{key=value …}`, `name(nested,…)`.

use hla_ir::{Diagnostic, Location};

use super::PIPELINE_SOURCE;

/// `name`, `name{options}` or `name(nested)`.
pub(super) struct Element<'a> {
    /// Where it begins.
    pub at: usize,
    pub name: &'a str,
    /// What stands between the braces, and where.
    pub options: Option<(usize, &'a str)>,
    pub nested: Option<Vec<Element<'a>>>,
    /// All of it, verbatim.
    pub text: &'a str,
}

/// Whether a pass of hlac is in it.
pub(super) fn is_ours(element: &Element<'_>) -> bool {
    element.ours().is_some()
}

impl Element<'_> {
    /// The first pass of hlac in it.
    pub fn ours(&self) -> Option<&Self> {
        if self.name.starts_with("hla-") {
            return Some(self);
        }
        self.nested.iter().flatten().find_map(Element::ours)
    }
}

/// A cursor over the text.
pub(super) struct Parser<'a> {
    pub text: &'a str,
    pub at: usize,
}

impl<'a> Parser<'a> {
    pub fn location(&self, at: usize) -> Location {
        let column = self.text[..at].chars().count() + 1;
        Location::file(
            PIPELINE_SOURCE,
            1,
            u32::try_from(column).unwrap_or(u32::MAX),
        )
    }

    pub fn error(&self, at: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.location(at), message)
            .help("a pipeline is builtin.module(pass{option=value},pass,func.func(pass))")
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    pub fn list(&mut self) -> Result<Vec<Element<'a>>, Diagnostic> {
        let mut elements = Vec::new();
        self.space();
        if matches!(self.peek(), None | Some(')')) {
            return Ok(elements);
        }
        loop {
            elements.push(self.element()?);
            if !self.eat(',') {
                return Ok(elements);
            }
        }
    }

    fn element(&mut self) -> Result<Element<'a>, Diagnostic> {
        self.space();
        let at = self.at;
        let name_end = self.text[at..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
            .map_or(self.text.len(), |n| at + n);
        let name = &self.text[at..name_end];
        if name.is_empty() {
            return Err(self.error(at, "a pass name is expected here"));
        }
        self.at = name_end;
        let mut element = Element {
            at,
            name,
            options: None,
            nested: None,
            text: name,
        };
        if self.eat('{') {
            let from = self.at;
            let to = self.closing(from)?;
            element.options = Some((from, &self.text[from..to]));
            self.at = to + 1;
        } else if self.eat('(') {
            let open = self.at - 1;
            element.nested = Some(self.list()?);
            if !self.eat(')') {
                return Err(match self.peek() {
                    None => self.error(open, "this parenthesis is never closed"),
                    Some(c) => self.error(self.at, format!("',' or ')' is expected, not '{c}'")),
                });
            }
        } else {
            self.at = name_end;
        }
        element.text = &self.text[at..self.at];
        Ok(element)
    }

    /// Where the brace closes that was opened just before `from`.
    fn closing(&self, from: usize) -> Result<usize, Diagnostic> {
        let mut depth = 1;
        let mut quote = None;
        for (i, c) in self.text[from..].char_indices() {
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '{') => depth += 1,
                (None, '}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(from + i);
            }
        }
        Err(self.error(from - 1, "this brace is never closed"))
    }

    /// The `key=value` pairs of an option list that begins at `base`, with the place of each.
    pub fn options(
        &self,
        base: usize,
        list: &'a str,
    ) -> Result<Vec<(usize, &'a str, &'a str)>, Diagnostic> {
        let mut pairs = Vec::new();
        let mut at = 0;
        loop {
            at += list[at..].len() - list[at..].trim_start().len();
            if at == list.len() {
                return Ok(pairs);
            }
            let start = at;
            let key_end = list[at..]
                .find(|c: char| c == '=' || c.is_whitespace())
                .map_or(list.len(), |n| at + n);
            at = key_end;
            let mut value = "";
            if list[at..].starts_with('=') {
                at += 1;
                let (inner, end) = match list[at..].chars().next() {
                    Some('{') => {
                        let close = self.closing(base + at + 1)? - base;
                        (at + 1..close, close + 1)
                    }
                    Some(q @ ('\'' | '"')) => {
                        let close = list[at + 1..].find(q).map(|n| at + 1 + n);
                        let close = close
                            .ok_or_else(|| self.error(base + at, "this quote is never closed"))?;
                        (at + 1..close, close + 1)
                    }
                    _ => {
                        let end = list[at..]
                            .find(char::is_whitespace)
                            .map_or(list.len(), |n| at + n);
                        (at..end, end)
                    }
                };
                value = &list[inner];
                at = end;
            }
            pairs.push((base + start, &list[start..key_end], value));
        }
    }
}
