//! Expressions that YAML misreads because they are not in quotes: what to write instead. Called for a value of the
//! wrong kind, and on a YAML syntax error.

use crate::diagnostic::Fault;

use super::{
    describe::{Type, Written},
    indentation,
    tree::{Key, Kind, Node},
};

/// A value as a double-quoted YAML string.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a type is an expression.
pub(crate) fn is_expression(holds: &Type) -> bool {
    match holds {
        Type::Text(written) => matches!(written, Written::Expression | Written::Condition),
        Type::Either(types) => types.iter().any(is_expression),
        _ => false,
    }
}

/// What to write for a list or a mapping in place of an expression.
pub(crate) fn brackets(source: &str, node: &Node) -> Option<String> {
    if !matches!(node.kind, Kind::List(_) | Kind::Map(_)) {
        return None;
    }
    let text = source.get(node.span.start..)?;
    if !text.starts_with(['[', '{']) {
        return None;
    }
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(quoted(&text[..=at]));
                }
            }
            (None, '\n') => return None,
            _ => {}
        }
    }
    None
}

/// How many entries of a mapping are one expression with a comma in it, `known: f(a, b)`, and what to write for them.
pub(crate) fn cut_at_commas(source: &str, entries: &[(Key, Node)]) -> Option<(usize, String)> {
    let ((_, first), rest) = entries.split_first()?;
    let Kind::Text(text) = &first.kind else { return None };
    let depth = |text: &str| text.matches('(').count() as i64 - text.matches(')').count() as i64;
    let mut open = depth(text);
    if open <= 0 {
        return None;
    }
    let mut end = first.span.end;
    for (at, (key, node)) in rest.iter().enumerate() {
        if !matches!(node.kind, Kind::Null) {
            return None;
        }
        open += depth(&key.name);
        end = end.max(key.span.end);
        if open <= 0 {
            let whole = source.get(first.span.start..end)?.trim_end_matches([' ', '}', ',']);
            return Some((at + 2, format!("{}: {}", entries[0].0.name, quoted(whole))));
        }
    }
    None
}

/// What to write for the value at a YAML syntax error, if it is an entry of a mapping on one line.
pub(crate) fn at_error(source: &str, at: usize) -> Option<String> {
    let start = source.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = source[start..].lines().next()?;
    let column = at - start;
    // In `{ … }` the entry begins after the last brace or comma before the place, outside of parentheses.
    let before = line.get(..column.min(line.len()))?;
    let mut depth = 0_usize;
    let mut from = 0;
    for (at, c) in before.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '{' | ',' if depth == 0 => from = at + 1,
            _ => {}
        }
    }
    let entry = line.get(from..)?.trim().trim_start_matches("- ");
    let extra = entry.matches('}').count().saturating_sub(entry.matches('{').count());
    let entry = (0..extra).fold(entry, |entry, _| entry.strip_suffix('}').unwrap_or(entry).trim_end());
    let (key, value) = entry.split_once(": ").or_else(|| entry.split_once(':'))?;
    let (key, value) = (key.trim(), value.trim());
    let is_key =
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '"' | ' '));
    let is_open = value.is_empty() || value.starts_with(['{', '[', '|', '>']);
    // `"A" > 1`: the quotes belong to the value, which single quotes can contain.
    if is_key && value.starts_with('"') {
        let is_more = value.len() > 1 && !value.ends_with('"') && value.matches('"').count() == 2;
        return is_more.then(|| format!("{key}: '{}'", value.replace('\'', "''")));
    }
    if !is_key || is_open {
        return None;
    }
    if TEXTS.contains(&key) {
        return Some(format!("{key}: {}", quoted(&as_template(value).unwrap_or_else(|| value.to_owned()))));
    }
    let next = line.get(column..).is_some_and(|rest| rest.starts_with(':'));
    let missing = before.get(from..).and_then(|entry| entry.split_once(": ")).filter(|_| next);
    Some(match missing.and_then(|(_, value)| two_words(value.trim())) {
        Some((value, key_of_next)) => format!("{key}: {value}, {key_of_next}: …"),
        None => format!("{key}: {}", quoted(value)),
    })
}

/// Keys whose values are templates, as a rule.
const TEXTS: [&str; 3] = ["prompt", "system", "input"];

/// Keys whose values may be a single field in braces; elsewhere that is an expression.
const TEMPLATES: [&str; 9] =
    ["prompt", "system", "input", "text", "content", "model", "document", "image", "prompt_cache_key"];

