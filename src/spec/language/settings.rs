//! The fields of a chat request that a spec sets under the service's own names, sent unchanged.

use serde_json::{Value, json};

use crate::spec::{
    describe::{Key, Shape, Type, Word, Written, key},
    text::{Text, is_template},
    value::Checked,
};

/// Fields of a chat request, in the form they are sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(Vec<Setting>);

/// A field of a chat request.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// The value to send.
    pub value: Value,
    /// The value as it may be shown.
    pub shown: String,
    /// The templates in it.
    pub templates: Vec<Text>,
}

impl Setting {
    /// Whether it differs from record to record.
    pub fn is_varying(&self) -> bool {
        !self.templates.is_empty()
    }
}

impl Settings {
    /// Sets a field.
    pub fn set(&mut self, name: &'static str, value: Value, shown: String) {
        self.0.push(Setting { name, value, shown, templates: Vec::new() });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The limit on output tokens, if set.
    pub fn max_tokens(&self) -> Option<u64> {
        self.0.iter().find(|setting| setting.name == "max_tokens")?.value.as_u64()
    }
}

const TEMPLATE: Type = Type::Text(Written::Template);
const PENALTY: Type = Type::Number(-2.0, 2.0);

/// In the order they are sent and shown.
pub(super) const SETTINGS: &[Key] = &[
    key("temperature", Type::Number(0.0, 1.5), "temperature: 0.2", "How random the choice of tokens is."),
    key(
        "top_p",
        Type::Share,
        "top_p: 0.9",
        "Chooses among the most likely tokens that together have this probability.",
    ),
    key(
        "max_tokens",
        Type::Count("tokens", 1, 1_000_000),
        "max_tokens: 500",
        "The maximum length of an answer. One that is cut off there is refused.",
    ),
    key(
        "random_seed",
        Type::Either(&[Type::Count("", 0, i64::MAX as u64), TEMPLATE]),
        "random_seed: 7",
        "Makes answers repeatable. A number, or a template that gives one.",
    ),
    key("stop", Type::Many(&TEMPLATE), "stop: [END]", "The answer ends before any of these texts."),
    key("presence_penalty", PENALTY, "presence_penalty: 0.5", "Penalises tokens that occurred before."),
    key(
        "frequency_penalty",
        PENALTY,
        "frequency_penalty: 0.5",
        "Penalises tokens by how often they occurred before.",
    ),
    key(
        "reasoning_effort",
        Type::Word(
            "reasoning_effort",
            &[
                Word("none", ""),
                Word("minimal", ""),
                Word("low", ""),
                Word("medium", ""),
                Word("high", ""),
                Word("xhigh", ""),
            ],
        ),
        "reasoning_effort: high",
        "How much the model reasons first. Some models accept only `none` and `high`.",
    ),
    key(
        "prompt_mode",
        Type::Word("prompt_mode", &[Word("reasoning", "")]),
        "prompt_mode: reasoning",
        "The service adds the system prompt of a reasoning model.",
    ),
    key(
        "prompt_cache_key",
        TEMPLATE,
        "prompt_cache_key: extract",
        "Requests with the same key share the cached beginning of their prompts, at a lower price.",
    ),
    key(
        "service_tier",
        Type::Word("service_tier", &[Word("auto", ""), Word("standard_only", "")]),
        "service_tier: auto",
        "Which capacity of the service is used.",
    ),
    key(
        "parallel_tool_calls",
        Type::Flag,
        "parallel_tool_calls: false",
        "Whether several tools may be called at once.",
    ),
    key("safe_prompt", Type::Flag, "safe_prompt: true", "Whether the service adds its safety prompt."),
    key(
        "metadata",
        Type::Own(false, &TEMPLATE, "name: text"),
        "metadata: { project: library }",
        "Texts that the service stores with the request.",
    ),
    key(
        "prediction",
        Type::Map(&PREDICTION),
        "prediction: { content: The answer. }",
        "The expected text of most of the answer, so that it is generated faster.",
    ),
    key(
        "guardrails",
        Type::List(&Type::Json("a mapping, `key: value`"), "mappings"),
        "guardrails: [{ block_on_error: true }]",
        "Checks of request and answer, sent as they are.",
    ),
];

static PREDICTION: Shape = Shape::new(
    "prediction",
    "`prediction:`",
    "The expected text of most of the answer.",
    &[&[
        key("type", Type::Word("type", &[Word("content", "")]), "type: content", "Always `content`."),
        key("content", TEMPLATE, "content: the answer as it was", "The answer as it will mostly be.")
            .required(),
    ]],
);

/// Reads the keys of [`SETTINGS`].
pub(super) fn build(map: &mut Checked) -> Settings {
    let mut settings = Settings::default();
    for key in SETTINGS {
        let Some(entry) = map.take(key.name) else { continue };
        let templates = entry.value.texts().into_iter().filter(|text| {
            // A seed in quotes is a text that renders to a number.
            is_template(&text.value) || key.name == "random_seed"
        });
        let templates: Vec<Text> = templates.cloned().collect();
        let value = match key.name {
            "prediction" => entry.value.into_json().and_then(|mut prediction| {
                let content = prediction.get_mut("content")?.take();
                Some(json!({ "type": "content", "content": content }))
            }),
            _ => entry.value.into_json(),
        };
        if let Some(value) = value {
            let shown = if entry.secret { "from the environment".to_owned() } else { shown(&value) };
            settings.0.push(Setting { name: key.name, value, shown, templates });
        }
    }
    settings
}

/// The most characters of a value shown in a plan.
const SHOWN: usize = 60;

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
