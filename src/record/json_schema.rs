//! JSON Schema → [`LogicalType`]: the type of the answers that a schema admits.

use serde_json::Value;

use super::LogicalType;

/// Deeper than this a schema that refers to itself is no longer followed, but kept as JSON.
const MAX_DEPTH: usize = 16;

/// The type of the values that a JSON Schema admits; [`LogicalType::Json`] where it admits several.
pub fn of_json_schema(schema: &Value) -> LogicalType {
    of(schema, schema, 0)
}

fn of(schema: &Value, root: &Value, depth: usize) -> LogicalType {
    if depth > MAX_DEPTH {
        return LogicalType::Json;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(LogicalType::Json, |target| of(target, root, depth + 1));
    }
    for union in ["anyOf", "oneOf"] {
        if let Some(branches) = schema[union].as_array() {
            let types = branches.iter().filter(|branch| branch["type"] != "null");
            return merged(types.map(|branch| of(branch, root, depth + 1)));
        }
    }
    match &schema["type"] {
        Value::String(name) => named(name, schema, root, depth),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            merged(names.map(|name| named(name, schema, root, depth)))
        }
        _ => match (&schema["enum"], &schema["const"], &schema["properties"]) {
            (Value::Array(values), ..) => merged(values.iter().filter(|v| !v.is_null()).map(of_constant)),
            (_, constant, _) if !constant.is_null() => of_constant(constant),
            (.., Value::Object(_)) => named("object", schema, root, depth),
            _ => LogicalType::Json,
        },
    }
}

/// One type for all, widened without loss; numbers of JSON are one kind, as in the schema.
fn merged(mut types: impl Iterator<Item = LogicalType>) -> LogicalType {
    let first = types.next().unwrap_or(LogicalType::Json);
    types.fold(first, |a, b| match (&a, &b) {
        (LogicalType::BigInt, LogicalType::Double) | (LogicalType::Double, LogicalType::BigInt) => {
            LogicalType::Double
        }
        _ => a.widened(&b).unwrap_or(LogicalType::Json),
    })
}

fn of_constant(value: &Value) -> LogicalType {
    match value {
        Value::String(_) => LogicalType::Varchar,
        Value::Bool(_) => LogicalType::Boolean,
        Value::Number(number) if number.is_f64() => LogicalType::Double,
        Value::Number(_) => LogicalType::BigInt,
        _ => LogicalType::Json,
    }
}

fn named(name: &str, schema: &Value, root: &Value, depth: usize) -> LogicalType {
    match name {
        "string" => match schema["format"].as_str() {
            Some("date") => LogicalType::Date,
            Some("date-time") => LogicalType::Timestamp,
            _ => LogicalType::Varchar,
        },
        "integer" => LogicalType::BigInt,
        "number" => LogicalType::Double,
        "boolean" => LogicalType::Boolean,
        "array" => LogicalType::List(Box::new(match &schema["items"] {
            items @ Value::Object(_) => of(items, root, depth + 1),
            _ => LogicalType::Json,
        })),
        "object" => match schema["properties"].as_object() {
            Some(properties) if !properties.is_empty() => LogicalType::Struct(
                properties.iter().map(|(name, schema)| (name.clone(), of(schema, root, depth + 1))).collect(),
            ),
            _ => LogicalType::Json,
        },
        _ => LogicalType::Json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_becomes_columns() {
        let schema = json!({
            "type": "object",
            "$defs": { "topic": { "enum": ["ethics", "logic"] } },
            "properties": {
                "title": { "type": "string" },
                "year": { "type": ["integer", "null"] },
                "score": { "anyOf": [{ "type": "integer" }, { "type": "number" }, { "type": "null" }] },
                "topics": { "type": "array", "items": { "$ref": "#/$defs/topic" } },
                "written": { "type": "string", "format": "date" },
                "seen": { "type": "string", "format": "date-time" },
                "about": { "type": "object", "properties": { "summary": { "type": "string" } } },
                "any": {},
                "self": { "$ref": "#" }
            }
        });
        let LogicalType::Struct(fields) = of_json_schema(&schema) else { panic!("a struct") };
        let sql: Vec<String> = fields[..8].iter().map(|(name, of)| format!("{name} {}", of.sql())).collect();
        insta::assert_snapshot!(sql.join("\n"), @r#"
        title VARCHAR
        year BIGINT
        score DOUBLE
        topics VARCHAR[]
        written DATE
        seen TIMESTAMP
        about STRUCT("summary" VARCHAR)
        any JSON
        "#);
        // A schema that refers to itself ends.
        assert!(matches!(fields[8].1, LogicalType::Struct(_)));
    }
}
