//! `etl jobs` end to end: the program as a user runs it, against the simulator.

use std::{path::PathBuf, time::Duration};

use crate::common::{Folder, SCHEMA, run_watched};
use etl::{
    event::{EventKind, RunEnd},
    run::Options,
    sim::{Sim, SimConfig},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// More than the inline limit of a job, so that there is a file of requests, too.
const RECORDS: u64 = 120;

const SPEC: &str = "
pipeline: test
mistral: { api_key: test }
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range(120)
    key: name
  - map: extract
    chat: { model: mistral-small-latest, prompt: 'describe {{ text }}', schema: schema.json }
    batch: { wait: 200ms, every: 50ms, backoff: { factor: 1.2, max: 200ms } }
    attempts: 3
  - sink: metadata
    table: metadata
";

/// A job of 120 lines takes about six seconds.
const SCENARIO: &str = "{ misfits: { share: 0 }, batch: { queue: { median: 1min }, run: 1min, line: 3min } }";

/// Runs a command that must succeed; returns its output.
async fn etl(spec: PathBuf, url: String, arguments: &'static [&'static str]) -> String {
    let mut command = assert_cmd::Command::new(crate::common::ETL);
    command.arg(arguments[0]).arg(spec).args(&arguments[1..]).args(["--base-url", &url]);
    command.timeout(Duration::from_secs(60));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {reported}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The number of items at the service.
async fn there(sim: &Sim, path: &str) -> u64 {
    let url = format!("{}/v1/{path}", sim.url());
    let got = reqwest::Client::new().get(url).bearer_auth("test").send().await.unwrap();
    let list: Value = got.json().await.unwrap();
    list["total"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_shown_told_to_end_collected_and_cleared_away() {
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    folder.write("spec.yaml", SPEC.as_bytes());
    let config = SimConfig::default().with_yaml("slow", SCENARIO).unwrap();
    let sim = Sim::start(config).await.unwrap();
    let call = |arguments| etl(folder.path("spec.yaml"), sim.url(), arguments);
    assert_eq!(call(&["jobs"]).await, "no batch jobs\n");

    // Interrupted while the job runs, with some of its lines answered.
    let stop = CancellationToken::new();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(SPEC, &[]);
    let running = run_watched(&pipeline, &options, stop.clone(), |kind| {
        if matches!(kind, EventKind::JobChanged { completed, .. } if *completed > 10) {
            stop.cancel();
        }
    });
    let ended = tokio::time::timeout(Duration::from_secs(30), running).await.unwrap().unwrap();
    assert_eq!((ended.end, ended.sum.failures), (RunEnd::Interrupted, 0));

    let listed = call(&["jobs"]).await;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["job", "stage", "model", "state", "status", "done", "of", "planned"], "{listed}");
    assert_eq!(lines[1][1..5], ["extract", "mistral-small-latest", "created", "RUNNING"], "{listed}");
    let done: u64 = lines[1][5].parse().unwrap();
    assert!((11..RECORDS).contains(&done) && lines[1][6] == "120", "{listed}");
    assert_eq!((lines.len(), sim.stats().cancels), (2, 0));

    let reported = call(&["jobs", "cancel"]).await;
    assert!(
        reported.ends_with("\n1 cancelled; run the pipeline again to collect their answers\n"),
        "{reported}"
    );
    assert!(reported.contains("CANCEL"), "{reported}");
    assert_eq!(sim.stats().cancels, 1);
    // Its answers are not in the ledger yet: there is nothing to delete.
    let reported = call(&["jobs", "clean"]).await;
    assert!(reported.ends_with("\n0 deleted at the service, with their files\n"), "{reported}");
    assert_eq!(sim.stats().deletes, 0);

    // The answers of the job being cancelled are stored, and the rest is requested in another job.
    call(&["run", "--quiet", "--progress", "none"]).await;
    let count = |query: &str| folder.sql(query).parse::<u64>().unwrap();
    assert_eq!(count("SELECT count(*) FROM metadata"), RECORDS);
    let jobs = folder.sql("SELECT state, status, requests FROM etl.jobs ORDER BY planned_at");
    let partial = count("SELECT count(*) FROM etl.answers WHERE attempt = 1");
    assert!((done..RECORDS).contains(&partial), "{partial} of {done}");
    assert_eq!(jobs, format!("collected | CANCELLED | 120\ncollected | SUCCESS | {}", RECORDS - partial));
    let stats = sim.stats();
    assert_eq!((stats.jobs, stats.answered, stats.duplicates), (2, RECORDS, 0));

    assert!(there(&sim, "files").await >= 3 && there(&sim, "batch/jobs").await == 2);
    let reported = call(&["jobs", "clean"]).await;
    assert!(reported.ends_with("\n2 deleted at the service, with their files\n"), "{reported}");
    assert_eq!((there(&sim, "files").await, there(&sim, "batch/jobs").await), (0, 0));
    assert!(sim.stats().deletes >= 5, "{:?}", sim.stats());
    let reported = call(&["jobs", "clean"]).await;
    assert!(reported.ends_with("\n0 deleted at the service, with their files\n"), "{reported}");

    // Deleted files and jobs are not needed again.
    call(&["run", "--quiet", "--progress", "none"]).await;
    assert_eq!((sim.stats().jobs, sim.stats().answered), (2, RECORDS));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_another_account_are_left_alone_and_a_server_that_is_gone_is_told() {
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    folder.write("spec.yaml", SPEC.as_bytes());
    let sim = Sim::start(SimConfig::default().with_yaml("slow", SCENARIO).unwrap()).await.unwrap();
    let stop = CancellationToken::new();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(SPEC, &[]);
    let created = |kind: &EventKind| {
        if matches!(kind, EventKind::JobChanged { .. }) {
            stop.cancel();
        }
    };
    run_watched(&pipeline, &options, stop.clone(), created).await.unwrap();
    folder.write("other.yaml", SPEC.replace("api_key: test", "api_key: another").as_bytes());
    for action in [&["jobs"] as &'static [&'static str], &["jobs", "cancel"], &["jobs", "clean"]] {
        let reported = etl(folder.path("other.yaml"), sim.url(), action).await;
        assert!(reported.contains("created, of another account"), "{reported}");
    }
    let stats = sim.stats();
    assert_eq!((stats.jobs, stats.cancels, stats.deletes), (1, 0, 0));
    let reported = etl(folder.path("spec.yaml"), "http://127.0.0.1:9".to_owned(), &["jobs"]).await;
    assert!(reported.contains(&format!("no batch jobs\n1 more job at {}", sim.url())), "{reported}");

    // Nothing listens there: that is reported within seconds.
    let url = sim.url();
    drop(sim);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut command = assert_cmd::Command::new(crate::common::ETL);
    command.arg("jobs").arg(folder.path("spec.yaml")).args(["--base-url", &url]);
    command.timeout(Duration::from_secs(30));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{reported}");
    assert!(reported.starts_with("error: the request to the service failed: "), "{reported}");
    // Whether the last retry or the time limit for reaching a server comes first is a matter of milliseconds.
    assert!(
        reported.contains("no answer after 4 tries") || reported.contains("cannot connect to 127.0.0.1"),
        "{reported}"
    );
}
