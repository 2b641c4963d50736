//! Scans JSON within a model's text byte by byte: finds the end of a value, its mistakes and their places.
//!
//! A JSON parser reports "expected value at line 1 column 40" and stops. Here a [`Flaw`] describes the mistake in
//! terms useful to a person and to the next attempt, and [`scan`] finds the end of the broken value, so that no
//! part of it is mistaken for an answer. Two mistakes are unambiguous and are repaired: a trailing comma, and raw
//! control characters in a string. Called by [`answer`](super::answer).

mod place;
mod words;

use std::collections::HashSet;

pub(super) use place::place;
use place::{around, closed};

/// The deepest nesting accepted; the parser that reads the value has the same limit.
const DEEPEST: usize = 120;

/// A readable value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Its end offset in the text.
    pub(super) end: usize,
    /// The repaired JSON and a note of the repairs; `None` if it was valid already.
    pub(super) repaired: Option<(String, String)>,
}

/// An unreadable value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What is wrong and where.
    pub(super) reason: String,
    /// The end of the value according to its brackets; `None` if the text ends first.
    pub(super) end: Option<usize>,
}

/// A mistake and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    at: usize,
    what: String,
    /// The number of open objects and arrays.
    open: usize,
    /// Whether the place is inside a string.
    in_string: bool,
    /// Whether the text ends here.
    cut: bool,
}

impl Flaw {
    /// The explanation, and the end of the value. Computed only for text meant as JSON, because it scans the
    /// whole text.
    pub(super) fn explained(self, text: &str) -> Broken {
        let Self { at, what, open, in_string, cut } = self;
        let (line, column) = place(text, at);
        let near = around(text, at);
        Broken {
            reason: format!("the JSON is broken at line {line}, column {column}: {what}, near `{near}`"),
            end: if cut { None } else { closed(text, at, open, in_string) },
        }
    }
}

/// The tokens allowed next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// An open array or object.
enum Open<'a> {
    Array,
    /// With its keys so far, as written.
    Object(HashSet<&'a str>),
}

/// Reads the object or array that begins at `start`.
pub(super) fn scan(text: &str, start: usize) -> Result<Scanned, Flaw> {
    let mut scanner = Scanner { text, at: start, open: Vec::new(), comma: start, repairs: Vec::new() };
    scanner.value()?;
    let end = scanner.at;
    let repaired = (!scanner.repairs.is_empty()).then(|| scanner.repaired(start));
    Ok(Scanned { end, repaired })
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Open<'a>>,
    /// The offset of the last comma.
    comma: usize,
    /// Offsets of removed bytes, and their replacements.
    repairs: Vec<(usize, String)>,
}

