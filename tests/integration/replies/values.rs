//! Any answer that a schema permits is stored unchanged in the table, or refused and requested again.

use std::sync::Arc;

use etl::event::RunEnd;
use serde_json::{Map, Value, json};

use super::{Folder, bodies, one_for_each, pipeline, run_against, server, serving};

/// Reproducible random draws.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % most
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

const NAMES: [&str; 8] = ["title", "First Name", "größe", "select", "a.b", "it's", "\"q\"", "x"];
const TEXTS: [&str; 9] = [
    "",
    "null",
    "NULL",
    "it's \"so\"",
    "{\"a\": 1}",
    "[1, 2]",
    "a\nb\t\\",
    "\u{1f600}e\u{301}",
    "2026-01-01",
];

fn schema(draw: &mut Draw, depth: u64) -> Value {
    let kinds = if depth == 0 { 7 } else { 14 };
    match draw.below(kinds) {
        0 => json!({ "type": "string" }),
        1 => json!({ "type": "integer" }),
        2 => json!({ "type": "number" }),
        3 => json!({ "type": "boolean" }),
        4 => json!({ "type": "string", "format": draw.one(&["date", "date-time"]) }),
        5 => json!({ "enum": ["a", "b", draw.one(&[json!("c"), json!(1), json!(null)])] }),
        6 => json!({ "type": [draw.one(&["string", "integer", "boolean", "number"]), "null"] }),
        7 => json!({ "type": "array", "items": schema(draw, depth - 1) }),
        8 => json!({ "anyOf": [schema(draw, depth - 1), schema(draw, depth - 1)] }),
        9 => json!({ "$ref": "#/$defs/shared" }),
        10 => json!({ "allOf": [object(draw, depth - 1, false), object(draw, depth - 1, false)] }),
        11 => json!({ "type": "object", "additionalProperties": schema(draw, depth - 1) }),
        12 => json!({}),
        _ => object(draw, depth - 1, true),
    }
}

fn object(draw: &mut Draw, depth: u64, closed: bool) -> Value {
    let mut properties = Map::new();
    for _ in 0..=draw.below(4) {
        let name = draw.one(&NAMES);
        properties.insert(name.to_owned(), schema(draw, depth));
    }
    let required: Vec<String> = properties.keys().filter(|_| draw.below(2) == 0).cloned().collect();
    let mut object = json!({ "type": "object", "properties": properties, "required": required });
    if closed && draw.below(2) == 0 {
        object["additionalProperties"] = false.into();
    }
    object
}

/// A value that usually fits; the test checks with the validator.
fn value(draw: &mut Draw, schema: &Value, root: &Value) -> Value {
    if schema["$ref"].is_string() {
        return value(draw, &root["$defs"]["shared"], root);
    }
    if let Some(values) = schema["enum"].as_array() {
        return draw.one(values);
    }
    if let Some(branches) = schema["anyOf"].as_array() {
        let branch = draw.one(branches);
        return value(draw, &branch, root);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = value(draw, part, root) {
                for (name, of) in fields {
                    whole.entry(name).or_insert(of);
                }
            }
        }
        return whole.into();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => draw.one(kinds),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("string") if schema["format"] == "date" => {
            json!(draw.one(&["2026-02-17", "0001-01-01", "9999-12-31"]))
        }
        Some("string") if schema["format"] == "date-time" => {
            json!(draw.one(&["2026-02-17T08:30:00Z", "1969-12-31T23:59:59.123456Z", "9999-12-31T23:59:59Z"]))
        }
        Some("string") => json!(draw.one(&TEXTS)),
        Some("integer") => json!(draw.one(&[0_i64, -1, i64::MAX, i64::MIN, 7])),
        Some("number") => draw.one(&[json!(0.1), json!(-2.5), json!(3), json!(1e300), json!(12345.678)]),
        Some("boolean") => json!(draw.below(2) == 0),
        Some("null") => Value::Null,
        Some("array") => {
            let items = (0..draw.below(4)).map(|_| value(draw, &schema["items"], root));
            Value::Array(items.collect())
        }
        Some("object") => {
            let mut fields = Map::new();
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                let is_required =
                    schema["required"].as_array().is_some_and(|all| all.iter().any(|r| r == name));
                if is_required || draw.below(3) > 0 {
                    fields.insert(name.clone(), value(draw, of, root));
                }
            }
            if schema["additionalProperties"].is_object() {
                for name in ["more", "title", "x"].into_iter().take(draw.below(4) as usize) {
                    fields.insert(name.to_owned(), value(draw, &schema["additionalProperties"], root));
                }
            }
            fields.into()
        }
        _ => draw.one(&[json!("any"), json!(1.5), json!([1, "x", null]), json!({ "a": [true] })]),
    }
}

/// Normalizes a value: drops absent fields, which NULL represents, and formats numbers and times for comparison.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(name, value)| (name.clone(), normal(value))).collect())
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => json!(whole.to_string()),
            None => json!(number.as_f64().map(|value| value.to_string())),
        },
        // A TIMESTAMP is the moment in UTC.
        Value::String(text) if text.ends_with('Z') && text.contains('T') => {
            json!(text.replace('T', " ").replace('Z', ""))
        }
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => json!(at.to_string().replace('T', " ").replace('Z', "")),
            Err(_) => value.clone(),
        },
        other => other.clone(),
    }
}

