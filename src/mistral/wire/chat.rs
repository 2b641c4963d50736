//! Chat completions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::options::{Prediction, PromptMode, ReasoningEffort, ServiceTier, Stop, Tool, ToolChoice};

/// The path of chat completions below the base URL.
pub const CHAT_PATH: &str = "/v1/chat/completions";

/// The body of a chat request, with every field that the service accepts; it refuses all others.
///
/// Unset fields are not serialized, and new fields are appended at the end: a request is identified by the hash
/// of its bytes, without the fields that do not affect the answer ([`FIELDS`](super::FIELDS)), and paid answers
/// must still be found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// The requested model.
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
    /// Makes answers reproducible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_seed: Option<u64>,
    /// The format of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// The number of answers; only the first is used here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// -2 to 2: penalizes words that were used at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// -2 to 2: penalizes words by how often they were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// The tools that the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether it must call one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// How much the model thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Instructions added by the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_mode: Option<PromptMode>,
    /// The expected content of most of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// Requests with the same key share the cache of their common prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// The capacity to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
    /// Checks of request and answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<Vec<Value>>,
    /// Stored by the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Whether the service prepends its own safety prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe_prompt: Option<bool>,
    /// Whether the answer is streamed. This client reads whole answers only and leaves it unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

impl ChatRequest {
    /// A request with only its messages.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            messages,
            temperature: None,
            top_p: None,
            max_tokens: None,
            random_seed: None,
            response_format: None,
            stop: None,
            n: None,
            presence_penalty: None,
            frequency_penalty: None,
            tools: None,
            tool_choice: None,
            parallel_tool_calls: None,
            reasoning_effort: None,
            prompt_mode: None,
            prediction: None,
            prompt_cache_key: None,
            service_tier: None,
            guardrails: None,
            metadata: None,
            safe_prompt: None,
            stream: None,
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its author.
    pub role: Role,
    /// Its content.
    pub content: Content,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The user.
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
    /// Chunks; those of type `text`, or without a type, are the answer; those of type `thinking` are not.
    Chunks(Vec<Value>),
}

impl Content {
    /// All text chunks joined, without the thinking.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Chunks(chunks) => chunks
                .iter()
                .filter(|chunk| chunk.get("type").is_none_or(|kind| kind == "text" || kind == "output_text"))
                .filter_map(|chunk| chunk.as_str().or_else(|| chunk["text"].as_str()))
                .collect(),
        }
    }
}

/// The format of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Free text.
    Text,
    /// Any JSON.
    JsonObject,
    /// JSON that fits a schema; models mostly comply.
    JsonSchema {
        /// The schema.
        json_schema: NamedSchema,
    },
}

/// A JSON Schema as the service expects it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedSchema {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// What the schema describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema itself.
    pub schema: Value,
    /// Whether the service should enforce it.
    #[serde(default)]
    pub strict: bool,
}

/// The response to a chat request.
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
    /// The model that answered; not always the requested one.
    pub model: String,
    /// The answers, one unless `n` is larger.
    pub choices: Vec<Choice>,
    /// The tokens used.
    #[serde(default)]
    pub usage: TokenUsage,
}

/// One of the answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its index in the list.
    #[serde(default)]
    pub index: u32,
    /// The message.
    pub message: Reply,
    /// The finish reason: `stop`, `length`, `model_length`, `error`, `tool_calls`, or a newer one.
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// The message of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// `assistant`.
    #[serde(default)]
    pub role: Option<String>,
    /// The text; `null` beside tool calls.
    #[serde(default)]
    pub content: Option<Content>,
}

/// Token usage of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens read.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens written.
    #[serde(default)]
    pub completion_tokens: u64,
    /// Their sum.
    #[serde(default)]
    pub total_tokens: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_written_as_it_always_was() {
        let message = Message { role: Role::User, content: Content::Text("hi".to_owned()) };
        let request = ChatRequest {
            temperature: Some(0.5),
            top_p: Some(1.0),
            max_tokens: Some(9),
            random_seed: Some(7),
            response_format: Some(ResponseFormat::JsonObject),
            safe_prompt: Some(false),
            stop: Some(Stop::One("END".to_owned())),
            ..ChatRequest::new("m", vec![message])
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"top_p":1.0,"max_tokens":9,"random_seed":7,"response_format":{"type":"json_object"},"stop":"END","safe_prompt":false}"#
        );
    }

    #[test]
    fn every_published_field_is_taken_and_no_other() {
        let all = json!({
            "model": "m", "messages": [], "temperature": 0.1, "top_p": 1.0, "max_tokens": 1, "random_seed": 1,
            "response_format": { "type": "text" }, "stop": ["a", "b"], "n": 2, "presence_penalty": 0.5,
            "frequency_penalty": -0.5,
            "tools": [{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }],
            "tool_choice": { "type": "function", "function": { "name": "f" } }, "parallel_tool_calls": true,
            "reasoning_effort": "none", "prompt_mode": "reasoning",
            "prediction": { "type": "content", "content": "x" }, "prompt_cache_key": "k",
            "service_tier": "standard_only", "guardrails": [{ "block_on_error": true }],
            "metadata": { "a": 1 }, "safe_prompt": true, "stream": false
        });
        let request: ChatRequest = serde_json::from_value(all.clone()).unwrap();
        assert_eq!(serde_json::to_value(&request).unwrap(), all);
        let error = serde_json::from_value::<ChatRequest>(json!({ "model": "m", "messages": [], "seed": 1 }));
        assert!(error.unwrap_err().to_string().starts_with("unknown field `seed`"));
    }
}
