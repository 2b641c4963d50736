//! What a chat request may say beside its messages: the values of its rarer fields.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where an answer ends: it is cut before any of these texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// One text.
    One(String),
    /// Several.
    Any(Vec<String>),
}

/// A function that the model may call; what it calls it with is an answer that fits a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Always a function: the service's own tools belong to conversations.
    #[serde(rename = "type", default)]
    pub kind: ToolKind,
    /// The function.
    pub function: Function,
}

/// The kinds of tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// A function.
    #[default]
    Function,
}

/// A function as it is described to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the service should hold the model to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether and which tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    /// As the model likes, or not, or at least one.
    Mode(ToolMode),
    /// This one.
    Named {
        /// Always a function.
        #[serde(rename = "type", default)]
        kind: ToolKind,
        /// Which one.
        function: FunctionName,
    },
}

/// Whether tools are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolMode {
    /// As the model likes.
    Auto,
    /// Never.
    None,
    /// At least one.
    Any,
    /// At least one; another name for it.
    Required,
}

/// The name of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionName {
    /// The name.
    pub name: String,
}

/// How much a model thinks before it answers; some models take only the first and `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
}

/// A way of prompting that the service adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptMode {
    /// The instructions of a reasoning model.
    Reasoning,
}

/// What the answer will mostly be, so that it comes quicker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Prediction {
    /// This text.
    Content {
        /// The text.
        content: String,
    },
}

/// Which capacity a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// What the account has.
    Auto,
    /// The common one only.
    StandardOnly,
}

/// A piece of text in a message of several chunks.
pub fn text_chunk(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// An image in a message: an address, or a `data:` URL that holds it.
pub fn image_chunk(url: &str) -> Value {
    json!({ "type": "image_url", "image_url": url })
}

/// A document in a message, or for OCR: an address, or a `data:` URL that holds it.
pub fn document_chunk(url: &str) -> Value {
    json!({ "type": "document_url", "document_url": url })
}

/// A file that was uploaded, in a message or for OCR.
pub fn file_chunk(id: &str) -> Value {
    json!({ "type": "file", "file_id": id })
}
