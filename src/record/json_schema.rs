//! JSON Schema → [`LogicalType`]: the type that holds every value valid for a schema.
//!
//! Objects become STRUCTs of all properties named in any part of the schema. Schemas without an exact type (objects
//! with unnamed fields, several kinds of value, recursive schemas) become JSON. Main function: [`of_json_schema`],
//! called when a plan is compiled.

use serde_json::{Map, Value};

use super::{LogicalType, narrow::narrow};

/// The type of the values valid for a JSON Schema; [`LogicalType::Json`] if no other type holds them all.
///
/// An object without `additionalProperties` has only the named properties; with `additionalProperties: true`
/// or `patternProperties` it is JSON.
/// The deepest objects are JSON where a type would have more than 500 columns.
pub fn of_json_schema(schema: &Value) -> LogicalType {
    match (Walk { root: schema, open: Vec::new(), visits: 0 }).of(schema) {
        Found::Type(of) => narrow(of),
        Found::Any | Found::Null => LogicalType::Json,
    }
}

/// The most parts of a schema to examine: parts that refer to each other can stand for billions.
const MOST_VISITS: usize = 100_000;

/// The result for a part of a schema.
#[derive(Debug, Clone, PartialEq)]
enum Found {
    /// No constraint on the type.
    Any,
    /// Only null.
    Null,
    Type(LogicalType),
}

struct Walk<'a> {
    root: &'a Value,
    /// The open references, to detect recursive schemas.
    open: Vec<&'a str>,
    /// The parts of the schema examined so far, repeated ones included.
    visits: usize,
}

impl<'a> Walk<'a> {
    fn of(&mut self, schema: &'a Value) -> Found {
        let Some(keywords) = schema.as_object() else { return Found::Any };
        self.visits += 1;
        if self.visits > MOST_VISITS {
            return Found::Type(LogicalType::Json);
        }
        let mut found = self.own(keywords);
        if let Some(reference) = schema["$ref"].as_str() {
            found = both(found, self.reference(reference));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            found = both(found, self.of(part));
        }
        for union in ["anyOf", "oneOf"] {
            if let Some(branches) = schema[union].as_array() {
                let types: Vec<Found> = branches.iter().map(|branch| self.of(branch)).collect();
                found = both(found, either(types));
            }
        }
        // Conditional subschemas may name more properties.
        let conditional = ["then", "else"].iter().filter_map(|name| keywords.get(*name));
        let dependent = schema["dependentSchemas"].as_object().into_iter().flat_map(Map::values);
        for part in conditional.chain(dependent) {
            let more = self.of(part);
            let is_struct =
                |of: &Found| matches!(of, Found::Type(LogicalType::Struct(_) | LogicalType::Json));
            if is_struct(&more) && is_struct(&found) {
                found = either(vec![found, more]);
            }
        }
        found
    }

    fn reference(&mut self, reference: &'a str) -> Found {
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        match target {
            Some(target) if !self.open.contains(&reference) => {
                self.open.push(reference);
                let found = self.of(target);
                self.open.pop();
                found
            }
            // A recursive schema, or a reference to an anchor.
            _ => Found::Type(LogicalType::Json),
        }
    }

    /// The result of a schema's own keywords.
    fn own(&mut self, keywords: &'a Map<String, Value>) -> Found {
        let get = |name: &str| keywords.get(name).unwrap_or(&Value::Null);
        match get("type") {
            Value::String(name) => self.named(name, keywords),
            Value::Array(names) => {
                let names: Vec<&'a str> = names.iter().filter_map(Value::as_str).collect();
                either(names.into_iter().map(|name| self.named(name, keywords)).collect())
            }
            _ => match (get("enum"), keywords.get("const")) {
                (Value::Array(values), _) => either(values.iter().map(of_constant).collect()),
                (_, Some(constant)) => of_constant(constant),
                _ if keywords.contains_key("properties") || keywords.contains_key("patternProperties") => {
                    self.named("object", keywords)
                }
                _ if keywords.contains_key("items") || keywords.contains_key("prefixItems") => {
                    self.named("array", keywords)
                }
                _ => Found::Any,
            },
        }
    }

