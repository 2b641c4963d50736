//! Long texts from a file, from Parquet and from our own table, in bounded memory; where the memory is too small,
//! the error names the setting. `benches/documents.rs` has the figures for 2 GB.

use std::{
    fs::File,
    io::{BufWriter, Write},
    process::{Command, Output, Stdio},
    time::Duration,
};

use crate::common::Folder;

/// Bytes per document, and their number: 200 MB.
const LENGTH: usize = 20_000;
const DOCUMENTS: usize = 10_000;

/// The memory limit of a run in MB, including what it uses before reading.
const BOUND: u64 = 600;

fn text(seed: usize) -> String {
    let mut text = format!("{seed}: ");
    let mut state = seed as u64;
    while text.len() < LENGTH {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(["time ", "naïve ", "of the ", "größer "][(state >> 62) as usize]);
        text.push_str(&(state >> 50).to_string());
    }
    text
}

fn spec(source: &str, target: &str) -> String {
    format!(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: texts
    {source}
    key: id
  - map: shape
    fields: {{ begin: 'left(text, 40)', length: length(text) }}
  - sink: rows
    table: {target}
    mode: replace
"
    )
}

/// Runs the binary; returns its peak memory in MB, polled from Linux until it ends.
fn run(folder: &Folder, spec: &str) -> (Output, u64) {
    folder.write("spec.yaml", spec.as_bytes());
    let mut child = Command::new(crate::common::ETL)
        .args(["run", "--progress", "none"])
        .arg(folder.path("spec.yaml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        let kilobytes = line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or_default() / 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    (child.wait_with_output().unwrap(), peak)
}

#[test]
#[cfg(target_os = "linux")]
fn documents_of_200_mb_pass_within_the_bound() {
    let folder = Folder::new();
    let mut file = BufWriter::new(File::create(folder.path("documents.jsonl")).unwrap());
    for id in 0..DOCUMENTS {
        writeln!(file, "{{\"id\":{id},\"text\":\"{}\"}}", text(id)).unwrap();
    }
    drop(file);
    // One row group, with pages as large as DuckDB makes them.
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let (from, to) = (folder.path("documents.jsonl"), folder.path("documents.parquet"));
    let columns = "columns = { id: 'BIGINT', text: 'VARCHAR' }";
    connection
        .execute_batch(&format!(
            "COPY (FROM read_json('{}', {columns})) TO '{}' (FORMAT parquet)",
            from.display(),
            to.display()
        ))
        .unwrap();
    for (source, target) in [
        ("jsonl: documents.jsonl", "documents"),
        ("sql: SELECT id, text FROM documents", "copied"),
        ("parquet: documents.parquet", "copied"),
    ] {
        let (output, peak) = run(&folder, &spec(source, target));
        assert_eq!(output.status.code(), Some(0), "{source}: {}", String::from_utf8_lossy(&output.stderr));
        // Read independently of the program: the same number of rows and bytes.
        let found =
            folder.sql(&format!("SELECT count(*), sum(length), count(DISTINCT md5(text)) FROM {target}"));
        let sum: usize = (0..DOCUMENTS).map(|id| text(id).chars().count()).sum();
        assert_eq!(found, format!("{DOCUMENTS} | {sum} | {DOCUMENTS}"), "{source}");
        eprintln!("{source}: {peak} MB");
        assert!(peak > 0 && peak < BOUND, "{source}: {peak} MB at most");
    }
}

#[test]
fn a_result_that_does_not_fit_says_what_to_set() {
    let folder = Folder::new();
    let query = "sql: SELECT 1 AS id, list(repeat('x', 20000) || range)::VARCHAR AS text FROM range(40000)";
    let spec =
        spec(query, "rows").replace("duckdb: out.duckdb", "duckdb: { path: out.duckdb, memory: 64MB }");
    let (output, _) = run(&folder, &spec);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("DuckDB's memory limit is exceeded"), "{message}");
    assert!(message.contains("`duckdb: { path: …, memory: 2GB }`"), "{message}");
    assert!(!message.contains("SET "), "{message}");
}

#[test]
fn what_duckdb_may_take_is_shown_and_checked() {
    let folder = Folder::new();
    let said = "duckdb: { path: out.duckdb, memory: 1GB, threads: 2, temp: scratch }";
    let plan = folder
        .pipeline(&spec("sql: SELECT 1 AS id, 'x' AS text", "rows").replace("duckdb: out.duckdb", said), &[]);
    let shown = plan.plan().to_string();
    assert!(shown.contains("duckdb may use memory 1GB, threads 2, temp "), "{shown}");
    let ended = etl::run::Options::default();
    let ended = crate::common::run(&plan, &ended, tokio_util::sync::CancellationToken::new()).unwrap();
    assert_eq!(ended.sum.rows, 1);
    let little = said.replace("1GB", "10MB");
    let spec = spec("sql: SELECT 1 AS id, 'x' AS text", "rows").replace("duckdb: out.duckdb", &little);
    let refused =
        etl::run::Pipeline::from_text(&folder.path("spec.yaml"), &spec, &[]).unwrap_err().render(false);
    assert!(refused.contains("at least 64MB"), "{refused}");
}
