//! DuckDB's parse tree of a text, as JSON, for facts that binding does not show.

use serde_json::Value;

use super::{Engine, ExpressionError};

/// The tree of `SELECT <expression>`, or the parser's error.
///
/// # Errors
/// A syntax error, with its place in the expression.
pub(super) fn of_expression(engine: &Engine, expression: &str) -> Result<Value, ExpressionError> {
    const HEAD: &str = "SELECT (";
    let text = format!("{HEAD}{expression}\n)");
    let tree = parsed(engine, &text)?;
    if let Some(error) = error_in(&tree, HEAD, expression) {
        return Err(error);
    }
    let statements = tree["statements"].as_array().map_or(0, Vec::len);
    let items = tree["statements"][0]["node"]["select_list"].as_array();
    match items.map(Vec::as_slice) {
        Some([item]) if statements == 1 => Ok(item.clone()),
        _ => Err(ExpressionError::new("this is not one expression")),
    }
}

/// The parser's error in a tree of `head` and a text, with its place in the text.
pub(super) fn error_in(tree: &Value, head: &str, text: &str) -> Option<ExpressionError> {
    if tree["error"].as_bool() != Some(true) {
        return None;
    }
    let message = tree["error_message"].as_str().unwrap_or("a syntax error");
    let mut error = ExpressionError::new(message.trim_end_matches('.').to_owned());
    let position = tree["position"].as_str().and_then(|at| at.parse::<usize>().ok());
    error.span = position
        .and_then(|at| at.checked_sub(head.len()))
        .filter(|at| *at < text.len() && text.is_char_boundary(*at))
        .map(|at| at..at + word(&text[at..]).len().max(1));
    Some(error)
}

/// The word at the start of a text.
fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}

/// DuckDB's tree of a statement, or the parser's error as JSON.
pub(super) fn parsed(engine: &Engine, text: &str) -> Result<Value, ExpressionError> {
    let json: Result<String, duckdb::Error> =
        engine.connection().query_row("SELECT json_serialize_sql(?::VARCHAR)", [text], |row| row.get(0));
    json.ok()
        .and_then(|json| serde_json::from_str(&json).ok())
        .ok_or_else(|| ExpressionError::new("this cannot be parsed"))
}

/// Calls `each` with every node of a tree.
pub(super) fn walk<'a>(tree: &'a Value, each: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
    match tree {
        Value::Object(node) => {
            each(node);
            node.values().for_each(|child| walk(child, each));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, each)),
        _ => {}
    }
}
