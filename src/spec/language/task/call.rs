//! A kind of call other than a chat, as data: its fields are put into one request, and its result has one type. Main
//! types: [`CallKind`], [`CallSpec`].
//!
//! The plan compiles the fields and the request part writes them, whatever the kind. How the answer is read is in
//! `mistral::endpoint`, what the simulator answers in `sim::endpoint`.

use serde_json::Value;

use super::super::prompt::Prompt;
use crate::{
    record::LogicalType,
    spec::{text::Text, value::Checked},
};

/// A kind of call: one more is a file beside this one, and a line in `CALLS`.
pub struct CallKind {
    /// The key of the map.
    pub name: &'static str,
    /// The endpoint's path.
    pub path: &'static str,
    /// What it does with its model, for people: `embeds with`.
    pub verb: &'static str,
    /// Whether pages are paid for, and selected by the field `pages`.
    pub counts_pages: bool,
    /// The type of its results.
    pub result: fn() -> LogicalType,
    /// The fields of a request behind `model`, in the order in which they are sent.
    pub(super) fields: fn(&mut Checked) -> Option<Fields>,
}

/// The fields of a request, by their names in it.
pub(super) type Fields = Vec<(&'static str, FieldSpec)>;

/// A call as it is written.
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
    /// A text, made from the record.
    Text(Prompt),
    /// Several texts, each made from the record.
    Texts(Vec<Text>),
    /// The address or the path of a document, made from the record.
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

/// A structure of these fields.
pub(super) fn structure(fields: &[(&str, LogicalType)]) -> LogicalType {
    LogicalType::Struct(fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect())
}
