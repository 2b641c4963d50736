//! The fields of a chat request that a spec sets as they stand.
//!
//! One table says their names, what they may hold and what they are for: the reader and the exported
//! JSON Schema are both made from it. The values are JSON already, under the names that the service knows.

use serde_json::{Map, Value};

use super::{
    reader::{Mapping, Reader},
    tree::{Kind, Node},
};

/// A field that may be set.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) holds: Holds,
    pub(super) about: &'static str,
}

/// What a field may hold.
pub(super) enum Holds {
    /// A number between two, both included.
    Number(f64, f64, &'static str),
    /// A number above 0 and up to 1.
    Share(&'static str),
    /// A whole number between two, both included.
    Count(u64, u64, &'static str),
    Flag,
    Word(&'static [&'static str]),
    Text,
    /// A text or a list of them.
    Texts,
    /// The person's own names, each with a text.
    Labels,
    /// A list of mappings, which are passed on unread.
    Objects,
    /// `{ content: … }`
    Prediction,
}

/// In the order in which a plan shows them.
pub(super) const FIELDS: &[Field] = &[
    field(
        "temperature",
        Holds::Number(0.0, 1.5, "a number from 0 to 1.5"),
        "How freely it chooses words, 0 to 1.5.",
    ),
    field(
        "top_p",
        Holds::Share("a number above 0 and up to 1"),
        "It chooses among the likeliest words that together have this probability.",
    ),
    field(
        "max_tokens",
        Holds::Count(1, 1_000_000, "a number of tokens, 1 or more"),
        "The longest answer. One that is cut there is refused.",
    ),
    field(
        "random_seed",
        Holds::Count(0, i64::MAX as u64, "a whole number, 0 or more"),
        "For answers that can be had again.",
    ),
    field("stop", Holds::Texts, "The answer ends before any of these texts."),
    field("presence_penalty", PENALTY, "-2 to 2: against words that were used at all."),
    field("frequency_penalty", PENALTY, "-2 to 2: against words by how often they were used."),
    field(
        "reasoning_effort",
        Holds::Word(&["none", "minimal", "low", "medium", "high", "xhigh"]),
        "How much the model thinks first. Some models take only `none` and `high`.",
    ),
    field(
        "prompt_mode",
        Holds::Word(&["reasoning"]),
        "The service adds the instructions of a reasoning model.",
    ),
    field(
        "prompt_cache_key",
        Holds::Text,
        "Requests with the same key share what was read of their common beginning, at a lower price.",
    ),
    field("service_tier", Holds::Word(&["auto", "standard_only"]), "Which capacity is used."),
    field("parallel_tool_calls", Holds::Flag, "Whether several tools may be called at once."),
    field("safe_prompt", Holds::Flag, "Whether the service puts its own words about safety first."),
    field("metadata", Holds::Labels, "Texts that the service keeps beside the request."),
    field("prediction", Holds::Prediction, "What the answer will mostly be, so that it comes quicker."),
    field("guardrails", Holds::Objects, "Checks of request and answer, passed on as they stand."),
];

const PENALTY: Holds = Holds::Number(-2.0, 2.0, "a number from -2 to 2");

pub(super) const PREDICTION: &[&str] = &["type", "content"];

const fn field(name: &'static str, holds: Holds, about: &'static str) -> Field {
    Field { name, holds, about }
}

/// Fields of a chat request, in the form in which they are sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(Vec<Setting>);

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What is sent.
    pub value: Value,
    /// What may be shown of it.
    pub shown: String,
}

impl Settings {
    /// Sets a field.
    pub fn set(&mut self, name: &'static str, value: Value, shown: String) {
        self.0.push(Setting { name, value, shown });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The longest answer, if it is set.
    pub fn max_tokens(&self) -> Option<u64> {
        self.0.iter().find(|setting| setting.name == "max_tokens")?.value.as_u64()
    }
}

/// Reads the fields of the table that a mapping has.
pub(super) fn read(mapping: &mut Mapping, reader: &mut Reader<'_>) -> Settings {
    let mut settings = Settings::default();
    for field in FIELDS {
        let Some(node) = mapping.take(field.name) else { continue };
        let secret = node.is_secret();
        if let Some(value) = value(field, node, reader) {
            let shown = if secret { "from the environment".to_owned() } else { shown(&value) };
            settings.set(field.name, value, shown);
        }
    }
    settings
}

fn value(field: &Field, node: Node, reader: &mut Reader<'_>) -> Option<Value> {
    match field.holds {
        Holds::Number(least, most, wanted) => reader.number(&node, (least, most), wanted).map(Value::from),
        Holds::Share(wanted) => reader.number(&node, (f64::MIN_POSITIVE, 1.0), wanted).map(Value::from),
        Holds::Count(least, most, wanted) => reader.count(&node, (least, most), wanted).map(Value::from),
        Holds::Flag => reader.flag(&node).map(Value::from),
        Holds::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
            reader.word(node, field.name, &words).map(Value::from)
        }
        Holds::Text => reader.text(node).map(|text| Value::from(text.value)),
        Holds::Texts if matches!(node.kind, Kind::List(_)) => {
            Some(reader.texts(node).into_iter().map(|text| Value::from(text.value)).collect())
        }
        Holds::Texts => reader.text(node).map(|text| Value::from(text.value)),
        Holds::Labels => {
            let Kind::Map(entries) = node.kind else {
                reader.wrong(&node, "a mapping, `name: text`");
                return None;
            };
            let texts = entries.into_iter().filter_map(|(key, node)| Some((key.name, reader.text(node)?)));
            Some(texts.map(|(name, text)| (name, Value::from(text.value))).collect::<Map<_, _>>().into())
        }
        Holds::Objects => {
            let Kind::List(items) = &node.kind else {
                reader.wrong(&node, "a list of mappings");
                return None;
            };
            for item in items.iter().filter(|item| !matches!(item.kind, Kind::Map(_))) {
                reader.wrong(item, "a mapping, `key: value`");
            }
            Some(reader.json(&node))
        }
        Holds::Prediction => {
            const TYPES: &[(&str, ())] = &[("content", ())];
            let mut prediction = reader.mapping(node, "`prediction:`", PREDICTION)?;
            if let Some(node) = prediction.take("type") {
                reader.word(node, "type", TYPES);
            }
            let content = reader.need(&mut prediction, "content", "content: the answer as it was");
            let content = content.and_then(|node| reader.text(node));
            reader.finish(prediction);
            content.map(|content| serde_json::json!({ "type": "content", "content": content.value }))
        }
    }
}

/// The most that a plan shows of a value.
const SHOWN: usize = 60;

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
