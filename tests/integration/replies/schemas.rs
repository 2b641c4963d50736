//! `schema:` as JSON Schema in the spec and in the short form: what is sent, and the resulting columns.

use serde_json::json;

use super::{Folder, bodies, mistakes, pipeline, run_against, server};

/// A pipeline with this schema.
fn asks(schema: &str) -> String {
    pipeline(&format!(
        "
  - source: texts
    rows: [{{ id: 1 }}]
    key: id
  - map: invoice
    chat:
      model: m
      prompt: \"{{{{ id }}}}\"
      schema: {schema}
  - sink: out
    table: out
"
    ))
}

const SHORT: &str = r#"
        number: text
        day: date?
        seen: timestamp
        paid: boolean
        count: { is: integer, about: How many lines. }
        subtotal: decimal
        exact: "decimal(20,4)?"
        share: number?
        kind: { one_of: [bill, credit, null] }
        tags: [text]
        lines: [{ name: text, total: decimal }]
        to: { is: { city: text, zip: text? }, optional: true }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_short_form_makes_columns_of_its_types() {
    let folder = Folder::new();
    let server = server(|_, _| {
        r#"{"number": "7", "seen": "2026-02-17T09:30:00+01:00", "paid": true, "count": 2, "subtotal": 12.5,
            "exact": 1234567890123456.789, "kind": null, "tags": ["a"], "lines": [{"name": "x", "total": 12.50}],
            "to": {"city": "Rome"}}"#
            .to_owned()
    })
    .await;
    let pipeline = folder.pipeline(&asks(SHORT), &[]);
    insta::assert_snapshot!(
        "short_form_plan",
        pipeline
            .plan()
            .to_string()
            .split("attempts")
            .next()
            .unwrap()
            .replace(&folder.path("").display().to_string(), "")
    );
    run_against(&server, &pipeline).await;
    let types = "SELECT string_agg(column_name || ' ' || data_type, '\n' ORDER BY column_index) FROM duckdb_columns() WHERE table_name = 'out' AND schema_name = 'main'";
    insta::assert_snapshot!(folder.sql(types), @r#"
    id BIGINT
    number VARCHAR
    day DATE
    seen TIMESTAMP
    paid BOOLEAN
    count BIGINT
    subtotal DECIMAL(18,2)
    exact DECIMAL(20,4)
    share DOUBLE
    kind VARCHAR
    tags VARCHAR[]
    lines STRUCT("name" VARCHAR, total DECIMAL(18,2))[]
    to STRUCT(city VARCHAR, zip VARCHAR)
    model VARCHAR
    request VARCHAR
    "#);
    assert_eq!(
        folder.sql("SELECT day, seen, subtotal, exact, kind, lines, \"to\" FROM out"),
        "NULL | 2026-02-17 08:30:00 | 12.50 | 1234567890123456.7890 | NULL | [{'name': x, 'total': 12.50}] | {'city': Rome, 'zip': NULL}"
    );
    let sent = &bodies(&server)[0]["response_format"]["json_schema"];
    assert_eq!(sent["name"], "invoice");
    let schema = &sent["schema"];
    assert_eq!(schema["properties"]["day"], json!({ "type": ["string", "null"], "format": "date" }));
    assert_eq!(schema["properties"]["count"], json!({ "type": "integer", "description": "How many lines." }));
    assert_eq!(
        schema["properties"]["kind"],
        json!({ "type": ["string", "null"], "enum": ["bill", "credit", null] })
    );
    assert_eq!(schema["properties"]["to"]["type"], json!(["object", "null"]));
    let required = ["number", "seen", "paid", "count", "subtotal", "tags", "lines"];
    assert_eq!(schema["required"], json!(required));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_schema_in_the_spec_is_sent_as_it_is() {
    let folder = Folder::new();
    let server = server(|_, _| r#"{"type": "x", "year": 1999}"#.to_owned()).await;
    let schema = r#"{ type: object, required: [type], properties: { type: { type: string }, year: { type: [integer, "null"], minimum: 1000 } } }"#;
    run_against(&server, &folder.pipeline(&asks(schema), &[])).await;
    assert_eq!(folder.sql("SELECT type, year FROM out"), "x | 1999");
    let sent = &bodies(&server)[0]["response_format"]["json_schema"]["schema"];
    assert_eq!(
        *sent,
        json!({ "type": "object", "required": ["type"],
            "properties": { "type": { "type": "string" }, "year": { "type": ["integer", "null"], "minimum": 1000 } } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_may_have_any_name() {
    let folder = Folder::new();
    let server =
        server(|_, _| r#"{"type": "x", "is": "y", "one_of": 3, "properties": ["z"]}"#.to_owned()).await;
    let schema = "{ type: text, is: text, one_of: integer, properties: [text] }";
    run_against(&server, &folder.pipeline(&asks(schema), &[])).await;
    assert_eq!(folder.sql("SELECT type, \"is\", one_of, properties FROM out"), "x | y | 3 | [z]");
}

#[test]
fn a_short_form_that_is_none_is_reported_at_its_place() {
    let folder = Folder::new();
    let wrong = r#"
        a: string
        b: txet
        c: { total: decimal(12,2), more: text }
        d: [decimal(12,2)?]
        e: "decimal(50,2)"
        f: [text, integer]
        g: { one_of: [] }
        h: { one_of: [x, x] }
        i:
        j: 7
        k: {}
        l: { is: text, optional: perhaps }
        K: text"#;
    insta::assert_snapshot!(mistakes(&folder, &asks(wrong)));
    let json = "{ type: object, properties: { a: { type: strnig } } }";
    insta::assert_snapshot!("json_schema_that_is_none", mistakes(&folder, &asks(json)));
    insta::assert_snapshot!(
        "json_schema_without_its_type",
        mistakes(&folder, &asks("{ properties: { a: { type: string } }, required: [a] }"))
    );
}
