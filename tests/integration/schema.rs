//! The JSON Schema by which editors check pipelines.

use std::{fs, path::Path};

use etl::spec::{explain, json_schema, reference};
use serde_json::Value;

fn repository(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn complaints(yaml: &str) -> Vec<String> {
    let spec: Value = serde_yaml::from_str(yaml).unwrap();
    let validator = jsonschema::options().build(&json_schema()).unwrap();
    validator.iter_errors(&spec).map(|error| error.to_string()).collect()
}

#[test]
fn the_file_in_the_repository_is_what_the_command_prints() {
    let printed = assert_cmd::Command::new(crate::common::ETL).arg("schema").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        repository("schemas/pipeline.schema.json") == printed,
        "update it: `cargo run -- schema > schemas/pipeline.schema.json`"
    );
}

#[test]
fn the_reference_in_the_repository_is_what_the_command_prints() {
    assert!(
        repository("docs/reference.md") == reference(),
        "update it: `cargo run -- schema --reference > docs/reference.md`"
    );
}

#[test]
fn every_link_within_the_reference_has_its_section() {
    let page = reference();
    let anchors: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-").replace(['`', ':'], ""))
        .collect();
    let links: Vec<&str> = page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 10);
    assert!(links.iter().all(|link| anchors.iter().any(|anchor| anchor == link)), "{links:?} {anchors:?}");
}

#[test]
fn explain_finds_stages_keys_and_the_keys_of_keys() {
    for (path, wanted) in [
        ("", "Keys of a file:"),
        ("sink", "At most one of `table`, `jsonl`, `csv`, `parquet`."),
        ("sink.mode", "default   `upsert` for a table, `replace` for a file"),
        ("map.chat", "presence_penalty"),
        ("map.chat.temperature", "number from 0 to 1.5"),
        ("map.submit.max_bytes", "size, at most `512MB`"),
        ("map.collect", "Has no keys."),
        ("mistral.timeouts.connect", "default   `10s`"),
        ("prices.pages", "Price of a thousand pages."),
        ("retry.times", "example   times: 3"),
    ] {
        let text = explain(path).unwrap();
        assert!(text.contains(wanted), "{path}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{path}: {text}");
    }
}

#[test]
fn explain_names_the_nearest_and_all_that_is_known() {
    for (path, wanted) in [
        ("snik", "unknown name `snik` in the language: did you mean `sink`?"),
        ("map.chta", "unknown name `chta` in `map`: did you mean `chat`?"),
        ("map.chat.seed", "did you mean `random_seed`?"),
        ("sink.mode.upsert", "unknown name `upsert` in `sink.mode`\nit has no keys of its own"),
    ] {
        let text = explain(path).unwrap_err();
        assert!(text.contains(wanted), "{path}: {text}");
    }
    let missed = assert_cmd::Command::new(crate::common::ETL).args(["explain", "snik"]).assert().code(2);
    assert!(missed.get_output().stdout.is_empty());
}

#[test]
fn the_shipped_pipelines_fit_and_say_where_the_schema_is() {
    for path in ["pipelines/extract.yaml", "pipelines/extract-batch.yaml"] {
        let text = repository(path);
        assert_eq!(complaints(&text), Vec::<String>::new(), "{path}");
        assert!(
            text.starts_with("# yaml-language-server: $schema=../schemas/pipeline.schema.json\n"),
            "{path}"
        );
    }
}

/// A pipeline with these stages.
fn stages(stages: &str) -> String {
    format!("pipeline: test\nduckdb: out.duckdb\nstages:\n{stages}\n")
}

#[test]
fn what_the_reader_takes_fits() {
    for good in [
        "  - { source: a, files: '*.png', content: false, limit: 3 }",
        "  - { source: a, rows: [{ id: 1 }], key: id }",
        "  - { map: a, concurrency: auto, chat: { model: m, prompt: { file: p }, images: x, stop: [a, b] } }",
        "  - { map: a, concurrency: { auto: { min: 2 } }, chat: { model: m, prompt: p, top_p: 1, metadata: { a: 1 } } }",
        "  - { map: a, concurrency: '${params.n}', retry: 3, embed: { model: m, input: x } }",
        "  - { map: a, ocr: { model: m, document: d }, batch: { every: 30s, backoff: { max: 2min } } }",
        "  - { map: a, submit: { classify: { model: m, input: x }, max_bytes: 1.5 MB } }",
        "  - { map: a, collect: {}, into: b }",
        "  - { map: a, keep: [a, b] }",
        "  - { map: a, split: { text: text, max_chars: 100 } }",
        "  - { throttle: a, rate: 500k/min }",
        "  - { poll: a, job: mistral, on_timeout: cancel }",
        "  - { wave: a, sql: SELECT 1, stop_if: failed > 3 }",
        "  - { sink: a, from: [b, c.failed], table: t, columns: { a: b }, mode: replace }",
    ] {
        assert_eq!(complaints(&stages(good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn what_the_reader_refuses_does_not_fit() {
    for bad in [
        "  - { source: a, files: x, colour: blue }",
        "  - { source: a, files: x, csv: y }",
        "  - { source: a }",
        "  - { map: a, chat: { model: m, prompt: p, seed: 7 } }",
        "  - { map: a, chat: { model: m, prompt: p, top_p: 0 } }",
        "  - { map: a, chat: { model: m } }",
        "  - { map: a, chat: { model: m, prompt: p }, ocr: { model: m, document: d } }",
        "  - { map: a, concurrency: 0, chat: { model: m, prompt: p } }",
        "  - { map: a, submit: { max_requests: 3 } }",
        "  - { throttle: a, rate: 5 }",
        "  - { poll: a, job: other }",
        "  - { barrier: a }",
        "  - { sink: a, table: t, mode: upsret }",
        "  - { sink: a b, table: t }",
    ] {
        assert!(!complaints(&stages(bad)).is_empty(), "{bad}");
    }
    let whole = stages("  - { wave: a }");
    assert!(complaints(&format!("x-shared: {{ any: thing }}\n{whole}")).is_empty());
    assert!(complaints(&whole).is_empty());
    assert!(!complaints(&format!("{whole}colour: blue\n")).is_empty());
    assert!(!complaints(&format!("{whole}budget: 5\n")).is_empty());
    assert!(!complaints(&format!("{whole}mistral: {{ limits: {{ requests: 5 }} }}\n")).is_empty());
}

/// The names of all keys.
fn keys(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                found.extend(properties.keys().cloned());
            }
            fields.values().for_each(|value| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn the_reference_has_every_key() {
    let manual = repository("docs/reference.md");
    let words: Vec<&str> = manual.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let mut found = Vec::new();
    keys(&json_schema(), &mut found);
    found.retain(|key| !words.contains(&key.as_str()));
    assert_eq!(found, Vec::<String>::new());
}
