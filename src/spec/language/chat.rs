//! `chat:` prompts a model: its keys, and the struct they are read into.

use super::{
    common::MODEL,
    prompt::{PROMPT, Prompt},
    settings::{self, SETTINGS, Settings},
};
use crate::spec::{
    describe::{Key, Preset, Shape, Type, Written, key},
    schema::SchemaSpec,
    text::{Name, Text},
    value::{Checked, FromValue, Value as Given},
};

/// `chat:`
#[derive(Debug, Clone, PartialEq)]
pub struct ChatSpec {
    /// The system prompt.
    pub system: Option<Prompt>,
    /// The prompt.
    pub prompt: Prompt,
    /// URLs or paths of attached images.
    pub images: Vec<Text>,
    /// URLs or paths of attached documents.
    pub documents: Vec<Text>,
    /// The schema of the answer.
    pub schema: Option<SchemaSpec>,
    /// Fields of the request that are sent unchanged.
    pub settings: Settings,
    /// The tools that the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it must call one: a word, or the name of a tool.
    pub tool_choice: Option<Text>,
}

/// One of `tools:`
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name, as the model sees it.
    pub name: Name,
    /// Its description for the model.
    pub description: Option<Text>,
    /// Whether the service should enforce the schema.
    pub strict: Option<bool>,
    /// The schema of its arguments.
    pub parameters: SchemaSpec,
}

const FILES: Type = Type::Many(&Type::Text(Written::Template));

pub(super) static SHAPE: Shape = Shape {
    refused: &[
        ("stream", "an answer counts only when it is complete and on disk, so streaming has no use"),
        ("n", "one answer counts, and the others would be paid for; `attempts:` retries when one is refused"),
    ],
    ..Shape::new(
        "chat",
        "`chat:`",
        "Prompts a model; fields of the request that are not set are not sent.",
        &[KEYS, SETTINGS],
    )
};

const KEYS: &[Key] = &[
    MODEL,
    key("system", PROMPT, "system: Be brief.", "The system prompt."),
    key(
        "prompt",
        PROMPT,
        "prompt: { file: prompt.md.j2 }",
        "The prompt, a template over the record: here, or in a file.",
    )
    .required(),
    key("images", FILES, "images: \"{{ file }}\"", "Images that go with the prompt: URLs or paths."),
    key(
        "documents",
        FILES,
        "documents: \"https://example.org/{{ path }}\"",
        "Documents that go with the prompt: URLs or paths.",
    ),
    key(
        "schema",
        Type::Schema,
        "schema: { title: text, year: integer? }",
        "The schema that the answer must fit; an answer that does not is refused. A path, JSON Schema, or the short form.",
    ),
    key(
        "tools",
        Type::List(TOOLS, "tools, each `{ name: …, parameters: … }`"),
        "tools: [{ name: find, parameters: find.schema.json }]",
        "Functions that the model may call. An answer that calls one is its arguments, as JSON.",
    ),
    key(
        "tool_choice",
        Type::Text(Written::Plain),
        "tool_choice: any",
        "Whether tools are called: `auto`, `none`, `any`, `required`, or the name of a tool.",
    )
    .or(Preset::Says("the service's own")),
];

const TOOLS: &Type = &Type::Map(&TOOL);

static TOOL: Shape = Shape::new(
    "tool",
    "a tool",
    "A function that a model may call.",
    &[&[
        key("name", Type::Name, "name: look_up", "The name by which the model calls it.").required(),
        key(
            "description",
            Type::Text(Written::Plain),
            "description: Looks a word up.",
            "The description for the model.",
        ),
        key("strict", Type::Flag, "strict: true", "Whether the service enforces the schema."),
        key(
            "parameters",
            Type::Schema,
            "parameters: look_up.schema.json",
            "The schema of its arguments: a path, JSON Schema, or the short form.",
        )
        .required(),
    ]],
);

pub(super) fn build(mut map: Checked) -> Option<ChatSpec> {
    Some(ChatSpec {
        system: map.get("system"),
        images: map.get("images").unwrap_or_default(),
        documents: map.get("documents").unwrap_or_default(),
        schema: map.get("schema"),
        settings: settings::build(&mut map),
        tools: map.get("tools").unwrap_or_default(),
        tool_choice: map.get("tool_choice"),
        prompt: map.get("prompt")?,
    })
}

impl FromValue for ToolSpec {
    fn from_value(value: Given) -> Option<Self> {
        let mut tool = Checked::from_value(value)?;
        Some(Self {
            description: tool.get("description"),
            strict: tool.get("strict"),
            name: tool.get("name")?,
            parameters: tool.get("parameters")?,
        })
    }
}
