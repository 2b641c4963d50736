//! The tasks of a model (`chat:`, `embed:`, `ocr:`, …): the list of all kinds, and the type that a map's task is read
//! into. Main type: [`TaskSpec`].
//!
//! A kind other than a chat is a file with its key and its [`CallKind`], named in the two lists here.

mod call;
mod classify;
mod embed;
mod input;
mod moderate;
mod ocr;

pub use call::{CallKind, CallSpec, FieldSpec};

use super::chat::{self, ChatSpec};
use crate::spec::{
    describe::{Key, Type, key},
    text::Text,
    value::Checked,
};

/// The task of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSpec {
    /// `chat:`
    Chat(Box<ChatSpec>),
    /// Another kind.
    Call(CallSpec),
}

/// The kinds other than `chat:`.
static CALLS: [&CallKind; 4] = [&embed::KIND, &ocr::KIND, &moderate::KIND, &classify::KIND];

/// The keys of all kinds; a map has exactly one.
pub(super) const TASK_KEYS: &[Key] = &[
    key(
        "chat",
        Type::Map(&chat::SHAPE),
        "chat: { model: mistral-small-latest, prompt: \"Summarise: {{ text }}\" }",
        "Prompts a model. The result is the answer's text, or its fields if there is a `schema`.",
    ),
    embed::KEY,
    ocr::KEY,
    moderate::KEY,
    classify::KEY,
];

/// The names of all kinds.
pub(super) const TASKS: &[&str] = &{
    let mut names = [""; TASK_KEYS.len()];
    let mut at = 0;
    while at < TASK_KEYS.len() {
        names[at] = TASK_KEYS[at].name;
        at += 1;
    }
    names
};

/// Reads the model and the task of a mapping with one of [`TASKS`].
pub(super) fn task(mut map: Checked) -> Option<(Text, TaskSpec)> {
    let form = map.form?;
    let mut task: Checked = map.get(form)?;
    let model = task.get("model");
    let task = match CALLS.into_iter().find(|kind| kind.name == form) {
        Some(kind) => TaskSpec::Call(CallSpec { kind, fields: (kind.fields)(&mut task)? }),
        None => TaskSpec::Chat(Box::new(chat::build(task)?)),
    };
    Some((model?, task))
}
