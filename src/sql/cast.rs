//! Implicit casts from text to a number, a date or a boolean. They bind, but fail for the first record with another
//! text. Main function: [`implicit_cast`].

use std::ops::Range;

use serde_json::{Map, Value};

use crate::record::{LogicalType, Schema};

use super::{Engine, ExpressionError, tree};

/// The first implicit cast from text in an expression or a query. `head` and `tail` turn it into a
/// statement.
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
    // DuckDB has no position for a list element: then report the whole text.
    let (span, what, operand) = match first.at.checked_sub(head.len()) {
        Some(at) if at < text.len() => {
            let span = operand(text, at);
            let name = text.get(span.clone()).unwrap_or_default();
            (span, format!("`{name}` is text, but is used as {of} here"), name)
        }
        _ if first.at == usize::MAX => {
            (0..text.len(), format!("a text is used as {of} in `{}`", text.trim()), "…")
        }
        _ => return None,
    };
    let help = match of.as_str() {
        "BOOLEAN" => format!("compare it: `{operand} = 'yes'`, or write `CAST({operand} AS BOOLEAN)`"),
        of => cast_advice(operand, of, text),
    };
    Some(ExpressionError::new(what).help(help).at(span))
}

/// How to use a text as a number, a date or a timestamp. A text beside `<` or `>` is not compared as a number is: there
/// `'10' < '9'`.
pub fn cast_advice(operand: &str, of: &str, expression: &str) -> String {
    let is_number = ["INT", "INTEGER", "DOUBLE", "FLOAT"].iter().any(|end| of.ends_with(end))
        || of.starts_with("DECIMAL");
    let cast = match is_number {
        true => format!("`TRY_CAST({operand} AS DOUBLE)`, or `AS DECIMAL(18,2)` for money"),
        false => format!("`TRY_CAST({operand} AS {of})`"),
    };
    let equals = if expression.contains(['<', '>']) { "" } else { ", or compare it with a string (`= '3'`)" };
    format!("write {cast} (NULL for other texts), or declare the type of the column on the source{equals}")
}

/// A field of texts that `<` or `>` compares with a number in quotes: `price > '10'` is true for `'9'`. Returns the field
/// and the number.
pub fn number_compared_as_text(
    engine: &Engine,
    expression: &str,
    schema: &Schema,
) -> Option<(String, String)> {
    let item = tree::of_expression(engine, expression).ok()?;
    let mut found = None;
    tree::walk(&item, &mut |node| {
        let of = node.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_order = node.get("class").is_some_and(|class| class == "COMPARISON")
            && (of.starts_with("COMPARE_LESSTHAN") || of.starts_with("COMPARE_GREATERTHAN"));
        let (Some(left), Some(right), true) = (node.get("left"), node.get("right"), is_order) else { return };
        for (column, constant) in [(left, right), (right, left)] {
            let name = column["column_names"].as_array().filter(|names| names.len() == 1);
            let name = name.and_then(|names| names[0].as_str()).unwrap_or_default();
            let is_text = schema.get(name).is_some_and(|field| field.datatype == LogicalType::Varchar);
            let number = constant["value"]["value"].as_str().filter(|text| is_number(text));
            if let (None, true, Some(number)) = (&found, is_text, number) {
                found = Some((name.to_owned(), number.to_owned()));
            }
        }
    });
    found
}

fn is_number(text: &str) -> bool {
    text.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit())
        && text.parse::<f64>().is_ok()
}

/// A cast, with its position in the statement.
struct Cast {
    at: usize,
    of: String,
}

impl Cast {
    /// An explicit cast in the statement. A plan has it at its own position or, in a lambda, at the position of
    /// its operand.
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

    /// A cast from text to another type, in a plan.
    fn of_text(node: &Map<String, Value>) -> Option<Self> {
        if node.get("expression_class")? != "BOUND_CAST" || node.get("try_cast")? == true {
            return None;
        }
        let (child, of) = (node.get("child")?, &node.get("return_type")?["id"]);
        let from = &child["return_type"];
        // JSON is a text with an alias. A constant is cast during binding, and fails there.
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

    /// Whether a cast of the plan is this explicit cast. An unresolved type name matches any type.
    fn is(&self, planned: &Self) -> bool {
        self.at == planned.at && (self.of == planned.of || matches!(self.of.as_str(), "USER" | "UNBOUND"))
    }
}

/// The range of the name at a position in an expression.
pub(super) fn operand(expression: &str, at: usize) -> Range<usize> {
    let rest = expression.get(at..).unwrap_or_default();
    let mut in_quotes = false;
    let is_part = |c: &char| {
        in_quotes ^= *c == '"';
        in_quotes || *c == '"' || c.is_alphanumeric() || matches!(c, '_' | '.')
    };
    let length: usize = rest.chars().take_while(is_part).map(char::len_utf8).sum();
    at..at + length.max(rest.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operand_is_a_whole_name() {
        for (expression, at, name) in [
            ("amount = 3", 0, "amount"),
            ("1 < a.b + c", 4, "a.b"),
            ("\"Ticket No\" = 1", 0, "\"Ticket No\""),
            ("a.\"b \"\"c\".d = 1", 0, "a.\"b \"\"c\".d"),
            ("(a) = 1", 0, "("),
        ] {
            assert_eq!(&expression[operand(expression, at)], name, "{expression}");
        }
    }
}
