//! The types of fields and columns, as JSON Schema states them and DuckDB stores them.

use serde_json::{Map, Value, json};

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataType {
    /// VARCHAR
    Text,
    /// BIGINT
    Integer,
    /// DOUBLE
    Float,
    /// BOOLEAN
    Boolean,
    /// DATE, in JSON `2026-02-17`
    Date,
    /// TIMESTAMP in UTC, in JSON `2026-02-17T08:30:00Z`
    Timestamp,
    /// A list of one type.
    List(Box<DataType>),
    /// Named fields.
    Struct(Vec<(String, DataType)>),
    /// Anything: what is not known before it is there.
    Json,
    /// Of which only nulls or empty lists have been seen; stored as JSON, and anything when merged.
    Unseen,
}

/// Deeper than this a schema that refers to itself is no longer followed, but stored as JSON.
const MAX_DEPTH: usize = 16;

impl DataType {
    /// The type of the values that a JSON Schema admits; [`DataType::Json`] where it admits several.
    pub fn of_schema(schema: &Value) -> Self {
        of_schema(schema, schema, 0)
    }

    /// The type as DuckDB writes it.
    pub fn sql(&self) -> String {
        match self {
            Self::Text => "VARCHAR".to_owned(),
            Self::Integer => "BIGINT".to_owned(),
            Self::Float => "DOUBLE".to_owned(),
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::Date => "DATE".to_owned(),
            Self::Timestamp => "TIMESTAMP".to_owned(),
            Self::Json | Self::Unseen => "JSON".to_owned(),
            Self::List(of) => format!("{}[]", of.sql()),
            Self::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, of)| format!("{} {}", quote(name), of.sql())).collect();
                format!("STRUCT({})", fields.join(", "))
            }
        }
    }

    /// The type of a column as `DESCRIBE` names it; what has no counterpart here is read as text or JSON.
    pub fn of_sql(name: &str) -> Self {
        match name.split('(').next().unwrap_or(name) {
            _ if name.ends_with("[]") => Self::List(Box::new(Self::of_sql(&name[..name.len() - 2]))),
            "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "UTINYINT" | "USMALLINT" | "UINTEGER" => {
                Self::Integer
            }
            "FLOAT" | "DOUBLE" | "DECIMAL" => Self::Float,
            "BOOLEAN" => Self::Boolean,
            "DATE" => Self::Date,
            "TIMESTAMP" => Self::Timestamp,
            "JSON" | "STRUCT" | "MAP" | "UNION" => Self::Json,
            _ => Self::Text,
        }
    }

    /// The type that holds both; JSON if only JSON does.
    pub fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Self::Unseen, seen) | (seen, Self::Unseen) => seen.clone(),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(b))),
            (Self::Struct(a), Self::Struct(b)) => {
                let mut fields = a.clone();
                for (name, of) in b {
                    match fields.iter_mut().find(|(known, _)| known == name) {
                        Some((_, known)) => *known = known.or(of),
                        None => fields.push((name.clone(), of.clone())),
                    }
                }
                Self::Struct(fields)
            }
            (Self::Integer, Self::Float) | (Self::Float, Self::Integer) => Self::Float,
            _ => Self::Json,
        }
    }

    /// Whether no mapping is in it.
    pub fn is_flat(&self) -> bool {
        match self {
            Self::List(of) => of.is_flat(),
            Self::Struct(_) => false,
            _ => true,
        }
    }

    /// The value in the form in which the column takes it; `None` if it does not fit. Null fits everywhere.
    pub fn fit(&self, value: Value) -> Option<Value> {
        match (self, value) {
            (_, Value::Null) => Some(Value::Null),
            (Self::Json | Self::Unseen, value) => Some(value),
            (Self::Text, value @ Value::String(_)) => Some(value),
            (Self::Boolean, value @ Value::Bool(_)) => Some(value),
            (Self::Float, value @ Value::Number(_)) => Some(value),
            (Self::Integer, Value::Number(number)) => match number.as_i64() {
                Some(_) => Some(Value::Number(number)),
                // JSON has one kind of number, and `3.0` is an integer in it.
                None => number
                    .as_f64()
                    .filter(|f| f.fract() == 0.0 && f.abs() < 9e15)
                    .map(|f| Value::from(f as i64)),
            },
            (Self::Date, Value::String(text)) => {
                let date: jiff::civil::Date = text.parse().ok()?;
                Some(Value::from(date.to_string()))
            }
            (Self::Timestamp, Value::String(text)) => Some(Value::from(utc(&text)?.to_string())),
            (Self::List(of), Value::Array(items)) => {
                items.into_iter().map(|item| of.fit(item)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            (Self::Struct(fields), Value::Object(mut map)) => {
                let mut fitted = Map::new();
                for (name, of) in fields {
                    fitted.insert(name.clone(), of.fit(map.remove(name).unwrap_or_default())?);
                }
                Some(Value::Object(fitted))
            }
            _ => None,
        }
    }

    /// The type of a value that is there.
    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::String(_) => Self::Text,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Float,
            Value::Number(_) => Self::Integer,
            Value::Array(items) => {
                Self::List(Box::new(items.iter().map(Self::of_value).fold(Self::Unseen, |a, b| a.or(&b))))
            }
            Value::Object(map) => {
                Self::Struct(map.iter().map(|(name, value)| (name.clone(), Self::of_value(value))).collect())
            }
            Value::Null => Self::Unseen,
        }
    }

    /// A value of the type, for trying an expression before there is a record; two `variant`s differ.
    pub fn example(&self, variant: i64) -> Value {
        match self {
            Self::Text => Value::from(if variant == 0 { "text" } else { "another longer text" }),
            Self::Integer => Value::from(variant * 6 + 1),
            Self::Float => Value::from(variant as f64 + 0.5),
            Self::Boolean => Value::from(variant == 0),
            Self::Date => Value::from("2026-02-17"),
            Self::Timestamp => Value::from("2026-02-17T08:30:00"),
            Self::List(of) => json!([of.example(variant)]),
            Self::Struct(fields) => {
                Value::Object(fields.iter().map(|(name, of)| (name.clone(), of.example(variant))).collect())
            }
            Self::Json | Self::Unseen => Value::Null,
        }
    }
}

