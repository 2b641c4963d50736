//! Checks that a text is one scalar expression over given fields, and finds its type. Main functions: [`bind`],
//! [`condition`].

use std::ops::Range;

use crate::record::{LogicalType, Schema, outside_of_quotes};

use super::{
    Engine, ExpressionError,
    cast::{implicit_cast, operand},
    chunk::Slot,
    columns,
    describe::{no_rows, without_rows},
    error::translated,
    evaluate::Evaluator,
    functions::Functions,
    message,
    syntax::unfinished,
    tree,
};

/// The type of an expression over the fields of a schema.
///
/// # Errors
/// A text that is not a scalar expression, unknown names, mismatched types, and expressions that would fail
/// for every record.
pub fn bind(engine: &Engine, schema: &Schema, expression: &str) -> Result<LogicalType, ExpressionError> {
    bound(engine, schema, expression).map_err(|mut error| {
        // DuckDB counts some positions in characters and some in bytes.
        error.span = error.span.filter(|span| expression.get(span.clone()).is_some());
        error
    })
}

fn bound(engine: &Engine, schema: &Schema, expression: &str) -> Result<LogicalType, ExpressionError> {
    let text = expression.trim();
    if text.is_empty() {
        return Err(
            ExpressionError::new("an empty expression").help("write a SQL expression over the fields")
        );
    }
    habits(text)?;
    let item = tree::of_expression(engine, expression)
        .map_err(|error| unfinished(engine, "SELECT ", expression).unwrap_or(error))?;
    refuse_by_tree(&item, schema)?;
    let slot = Slot::new(schema.clone());
    let relation = slot.relation();
    let connection = engine.connection();
    // Aggregates, windows and `unnest` are not allowed in WHERE.
    let scalar = format!("SELECT 1 FROM {relation} WHERE (({expression}\n) IS NULL)");
    connection.prepare(&scalar).map_err(|error| translated(&message(&error), 0, expression))?;
    let query = format!("SELECT ({expression}\n) AS result FROM {relation}");
    let found = columns(connection, &query).map_err(|error| translated(&error.0, 0, expression))?;
    let datatype =
        found.into_iter().next().map(|(_, of)| of).ok_or_else(|| ExpressionError::new("no result"))?;
    untyped(text, &datatype)?;
    // A literal that cannot be cast fails for every record; evaluating one record of NULLs shows this.
    let evaluator = Evaluator::new(engine, schema, &[(expression.to_owned(), datatype.clone())])
        .map_err(|error| translated(&error.0, 0, expression))?;
    no_implicit_cast(engine, expression, schema)?;
    let nulls = vec![crate::record::Value::Null; schema.len()].into();
    match evaluator.evaluate(&[nulls]).pop() {
        Some(Err(why)) if why.contains("Could not convert") || why.contains("convert string") => {
            Err(ExpressionError::new(why).help("compare values of the same type, or write a CAST"))
        }
        _ => Ok(datatype),
    }
}

/// Refuses text used as a number, a date or a boolean: it would fail for the first record with another text.
fn no_implicit_cast(engine: &Engine, expression: &str, schema: &Schema) -> Result<(), ExpressionError> {
    // DuckDB cannot serialize a plan over the table function for records.
    implicit_cast(engine, "SELECT (", expression, &format!("\n) FROM ({})", no_rows(schema)))
        .map_or(Ok(()), Err)
}

/// The first implicit cast from text in a query over relations; `None` if the query also reads
/// tables.
pub fn implicit_cast_in_query(
    engine: &Engine,
    relations: &[(&str, &Schema)],
    query: &str,
) -> Option<ExpressionError> {
    let head = format!("{} SELECT * FROM (", without_rows(relations));
    let mut error = implicit_cast(engine, &head, query, "\n)")?;
    error.span = error.span.filter(|span| query.get(span.clone()).is_some_and(|part| part != query));
    Some(error)
}

/// The first volatile function in an expression, and its range.
pub fn volatile(engine: &Engine, expression: &str, schema: &Schema) -> Option<(String, Range<usize>)> {
    const HEAD: usize = "SELECT (".len();
    let item = tree::of_expression(engine, expression).ok()?;
    let (name, at) = volatile_call(engine, &item, schema)?;
    let at = at.checked_sub(HEAD).filter(|at| expression.is_char_boundary(*at))?;
    Some((name, operand(expression, at)))
}

