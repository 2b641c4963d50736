//! What is sent about a record: bodies that are written from a plan, and known by their hash.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{
    ledger::RequestId,
    mistral::{
        estimate_tokens,
        wire::{ChatRequest, Content, Message, NamedSchema, ResponseFormat, Role},
    },
    plan::{Ask, Chat, Task},
    record::Record,
    template::RenderError,
    units::Usd,
};

use super::question::Question;

/// A request that has been written but not sent.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) id: RequestId,
    pub(super) body: Bytes,
    /// About what it will cost in tokens.
    pub(super) tokens: u64,
    /// About what it will cost.
    pub(super) cost: Usd,
}

/// Tokens that an answer may have where the stage sets no limit, for the limit on tokens.
const ANSWER_TOKENS: u64 = 1000;

/// All of a chat request but its messages; nothing if the settings are none, which a plan's are not.
pub(super) fn chat_request(ask: &Ask, chat: &Chat) -> Option<ChatRequest> {
    let mut fields = Map::new();
    fields.insert("model".to_owned(), ask.model.as_str().into());
    fields.insert("messages".to_owned(), json!([]));
    fields.extend(chat.settings.iter().map(|setting| (setting.name.to_owned(), setting.value.clone())));
    let mut request: ChatRequest = serde_json::from_value(Value::Object(fields)).ok()?;
    request.response_format = chat.schema.as_ref().map(|schema| ResponseFormat::JsonSchema {
        json_schema: NamedSchema {
            name: schema.name.clone(),
            description: None,
            schema: schema.json.clone(),
            strict: true,
        },
    });
    Some(request)
}

impl Question {
    /// The request for a record.
    pub(super) fn write(&self, record: &Record) -> Result<Written, RenderError> {
        let input = self.input.render(&record.fields)?;
        let model = &self.ask.model;
        let most = self.answer_tokens();
        let body = match (&self.ask.task, &self.request) {
            (Task::Chat(_), Some(request)) => {
                let system = self.system.as_ref().map(|system| system.render(&record.fields)).transpose()?;
                serde_json::to_vec(&ChatRequest { messages: messages(system, input), ..request.clone() })
            }
            (Task::Embed { dimension, .. }, _) => {
                let mut body = json!({ "model": model, "input": input });
                if let Some(dimension) = dimension {
                    body["output_dimension"] = json!(dimension);
                }
                serde_json::to_vec(&body)
            }
            (Task::Ocr { pages, .. }, _) => {
                let mut body = json!({ "model": model, "document": document(&input) });
                if let Some(pages) = pages {
                    body["pages"] = json!(pages);
                }
                serde_json::to_vec(&body)
            }
            (Task::Chat(_) | Task::Moderate { .. } | Task::Classify { .. }, _) => {
                serde_json::to_vec(&json!({ "model": model, "input": input }))
            }
        };
        // Texts and numbers, which always have a JSON form.
        let body = body.unwrap_or_default();
        let prompt = estimate_tokens(body.len());
        let price = self.price(model);
        Ok(Written {
            id: RequestId::of(self.endpoint.path(), &body),
            body: body.into(),
            tokens: prompt + most,
            cost: price.map(|price| price.of(prompt, most)).unwrap_or_default(),
        })
    }

    /// Tokens that an answer may have, about.
    pub(super) fn answer_tokens(&self) -> u64 {
        match &self.ask.task {
            Task::Chat(chat) => chat.settings.max_tokens().unwrap_or(ANSWER_TOKENS),
            _ => 0,
        }
    }
}

fn messages(system: Option<String>, prompt: String) -> Vec<Message> {
    let system = system.map(|text| Message { role: Role::System, content: Content::Text(text) });
    let prompt = Message { role: Role::User, content: Content::Text(prompt) };
    system.into_iter().chain([prompt]).collect()
}

/// A document by its address, as the service wants it told.
fn document(address: &str) -> Value {
    let address = address.trim();
    let lower = address.to_lowercase();
    let image = lower.starts_with("data:image/")
        || [".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".tif", ".tiff"]
            .iter()
            .any(|end| lower.ends_with(end));
    match image {
        true => json!({ "type": "image_url", "image_url": address }),
        false => json!({ "type": "document_url", "document_url": address }),
    }
}
