//! A duplicate key in one run: which row is written, and that every record is counted once.

use std::collections::BTreeMap;

use etl::event::RunEnd;

use crate::common::{Ended, Folder, conserved};

const ROWS: u64 = 25_000;
const KEYS: u64 = 7_000;

/// Keys repeat within and between commits.
fn spec(sink: &str, value: &str) -> String {
    format!(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range % {KEYS} AS id, range + {value} AS value FROM range({ROWS})
    key: id
  - sink: kept
    {sink}
"
    )
}

/// The expected rows: the first and the last value of each key, computed independently.
fn wanted(offset: u64) -> (BTreeMap<u64, u64>, BTreeMap<u64, u64>) {
    let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..ROWS {
        first.entry(number % KEYS).or_insert(number + offset);
        last.insert(number % KEYS, number + offset);
    }
    (first, last)
}

fn found(text: &str) -> BTreeMap<u64, u64> {
    let pair = |line: &str| {
        let (id, value) = line.split_once(" | ").unwrap();
        (id.parse().unwrap(), value.parse().unwrap())
    };
    let pairs: Vec<(u64, u64)> = text.lines().map(pair).collect();
    let map: BTreeMap<u64, u64> = pairs.iter().copied().collect();
    assert_eq!(map.len(), pairs.len(), "every key once");
    map
}

fn counted(ended: &Ended, rows: u64, failures: u64, duplicates: u64) {
    conserved(ended);
    let sum = ended.sum;
    assert_eq!((sum.read, sum.rows, sum.failures, sum.duplicates), (ROWS, rows, failures, duplicates));
    let sink = ended.progress.stages[1];
    assert_eq!((sink.taken, sink.done, sink.failed, sink.duplicates), (ROWS, rows, failures, duplicates));
}

const REST: u64 = ROWS - KEYS;

#[test]
fn one_row_of_a_key_is_kept_in_a_table() {
    for mode in ["upsert", "replace"] {
        for (word, is_last) in [("first", false), ("last", true)] {
            let folder = Folder::new();
            // The second run writes over the rows of the first.
            for offset in [0, 1_000_000] {
                let sink = format!("table: kept\n    mode: {mode}\n    duplicates: {word}");
                let ended = folder.run(&spec(&sink, &offset.to_string()));
                assert_eq!(ended.end, RunEnd::Complete, "duplicates that are asked for are no failures");
                counted(&ended, KEYS, 0, REST);
                let (first, last) = wanted(offset);
                let rows = found(&folder.sql("SELECT id, value FROM kept"));
                assert!(rows == if is_last { last } else { first }, "{mode} {word} {offset}");
            }
            assert_eq!(folder.sql("SELECT count(*) FROM etl.failures"), "0");
        }
    }
}

#[test]
fn one_row_of_a_key_is_kept_in_a_file() {
    for (word, is_last) in [("first", false), ("last", true)] {
        let folder = Folder::new();
        for (name, key) in [("kept.csv", "csv"), ("kept.jsonl", "jsonl"), ("kept.parquet", "parquet")] {
            let ended = folder.run(&spec(&format!("{key}: {name}\n    duplicates: {word}"), "0"));
            counted(&ended, KEYS, 0, REST);
            let (first, last) = wanted(0);
            let file = folder.path(name);
            let rows = found(&folder.sql(&format!("SELECT id, value FROM '{}'", file.display())));
            assert!(rows == if is_last { last } else { first }, "{name} {word}");
        }
    }
}

#[test]
fn a_key_that_comes_twice_fails_its_record() {
    for sink in ["table: kept", "table: kept\n    mode: replace", "csv: kept.csv\n    duplicates: fail"] {
        let folder = Folder::new();
        let ended = folder.run(&spec(sink, "0"));
        assert_eq!(ended.end, RunEnd::WithFailures);
        counted(&ended, KEYS, REST, 0);
        let failures = folder.sql("SELECT count(*), min(kind), min(reason) FROM etl.failures");
        let reason =
            "another record of this run has the same `id`: its row was kept, and this one was not written";
        assert_eq!(failures, format!("{REST} | duplicate key | {reason}"));
    }
}

#[test]
fn keys_of_several_columns_and_null_are_compared_as_a_whole() {
    let folder = Folder::new();
    let spec = "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    rows:
      - { a: 1, b: x, n: 1 }
      - { a: 1, b: y, n: 2 }
      - { a: 1, b: x, n: 3 }
      - { a: null, b: x, n: 4 }
      - { a: null, b: x, n: 5 }
      - { a: 2, b: null, n: 6 }
  - sink: kept
    key: [a, b]
    jsonl: kept.jsonl
    duplicates: last
";
    let ended = folder.run(spec);
    conserved(&ended);
    assert_eq!((ended.sum.read, ended.sum.rows, ended.sum.duplicates), (6, 4, 2));
    let query = format!(
        "SELECT string_agg(n::VARCHAR, ',' ORDER BY n) FROM '{}'",
        folder.path("kept.jsonl").display()
    );
    assert_eq!(folder.sql(&query), "2,3,5,6");
}

#[test]
fn a_row_that_replaced_another_has_an_origin_of_its_own() {
    let folder = Folder::new();
    let spec = "
pipeline: test
mistral: { api_key: test }
duckdb: out.duckdb
stages:
  - source: texts
    rows: [{ id: 1, text: first }, { id: 1, text: second }]
    key: id
  - map: vector
    concurrency: 1
    embed: { model: mistral-embed, input: '{{ text }}' }
  - sink: kept
    table: kept
    duplicates: last
";
    let options = etl::run::Options { offline: true, ..etl::run::Options::default() };
    let pipeline = folder.pipeline(spec, &[]);
    let ended = crate::common::run(&pipeline, &options, tokio_util::sync::CancellationToken::new()).unwrap();
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.duplicates), (1, 1));
    let same = "SELECT k.request = o.request::VARCHAR FROM kept AS k, etl.origin AS o";
    assert_eq!(folder.sql(same), "true");
}

#[test]
fn duplicates_need_a_key() {
    let folder = Folder::new();
    let refused = |sink: &str| {
        let spec = spec(sink, "0").replace("    key: id\n", "");
        let refused = etl::run::Pipeline::from_text(&folder.path("spec.yaml"), &spec, &[]).unwrap_err();
        refused.render(false)
    };
    let message = refused("csv: kept.csv\n    duplicates: last");
    assert!(message.contains("`duplicates: last`") && message.contains("a `key:` beside it"), "{message}");
    let message = refused("table: kept\n    mode: append\n    key: id\n    duplicates: first");
    assert!(message.contains("`mode: append` adds rows regardless of their key"), "{message}");
}
