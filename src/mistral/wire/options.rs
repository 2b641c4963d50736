//! Options of a chat request: the values of its rarer fields.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Texts that end an answer: it is cut off before the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// One text.
    One(String),
    /// Several.
    Any(Vec<String>),
}

/// A function that the model may call; the arguments of the call are an answer that fits a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Always a function: the service's own tools work only in conversations.
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

/// A function, as described to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the service should enforce the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether tools are called, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    /// The model decides, or none, or at least one.
    Mode(ToolMode),
    /// A specific one.
    Named {
        /// Always a function.
        #[serde(rename = "type", default)]
        kind: ToolKind,
        /// Its name.
        function: FunctionName,
    },
}

/// Whether tools are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolMode {
    /// The model decides.
    Auto,
    /// Never.
    None,
    /// At least one.
    Any,
    /// At least one; a synonym.
    Required,
}

/// The name of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionName {
    /// The name.
    pub name: String,
}

/// How much a model thinks before it answers; some models accept only the first and `high`.
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

/// A prompt added by the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptMode {
    /// The prompt of a reasoning model.
    Reasoning,
}

/// The expected content of most of the answer, to speed it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Prediction {
    /// This text.
    Content {
        /// The text.
        content: String,
    },
}

/// The capacity that a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// Any available to the account.
    Auto,
    /// Only the standard capacity.
    StandardOnly,
}

/// A text chunk of a message.
pub fn text_chunk(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// An image chunk of a message: a URL, or a `data:` URL with the content.
pub fn image_chunk(url: &str) -> Value {
    json!({ "type": "image_url", "image_url": url })
}

/// A document chunk of a message, or for OCR: a URL, or a `data:` URL with the content.
pub fn document_chunk(url: &str) -> Value {
    json!({ "type": "document_url", "document_url": url })
}

/// An uploaded file, as a chunk of a message or for OCR.
pub fn file_chunk(id: &str) -> Value {
    json!({ "type": "file", "file_id": id })
}