/// An instant in UTC from a date-time with an offset, or one without, which is taken to be in UTC.
fn utc(text: &str) -> Option<jiff::civil::DateTime> {
    let with_offset = text.parse::<jiff::Timestamp>().ok();
    with_offset
        .map(|at| at.to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime())
        .or_else(|| text.parse().ok())
}

/// A name as an SQL identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn of_schema(schema: &Value, root: &Value, depth: usize) -> DataType {
    if depth > MAX_DEPTH {
        return DataType::Json;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(DataType::Json, |target| of_schema(target, root, depth + 1));
    }
    for union in ["anyOf", "oneOf"] {
        if let Some(branches) = schema[union].as_array() {
            let types = branches.iter().filter(|branch| branch["type"] != "null");
            return merged(types.map(|branch| of_schema(branch, root, depth + 1)));
        }
    }
    match &schema["type"] {
        Value::String(name) => of_named(name, schema, root, depth),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            merged(names.map(|name| of_named(name, schema, root, depth)))
        }
        _ => match (&schema["enum"], &schema["const"], &schema["properties"]) {
            (Value::Array(values), ..) => {
                merged(values.iter().filter(|v| !v.is_null()).map(DataType::of_value))
            }
            (_, constant, _) if !constant.is_null() => DataType::of_value(constant),
            (.., Value::Object(_)) => of_named("object", schema, root, depth),
            _ => DataType::Json,
        },
    }
}

fn merged(mut types: impl Iterator<Item = DataType>) -> DataType {
    let first = types.next().unwrap_or(DataType::Json);
    types.fold(first, |a, b| a.or(&b))
}

fn of_named(name: &str, schema: &Value, root: &Value, depth: usize) -> DataType {
    match name {
        "string" => match schema["format"].as_str() {
            Some("date") => DataType::Date,
            Some("date-time") => DataType::Timestamp,
            _ => DataType::Text,
        },
        "integer" => DataType::Integer,
        "number" => DataType::Float,
        "boolean" => DataType::Boolean,
        "array" => DataType::List(Box::new(match &schema["items"] {
            items @ Value::Object(_) => of_schema(items, root, depth + 1),
            _ => DataType::Json,
        })),
        "object" => match schema["properties"].as_object() {
            Some(properties) if !properties.is_empty() => DataType::Struct(
                properties.iter().map(|(name, of)| (name.clone(), of_schema(of, root, depth + 1))).collect(),
            ),
            _ => DataType::Json,
        },
        _ => DataType::Json,
    }
}

#[cfg(test)]
mod tests {
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
        let DataType::Struct(fields) = DataType::of_schema(&schema) else { panic!("a struct") };
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
        assert!(matches!(fields[8].1, DataType::Struct(_)));
    }

    #[test]
    fn a_value_fits_its_type_or_not() {
        assert_eq!(DataType::Integer.fit(json!(3.0)), Some(json!(3)));
        assert_eq!(DataType::Integer.fit(json!(3.5)), None);
        assert_eq!(DataType::Text.fit(json!(3)), None);
        assert_eq!(DataType::Date.fit(json!("2026-02-30")), None);
        assert_eq!(
            DataType::Timestamp.fit(json!("2026-02-17T09:30:00+01:00")),
            Some(json!("2026-02-17T08:30:00"))
        );
        let list = DataType::List(Box::new(DataType::Integer));
        assert_eq!(list.fit(json!([1, 2.0, null])), Some(json!([1, 2, null])));
        let about = DataType::Struct(vec![("a".into(), DataType::Text), ("b".into(), DataType::Integer)]);
        assert_eq!(about.fit(json!({"b": 1, "more": 2})), Some(json!({"a": null, "b": 1})));
        assert_eq!(about.fit(json!([])), None);
    }
}
