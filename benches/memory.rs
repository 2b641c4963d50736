//! Rows of a query through `fields` into a table: peak memory for a hundred thousand and for a million.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::process::Command;

use common::{check, run, runtime};

const RUN: &str = "--run-with-records";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == RUN) {
        return one(arguments[at + 1].parse().expect("a number"));
    }
    let (few, many) = (peak(100_000), peak(1_000_000));
    let growth = (many.0 / few.0 - 1.0) * 100.0;
    let figures = format!(
        "{:.0} MB for 1,000,000 rows in {:.1} s (wanted under 400 MB), {:.0} MB for 100,000: {growth:+.0} % (wanted within 20 %)",
        many.0, many.1, few.0
    );
    check("memory", &figures, many.0 < 400.0 && growth <= 20.0);
}

/// Peak memory in MB and seconds of a run in a separate process.
fn peak(records: usize) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args([RUN, &records.to_string()])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut words = text.split_whitespace().map(|word| word.parse().expect("a figure"));
    (words.next().expect("megabytes"), words.next().expect("seconds"))
}

fn one(records: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = format!(
        "
pipeline: bench
duckdb: bench.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id, 'row number ' || range AS name FROM range({records})
    key: id
  - map: shape
    fields: {{ half: id / 2, shout: upper(name), length: length(name) }}
  - sink: rows
    table: rows
"
    );
    let (elapsed, sum) = runtime().block_on(run(folder.path(), &spec, None));
    assert_eq!(sum.rows as usize, records);
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the peak");
    let kilobytes: f64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
    println!("{} {}", kilobytes / 1024.0, elapsed.as_secs_f64());
}
