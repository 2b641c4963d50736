//! What looks like JSON Schema in the short form of a schema, where it would mean something else. Main function:
//! [`found`].

use super::tree::{Key, Kind, Node};

/// The first such key in a mapping, what is wrong with it, and what to write.
pub(crate) fn found(entries: &[(Key, Node)]) -> Option<(&Key, String, String)> {
    let first = |is_habit: &dyn Fn(&Key, &Node) -> bool| {
        entries.iter().find(|(key, node)| is_habit(key, node)).map(|(key, _)| key)
    };
    if let Some(key) = first(&|key, node| key.name == "properties" && is_properties(node)) {
        let help = "write `type: object` beside `properties:`, or leave `properties:` out: `{ name: text }`";
        return Some((key, "a JSON Schema without `type: object`".to_owned(), help.to_owned()));
    }
    if let Some(key) = first(&|key, node| is_limit(key, node, entries)) {
        let help = "the short form has `is`, `one_of`, `about` and `optional`: check a limit with `expect:`, or write the \
                    schema as a JSON Schema, with `type: object` and `properties:`";
        return Some((key, format!("`{}` in the short form of a schema", key.name), help.to_owned()));
    }
    if let Some((key, of)) = lone_type(entries) {
        let what = "this is an object with a property called `type`".to_owned();
        let help = format!(
            "write the type alone (`{of}`), or `{{ is: {of}, about: A text. }}`; an object with one property of this name is \
             written as a JSON Schema: `{{ type: object, properties: {{ type: … }} }}`"
        );
        return Some((key, what, help));
    }
    let key = first(&|key, node| (is_wrapped(entries) || has_is(entries)) && is_foreign(key, node))?;
    let help = "beside `is` or `one_of` there may be `about` (what it means) and `optional`; check a limit with `expect:`";
    Some((key, format!("`{}` in the short form of a schema", key.name), help.to_owned()))
}

/// Keywords of JSON Schema.
const KEYWORDS: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
];

fn has_is(entries: &[(Key, Node)]) -> bool {
    entries.iter().any(|(key, _)| key.name == "is" || key.name == "one_of")
}

fn is_wrapped(entries: &[(Key, Node)]) -> bool {
    let is_known = |(key, _): &(Key, Node)| {
        ["is", "one_of", "about", "optional"].contains(&&*key.name) || KEYWORDS.contains(&&*key.name)
    };
    entries.iter().all(is_known) && has_is(entries)
}

/// Whether a key is a keyword of JSON Schema, and no property.
fn is_limit(key: &Key, node: &Node, entries: &[(Key, Node)]) -> bool {
    KEYWORDS.contains(&&*key.name)
        && (is_wrapped(entries) || matches!(node.kind, Kind::Int(_) | Kind::Float(_)))
}

/// Whether a key beside `is:` is no property: its value cannot be a type.
fn is_foreign(key: &Key, node: &Node) -> bool {
    let is_known = ["is", "one_of", "about", "optional"].contains(&&*key.name);
    let is_text = |text: &str| text.trim().contains(' ') && !text.contains('(');
    !is_known
        && match &node.kind {
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => true,
            Kind::Text(text) => is_text(text),
            _ => false,
        }
}

/// `{ type: date }`, alone or with keywords of JSON Schema beside it: the key, and the type.
fn lone_type(entries: &[(Key, Node)]) -> Option<(&Key, String)> {
    const BESIDE: [&str; 5] = ["description", "title", "enum", "default", "examples"];
    let (key, Kind::Text(of)) =
        entries.iter().find(|(key, _)| key.name == "type").map(|(key, of)| (key, &of.kind))?
    else {
        return None;
    };
    let is_keyword = |(key, node): &(Key, Node)| match &node.kind {
        Kind::Text(text) => BESIDE.contains(&&*key.name) && text.trim().contains(' '),
        Kind::List(_) => BESIDE.contains(&&*key.name),
        _ => KEYWORDS.contains(&&*key.name),
    };
    let others = entries.iter().filter(|(key, _)| key.name != "type");
    let of = match of.as_str() {
        "string" => "text",
        "number" | "integer" | "boolean" | "date" | "timestamp" | "decimal" | "text" => of,
        _ => return None,
    };
    others.clone().all(is_keyword).then(|| (key, of.to_owned()))
}

/// Whether these are properties of a JSON Schema: one has a type that only exists in JSON Schema.
fn is_properties(node: &Node) -> bool {
    let Kind::Map(entries) = &node.kind else { return false };
    entries.iter().any(|(_, node)| {
        let Kind::Map(keys) = &node.kind else { return false };
        keys.iter().any(|(key, node)| {
            key.name == "type"
                && matches!(&node.kind, Kind::Text(of) if ["string", "array", "object", "null"].contains(&of.as_str()))
        })
    })
}
