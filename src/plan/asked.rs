//! What is asked of a model, as a plan has it.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::{
    record::LogicalType,
    spec::{BatchSpec, CallKind, Concurrency, Retry, Settings},
};

/// A template with all that it includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The text.
    pub text: String,
    /// The files that it includes, by the name it uses.
    pub includes: Vec<(String, String)>,
}

/// The model that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// The same for each record.
    Named(String),
    /// A template.
    Template {
        /// The template.
        name: Prompt,
        /// All names that it gives, where they are written out in the spec.
        known: Vec<String>,
    },
}

impl Model {
    /// Whether a name is written in the spec, and so a mistake of the spec if there is no such model.
    pub fn is_written(&self, name: &str) -> bool {
        match self {
            Self::Named(model) => model == name,
            Self::Template { known, .. } => known.iter().any(|known| known == name),
        }
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Template { name, known } if known.is_empty() => f.write_str(name.text.trim()),
            Self::Template { known, .. } => f.write_str(&known.join(", ")),
        }
    }
}

/// Something that is sent along: an address, or a file that is read when the request is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The template of its address or path.
    pub address: Prompt,
    /// What may be shown of it: not what came from the environment.
    pub shown: String,
    /// Where a relative path starts.
    pub base: PathBuf,
    /// The folders that a path must not leave.
    pub within: Vec<PathBuf>,
}

/// What is asked of a model for each record.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The model.
    pub model: Model,
    /// What it is asked.
    pub task: Task,
    /// Requests under way at once.
    pub concurrency: Concurrency,
    /// How often a refused answer is asked for in all.
    pub attempts: u32,
    /// What happens when no answer comes.
    pub retry: Retry,
    /// Where the result is put.
    pub into: String,
    /// The type of the result.
    pub result: LogicalType,
    /// How requests are grouped into jobs, if they are.
    pub batch: Option<BatchSpec>,
    /// Conditions that an answer must fulfil for its record: name and expression.
    pub expect: Vec<(String, String)>,
    /// Whether the next attempt is shown the answer before it, and why that was refused.
    pub feedback: bool,
    /// What a simulator answers.
    pub mock: Option<Mock>,
    /// The field of a sample's number, which from the second on makes a request another.
    pub sample: Option<String>,
}

/// What a simulator answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Mock {
    /// An expression over the record, and its type.
    Expression(String, LogicalType),
    /// By the record's key.
    ByKey(BTreeMap<String, String>),
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// A question in words.
    Chat(Box<Chat>),
    /// Another kind of call.
    Call(Call),
}

impl Task {
    /// The documents among the fields of a call, in their order.
    pub fn documents(&self) -> impl Iterator<Item = &Attachment> {
        let fields = match self {
            Self::Chat(_) => &[],
            Self::Call(call) => &call.fields[..],
        };
        fields.iter().filter_map(|(_, field)| match field {
            Field::Document(document) => Some(document),
            Field::Text(_) | Field::Texts(_) | Field::Constant(_) => None,
        })
    }
}

/// A call with fields of its own, other than a chat.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its kind.
    pub kind: &'static CallKind,
    /// The fields of the request behind `model`, in their order.
    pub fields: Vec<(&'static str, Field)>,
}

impl Call {
    /// The pages that are to be read, where a spec selects some.
    pub fn pages(&self) -> Option<&str> {
        self.fields.iter().find_map(|(name, field)| match field {
            Field::Constant(Value::String(pages)) if *name == "pages" => Some(&**pages),
            _ => None,
        })
    }
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A text, made from the record.
    Text(Prompt),
    /// Several texts, each made from the record.
    Texts(Vec<Prompt>),
    /// A document.
    Document(Attachment),
    /// The same for every record.
    Constant(Value),
}

/// A question in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// Instructions.
    pub system: Option<Prompt>,
    /// The question.
    pub prompt: Prompt,
    /// Pictures that go with it.
    pub images: Vec<Attachment>,
    /// Documents that go with it.
    pub documents: Vec<Attachment>,
    /// What the answer must look like.
    pub schema: Option<Schema>,
    /// Other fields of the request, in the form in which they are sent.
    pub settings: Settings,
}

/// A JSON Schema that compiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The name that is sent to the service: the file's, without its endings, or the map's.
    pub name: String,
    /// The file, as it may be shown; nothing where it is written in the spec.
    pub file: Option<String>,
    /// The schema.
    pub json: Value,
    /// The type of the answers.
    pub datatype: LogicalType,
}