/// The first volatile call in a tree, and its byte offset.
pub(super) fn volatile_call(
    engine: &Engine,
    tree: &serde_json::Value,
    schema: &Schema,
) -> Option<(String, usize)> {
    let mut found = None;
    tree::walk(tree, &mut |node| {
        let called = match node.get("class").and_then(serde_json::Value::as_str) {
            Some("FUNCTION") => {
                node["function_name"].as_str().filter(|name| Functions::of(engine).is_volatile(name))
            }
            // `current_date` is written without parentheses.
            Some("COLUMN_REF") => node["column_names"]
                .as_array()
                .and_then(|names| names.first()?.as_str().filter(|_| names.len() == 1))
                .filter(|name| {
                    KEYWORDS.contains(&name.to_lowercase().as_str()) && schema.get(name).is_none()
                }),
            _ => None,
        };
        if let (Some(name), None, Some(at)) = (called, &found, node.get("query_location")) {
            found = Some((name.to_owned(), at.as_u64().unwrap_or_default() as usize));
        }
    });
    found
}

/// The paths that a condition demands not to be NULL: it is not true if one of them is.
pub fn demanded(engine: &Engine, condition: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(tree) = tree::of_expression(engine, condition) {
        demands(&tree, &mut found);
    }
    found
}

fn demands(node: &serde_json::Value, found: &mut Vec<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let children = || node["children"].as_array().into_iter().flatten();
    match (text("class"), text("type")) {
        ("CONJUNCTION", "CONJUNCTION_AND") => children().for_each(|child| demands(child, found)),
        ("COMPARISON", of) if !of.ends_with("DISTINCT_FROM") => {
            found.extend([&node["left"], &node["right"]].into_iter().filter_map(path));
        }
        ("OPERATOR", "OPERATOR_IS_NOT_NULL" | "COMPARE_IN") => found.extend(children().next().and_then(path)),
        ("BETWEEN", _) => found.extend(path(&node["input"])),
        _ => {}
    }
}

/// The path of a column.
fn path(node: &serde_json::Value) -> Option<String> {
    let names = node["column_names"].as_array()?.iter().filter_map(|name| name.as_str());
    Some(names.collect::<Vec<_>>().join("."))
}

/// Functions called without parentheses.
const KEYWORDS: [&str; 6] =
    ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user"];

/// Checks that an expression is a condition.
///
/// # Errors
/// As [`bind`], and an expression whose type is not BOOLEAN.
pub fn condition(engine: &Engine, schema: &Schema, expression: &str) -> Result<(), ExpressionError> {
    match bind(engine, schema, expression)? {
        LogicalType::Boolean => Ok(()),
        other => {
            let text = expression.trim();
            let help = match other {
                LogicalType::Varchar => {
                    format!("compare it: `{text} = 'true'`, `{text} <> ''` or `{text} IS NOT NULL`")
                }
                _ => format!("write `{text} IS NOT NULL`, or compare it with a value"),
            };
            Err(ExpressionError::new(format!("`{text}` is {}, but a condition must be BOOLEAN", other.sql()))
                .help(help))
        }
    }
}

