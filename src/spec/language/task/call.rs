//! A kind of call other than a chat, as data: its fields form one request, and its result has one type. Main
//! types: [`CallKind`], [`CallSpec`].
//!
//! For every kind, `plan` compiles the fields and `request` writes them. `mistral::endpoint` parses the answer, and
//! `sim::endpoint` simulates it.

use serde_json::Value;

use super::super::prompt::Prompt;
use crate::{
    record::LogicalType,
    spec::{text::Text, value::Checked},
};

/// A kind of call. A new one needs a file beside this one, and a line in `CALLS`.
pub struct CallKind {
    /// The key of the map.
    pub name: &'static str,
    /// The path of the endpoint.
    pub path: &'static str,
    /// What it does with its model, for display: `embeds with`.
    pub verb: &'static str,
    /// Whether pages are billed, and selected by the field `pages`.
    pub counts_pages: bool,
    /// The type of its results.
    pub result: fn() -> LogicalType,
    /// The fields of a request after `model`, in the order they are sent.
    pub(super) fields: fn(&mut Checked) -> Option<Fields>,
}

/// The fields of a request, by name.
pub(super) type Fields = Vec<(&'static str, FieldSpec)>;

/// A call as written.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSpec {
    /// Its kind.
    pub kind: &'static CallKind,
    /// Its fields.
    pub fields: Vec<(&'static str, FieldSpec)>,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldSpec {
    /// A text, rendered from the record.
    Text(Prompt),
    /// Several texts, each rendered from the record.
    Texts(Vec<Text>),
    /// The URL or path of a document, rendered from the record.
    Document(Text),
    /// The same for every record.
    Constant(Value),
}

impl PartialEq for CallKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for CallKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A struct type with these fields.
pub(super) fn structure(fields: &[(&str, LogicalType)]) -> LogicalType {
    LogicalType::Struct(fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect())
}
