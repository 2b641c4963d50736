//! Fields of a chat request that are templates: rendered for each record. Main type: [`Varying`], called when a
//! request is written.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    mistral::wire::ChatRequest,
    record::Record,
    spec::{Settings, is_template},
    template::{RenderError, Template, TemplateMistake},
};

/// The fields that differ from record to record.
pub(super) struct Varying(Vec<(&'static str, Part)>);

/// A JSON value with templates in it.
enum Part {
    Constant(Value),
    Text(Box<Template>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

impl Varying {
    pub(super) fn new(settings: &Settings, maps: &[Arc<str>]) -> Result<Self, TemplateMistake> {
        let varying = settings.iter().filter(|setting| setting.is_varying());
        varying
            .map(|setting| Ok((setting.name, part(&setting.value, maps)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The request with its fields for a record.
    pub(super) fn set(&self, mut request: ChatRequest, record: &Record) -> Result<ChatRequest, RenderError> {
        for (name, part) in &self.0 {
            put(&mut request, name, part.render(record)?)?;
        }
        Ok(request)
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

/// Puts a rendered value in its place.
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
        "prompt_cache_key" => request.prompt_cache_key = value.as_str().map(str::to_owned),
        "metadata" => request.metadata = value.as_object().cloned(),
        "prediction" => request.prediction = serde_json::from_value(value).ok(),
        _ => return Err(wrong("a constant")),
    }
    Ok(())
}