/// Refuses syntax of other languages that parses as something else, or not at all.
fn habits(text: &str) -> Result<(), ExpressionError> {
    let found = |what: &str, help: &str| {
        let at = text.find(what).unwrap_or_default();
        Err(ExpressionError::new(format!("`{what}` is not SQL"))
            .help(help.to_owned())
            .at(at..at + what.len()))
    };
    let outside = outside_of_quotes(text);
    if outside.contains("{{") || outside.contains("{%") {
        return found(
            if outside.contains("{{") { "{{" } else { "{%" },
            "this is an expression, not a template: write only the name of the field",
        );
    }
    for (what, help) in [
        (" is not none", "write `IS NOT NULL`"),
        (" is none", "write `IS NULL`"),
        (" is defined", "write `IS NOT NULL`"),
        ("&&", "write `AND`"),
        (" ~ ", "write `||` to join texts"),
    ] {
        if let Some(at) = outside.to_ascii_lowercase().find(what) {
            return found(&text[at..at + what.len()], help);
        }
    }
    // `text | length` is a template filter; `||` and a bitwise `|` beside a number are SQL.
    let filters = [
        "length", "upper", "lower", "trim", "default", "join", "first", "last", "int", "float", "string",
        "title",
    ];
    if let Some((before, after)) = outside.split_once('|')
        && !after.starts_with('|')
        && let word =
            after.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        && filters.contains(&word)
    {
        let value = before.trim();
        let sql = match word {
            "default" => format!("coalesce({value}, …)"),
            "int" => format!("CAST({value} AS BIGINT)"),
            "float" => format!("CAST({value} AS DOUBLE)"),
            "string" => format!("CAST({value} AS VARCHAR)"),
            "join" => format!("array_to_string({value}, ', ')"),
            "first" => format!("{value}[1]"),
            "last" => format!("{value}[-1]"),
            word => format!("{word}({value})"),
        };
        return Err(
            ExpressionError::new(format!("`| {word}` is a template filter")).help(format!("write `{sql}`"))
        );
    }
    Ok(())
}

fn refuse_by_tree(item: &serde_json::Value, schema: &Schema) -> Result<(), ExpressionError> {
    let mut refused = None;
    tree::walk(item, &mut |node| {
        let class = node.get("class").and_then(serde_json::Value::as_str).unwrap_or_default();
        let error = match class {
            "SUBQUERY" => Some(ExpressionError::new("a query inside an expression").help(
                "an expression sees one record; use a `wave:` with `sql:` (for `x = ANY(list)` write `list_contains(list, x)`)",
            )),
            "COMPARISON" if is_never_true(node) => {
                Some(ExpressionError::new("a comparison with NULL, which is never true").help("write `IS NULL` or `IS NOT NULL`"))
            }
            "OPERATOR" if quoted_field(node, schema) => Some(
                ExpressionError::new("a text in single quotes, which is never NULL").help("write the name of the field without quotes"),
            ),
            "STAR" => Some(ExpressionError::new("`*` in an expression").help("name the fields")),
            "LAMBDA" => node
                .get("lhs")
                .and_then(|lhs| lhs["column_names"][0].as_str())
                .filter(|name| schema.position(name).is_some())
                .map(|name| {
                    ExpressionError::new(format!("the loop variable `{name}` is also a field"))
                        .help("the field takes precedence: give the variable another name")
                }),
            "PARAMETER" => Some(ExpressionError::new("a parameter in an expression").help("write the value, or `${params.name}`")),
            _ => None,
        };
        if refused.is_none() {
            refused = error;
        }
    });
    refused.map_or(Ok(()), Err)
}

/// A comparison with NULL, other than `IS [NOT] DISTINCT FROM`.
fn is_never_true(node: &serde_json::Map<String, serde_json::Value>) -> bool {
    let of = node.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    let is_null = |side: &str| node.get(side).is_some_and(|side| side["value"]["is_null"] == true);
    !of.ends_with("DISTINCT_FROM") && (is_null("left") || is_null("right"))
}

/// `'name' IS NULL` and its opposite, for a field of that name.
fn quoted_field(node: &serde_json::Map<String, serde_json::Value>, schema: &Schema) -> bool {
    let of = node.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    let operand = &node["children"][0];
    matches!(of, "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL")
        && operand["class"] == "CONSTANT"
        && operand["value"]["value"].as_str().is_some_and(|text| schema.get(text).is_some())
}

/// Refuses an expression without a type of its own, for which DuckDB chose one.
fn untyped(text: &str, datatype: &LogicalType) -> Result<(), ExpressionError> {
    let word = text.to_lowercase();
    let null = LogicalType::Other("\"NULL\"".to_owned());
    if word == "null" || *datatype == null {
        return Err(ExpressionError::new("NULL has no type").help("write `CAST(NULL AS VARCHAR)`"));
    }
    if matches!(text, "[]" | "{}") {
        return Err(
            ExpressionError::new(format!("`{text}` has no type")).help("write `CAST([] AS VARCHAR[])`")
        );
    }
    Ok(())
}
