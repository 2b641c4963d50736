//! Model calls, as compiled in a plan.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::{
    record::LogicalType,
    spec::{BatchSpec, CallKind, Concurrency, Retry, Settings},
};

/// A template with its includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The text.
    pub text: String,
    /// The included files, by name.
    pub includes: Vec<(String, String)>,
}

/// The model to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// The same for each record.
    Named(String),
    /// A template.
    Template {
        /// The template.
        name: Prompt,
        /// All names that it can give, if the spec lists them.
        known: Vec<String>,
    },
}

impl Model {
    /// Whether a name is written in the spec, so that an unknown model is a mistake of the spec.
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

/// An attachment: a URL, or a file that is read when the request is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The template of its URL or path.
    pub address: Prompt,
    /// Its text for display, without values from the environment.
    pub shown: String,
    /// The base of a relative path.
    pub base: PathBuf,
    /// The folders that a path must stay in.
    pub within: Vec<PathBuf>,
}

/// A model call for each record.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The model.
    pub model: Model,
    /// What the model does.
    pub task: Task,
    /// Requests in flight at once.
    pub concurrency: Concurrency,
    /// The most attempts to get a valid answer.
    pub attempts: u32,
    /// What happens when a request fails.
    pub retry: Retry,
    /// The field for the result.
    pub into: String,
    /// The type of the result.
    pub result: LogicalType,
    /// How requests are grouped into jobs, if they are.
    pub batch: Option<BatchSpec>,
    /// Conditions on an answer and its record: name and expression.
    pub expect: Vec<(String, String)>,
    /// Whether the next attempt includes the refused answer and the reason.
    pub feedback: bool,
    /// The simulator's answers.
    pub mock: Option<Mock>,
    /// The field for the number of a sample. From the second sample on it changes the request's identity.
    pub sample: Option<String>,
}

/// The simulator's answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Mock {
    /// An expression over the record, and its type.
    Expression(String, LogicalType),
    /// By the record's key.
    ByKey(BTreeMap<String, String>),
}

/// The task of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// A chat request.
    Chat(Box<Chat>),
    /// Another kind of call.
    Call(Call),
}

impl Task {
    /// The documents among the fields of a call, in order.
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

/// A call other than a chat, with its own fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its kind.
    pub kind: &'static CallKind,
    /// The fields of the request after `model`, in order.
    pub fields: Vec<(&'static str, Field)>,
}

impl Call {
    /// The pages to read, if the spec selects some.
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
    /// A text, rendered from the record.
    Text(Prompt),
    /// Several texts, each rendered from the record.
    Texts(Vec<Prompt>),
    /// A document.
    Document(Attachment),
    /// The same for every record.
    Constant(Value),
}

/// A chat request.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// The system prompt.
    pub system: Option<Prompt>,
    /// The user prompt.
    pub prompt: Prompt,
    /// Attached images.
    pub images: Vec<Attachment>,
    /// Attached documents.
    pub documents: Vec<Attachment>,
    /// The schema of the answer.
    pub schema: Option<Schema>,
    /// Other fields of the request, in the form they are sent.
    pub settings: Settings,
}

/// A JSON Schema that compiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The name sent to the service: the file name without extensions, or the map's name.
    pub name: String,
    /// The file, as it may be shown; `None` if the schema is in the spec.
    pub file: Option<String>,
    /// The schema.
    pub json: Value,
    /// The type of the answers.
    pub datatype: LogicalType,
}