/// The template for texts and fields that are joined with `||`.
fn as_template(expression: &str) -> Option<String> {
    expression.contains("||").then(|| {
        let parts = expression.split("||").map(str::trim).map(|part| {
            let text = part.strip_prefix('\'').and_then(|part| part.strip_suffix('\''));
            text.map_or_else(|| format!("{{{{ {part} }}}}"), str::to_owned)
        });
        parts.collect()
    })
}

/// A value and the key behind it, where a comma is missing between them.
fn two_words(value: &str) -> Option<(&str, &str)> {
    let is_name = |word: &str| word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let (value, key) = value.split_once(' ')?;
    (is_name(value) && is_name(key)).then_some((value, key))
}

/// What to write for a template that is not in quotes: in quotes where a text belongs, as an expression elsewhere.
fn template(source: &str, at: usize) -> Option<String> {
    let start = source.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = source[start..].lines().next()?;
    let braces = line.find("{{")?;
    let entry = line[..braces].rsplit(['{', ',']).next()?.trim().trim_start_matches("- ");
    let key = entry.strip_suffix(':')?;
    let inside = line[braces + 2..].split("}}").next()?.trim();
    let is_only = line[braces..].trim() == format!("{{{{ {inside} }}}}");
    let is_expression = if is_only { !TEMPLATES.contains(&key) } else { line[..braces].contains('{') };
    if is_expression && !TEXTS.contains(&key) {
        return Some(format!("{key}: {inside}"));
    }
    let value = if line[..braces].contains('{') {
        &line[braces..braces + 2 + line[braces + 2..].find("}}")? + 2]
    } else {
        line[braces..].trim()
    };
    Some(format!("{key}: {}", quoted(value)))
}

/// The fault for a text that is not YAML.
pub(crate) fn yaml_fault(source: &str, at: usize, message: String) -> Fault {
    const VALUES: [&str; 5] = [
        "has no anchor",
        "invalid trailing content",
        "did not find expected ',' or '}'",
        "mapping values are not allowed",
        "unexpected character",
    ];
    if let Some(write) = template(source, at).filter(|_| message.contains("a key must be a string")) {
        return Fault::Unquoted { what: "`{{` begins a mapping of YAML".to_owned(), write };
    }
    const LINES: [&str; 3] = [
        "mapping values are not allowed",
        "did not find expected key",
        "did not find expected '-' indicator",
    ];
    let indented = LINES.iter().any(|part| message.contains(part)).then(|| indentation::mistake(source, at));
    if let Some(what) = indented.flatten() {
        return Fault::Yaml(format!("not a valid spec: {what}"));
    }
    // A plain alias is misspelt, and no pattern.
    let is_alias = message.contains("has no anchor")
        && source.get(at..).is_some_and(|rest| {
            let word =
                rest.trim_start_matches('*').split([',', '}', ']', '\n']).next().unwrap_or_default().trim();
            word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        });
    let write = VALUES
        .iter()
        .filter(|_| !is_alias)
        .any(|part| message.contains(part))
        .then(|| at_error(source, at))
        .flatten();
    match write {
        Some(write) => Fault::Unquoted { what: message, write },
        None => Fault::Yaml(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_at_which_yaml_ends_is_written_in_quotes() {
        for (text, at, wanted) in [
            ("a:\n  when: 'x' = kind\n", "= kind", Some("when: \"'x' = kind\"")),
            ("  fields: { kind: a: b }\n", ": b", Some("kind: \"a: b\"")),
            ("  fields: { x: 1, y: k || ': ' || w }\n", ": ' ||", Some("y: \"k || ': ' || w\"")),
            ("  where: @kind\n", "@kind", Some("where: \"@kind\"")),
            ("  where: k = \"a\": b\n", ": b", Some("where: \"k = \\\"a\\\": b\"")),
            ("  fields: { known: coalesce(text, 'x') y }\n", "y }", Some("known: \"coalesce(text, 'x') y\"")),
            ("  where: \"A\" > 1\n", "> 1", Some("where: '\"A\" > 1'")),
            ("  files: *.txt\n", "*.txt", Some("files: \"*.txt\"")),
            ("  where: \"A\n", "\"A", None),
            ("  where: [a\n", "[a", None),
            ("nothing here\n", "here", None),
        ] {
            assert_eq!(at_error(text, text.find(at).unwrap()).as_deref(), wanted, "{text}");
        }
    }
}