const ROWS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_value_that_a_schema_admits_reads_back_the_same() {
    let mut read = 0;
    let first = std::env::var("ETL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + crate::common::number("ETL_SEEDS", 14) {
        let mut draw = Draw(seed);
        let mut root = match draw.below(4) {
            0 => json!({ "type": "array", "items": object(&mut draw, 2, true) }),
            1 => json!({ "anyOf": [object(&mut draw, 2, false), object(&mut draw, 1, false)] }),
            2 => json!({ "allOf": [object(&mut draw, 2, false), { "$ref": "#/$defs/shared" }] }),
            _ => object(&mut draw, 3, true),
        };
        root["$defs"] = json!({ "shared": object(&mut draw, 1, false) });
        let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
        let mut answers = Vec::new();
        for _ in 0..ROWS * 20 {
            let answer = value(&mut draw, &root, &root);
            if answers.len() < ROWS && validator.is_valid(&answer) {
                answers.push(answer);
            }
        }
        if answers.is_empty() {
            continue;
        }
        let folder = Folder::new();
        folder.write("schema.json", root.to_string().as_bytes());
        let spec = one_for_each(answers.len());
        let answers = Arc::new(answers);
        let server = serving(&answers).await;
        let pipeline = folder.pipeline(&spec, &[]);
        let ended = run_against(&server, &pipeline).await;
        let why = folder.sql("SELECT DISTINCT kind, reason FROM etl.failures");
        assert_eq!((ended.end, why.as_str()), (RunEnd::Complete, ""), "seed {seed}: {root:#}");
        for (id, answer) in answers.iter().enumerate() {
            let found = folder.sql(&format!("SELECT to_json(answer) FROM out WHERE id = {id}"));
            let found: Value = serde_json::from_str(&found).unwrap_or(Value::Null);
            assert_eq!(normal(&found), normal(answer), "seed {seed}: {root:#}\n{}", pipeline.plan());
            read += 1;
        }
    }
    assert!(read > 80, "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_column_holds_is_refused_and_asked_for_again() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: texts
    rows: [{ id: 1 }]
    key: id
  - map: reply
    attempts: 2
    chat: { model: m, prompt: x, schema: { count: integer, price: \"decimal(6,2)\", at: timestamp } }
  - sink: out
    table: out
",
    );
    let server = server(|body, _| match body["messages"].as_array().map(Vec::len) {
        Some(1) => {
            r#"{"count": 99999999999999999999, "price": 1.00, "at": "2026-02-17T08:30:00Z"}"#.to_owned()
        }
        _ => r#"{"count": 9, "price": 1.5, "at": "2026-02-17T08:30:00Z"}"#.to_owned(),
    })
    .await;
    run_against(&server, &folder.pipeline(&spec, &[])).await;
    assert_eq!(folder.sql("SELECT count, price, \"at\" FROM out"), "9 | 1.50 | 2026-02-17 08:30:00");
    assert_eq!(
        folder.sql("SELECT state, refused, reason FROM etl.requests ORDER BY attempt"),
        "refused | refused | `count`: found 99999999999999999999, expected BIGINT\nanswered | NULL | NULL"
    );
    assert_eq!(bodies(&server).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schema_does_not_name_is_noted() {
    let folder = Folder::new();
    let schema = |more: &str| {
        format!(r#"{{ "type": "object", "properties": {{ "a": {{ "type": "string" }} }}{more} }}"#)
    };
    let spec = |file: &str| {
        pipeline(&format!(
            "
  - source: texts
    rows: [{{ id: 1 }}]
    key: id
  - map: reply
    chat: {{ model: m, prompt: x, schema: {file} }}
  - sink: out_{}
    table: out_{}
",
            file.replace(".json", ""),
            file.replace(".json", "")
        ))
    };
    folder.write("plain.json", schema("").as_bytes());
    folder.write("open.json", schema(r#", "additionalProperties": true"#).as_bytes());
    let server = server(|_, _| r#"{"a": "x", "b": {"c": 1.10}}"#.to_owned()).await;
    run_against(&server, &folder.pipeline(&spec("plain.json"), &[])).await;
    assert_eq!(folder.sql("SELECT a FROM out_plain"), "x");
    assert_eq!(
        folder.sql("SELECT state, reason FROM etl.requests"),
        "answered | ignored, not in the schema: `b`"
    );
    run_against(&server, &folder.pipeline(&spec("open.json"), &[])).await;
    assert_eq!(folder.sql("SELECT reply FROM out_open"), r#"{"a": "x", "b": {"c": 1.10}}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_at_the_root_is_a_column_that_can_be_split() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: texts
    rows: [{ id: 1 }]
    key: id
  - map: people
    chat: { model: m, prompt: x, schema: [{ who: text, age: integer? }] }
  - map: person
    split: people
  - sink: out
    columns: { who: person.who, age: person.age }
    table: out
",
    );
    let server = server(|_, _| r#"Here: [{"who": "Ada", "age": 36}, {"who": "Bob"}]"#.to_owned()).await;
    run_against(&server, &folder.pipeline(&spec, &[])).await;
    assert_eq!(
        folder.sql("SELECT person_index, who, age FROM out ORDER BY 1"),
        "1 | Ada | 36\n2 | Bob | NULL"
    );
}
