//! YAML text → tree, without interpreting the values.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Spanned, options::DuplicateKeyPolicy};

use crate::diagnostic::char_start;

use super::{
    tree::{Key, Kind, Node, Origin},
    yaml_error::message,
};

/// Reads a YAML text. Anchors and nesting are bounded, so that a small file cannot grow into a large tree.
pub(crate) fn read(text: &str) -> Result<Node, (Range<usize>, String)> {
    let mut budget = serde_yaml::Budget::default();
    // Deep enough for a schema within a tool, but within the stack of a thread in a debug build.
    budget.max_depth = 32;
    // No limit on literal text, only on the expansion of aliases.
    budget.max_nodes = text.len().max(100_000);
    budget.max_events = 4 * budget.max_nodes;
    budget.max_documents = 1;
    let mut options = serde_yaml::Options::default();
    options.budget = Some(budget);
    // Reported with the other mistakes instead of ending the parse.
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options.strict_booleans = true;
    options.with_snippet = false;
    serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options).map(|raw| node(raw, text)).map_err(
        |error| {
            let (span, message) = (error_span(&error, text), message(&error));
            match tab(text, span.start).filter(|_| message.contains("tab")) {
                Some(at) => (at..at + 1, INDENTED_BY_TAB.to_owned()),
                None => (span, message),
            }
        },
    )
}

const INDENTED_BY_TAB: &str = "a tab cannot indent a line of YAML: write spaces";

/// A tab in the indentation, from the line of the error on: the scanner may report the line before.
fn tab(text: &str, at: usize) -> Option<usize> {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let mut start = line;
    for line in text[line..].split_inclusive('\n').take(3) {
        let indent = line.len() - line.trim_start().len();
        if let Some(tab) = line[..indent].find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

fn error_span(error: &serde_yaml::Error, text: &str) -> Range<usize> {
    let at = error.location().map_or(0, |place| match place.span().byte_offset() {
        Some(at) if at > 0 => at as usize,
        // Scanner errors have only a line and a column.
        _ => {
            let lines = text.split_inclusive('\n').take((place.line() as usize).saturating_sub(1));
            lines.map(str::len).sum::<usize>() + (place.column() as usize).saturating_sub(1)
        }
    });
    // At the end of a file there is nothing to underline, so use the last line.
    let at = char_start(text, at.min(text.trim_end().len()));
    at..at
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let span = raw.referenced.span();
    let start = span.byte_offset().unwrap_or(0) as usize;
    let end = start + span.byte_len().unwrap_or(0) as usize;
    let start = char_start(text, start);
    let span = start..start + text[start..char_start(text, end).max(start)].trim_end().len();
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Bool(value) => Kind::Bool(value),
        Raw::Int(value) => Kind::Int(value),
        Raw::Float(value) => Kind::Float(value),
        Raw::Text(value) => Kind::Text(value),
        Raw::List(items) => Kind::List(items.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let start = key.referenced.span().byte_offset().unwrap_or(0) as usize;
                    let len = key.referenced.span().byte_len().unwrap_or(0) as usize;
                    (Key { name: key.value, span: start..start + len }, node(value, text))
                })
                .collect(),
        ),
    };
    Node { kind, span, origin: Origin::Spec, secret: false }
}

enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyKind;
        impl<'de> Visitor<'de> for AnyKind {
            type Value = Raw;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(i64::try_from(value).map_or(Raw::Float(value as f64), Raw::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }
            fn visit_string<E>(self, value: String) -> Result<Raw, E> {
                Ok(Raw::Text(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(AnyKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_key_knows_its_bytes() {
        let text = "a: 5/s\nlist:\n  - x: |\n      two\n      lines\n    y: [1, 2.5, true]\n";
        let Kind::Map(entries) = read(text).unwrap().kind else { panic!("a mapping") };
        assert_eq!(&text[entries[0].0.span.clone()], "a");
        assert_eq!(&text[entries[0].1.span.clone()], "5/s");
        let Kind::List(items) = &entries[1].1.kind else { panic!("a list") };
        let Kind::Map(inner) = &items[0].kind else { panic!("a mapping") };
        assert_eq!(&text[inner[0].0.span.clone()], "x");
        assert_eq!(inner[0].1.kind, Kind::Text("two\nlines\n".to_owned()));
        assert!(text[inner[0].1.span.clone()].contains("two"), "{:?}", &text[inner[0].1.span.clone()]);
        assert!(matches!(&inner[1].1.kind, Kind::List(items) if items.len() == 3));
    }

    #[test]
    fn a_repeated_key_is_kept_for_the_reader_to_report() {
        let Kind::Map(entries) = read("a: 1\na: 2\n").unwrap().kind else { panic!("a mapping") };
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            text.push_str(&format!(
                "{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n"
            ));
        }
        assert!(read(&text).is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
