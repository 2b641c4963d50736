//! Chat completions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The path of chat completions below the base URL.
pub const CHAT_PATH: &str = "/v1/chat/completions";

/// The body of a chat request. The service refuses any field that is not its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// The model asked for.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// 0 to 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// For answers that can be had again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_seed: Option<u64>,
    /// What the answer must look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// Text, or a list of chunks of several types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Chunks; those of type `text` are the answer, those of type `thinking` are not.
    Chunks(Vec<Value>),
}

impl Content {
    /// All text chunks joined: the answer, without the thinking.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Chunks(chunks) => chunks
                .iter()
                .filter(|chunk| chunk["type"] == "text")
                .filter_map(|chunk| chunk["text"].as_str())
                .collect(),
        }
    }
}

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Free text.
    Text,
    /// Some JSON, with no promise of which.
    JsonObject,
    /// JSON that fits a schema; the model mostly keeps to it.
    JsonSchema {
        /// The schema.
        json_schema: NamedSchema,
    },
}

/// A JSON Schema as the service wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedSchema {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// What it describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema itself.
    pub schema: Value,
    /// Whether the service should hold the model to it.
    #[serde(default)]
    pub strict: bool,
}

/// The body of a chat answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// `chat.completion`.
    #[serde(default)]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: i64,
    /// The model that answered; not always the one that was asked.
    pub model: String,
    /// The answers, one unless `n` asked for more.
    pub choices: Vec<Choice>,
    /// What it cost in tokens.
    #[serde(default)]
    pub usage: TokenUsage,
}

/// One of the answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its place in the list.
    #[serde(default)]
    pub index: u32,
    /// What was said.
    pub message: Reply,
    /// Why it ended: `stop`, `length`, `model_length`, `error`, `tool_calls`, and whatever comes to be added.
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// The message of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// `assistant`.
    #[serde(default)]
    pub role: Option<String>,
    /// What was said; `null` beside tool calls.
    #[serde(default)]
    pub content: Option<Content>,
}

/// Tokens of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens that were read.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens that were written.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Their sum.
    #[serde(default)]
    pub total_tokens: u64,
}
