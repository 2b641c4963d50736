//! What a model can be asked for (`chat:`, `embed:`, `ocr:`, `moderate:`, `classify:`): the keys of each and
//! what they are read into.

use super::{
    chat::{self, ChatSpec},
    common::MODEL,
    prompt::{PROMPT, Prompt},
};
use crate::spec::{
    describe::{Key, Preset, Shape, Type, Written, key},
    text::Text,
    value::Checked,
};

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSpec {
    /// `chat:`
    Chat(Box<ChatSpec>),
    /// `embed:`
    Embed {
        /// The text.
        input: Prompt,
        /// Numbers in the vector; by default the model's own.
        dimension: Option<u64>,
    },
    /// `ocr:`
    Ocr {
        /// The address or the path of the document.
        document: Text,
        /// Pages, counted from 0: `0,2-5`.
        pages: Option<Text>,
    },
    /// `moderate:`
    Moderate {
        /// The text.
        input: Prompt,
    },
    /// `classify:`
    Classify {
        /// The text.
        input: Prompt,
    },
}

/// The kinds of task; a map has exactly one.
pub(super) const TASKS: &[&str] = &["chat", "embed", "ocr", "moderate", "classify"];

pub(super) const TASK_KEYS: &[Key] = &[
    key(
        "chat",
        Type::Map(&chat::SHAPE),
        "chat: { model: mistral-small-latest, prompt: \"Summarise: {{ text }}\" }",
        "Prompts a model. The result is the answer's text, or its fields if there is a `schema`.",
    ),
    key(
        "embed",
        Type::Map(&EMBED),
        "embed: { model: mistral-embed, input: \"{{ text }}\" }",
        "Embeds a text. The result is a list of numbers.",
    ),
    key(
        "ocr",
        Type::Map(&OCR),
        "ocr: { model: mistral-ocr-latest, document: \"{{ file }}\" }",
        "Reads the text of a document or an image. The result has `markdown` and `pages`.",
    ),
    key(
        "moderate",
        Type::Map(&MODERATE),
        "moderate: { model: mistral-moderation-latest, input: \"{{ text }}\" }",
        "Says whether a text is harmful. The result has `flagged`, `categories` and `category_scores`.",
    ),
    key(
        "classify",
        Type::Map(&CLASSIFY),
        "classify: { model: \"ft:classifier:…\", input: \"{{ text }}\" }",
        "Classifies a text with a fine-tuned classifier. The result has the classes and their scores.",
    ),
];

const INPUT: Key = key("input", PROMPT, "input: \"{{ text }}\"", "The text.").required();

static EMBED: Shape = Shape::new(
    "embed",
    "`embed:`",
    "Embeds a text.",
    &[&[
        Key { example: "model: mistral-embed", ..MODEL },
        INPUT,
        key(
            "dimension",
            Type::Count("dimensions", 1, 1 << 16),
            "dimension: 256",
            "The length of the vector.",
        )
        .or(Preset::Says("the model's own")),
    ]],
);

static OCR: Shape = Shape::new(
    "ocr",
    "`ocr:`",
    "Reads the text of a document or an image.",
    &[&[
        Key { example: "model: mistral-ocr-latest", ..MODEL },
        key(
            "document",
            Type::Text(Written::Template),
            "document: \"{{ url }}\"",
            "The address or the path of the document or image.",
        )
        .required(),
        key("pages", Type::Text(Written::Plain), "pages: 0,2-5", "Pages, counted from 0.")
            .or(Preset::Says("all pages")),
    ]],
);

static MODERATE: Shape = Shape::new(
    "moderate",
    "`moderate:`",
    "Says whether a text is harmful.",
    &[&[Key { example: "model: mistral-moderation-latest", ..MODEL }, INPUT]],
);

static CLASSIFY: Shape = Shape::new(
    "classify",
    "`classify:`",
    "Classifies a text with a fine-tuned classifier.",
    &[&[Key { example: "model: ft:classifier:…", ..MODEL }, INPUT]],
);

/// The model and the task of a mapping with one of [`TASKS`].
pub(super) fn task(mut map: Checked) -> Option<(Text, TaskSpec)> {
    let form = map.form?;
    let mut task: Checked = map.get(form)?;
    let model = task.get("model");
    let task = match form {
        "chat" => TaskSpec::Chat(Box::new(chat::build(task)?)),
        "embed" => TaskSpec::Embed { dimension: task.get("dimension"), input: task.get("input")? },
        "ocr" => TaskSpec::Ocr { pages: task.get("pages"), document: task.get("document")? },
        "moderate" => TaskSpec::Moderate { input: task.get("input")? },
        _ => TaskSpec::Classify { input: task.get("input")? },
    };
    Some((model?, task))
}
