//! A tree of YAML values, each with its place.

use std::ops::Range;

use crate::diagnostic::is_secret;

/// A value and its byte range in the file.
#[derive(Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
    /// Who wrote the beginning of the value: it decides the base folder of a path.
    pub(crate) origin: Origin,
    /// Whether any part of it came from the environment and must not be shown.
    pub(crate) secret: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// A text whose environment variable is not set: a mistake only if the value is needed.
    Unset(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
}

/// Who wrote a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The spec: paths start at its folder.
    Spec,
    /// The command line or the environment: paths start at the working folder.
    Caller,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.secret { f.write_str("<secret>") } else { self.kind.fmt(f) }
    }
}

impl Node {
    /// Whether any of it came from the environment.
    pub(crate) fn is_secret(&self) -> bool {
        self.secret
            || match &self.kind {
                Kind::List(items) => items.iter().any(Self::is_secret),
                Kind::Map(entries) => entries.iter().any(|(_, value)| value.is_secret()),
                _ => false,
            }
    }

    /// The texts that are credentials, judged by their key names.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match &self.kind {
            Kind::List(items) => items.iter().flat_map(Self::secrets).collect(),
            Kind::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| match &value.kind {
                    Kind::Text(text) if is_secret(&key.name) => vec![text.trim().to_owned()],
                    _ => value.secrets(),
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A description of the value, for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "no value".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Unset(name) => format!("an unset variable `{name}`"),
            _ if self.secret => "a value from the environment".to_owned(),
            Kind::Bool(value) => format!("`{value}`"),
            Kind::Int(value) => format!("`{value}`"),
            Kind::Float(value) => format!("`{value}`"),
            Kind::Text(text) if text.chars().count() > 60 => "a text".to_owned(),
            // In quotes, or YAML would have made it a value of another type.
            Kind::Text(text) if text.parse::<f64>().is_ok() || text == "true" || text == "false" => {
                format!("the text `{text}`")
            }
            Kind::Text(text) => format!("`{}`", text.trim_end()),
        }
    }
}
