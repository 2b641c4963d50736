//! Long documents through the whole program (source → fields → table): the peak memory of a separate process.
//!
//! 2 GB as JSON Lines, as Parquet and from a table written by the program; `ETL_DOCUMENTS_MB=200` for less.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    process::Command,
};

use common::{check, run, runtime};

/// Bytes of a document.
const LENGTH: u64 = 20_000;

/// The memory limit of the program, in MB.
const BOUND: f64 = 600.0;

const RUN: &str = "--run-in-folder";
const WRITE: &str = "--write-parquet";

/// A source, and the row group size of the Parquet file that it reads.
const CASES: [(&str, &str); 5] = [
    ("JSON Lines", "jsonl: documents.jsonl"),
    ("own table", "sql: SELECT id, text FROM documents"),
    ("Parquet, groups of 1,000 rows", "parquet: small.parquet"),
    ("Parquet, groups of 20,480 rows", "parquet: middle.parquet"),
    ("Parquet, one page a group of 122,880 rows", "parquet: large.parquet"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |word: &str| arguments.iter().position(|argument| argument == word);
    if let Some(at) = after(RUN) {
        return one(Path::new(&arguments[at + 1]), &arguments[at + 2], &arguments[at + 3]);
    }
    if let Some(at) = after(WRITE) {
        return parquet(Path::new(&arguments[at + 1]), &arguments[at + 2], &arguments[at + 3]);
    }
    let megabytes =
        std::env::var("ETL_DOCUMENTS_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_u64);
    let count = megabytes * 1_000_000 / LENGTH;
    let folder = tempfile::tempdir().expect("a folder");
    jsonl(&folder.path().join("documents.jsonl"), count);
    let mut holds = true;
    for (at, (name, source)) in CASES.iter().enumerate() {
        let (target, file) =
            (if at == 0 { "documents" } else { "copied" }, source.split_once(": ").map(|s| s.1));
        let rows = [("small.parquet", "1000"), ("middle.parquet", "20480"), ("large.parquet", "122880")];
        if let Some((file, rows)) = rows.iter().find(|(name, _)| Some(*name) == file) {
            again(&[WRITE, &folder.path().display().to_string(), file, rows]);
        }
        let text = again(&[RUN, &folder.path().display().to_string(), source, target]);
        let figures: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a figure")).collect();
        assert_eq!(figures[2] as u64, count, "every document is a row");
        holds &= figures[0] < BOUND;
        println!(
            "{} {name}: {:.0} MB at most, {:.0} s, {:.0} MB/s",
            if figures[0] < BOUND { "ok  " } else { "FAIL" },
            figures[0],
            figures[1],
            megabytes as f64 / figures[1]
        );
        if file.is_some_and(|file| file.ends_with(".parquet")) {
            let _ = std::fs::remove_file(folder.path().join(file.unwrap_or_default()));
        }
    }
    check("documents", &format!("{megabytes} MB each, wanted under {BOUND} MB"), holds);
}

/// This program in a separate process, so that only its memory is counted.
fn again(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args(arguments)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn one(folder: &Path, source: &str, target: &str) {
    let spec = format!(
        "
pipeline: bench
duckdb: bench.duckdb
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
    );
    let (elapsed, sum) = runtime().block_on(run(folder, &spec, None));
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the peak");
    let kilobytes: f64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
    println!("{} {} {}", kilobytes / 1024.0, elapsed.as_secs_f64(), sum.rows);
}

fn parquet(folder: &Path, file: &str, rows: &str) {
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    let (from, to) = (folder.join("documents.jsonl"), folder.join(file));
    let sql = format!(
        "SET threads = 1; SET preserve_insertion_order = false;
         COPY (SELECT id, text FROM read_json('{}', columns = {{ id: 'BIGINT', text: 'VARCHAR' }}))
         TO '{}' (FORMAT parquet, ROW_GROUP_SIZE {rows})",
        from.display(),
        to.display()
    );
    duckdb.execute_batch(&sql).expect("a file");
}

fn jsonl(path: &Path, count: u64) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    for id in 0..count {
        writeln!(file, "{{\"id\":{id},\"text\":\"{}\"}}", text(id)).expect("written");
    }
    file.flush().expect("written");
}

/// Words, some of them not ASCII; no two texts are the same.
fn text(seed: u64) -> String {
    const WORDS: [&str; 8] = ["time", "naïve", "of the", "philosophy", "and", "a", "größer", "question"];
    let mut text = format!("{seed}: ");
    let mut state = seed;
    while (text.len() as u64) < LENGTH {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 61) as usize]);
        text.push(' ');
        if state.is_multiple_of(7) {
            text.push_str(&(state >> 40).to_string());
        }
    }
    text
}
