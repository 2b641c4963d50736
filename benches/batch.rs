//! A hundred thousand records in a hundred batch jobs: time per record, and peak memory against a tenth of that.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{check, run, runtime};
use etl::sim::{Sim, SimConfig};

const RUN: &str = "--run-with-records";
const SIM: &str = "--simulate";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == SIM) {
        return simulate();
    }
    if let Some(at) = arguments.iter().position(|argument| argument == RUN) {
        return one(arguments[at + 1].parse().expect("a number"), &arguments[at + 2]);
    }
    let (few, many) = (measured(10_000), measured(100_000));
    let growth = (many.0 / few.0 - 1.0) * 100.0;
    let figures = format!(
        "100,000 records in 100 jobs in {:.1} s, {:.2} ms each; {:.0} MB at the peak, {:.0} MB for 10,000 in 10 jobs: {growth:+.0} %",
        many.1,
        many.1 * 1e3 / 100_000.0,
        many.0,
        few.0
    );
    // The growth is blocks of the ledger that DuckDB caches, up to its limit.
    check("batch", &figures, many.0 < 400.0 && growth <= 60.0);
}

/// The service, in a separate process: its memory is not the program's.
fn simulate() {
    runtime().block_on(async {
        let text = "batch: { queue: { median: 2min }, run: 2min, line: 100ms }";
        let config =
            SimConfig { misfits: 0.0, ..SimConfig::default() }.with_yaml("bench", text).expect("a scenario");
        let sim = Sim::start(config).await.expect("a port");
        println!("{}", sim.url());
        sim.wait().await;
    });
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Peak memory in MB and seconds of a run in a separate process.
fn measured(records: usize) -> (f64, f64) {
    let binary = std::env::current_exe().expect("this binary");
    let mut server =
        Server(Command::new(&binary).arg(SIM).stdout(Stdio::piped()).spawn().expect("a simulator"));
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().expect("its output")).read_line(&mut url).expect("its address");
    let output =
        Command::new(binary).args([RUN, &records.to_string(), url.trim()]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut words = text.split_whitespace().map(|word| word.parse().expect("a figure"));
    (words.next().expect("megabytes"), words.next().expect("seconds"))
}

fn one(records: usize, url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("schema.json"), r#"{"type":"object","required":["title"],"properties":{"title":{"type":"string"},"score":{"type":"number"}}}"#).expect("a schema");
    let spec = format!(
        "
pipeline: bench
mistral: {{ api_key: bench }}
duckdb: bench.duckdb
stages:
  - source: texts
    sql: SELECT range AS id, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range({records})
    key: id
  - map: extract
    chat: {{ model: mistral-small-latest, prompt: '{{{{ text }}}}', schema: schema.json }}
    batch: {{ max_requests: 1000, every: 500ms, backoff: {{ factor: 1.5, max: 2s }}, timeout: 1h }}
  - sink: rows
    table: rows
"
    );
    let (elapsed, sum) = runtime().block_on(run(folder.path(), &spec, Some(url)));
    assert_eq!((sum.rows as usize, sum.failures, sum.pending()), (records, 0, 0));
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the peak");
    let kilobytes: f64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
    println!("{} {}", kilobytes / 1024.0, Duration::as_secs_f64(&elapsed));
}
