//! Collects mistakes while a tree is read, and turns single nodes into texts, names and JSON.

use std::{ops::Range, sync::Arc};

use serde_json::Value;

use crate::{
    diagnostic::{Fault, Mistake, Place, Source},
    record::ETL,
};

use super::{
    describe::Written,
    text::{Name, Text},
    tree::{Key, Kind, Node},
};

/// Collects mistakes while a tree is read.
pub(crate) struct Reader<'a> {
    pub(crate) source: &'a Arc<Source>,
    pub(crate) mistakes: Vec<Mistake>,
    /// Names of stages that could not be read: a reference to one of them is not another mistake.
    pub(crate) lost: Vec<String>,
}

impl Reader<'_> {
    pub(crate) fn at(source: &Arc<Source>, span: Range<usize>) -> Place {
        Place { source: Arc::clone(source), span }
    }

    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        Self::at(self.source, span)
    }

    pub(crate) fn report(&mut self, span: Range<usize>, fault: Fault) {
        let place = self.place(span);
        self.mistakes.push(Mistake { fault, place });
    }

    /// Records the name of a stage that cannot be read.
    pub(crate) fn lose(&mut self, name: &Node) {
        if let Kind::Text(name) = &name.kind {
            self.lost.push(name.clone());
        }
    }

    /// Reports a value of the wrong shape.
    pub(crate) fn wrong(&mut self, node: &Node, wanted: String) {
        let fault = match &node.kind {
            Kind::Unset(name) => Fault::UnsetEnv(name.clone()),
            _ => Fault::WrongShape { found: node.describe(), wanted: wanted.into() },
        };
        self.report(node.span.clone(), fault);
    }

    /// A scalar as a text.
    pub(crate) fn text(&mut self, node: &Node, wanted: impl FnOnce() -> String) -> Option<Text> {
        let value = match &node.kind {
            Kind::Text(text) => text.clone(),
            // YAML reads `model: 7` and `path: true` as a number and a boolean.
            Kind::Int(value) => value.to_string(),
            Kind::Float(value) => value.to_string(),
            Kind::Bool(value) => value.to_string(),
            Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Unset(_) => {
                self.wrong(node, wanted());
                return None;
            }
        };
        let raw = self.source.text.get(node.span.clone()).unwrap_or_default().to_owned();
        let place = self.place(node.span.clone());
        Some(Text { value, raw, place, origin: node.origin, secret: node.secret })
    }

    /// Reports a template where templates are not supported. The binder checks expressions, since it knows what is
    /// in quotes.
    pub(crate) fn no_template(&mut self, text: &Text, written: Written) {
        if matches!(written, Written::Template | Written::Expression | Written::Condition) {
            return;
        }
        let is_query = written == Written::Query;
        let found = ["{{", "{%"].into_iter().flat_map(|open| text.value.match_indices(open));
        // In quotes it is a string of the query.
        let is_text = |at: usize| is_query && text.value[..at].matches('\'').count() % 2 == 1;
        if let Some(at) = found.map(|(at, _)| at).filter(|at| !is_text(*at)).min() {
            let place = text.place_of(at..at + 2);
            self.mistakes.push(Mistake { fault: Fault::NoTemplate, place });
        }
    }

    pub(crate) fn name(&mut self, node: &Node, wanted: impl FnOnce() -> String) -> Option<Name> {
        let text = self.text(node, wanted)?;
        if is_name(&text.value) {
            return Some(Name { value: text.value.into(), place: text.place });
        }
        self.mistakes.push(Mistake { fault: Fault::BadName(text.value), place: text.place });
        None
    }

    /// The name in a node; an invalid one is not reported.
    pub(crate) fn name_of(&self, node: &Node) -> Option<Name> {
        let Kind::Text(name) = &node.kind else { return None };
        is_name(name).then(|| Name { value: name.as_str().into(), place: self.place(node.span.clone()) })
    }

    /// A key chosen by the user. A field name may be any valid column name: `First Name`, `größe`.
    pub(crate) fn own_key(&mut self, key: &Key, is_field: bool) -> Option<Name> {
        let (name, place) = (key.name.as_str(), self.place(key.span.clone()));
        let fault = match name {
            _ if !is_field => None,
            name if name.trim().is_empty() || name.contains(char::is_control) => {
                Some(Fault::BadFieldName(name.to_owned()))
            }
            name if name.eq_ignore_ascii_case(ETL) => Some(Fault::ReservedName(name.to_owned())),
            _ => None,
        };
        match fault {
            Some(fault) => {
                self.mistakes.push(Mistake { fault, place });
                None
            }
            None => Some(Name { value: name.into(), place }),
        }
    }

    /// Any value, as JSON. Numbers that would lose digits become texts: `007`, and integers of more than
    /// 64 bits.
    pub(crate) fn json(&mut self, node: &Node) -> Value {
        match &node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::from(*value),
            Kind::Int(value) => self.written_digits(node).unwrap_or_else(|| Value::from(*value)),
            Kind::Float(value) => {
                let kept = || self.written_digits(node).or_else(|| self.rounded(node, *value));
                kept().unwrap_or_else(|| Value::from(*value))
            }
            Kind::Text(text) => Value::from(text.as_str()),
            Kind::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.name.clone(), self.json(value))).collect(),
            ),
            Kind::Unset(_) => {
                self.wrong(node, "a value".to_owned());
                Value::Null
            }
        }
    }

    /// A value as a JSON text, with its numbers as they are written: `19.90` keeps its zero.
    pub(crate) fn json_text(&mut self, node: &Node) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        match &node.kind {
            Kind::Int(_) | Kind::Float(_) => {
                let raw = self.source.text.get(node.span.clone()).unwrap_or_default().trim();
                // `${params.n}`, `0x1F` and `.5` are no numbers of JSON.
                match raw.parse::<f64>().ok().zip(serde_json::from_str::<f64>(raw).ok()) {
                    Some(_) => raw.to_owned(),
                    None => self.json(node).to_string(),
                }
            }
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.json_text(item)).collect();
                format!("[{}]", items.join(","))
            }
            Kind::Map(entries) => {
                let entries = entries.iter();
                let entries: Vec<String> = entries
                    .map(|(key, value)| format!("{}:{}", quoted(&key.name), self.json_text(value)))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }
            _ => self.json(node).to_string(),
        }
    }

    /// The digits of a number that a JSON number would change.
    fn written_digits(&self, node: &Node) -> Option<Value> {
        let raw = self.source.text.get(node.span.clone())?.trim();
        let digits = raw.trim_start_matches(['-', '+']).as_bytes();
        let is_padded = matches!(digits, [b'0', b'0'..=b'9', ..]);
        if !is_padded && (!digits.iter().all(u8::is_ascii_digit) || raw.parse::<i64>().is_ok()) {
            return None;
        }
        Some(raw.parse::<u64>().ok().filter(|_| !is_padded).map_or_else(|| Value::from(raw), Value::from))
    }

    /// A decimal as it is written, where the nearest double is another number.
    fn rounded(&self, node: &Node, value: f64) -> Option<Value> {
        let raw = self.source.text.get(node.span.clone())?.trim();
        let is_decimal =
            raw.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (is_decimal && digits(raw) != digits(&value.to_string())).then(|| Value::from(raw))
    }

    /// Reports every duplicate key of a mapping, at any depth.
    pub(crate) fn duplicates(&mut self, node: &Node) {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| self.duplicates(item)),
            Kind::Map(entries) => {
                let mut seen = std::collections::HashMap::new();
                for (key, value) in entries {
                    let first = *seen.entry(key.name.as_str()).or_insert(&key.span);
                    if *first != key.span {
                        let first = Some(self.place(first.clone()));
                        self.report(key.span.clone(), Fault::RepeatedKey { key: key.name.clone(), first });
                    }
                    self.duplicates(value);
                }
            }
            _ => {}
        }
    }
}

/// The digits of a decimal without the zeros that change nothing.
fn digits(decimal: &str) -> (bool, &str, &str) {
    let number = decimal.trim_start_matches(['-', '+']);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    (decimal.starts_with('-'), whole.trim_start_matches('0'), part.trim_end_matches('0'))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
