//! Records that are split and gathered again, killed on the way: the table equals that of an undisturbed run, and
//! memory stays small. `ETL_RECORDS=1000` for less.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::check;
use etl::store;

/// The memory limit of the program, in MB.
const BOUND: f64 = 300.0;

const KILLS: u32 = 5;

fn main() {
    let records = std::env::var("ETL_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_u64);
    let calm = tempfile::tempdir().expect("a folder");
    let started = Instant::now();
    let mut peak = finish(start(calm.path(), records));
    let whole = started.elapsed();
    let killed = tempfile::tempdir().expect("a folder");
    for kill in 1..=KILLS {
        let mut child = start(killed.path(), records);
        std::thread::sleep(whole * kill / (KILLS + 1));
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }
    peak = peak.max(finish(start(killed.path(), records)));
    let (calm, killed) = (table(calm.path()), table(killed.path()));
    let figures = format!(
        "{records} records of 1 to 200 pieces in {:.1} s, {calm}; killed {KILLS} times: {killed}; peak {peak:.0} MB (wanted under {BOUND} MB)",
        whole.as_secs_f64(),
    );
    check("gather", &figures, calm == killed && peak < BOUND);
}

fn start(folder: &Path, records: u64) -> Child {
    let spec = format!(
        "
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id, CAST(1 + hash(range) % 200 AS BIGINT) AS n FROM range({records})
    key: id
  - map: piece
    split: range(1, n + 1)
  - map: value
    fields: {{ v: \"CAST(CASE WHEN id % 50 = 7 AND piece = n THEN 'x' ELSE '1' END AS BIGINT) + piece * id\" }}
  - gather: parts
  - map: whole
    fields: {{ total: \"list_sum([p.v FOR p IN parts])\", count: len(parts) }}
  - sink: rows
    except: parts
"
    );
    std::fs::write(folder.join("spec.yaml"), spec).expect("the spec");
    Command::new(env!("CARGO_BIN_EXE_etl"))
        .args(["run", "spec.yaml", "--progress", "none"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Waits for the end; returns the peak memory in MB.
fn finish(mut child: Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kilobytes.unwrap_or_default() / 1024.0);
        if let Some(ended) = child.try_wait().expect("it ends") {
            // Some records fail, by design.
            assert_eq!(ended.code(), Some(3), "the run ends with failures");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The rows of the table and the failures of the last run.
fn table(folder: &Path) -> String {
    let sql = "SELECT count(*) || ' rows, sum ' || sum(total) || ', hash ' || bit_xor(hash(id, total, count)) || ', failed ' ||
        (SELECT count(*) FROM etl.failures WHERE run = (SELECT max(run) FROM etl.failures)) FROM rows";
    let (_, rows) = store::show(&folder.join("out.duckdb"), sql).expect("the table");
    rows.into_iter().flatten().flatten().collect()
}
