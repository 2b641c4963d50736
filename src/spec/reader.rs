//! From tree to shape: takes keys out of mappings, checks what they hold, and collects every mistake.

use std::{ops::Range, str::FromStr, sync::Arc};

use serde_json::Value;

use crate::{
    diagnostic::{Fault, Mistake, Place, Source},
    units::UnitError,
};

use super::{
    Name, Text,
    tree::{Key, Kind, Node},
};

/// Collects mistakes while a tree is read.
pub(crate) struct Reader<'a> {
    pub(crate) source: &'a Arc<Source>,
    pub(crate) mistakes: Vec<Mistake>,
    /// Names of stages that could not be read: whoever reads from them makes no mistake of their own.
    pub(crate) lost: Vec<String>,
}

/// A mapping that is being read: what is left in it at the end is unknown.
pub(crate) struct Mapping {
    within: &'static str,
    known: &'static [&'static str],
    entries: Vec<(Key, Node)>,
    span: Range<usize>,
}

impl Reader<'_> {
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(self.source), span }
    }

    pub(crate) fn report(&mut self, span: Range<usize>, fault: Fault) {
        let place = self.place(span);
        self.mistakes.push(Mistake { fault, place });
    }

    /// Remembers the name of a stage that cannot be read.
    pub(crate) fn lose(&mut self, name: &Node) {
        if let Kind::Text(name) = &name.kind {
            self.lost.push(name.clone());
        }
    }

    pub(crate) fn wrong(&mut self, node: &Node, wanted: &'static str) {
        let fault = match &node.kind {
            Kind::Unset(name) => Fault::UnsetEnv(name.clone()),
            _ => Fault::WrongShape { found: node.describe(), wanted },
        };
        self.report(node.span.clone(), fault);
    }

    /// The node as a mapping with the given keys.
    pub(crate) fn mapping(
        &mut self,
        node: Node,
        within: &'static str,
        known: &'static [&'static str],
    ) -> Option<Mapping> {
        match node.kind {
            Kind::Map(entries) => Some(self.mapping_of(entries, node.span, within, known)),
            _ => {
                self.wrong(&node, "a mapping, `key: value`");
                None
            }
        }
    }

    pub(crate) fn mapping_of(
        &mut self,
        entries: Vec<(Key, Node)>,
        span: Range<usize>,
        within: &'static str,
        known: &'static [&'static str],
    ) -> Mapping {
        for (at, (key, _)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(earlier, _)| earlier.name == key.name) {
                self.report(key.span.clone(), Fault::RepeatedKey(key.name.clone()));
            }
        }
        Mapping { within, known, entries, span }
    }

    /// Reports what nobody took.
    pub(crate) fn finish(&mut self, mapping: Mapping) {
        for (key, _) in mapping.entries {
            // Known keys that are left were repeated, and have been reported as that.
            if !mapping.known.contains(&key.name.as_str()) {
                let fault = Fault::UnknownKey { key: key.name, within: mapping.within, known: mapping.known };
                self.report(key.span, fault);
            }
        }
    }

    /// Takes a key that has to be there.
    pub(crate) fn need(
        &mut self,
        mapping: &mut Mapping,
        key: &'static str,
        example: &'static str,
    ) -> Option<Node> {
        let node = mapping.take(key);
        if node.is_none() {
            let head = mapping.span.start..mapping.span.start;
            self.report(head, Fault::MissingKey { key, within: mapping.within, example });
        }
        node
    }

    pub(crate) fn text(&mut self, node: Node) -> Option<Text> {
        let value = match &node.kind {
            Kind::Text(text) => text.clone(),
            // `model: 7` or `path: true` is a text to everybody but YAML.
            Kind::Int(value) => value.to_string(),
            Kind::Float(value) => value.to_string(),
            Kind::Bool(value) => value.to_string(),
            Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Unset(_) => {
                self.wrong(&node, "a text");
                return None;
            }
        };
        let raw = self.source.text.get(node.span.clone()).unwrap_or_default().to_owned();
        Some(Text { value, raw, place: self.place(node.span), origin: node.origin, secret: node.secret })
    }

    pub(crate) fn name(&mut self, node: Node) -> Option<Name> {
        let text = self.text(node)?;
        let good = text.value.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if good {
            return Some(Name { value: text.value.into(), place: text.place });
        }
        self.mistakes.push(Mistake { fault: Fault::BadName(text.value), place: text.place });
        None
    }

    pub(crate) fn key_name(&mut self, key: &Key) -> Option<Name> {
        let node = Node {
            kind: Kind::Text(key.name.clone()),
            span: key.span.clone(),
            origin: super::Origin::Spec,
            secret: false,
        };
        self.name(node)
    }

    /// A whole number within bounds, both included.
    pub(crate) fn count(&mut self, node: &Node, bounds: (u64, u64), wanted: &'static str) -> Option<u64> {
        match node.kind {
            Kind::Int(value) => match u64::try_from(value) {
                Ok(value) if (bounds.0..=bounds.1).contains(&value) => return Some(value),
                _ => self.report(node.span.clone(), Fault::OutOfBounds { found: value.to_string(), wanted }),
            },
            _ => self.wrong(node, wanted),
        }
        None
    }

    /// A number within bounds, both included.
    pub(crate) fn number(&mut self, node: &Node, bounds: (f64, f64), wanted: &'static str) -> Option<f64> {
        let value = match node.kind {
            Kind::Int(value) => value as f64,
            Kind::Float(value) => value,
            _ => {
                self.wrong(node, wanted);
                return None;
            }
        };
        if (bounds.0..=bounds.1).contains(&value) {
            return Some(value);
        }
        self.report(node.span.clone(), Fault::OutOfBounds { found: value.to_string(), wanted });
        None
    }

    /// True or false.
    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        match node.kind {
            Kind::Bool(value) => Some(value),
            _ => {
                self.wrong(node, "`true` or `false`");
                None
            }
        }
    }

    /// Whatever is there, as JSON.
    pub(crate) fn json(&mut self, node: &Node) -> Value {
        match &node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::from(*value),
            Kind::Int(value) => Value::from(*value),
            Kind::Float(value) => Value::from(*value),
            Kind::Text(text) => Value::from(text.as_str()),
            Kind::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.name.clone(), self.json(value))).collect(),
            ),
            Kind::Unset(_) => {
                self.wrong(node, "a value");
                Value::Null
            }
        }
    }

    /// A quantity with its unit.
    pub(crate) fn unit<T: FromStr<Err = UnitError>>(&mut self, node: Node) -> Option<T> {
        let text = self.text(node)?;
        text.value
            .parse()
            .map_err(|error| {
                let fault = Fault::Unit { found: text.shown().to_owned(), error };
                self.mistakes.push(Mistake { fault, place: text.place.clone() });
            })
            .ok()
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(&mut self, node: Node, what: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| (*word).to_owned()).collect();
            let fault = Fault::UnknownWord { what, found: text.shown().to_owned(), known };
            self.mistakes.push(Mistake { fault, place: text.place });
        }
        found
    }

    /// One value or a list of them.
    pub(crate) fn texts(&mut self, node: Node) -> Vec<Text> {
        match node.kind {
            Kind::List(items) => items.into_iter().filter_map(|item| self.text(item)).collect(),
            _ => self.text(node).into_iter().collect(),
        }
    }

    /// A mapping of the user's own names to texts.
    pub(crate) fn named_texts(&mut self, node: Node) -> Vec<(Name, Text)> {
        match node.kind {
            Kind::Map(entries) => entries
                .into_iter()
                .filter_map(|(key, value)| Some((self.key_name(&key)?, self.text(value)?)))
                .collect(),
            _ => {
                self.wrong(&node, "a mapping, `name: expression`");
                Vec::new()
            }
        }
    }
}

impl Mapping {
    pub(crate) fn take(&mut self, key: &str) -> Option<Node> {
        self.take_entry(key).map(|(_, node)| node)
    }

    pub(crate) fn take_entry(&mut self, key: &str) -> Option<(Key, Node)> {
        let at = self.entries.iter().position(|(entry, _)| entry.name == key)?;
        Some(self.entries.remove(at))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(entry, _)| entry.name == key)
    }
}