impl<'a> Scanner<'a> {
    fn value(&mut self) -> Result<(), Flaw> {
        let mut next = Next::Value;
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
            let Some(byte) = self.peek() else { return Err(self.cut("")) };
            next = match (next, byte) {
                (Next::Value | Next::ValueOrEnd, b'{') => self.enter(Open::Object(HashSet::new()))?,
                (Next::Value | Next::ValueOrEnd, b'[') => self.enter(Open::Array)?,
                (Next::Value | Next::ValueOrEnd, b'"') => {
                    self.string()?;
                    Next::CommaOrEnd
                }
                (Next::Value | Next::ValueOrEnd, b'-' | b'0'..=b'9') => self.number()?,
                (Next::Value | Next::ValueOrEnd, b't' | b'f' | b'n') => self.word()?,
                (Next::Key | Next::KeyOrEnd, b'"') => self.key()?,
                (Next::Colon, b':') => {
                    self.at += 1;
                    Next::Value
                }
                (Next::CommaOrEnd, b',') => {
                    self.comma = self.at;
                    self.at += 1;
                    if matches!(self.open.last(), Some(Open::Array)) { Next::Value } else { Next::Key }
                }
                (Next::CommaOrEnd | Next::ValueOrEnd | Next::Value, b']')
                | (Next::CommaOrEnd | Next::KeyOrEnd | Next::Key, b'}')
                    if self.may_end(next, byte) =>
                {
                    // A close where only an item may follow a comma: the comma is superfluous.
                    if matches!(next, Next::Value | Next::Key) {
                        self.repairs.push((self.comma, String::new()));
                    }
                    self.at += 1;
                    self.open.pop();
                    Next::CommaOrEnd
                }
                (next, _) => return Err(self.unexpected(next)),
            };
            if self.open.is_empty() {
                return Ok(());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn flaw(&self, what: impl Into<String>) -> Flaw {
        Flaw { at: self.at, what: what.into(), open: self.open.len(), in_string: false, cut: false }
    }

    fn cut(&self, within: &str) -> Flaw {
        let what = format!("the text ends in the middle of the JSON{within}");
        Flaw { at: self.text.len(), what, open: self.open.len(), in_string: false, cut: true }
    }

    fn enter(&mut self, open: Open<'a>) -> Result<Next, Flaw> {
        if self.open.len() == DEEPEST {
            return Err(self.flaw(format!("nested more than {DEEPEST} deep")));
        }
        let next = if matches!(open, Open::Array) { Next::ValueOrEnd } else { Next::KeyOrEnd };
        self.open.push(open);
        self.at += 1;
        Ok(next)
    }

    fn may_end(&self, next: Next, byte: u8) -> bool {
        let matches =
            matches!((self.open.last(), byte), (Some(Open::Array), b']') | (Some(Open::Object(_)), b'}'));
        // A colon must be followed by a value.
        matches && (next != Next::Value || matches!(self.open.last(), Some(Open::Array)))
    }

    fn key(&mut self) -> Result<Next, Flaw> {
        let start = self.at;
        self.string()?;
        let key = &self.text[start..self.at];
        if let Some(Open::Object(keys)) = self.open.last_mut()
            && !keys.insert(key)
        {
            self.at = start;
            return Err(self.flaw(format!("duplicate key `{}`", key.trim_matches('"'))));
        }
        Ok(Next::Colon)
    }

    fn string(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.cut(", within a string")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(raw) if raw < b' ' => {
                    let escaped = match raw {
                        b'\n' => "\\n".to_owned(),
                        b'\r' => "\\r".to_owned(),
                        b'\t' => "\\t".to_owned(),
                        raw => format!("\\u{raw:04x}"),
                    };
                    self.repairs.push((self.at, escaped));
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let flaw = |scanner: &Self, what: String| Flaw { in_string: true, ..scanner.flaw(what) };
        match self.text.as_bytes().get(self.at + 1) {
            None => return Err(self.cut(", within a string")),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = self.unit(self.at);
                match unit {
                    None if self.text.len() < self.at + 6 => return Err(self.cut(", within a string")),
                    None => {
                        let what = "`\\u` without four hexadecimal digits after it";
                        return Err(flaw(self, what.to_owned()));
                    }
                    Some(0xD800..=0xDBFF) if matches!(self.unit(self.at + 6), Some(0xDC00..=0xDFFF)) => {
                        self.at += 12;
                    }
                    Some(unit @ 0xD800..=0xDFFF) => {
                        let what = format!("`\\u{unit:04x}` is half of a surrogate pair, not a character");
                        return Err(flaw(self, what));
                    }
                    Some(_) => self.at += 6,
                }
            }
            Some(_) => {
                let escaped = self.text[self.at + 1..].chars().next().unwrap_or_default();
                let what = format!("`\\{escaped}` is not a valid JSON escape (a backslash itself is `\\\\`)");
                return Err(flaw(self, what));
            }
        }
        Ok(())
    }

    /// The UTF-16 code unit escaped at an offset.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Result<Next, Flaw> {
        let token = self.token();
        if !words::is_number(token) {
            return Err(self.flaw(format!("`{}` is not a valid JSON number", words::short(token))));
        }
        self.at += token.len();
        Ok(Next::CommaOrEnd)
    }

    fn word(&mut self) -> Result<Next, Flaw> {
        let token = self.token();
        if self.at + token.len() == self.text.len() {
            return Err(self.cut(""));
        }
        if !matches!(token, "true" | "false" | "null") {
            return Err(self.unexpected(Next::Value));
        }
        self.at += token.len();
        Ok(Next::CommaOrEnd)
    }

    /// The text up to the next whitespace or punctuation.
    fn token(&self) -> &'a str {
        let rest = &self.text[self.at..];
        let end =
            |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '"' | '\'' | '{' | '}' | '[' | ']' | '(');
        &rest[..rest.find(end).unwrap_or(rest.len())]
    }

    fn unexpected(&self, next: Next) -> Flaw {
        let found = self.text[self.at..].chars().next().unwrap_or_default();
        self.flaw(words::unexpected(next, found, self.token()))
    }

    /// The value as valid JSON, and a note of the repairs.
    fn repaired(&mut self, start: usize) -> (String, String) {
        self.repairs.sort_unstable();
        let (mut json, mut from) = (String::with_capacity(self.at - start), start);
        let (mut commas, mut controls) = (Vec::new(), Vec::new());
        for (at, instead) in &self.repairs {
            json.push_str(&self.text[from..*at]);
            json.push_str(instead);
            from = at + 1;
            if instead.is_empty() { &mut commas } else { &mut controls }.push(*at);
        }
        json.push_str(&self.text[from..self.at]);
        let reported = |what: &str, places: &[usize]| {
            let (line, column) = place(self.text, *places.first()?);
            let more =
                if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() };
            Some(format!("{what} at line {line}, column {column}{more}"))
        };
        let notes = [
            reported("a trailing comma", &commas),
            reported("a raw control character in a string", &controls),
        ];
        let notes = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
        (json, format!("repaired: {notes}"))
    }
}

#[cfg(test)]
mod tests;
