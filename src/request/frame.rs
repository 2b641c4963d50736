//! A chat request without its messages: its fields, some of them templates, and which of them identify it. Main
//! type: [`Frame`], called when a request is written.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    ledger::RequestId,
    mistral::wire::{ChatRequest, NamedSchema, ResponseFormat, is_identity},
    plan::Chat,
    record::Record,
    spec::is_template,
    template::{RenderError, Template, TemplateMistake},
};

/// A chat request without its model and messages.
pub(crate) struct Frame {
    request: ChatRequest,
    /// Fields that are not part of a request's identity.
    beside: Map<String, Value>,
    /// The fields that differ from record to record.
    varying: Vec<(&'static str, Part)>,
    sets_beside: bool,
}

/// The field by which requests share the service's cache of their common prefix.
const CACHE_KEY: &str = "prompt_cache_key";

/// The frame for a record.
pub(crate) struct Framed {
    pub(crate) request: ChatRequest,
    pub(crate) beside: Map<String, Value>,
    /// Whether the spec sets a field outside the identity; older versions included it.
    pub(crate) sets_beside: bool,
}

/// A JSON value that contains templates.
enum Part {
    Constant(Value),
    Text(Box<Template>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

impl Frame {
    /// The frame of a stage, with its cache key unless the spec sets one; `None` if the settings are invalid,
    /// which a plan's never are.
    pub(crate) fn new(chat: &Chat, maps: &[Arc<str>], cache_key: Option<String>) -> Option<Self> {
        let (mut fields, mut beside) = (Map::new(), Map::new());
        fields.insert("model".to_owned(), "".into());
        fields.insert("messages".to_owned(), json!([]));
        beside.extend(cache_key.map(|key| (CACHE_KEY.to_owned(), key.into())));
        for setting in chat.settings.iter().filter(|setting| !setting.is_varying()) {
            let part = if is_identity(setting.name) { &mut fields } else { &mut beside };
            part.insert(setting.name.to_owned(), setting.value.clone());
        }
        let mut request: ChatRequest = serde_json::from_value(Value::Object(fields)).ok()?;
        request.response_format = chat.schema.as_ref().map(|schema| ResponseFormat::JsonSchema {
            json_schema: NamedSchema {
                name: schema.name.clone(),
                description: None,
                schema: schema.json.clone(),
                strict: true,
            },
        });
        let varying = chat.settings.iter().filter(|setting| setting.is_varying());
        let varying = varying.map(|setting| Ok((setting.name, part(&setting.value, maps)?)));
        let varying = varying.collect::<Result<_, TemplateMistake>>().ok()?;
        let sets = chat.settings.iter().any(|setting| !is_identity(setting.name));
        Some(Self { request, beside, varying, sets_beside: sets })
    }

    /// The request for a record.
    pub(crate) fn of(&self, record: &Record) -> Result<Framed, RenderError> {
        let (mut request, mut beside) = (self.request.clone(), self.beside.clone());
        for (name, part) in &self.varying {
            let value = part.render(record)?;
            match is_identity(name) {
                true => put(&mut request, name, value)?,
                false => drop(beside.insert((*name).to_owned(), value)),
            }
        }
        Ok(Framed { request, beside, sets_beside: self.sets_beside })
    }
}

impl Framed {
    /// The identity of the request in older versions, if different.
    pub(crate) fn older(&self, endpoint: &str) -> Option<RequestId> {
        if !self.sets_beside {
            return None;
        }
        let set = |name: &str| self.beside.get(name).cloned();
        let request = ChatRequest {
            // Fields that are now set by default did not exist then.
            prompt_cache_key: set(CACHE_KEY).and_then(|key| key.as_str().map(str::to_owned)),
            service_tier: set("service_tier").and_then(|tier| serde_json::from_value(tier).ok()),
            metadata: set("metadata").and_then(|metadata| metadata.as_object().cloned()),
            ..self.request.clone()
        };
        let body = serde_json::to_vec(&request).ok()?;
        Some(RequestId::of(endpoint, &body))
    }

    /// The bytes that identify the request, and the bytes to send.
    pub(crate) fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        // Strings and numbers always serialize to JSON.
        let identity = serde_json::to_vec(&self.request).unwrap_or_default();
        let mut body = identity.clone();
        if !self.beside.is_empty() && body.pop() == Some(b'}') {
            let beside = serde_json::to_vec(&self.beside).unwrap_or_default();
            body.push(b',');
            body.extend_from_slice(&beside[1..]);
        }
        (identity, body)
    }
}

fn part(value: &Value, maps: &[Arc<str>]) -> Result<Part, TemplateMistake> {
    Ok(match value {
        Value::String(text) if is_template(text) => Part::Text(Box::new(Template::parse(text, &[], maps)?)),
        Value::Array(items) => {
            Part::List(items.iter().map(|item| part(item, maps)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), part(value, maps)?)));
            Part::Map(fields.collect::<Result<_, _>>()?)
        }
        constant => Part::Constant(constant.clone()),
    })
}

impl Part {
    fn render(&self, record: &Record) -> Result<Value, RenderError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Text(template) => template.render(record)?.into(),
            Self::List(items) => items.iter().map(|item| item.render(record)).collect::<Result<_, _>>()?,
            Self::Map(fields) => {
                let fields = fields.iter().map(|(name, part)| Ok((name.clone(), part.render(record)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, _>>()?)
            }
        })
    }
}

/// Inserts a rendered value.
fn put(request: &mut ChatRequest, name: &str, value: Value) -> Result<(), RenderError> {
    let wrong = |wanted: &str| {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        RenderError::Other(format!("`{name}` is `{}` in this record: expected {wanted}", shown.trim()))
    };
    match name {
        "random_seed" => {
            let seed = value.as_str().and_then(|text| text.trim().parse().ok());
            request.random_seed = Some(seed.ok_or_else(|| wrong("a whole number, 0 or more"))?);
        }
        "stop" => request.stop = serde_json::from_value(value).ok(),
        "prediction" => request.prediction = serde_json::from_value(value).ok(),
        _ => return Err(wrong("a constant")),
    }
    Ok(())
}
