//! An error or a panic never looks like the end of the data: at each producer, at the first, a middle and the
//! last record.

use std::process::{Command, Output};

use crate::common::Folder;

const RECORDS: usize = 60;

/// `salt` makes the requests of a run unique, so that none is found in the ledger.
fn spec(source: &str, salt: &str) -> String {
    format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: numbers
{source}
    key: id
  - map: shape
    fields: {{ twice: id * 2 }}
  - map: vector
    concurrency: 16
    embed: {{ model: mistral-embed, input: 'number {{{{ id }}}} {salt}' }}
  - wave: all
  - sink: kept
    mode: replace
    table: numbers
    columns: {{ id: id, twice: twice }}
    key: id
  - sink: written
    from: all
    jsonl: numbers.jsonl
    columns: {{ id: id, twice: twice }}
"
    )
}

fn rows(count: usize) -> String {
    format!("    sql: SELECT range AS id FROM range({count})")
}

fn etl(folder: &Folder, fault: Option<&str>) -> Output {
    let mut command = Command::new(crate::common::ETL);
    command
        .args(["run", "--offline", "--progress", "none"])
        .arg(folder.path("spec.yaml"))
        .env_remove("ETL_FAULT");
    command.envs(fault.map(|fault| ("ETL_FAULT", fault)));
    command.output().unwrap()
}

fn tables(folder: &Folder) -> (String, String) {
    (folder.sql("SELECT count(*), sum(id) FROM numbers"), folder.read("numbers.jsonl"))
}

/// Commits contain many records, so the later passes are ones that every run reaches.
fn faults_at(point: &str, passes: [usize; 3]) {
    let folder = Folder::new();
    folder.write("spec.yaml", spec(&rows(3), "before").as_bytes());
    assert_eq!(etl(&folder, None).status.code(), Some(0));
    let before = tables(&folder);
    for (action, pass) in ["error", "panic"].iter().flat_map(|action| passes.map(|pass| (action, pass))) {
        let fault = format!("{point}:{action}:{pass}");
        folder.write("spec.yaml", spec(&rows(RECORDS), &fault).as_bytes());
        let output = etl(&folder, Some(&fault));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{fault}: {message}");
        assert!(message.contains(&format!("injected {action} at `{point}`")), "{fault}: {message}");
        assert_eq!(tables(&folder), before, "{fault}");
        let ended = folder.sql("SELECT ended FROM etl.runs ORDER BY run DESC LIMIT 1");
        assert_eq!(ended, "failed", "{fault}");
    }
    let output = etl(&folder, None);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(folder.sql("SELECT count(*) FROM numbers"), RECORDS.to_string());
    assert_eq!(folder.read("numbers.jsonl").lines().count(), RECORDS);
}

#[test]
fn a_fault_at_a_source_replaces_nothing() {
    faults_at("source", [1, RECORDS / 2, RECORDS]);
}

#[test]
fn a_fault_at_a_query_replaces_nothing() {
    faults_at("query", [1, RECORDS / 2, RECORDS]);
}

#[test]
fn a_fault_at_a_map_replaces_nothing() {
    faults_at("map", [1, RECORDS / 2, RECORDS]);
}

#[test]
fn a_fault_at_a_wave_replaces_nothing() {
    faults_at("wave", [1, RECORDS / 2, RECORDS]);
}

#[test]
fn a_fault_at_a_sink_replaces_nothing() {
    faults_at("sink", [1, 1, 2]);
}

#[test]
fn a_fault_at_the_ledger_replaces_nothing() {
    faults_at("ledger", [1, 2, 3]);
}

#[test]
fn a_kill_before_a_table_is_replaced_leaves_the_old_one() {
    let folder = Folder::new();
    folder.write("spec.yaml", spec(&rows(3), "before").as_bytes());
    assert_eq!(etl(&folder, None).status.code(), Some(0));
    let before = tables(&folder);
    folder.write("spec.yaml", spec(&rows(20), "after").as_bytes());
    for fault in ["wave:crash:20", "sink:crash:1", "before_replace:crash:1"] {
        assert!(etl(&folder, Some(fault)).status.code().is_none(), "killed");
        assert_eq!(tables(&folder), before, "{fault}");
    }
    assert_eq!(etl(&folder, None).status.code(), Some(0));
    assert_eq!(folder.sql("SELECT count(*) FROM numbers"), "20");
}

#[test]
fn a_query_that_fails_after_its_first_batches_ends_the_run() {
    let folder = Folder::new();
    folder.write("spec.yaml", spec(&rows(3), "before").as_bytes());
    assert_eq!(etl(&folder, None).status.code(), Some(0));
    let before = folder.sql("SELECT count(*), sum(id) FROM numbers");
    for at in [0, 2_047, 2_048, 100_000, 100_999] {
        let query = format!(
            "    sql: \"SELECT range AS id, CAST(CASE WHEN range = {at} THEN 'x' ELSE '1' END AS INTEGER) AS v FROM range(101000)\""
        );
        let spec = format!(
            "pipeline: test\nduckdb: out.duckdb\nstages:\n  - source: numbers\n{query}\n    key: id\n  - sink: kept\n    mode: replace\n    table: numbers\n"
        );
        folder.write("spec.yaml", spec.as_bytes());
        let output = etl(&folder, None);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{at}: {message}");
        assert!(message.contains("Could not convert string"), "{at}: {message}");
        assert_eq!(folder.sql("SELECT count(*), sum(id) FROM numbers"), before);
    }
}
