//! What DuckDB converts without being asked: text that becomes a number, a date or a truth value. It binds, and fails
//! for the first record whose text is something else. Main function: [`implicit_cast`].

use std::ops::Range;

use serde_json::{Map, Value};

use super::{Engine, ExpressionError, tree};

/// The first text of an expression or a query that is converted although nobody wrote a CAST. `head` and `tail` make it
/// a statement.
pub(super) fn implicit_cast(engine: &Engine, head: &str, text: &str, tail: &str) -> Option<ExpressionError> {
    let statement = format!("{head}{text}{tail}");
    let sql = "SELECT json_serialize_plan(?::VARCHAR, optimize := false)";
    let plan: String = engine.connection().query_row(sql, [&statement], |row| row.get(0)).ok()?;
    let plan: Value = serde_json::from_str(&plan).ok()?;
    let mut written = Vec::new();
    tree::walk(&tree::parsed(engine, &statement).ok()?, &mut |node| written.extend(Cast::written(node)));
    let mut found: Vec<Cast> = Vec::new();
    tree::walk(&plan, &mut |node| found.extend(Cast::of_text(node)));
    found.retain(|cast| !written.iter().any(|written| written.is(cast)));
    let first = found.into_iter().min_by_key(|cast| cast.at)?;
    let of = first.of;
    // DuckDB knows no place for an element of a list: then the whole text is named.
    let (span, what, operand) = match first.at.checked_sub(head.len()) {
        Some(at) if at < text.len() => {
            let span = operand(text, at);
            let name = text.get(span.clone()).unwrap_or_default();
            (span, format!("`{name}` is a text, and is used as {of} here"), name)
        }
        _ if first.at == usize::MAX => {
            (0..text.len(), format!("a text is used as {of} in `{}`", text.trim()), "…")
        }
        _ => return None,
    };
    let help = match of.as_str() {
        "BOOLEAN" => format!("compare it: `{operand} = 'yes'`, or write `CAST({operand} AS BOOLEAN)`"),
        of => format!(
            "compare it with a text (`'3'`), or write `TRY_CAST({operand} AS {of})`, which is NULL for other texts"
        ),
    };
    Some(ExpressionError::new(what).help(help).at(span))
}

/// A conversion, where it begins in the statement.
struct Cast {
    at: usize,
    of: String,
}

impl Cast {
    /// One that is written in the statement; a plan has it at its own place, or, inside of a lambda, at that of what is
    /// converted.
    fn written(node: &Map<String, Value>) -> Vec<Self> {
        let is_cast = node.get("class").is_some_and(|class| class == "CAST");
        let of = node.get("cast_type").map_or(&Value::Null, |of| &of["id"]);
        let child = node.get("child").and_then(Value::as_object);
        [Some(node).filter(|_| is_cast), child.filter(|_| is_cast)]
            .into_iter()
            .flatten()
            .filter_map(|node| Self::at(node, of))
            .collect()
    }

    /// One of a text to another type, in a plan.
    fn of_text(node: &Map<String, Value>) -> Option<Self> {
        if node.get("expression_class")? != "BOUND_CAST" || node.get("try_cast")? == true {
            return None;
        }
        let (child, of) = (node.get("child")?, &node.get("return_type")?["id"]);
        let from = &child["return_type"];
        // JSON is a text with an alias. A constant is converted when it is bound, and fails then.
        let is_text =
            from["id"] == "VARCHAR" && from["type_info"]["alias"].as_str().unwrap_or_default().is_empty();
        let is_constant = child["expression_class"] == "BOUND_CONSTANT";
        let stays_text = matches!(of.as_str(), Some("VARCHAR" | "STRING_LITERAL" | "BLOB" | "ANY") | None);
        (is_text && !is_constant && !stays_text).then(|| Self::at(node, of)).flatten()
    }

    fn at(node: &Map<String, Value>, of: &Value) -> Option<Self> {
        let at = usize::try_from(node.get("query_location")?.as_u64()?).ok()?;
        Some(Self { at, of: of.as_str().unwrap_or_default().to_owned() })
    }

    /// Whether a conversion of the plan is this one of the text; a type of its own name is not known by that name.
    fn is(&self, planned: &Self) -> bool {
        self.at == planned.at && (self.of == planned.of || matches!(self.of.as_str(), "USER" | "UNBOUND"))
    }
}

/// The words of an expression from a place on, as far as they name something.
pub(super) fn operand(expression: &str, at: usize) -> Range<usize> {
    let rest = expression.get(at..).unwrap_or_default();
    let length: usize =
        rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).map(char::len_utf8).sum();
    at..at + length.max(rest.chars().next().map_or(0, char::len_utf8))
}
