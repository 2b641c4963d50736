//! `chat:`: what is asked in words, and with which fields of the request.

use crate::diagnostic::Fault;

use super::{
    reader::{Mapping, Reader},
    settings,
    stage::{ChatSpec, Parameters, Prompt, ToolSpec},
    tree::{Kind, Node},
};

pub(super) const CHAT: &[&str] = &[
    "model",
    "system",
    "prompt",
    "images",
    "documents",
    "schema",
    "temperature",
    "top_p",
    "max_tokens",
    "random_seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_mode",
    "prompt_cache_key",
    "service_tier",
    "safe_prompt",
    "metadata",
    "prediction",
    "guardrails",
];
pub(super) const TOOL: &[&str] = &["name", "description", "strict", "parameters"];
pub(super) const PROMPT: &[&str] = &["file"];

/// Fields that the service takes and that would do harm here.
const REFUSED: &[(&str, &str)] = &[
    (
        "stream",
        "an answer is read whole: it counts when it is on disk, and its pieces would be seen by nobody",
    ),
    ("n", "one answer counts, and the others would be paid for; `attempts:` asks again when one is refused"),
];

pub(super) fn chat(chat: &mut Mapping, reader: &mut Reader<'_>) -> Option<ChatSpec> {
    for (key, why) in REFUSED {
        if let Some((key, _)) = chat.take_entry(key) {
            reader.report(key.span, Fault::NoUse { key: key.name, within: "`chat:`", why });
        }
    }
    let system = chat.take("system").and_then(|node| prompt(node, reader));
    let question = reader.need(chat, "prompt", "prompt: { file: prompt.md.j2 }");
    let question = question.and_then(|node| prompt(node, reader));
    let mut addresses = |key: &str, reader: &mut Reader<'_>| {
        chat.take(key).map(|node| reader.texts(node)).unwrap_or_default()
    };
    let (images, documents) = (addresses("images", reader), addresses("documents", reader));
    let schema = chat.take("schema").and_then(|node| reader.text(node));
    let settings = settings::read(chat, reader);
    let tools = chat.take("tools").map(|node| tools(node, reader)).unwrap_or_default();
    let tool_choice = chat.take("tool_choice").and_then(|node| reader.text(node));
    Some(ChatSpec { system, prompt: question?, images, documents, schema, settings, tools, tool_choice })
}

pub(super) fn prompt(node: Node, reader: &mut Reader<'_>) -> Option<Prompt> {
    if !matches!(node.kind, Kind::Map(_)) {
        return reader.text(node).map(Prompt::Inline);
    }
    let mut mapping = reader.mapping(node, "a prompt", PROMPT)?;
    let file = reader.need(&mut mapping, "file", "{ file: prompt.md.j2 }").and_then(|node| reader.text(node));
    reader.finish(mapping);
    file.map(Prompt::File)
}

fn tools(node: Node, reader: &mut Reader<'_>) -> Vec<ToolSpec> {
    match node.kind {
        Kind::List(items) => items.into_iter().filter_map(|item| tool(item, reader)).collect(),
        _ => {
            reader.wrong(&node, "a list of tools, each `{ name: …, parameters: … }`");
            Vec::new()
        }
    }
}

fn tool(node: Node, reader: &mut Reader<'_>) -> Option<ToolSpec> {
    let mut tool = reader.mapping(node, "a tool", TOOL)?;
    let name = reader.need(&mut tool, "name", "name: look_up").and_then(|node| reader.name(node));
    let description = tool.take("description").and_then(|node| reader.text(node));
    let strict = tool.take("strict").and_then(|node| reader.flag(&node));
    let parameters = reader.need(&mut tool, "parameters", "parameters: look_up.schema.json");
    let parameters = parameters.and_then(|node| match node.kind {
        Kind::Map(_) => Some(Parameters::Inline(reader.place(node.span.clone()), reader.json(&node))),
        _ => reader.text(node).map(Parameters::File),
    });
    reader.finish(tool);
    Some(ToolSpec { name: name?, description, strict, parameters: parameters? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_table_is_a_key_of_chat() {
        for field in settings::FIELDS {
            assert!(CHAT.contains(&field.name), "{}", field.name);
        }
    }
}