    fn named(&mut self, name: &str, keywords: &'a Map<String, Value>) -> Found {
        let format = keywords.get("format").and_then(Value::as_str).unwrap_or_default();
        Found::Type(match name {
            "string" => match format {
                "date" => LogicalType::Date,
                "date-time" => LogicalType::Timestamp,
                _ => LogicalType::Varchar,
            },
            "integer" => LogicalType::BigInt,
            "number" => LogicalType::Double,
            "boolean" => LogicalType::Boolean,
            "array" => LogicalType::List(Box::new(self.items(keywords))),
            "object" => self.object(keywords),
            "null" => return Found::Null,
            _ => LogicalType::Json,
        })
    }

    fn items(&mut self, keywords: &'a Map<String, Value>) -> LogicalType {
        let list = |name: &str| keywords.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut items: Vec<&'a Value> = list("prefixItems").chain(list("items")).collect();
        let has_more = |name: &str| keywords.get(name).is_some_and(Value::is_object);
        let rest =
            if keywords.get("items").is_some_and(Value::is_array) { "additionalItems" } else { "items" };
        match keywords.get(rest) {
            Some(Value::Bool(false)) => {}
            Some(schema) if has_more(rest) => items.push(schema),
            _ => return LogicalType::Json,
        }
        match either(items.into_iter().map(|item| self.of(item)).collect()) {
            Found::Type(of) => of,
            Found::Any | Found::Null => LogicalType::Json,
        }
    }

    fn object(&mut self, keywords: &'a Map<String, Value>) -> LogicalType {
        let is_open = |name: &str| matches!(keywords.get(name), Some(Value::Bool(true) | Value::Object(_)));
        let has_patterns =
            keywords.get("patternProperties").and_then(Value::as_object).is_some_and(|p| !p.is_empty());
        if has_patterns || is_open("additionalProperties") || is_open("unevaluatedProperties") {
            return LogicalType::Json;
        }
        match keywords.get("properties").and_then(Value::as_object) {
            Some(properties) if !properties.is_empty() => {
                let fields = properties.iter().map(|(name, schema)| {
                    let of = match self.of(schema) {
                        Found::Type(of) => of,
                        Found::Any | Found::Null => LogicalType::Json,
                    };
                    (name.clone(), of)
                });
                LogicalType::Struct(fields.collect())
            }
            _ => LogicalType::Json,
        }
    }
}

fn of_constant(value: &Value) -> Found {
    Found::Type(match value {
        Value::Null => return Found::Null,
        Value::String(_) => LogicalType::Varchar,
        Value::Bool(_) => LogicalType::Boolean,
        Value::Number(number) if number.is_f64() => LogicalType::Double,
        Value::Number(_) => LogicalType::BigInt,
        Value::Array(_) | Value::Object(_) => LogicalType::Json,
    })
}

/// The type of a value described by both.
fn both(a: Found, b: Found) -> Found {
    match (a, b) {
        (Found::Any, other) | (other, Found::Any) => other,
        (Found::Null, _) | (_, Found::Null) => Found::Null,
        (Found::Type(a), Found::Type(b)) => Found::Type(match (a, b) {
            (a, b) if a == b => a,
            (LogicalType::Struct(a), LogicalType::Struct(b)) => {
                joined(a, b, |a, b| match both(Found::Type(a), Found::Type(b)) {
                    Found::Type(of) => of,
                    Found::Any | Found::Null => LogicalType::Json,
                })
            }
            (LogicalType::BigInt, LogicalType::Double) | (LogicalType::Double, LogicalType::BigInt) => {
                LogicalType::BigInt
            }
            // JSON beside a scalar is no constraint: an open object is never a scalar.
            (LogicalType::Json, of) | (of, LogicalType::Json)
                if !matches!(of, LogicalType::Struct(_) | LogicalType::List(_)) =>
            {
                of
            }
            // Only one of them may have a format.
            (of @ (LogicalType::Date | LogicalType::Timestamp), LogicalType::Varchar)
            | (LogicalType::Varchar, of @ (LogicalType::Date | LogicalType::Timestamp)) => of,
            _ => LogicalType::Json,
        }),
    }
}

/// The type of a value described by one of them.
fn either(types: Vec<Found>) -> Found {
    let mut types = types.into_iter().filter(|of| *of != Found::Null);
    let Some(first) = types.next() else { return Found::Null };
    types.fold(first, |a, b| match (a, b) {
        (Found::Type(a), Found::Type(b)) => Found::Type(wider(a, b)),
        _ => Found::Type(LogicalType::Json),
    })
}

