//! The stages.

use serde_json::{Value, json};

use super::{
    super::read_stage::{
        MAP_COLLECT, MAP_FIELDS, MAP_SPLIT, POLL, SINK, SINK_FORMS, SOURCE, SOURCE_FORMS, SPLIT, SPLIT_FORMS,
        THROTTLE, WAVE,
    },
    Property, asks, object, one_of,
    values::{count, def, flag, labels, list, text, texts, unit, word},
};

/// What an entry of `stages:` may be.
const STAGES: &[&str] =
    &["source", "asks", "submits", "collects", "reshapes", "splits", "throttle", "poll", "wave", "sink"];

pub(super) fn names() -> Vec<Value> {
    STAGES.iter().map(|name| def(name)).collect()
}

pub(super) fn all() -> Vec<(String, Value)> {
    let mut defs = asks::defs();
    defs.extend([
        ("source", source()),
        ("collects", collects()),
        ("reshapes", reshapes()),
        ("splits", splits()),
        ("throttle", throttle()),
        ("poll", poll()),
        ("wave", wave()),
        ("sink", sink()),
    ]);
    defs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A stage: its kind with its name, what it reads, and what its kind has beside.
pub(super) fn stage(
    kind: &'static str,
    keys: &[&str],
    required: &[&str],
    mut properties: Vec<Property>,
) -> Value {
    properties.push((kind, def("name"), "The stage's name."));
    properties.push((
        "from",
        texts(),
        "What it reads: a stage, a port (`extract.failed`), or a list of them.",
    ));
    properties.push(("when", text(), "A condition; records for which it is false are left alone."));
    object(keys, &[&[kind], required].concat(), properties)
}

fn source() -> Value {
    let rows = list(&json!({ "type": "object" }));
    let properties = vec![
        ("files", text(), "A pattern of paths, such as `library/**/*.txt`: one record a file."),
        ("rows", rows, "Records that are written here."),
        ("sql", text(), "A query: one record a row."),
        ("jsonl", text(), "A file with a JSON object in each line."),
        ("csv", text(), "A CSV file."),
        ("parquet", text(), "A Parquet file."),
        ("key", text(), "The field that identifies a record. Default: `path` for files, else its number."),
        ("limit", count(1, u64::MAX), "Stop reading after so many."),
        ("max_bytes", unit("size"), "A larger file is a failure. Default: 32MB; 50MB without content."),
        ("content", flag(), "`false` for files that are no text: they are known by `file`, and not read."),
    ];
    one_of(stage("source", SOURCE, &[], properties), SOURCE_FORMS)
}

fn into() -> Property {
    ("into", def("name"), "Where the result is put. Default: the stage's name.")
}

fn collects() -> Value {
    let properties = vec![
        ("collect", json!({ "type": "object", "maxProperties": 0 }), "Finished jobs in, their records out."),
        into(),
    ];
    stage("map", MAP_COLLECT, &["collect"], properties)
}

fn reshapes() -> Value {
    let properties = vec![
        ("fields", labels(), "New fields, each with the expression that gives it."),
        ("keep", texts(), "Of the fields from above only these."),
        ("drop", texts(), "Without these."),
        ("rename", labels(), "New name, old name."),
    ];
    let mut stage = stage("map", MAP_FIELDS, &[], properties);
    let forms = ["fields", "keep", "drop", "rename"].map(|form| json!({ "required": [form] }));
    stage["anyOf"] = json!(forms);
    stage
}

fn splits() -> Value {
    let split = vec![
        ("list", text(), "An expression that gives a list: one record for each item."),
        ("text", text(), "An expression that gives a text: one record for each chunk."),
        ("max_chars", count(1, 1 << 40), "Characters in a chunk at most. Default: 8000."),
        ("max_tokens", count(1, 1 << 38), "Tokens in a chunk at most, at four characters a token."),
        ("overlap", count(0, 1 << 38), "How much a chunk repeats of the one before, in the same unit."),
    ];
    let split = one_of(object(SPLIT, &[], split), SPLIT_FORMS);
    let properties = vec![("split", split, "Makes one record into many."), into()];
    stage("map", MAP_SPLIT, &["split"], properties)
}

fn throttle() -> Value {
    let properties = vec![
        ("rate", unit("rate"), "Records in time: `5/s`."),
        ("burst", count(1, 1_000_000), "How many may pass at once after a pause. Default: 1."),
        ("shared", def("name"), "Throttles of the same name have one rate together."),
    ];
    stage("throttle", THROTTLE, &["rate"], properties)
}

fn poll() -> Value {
    let mut properties = vec![
        ("job", word(&["mistral"]), "Whose jobs are waited for."),
        ("until", text(), "The condition that ends it. Default: the job has ended."),
    ];
    properties.extend(asks::schedule());
    stage("poll", POLL, &["job"], properties)
}

fn wave() -> Value {
    let properties = vec![
        ("sql", text(), "A query over all of its records; the wave's name stands for them."),
        ("stop_if", text(), "The condition under which the run stops here: `failed > 0.2 * total`."),
    ];
    stage("wave", WAVE, &[], properties)
}

fn sink() -> Value {
    let properties = vec![
        ("table", def("name"), "A table of the pipeline's database."),
        ("jsonl", text(), "A file with a JSON object in each line."),
        ("csv", text(), "A CSV file."),
        ("parquet", text(), "A Parquet file."),
        ("key", text(), "The column that identifies a row."),
        ("columns", labels(), "The columns, each with the expression that gives it."),
        (
            "mode",
            word(&["upsert", "append", "replace"]),
            "How rows meet those that are there. Default: `upsert` for tables.",
        ),
    ];
    one_of(stage("sink", SINK, &[], properties), SINK_FORMS)
}