/// One type for the values of both, widening numbers to numbers and strings to strings.
fn wider(a: LogicalType, b: LogicalType) -> LogicalType {
    let is_text =
        |of: &LogicalType| matches!(of, LogicalType::Varchar | LogicalType::Date | LogicalType::Timestamp);
    match (a, b) {
        (a, b) if a == b => a,
        (LogicalType::Struct(a), LogicalType::Struct(b)) => joined(a, b, wider),
        (LogicalType::List(a), LogicalType::List(b)) => LogicalType::List(Box::new(wider(*a, *b))),
        (LogicalType::BigInt, LogicalType::Double) | (LogicalType::Double, LogicalType::BigInt) => {
            LogicalType::Double
        }
        (a, b) if is_text(&a) && is_text(&b) => LogicalType::Varchar,
        _ => LogicalType::Json,
    }
}

/// The fields of both.
fn joined(
    mut a: Vec<(String, LogicalType)>,
    b: Vec<(String, LogicalType)>,
    of_both: impl Fn(LogicalType, LogicalType) -> LogicalType,
) -> LogicalType {
    for (name, of) in b {
        match a.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = of_both(known.clone(), of),
            None => a.push((name, of)),
        }
    }
    LogicalType::Struct(a)
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
        let sql: Vec<String> = fields.iter().map(|(name, of)| format!("{name} {}", of.sql())).collect();
        insta::assert_snapshot!(sql.join("\n"), @r#"
        title VARCHAR
        year BIGINT
        score DOUBLE
        topics VARCHAR[]
        written DATE
        seen TIMESTAMP
        about STRUCT("summary" VARCHAR)
        any JSON
        self STRUCT("title" VARCHAR, "year" BIGINT, "score" DOUBLE, "topics" VARCHAR[], "written" DATE, "seen" TIMESTAMP, "about" STRUCT("summary" VARCHAR), "any" JSON, "self" JSON)
        "#);
    }

    #[test]
    fn the_roots_of_real_schemas_hold_all_their_values() {
        let object = |properties: Value| json!({ "type": "object", "properties": properties });
        for (schema, sql) in [
            (
                json!({ "$ref": "#/$defs/n", "$defs": { "n": object(json!({ "name": { "type": "string" }, "parts": { "type": "array", "items": { "$ref": "#/$defs/n" } } })) } }),
                r#"STRUCT("name" VARCHAR, "parts" JSON[])"#,
            ),
            (
                json!({ "allOf": [object(json!({ "id": { "type": "string" } })), object(json!({ "size": { "type": "number" }, "id": { "format": "date" } }))] }),
                r#"STRUCT("id" VARCHAR, "size" DOUBLE)"#,
            ),
            (
                json!({ "anyOf": [object(json!({ "kind": { "const": "person" }, "born": { "type": "string", "format": "date" } })), object(json!({ "kind": { "const": "place" }, "size": { "type": "integer" } })), { "type": "null" }] }),
                r#"STRUCT("kind" VARCHAR, "born" DATE, "size" BIGINT)"#,
            ),
            (
                json!({ "type": "array", "items": object(json!({ "who": { "type": "string" } })) }),
                r#"STRUCT("who" VARCHAR)[]"#,
            ),
            (
                json!({ "type": "object", "patternProperties": { "^a": { "type": "integer" } }, "additionalProperties": false }),
                "JSON",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": true }),
                "JSON",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": { "type": "integer" } }),
                "JSON",
            ),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "number" }], "items": false }),
                "DOUBLE[]",
            ),
            (json!({ "type": "array", "prefixItems": [{ "type": "integer" }] }), "JSON[]"),
            (json!({ "type": ["string", "integer"] }), "JSON"),
            (json!({ "oneOf": [{ "type": "string", "format": "date" }, { "type": "string" }] }), "VARCHAR"),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string" } }, "if": {}, "then": { "properties": { "b": { "type": "integer" } } } }),
                r#"STRUCT("a" VARCHAR, "b" BIGINT)"#,
            ),
        ] {
            assert_eq!(of_json_schema(&schema).sql(), sql, "{schema}");
        }
    }
}
