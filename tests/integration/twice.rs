//! Nothing is paid for twice, and nothing is taken from others: stages, pipelines and servers that share a
//! database or a request.

use std::time::Duration;

use crate::common::{Ended, Folder, conserved, run_in};
use etl::{
    event::{EventKind, RunEnd},
    run::Options,
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

const BATCH: &str = "batch: { every: 50ms, wait: 400ms }";

fn spec(pipeline: &str, rows: &str, stages: &str) -> String {
    format!(
        "
pipeline: {pipeline}
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT 'row ' || range AS name, 'The ferryman of river number ' || ({rows}) || ' sings.' AS text FROM range(900)
    key: name
{stages}
"
    )
}

fn ask(name: &str, batch: &str) -> String {
    format!(
        "  - map: {name}\n    chat: {{ model: mistral-small-latest, prompt: 'Describe {{{{ text }}}}' }}\n    {batch}\n"
    )
}

const SINK: &str = "  - sink: rows\n    table: rows\n    columns: { name: name }\n    mode: replace\n";

async fn sim() -> Sim {
    let text = "batch: { queue: { median: 15min, spread: 0.1 }, run: 5min, line: 100ms }";
    let config = SimConfig { latency: Duration::from_millis(5), misfits: 0.0, ..SimConfig::default() };
    Sim::start(config.with_yaml("quick", text).unwrap()).await.unwrap()
}

async fn run(folder: &Folder, spec: &str, sim: &Sim) -> Ended {
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(spec, &[]);
    let run = run_in(&pipeline, &options, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("the run does not end").unwrap()
}

/// Runs until the first job exists, then interrupts.
async fn until_a_job(folder: &Folder, spec: &str, sim: &Sim) {
    let (stop, later) = (CancellationToken::new(), CancellationToken::new());
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(spec, &[]);
    let running = crate::common::run_watched(&pipeline, &options, stop.clone(), |kind| {
        if matches!(kind, EventKind::JobChanged { .. }) {
            later.cancel();
        }
    });
    let stopping = async {
        later.cancelled().await;
        stop.cancel();
    };
    let both = async { tokio::join!(running, stopping) };
    let (ended, ()) = tokio::time::timeout(Duration::from_secs(30), both).await.expect("no job comes");
    assert_eq!(ended.unwrap().end, RunEnd::Interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_many_looks_that_ask_the_same_are_one_line_of_one_job() {
    for pace in ["", "  - throttle: pace\n    rate: 2000/s\n"] {
        let (folder, sim) = (Folder::new(), sim().await);
        let spec = spec("one", "range % 3", &format!("{pace}{}{SINK}", ask("extract", BATCH)));
        let ended = run(&folder, &spec, &sim).await;
        conserved(&ended);
        let stats = sim.stats();
        assert_eq!((ended.sum.rows, stats.answered, stats.duplicates), (900, 3, 0), "{pace}");
        assert_eq!(folder.sql("SELECT sum(requests) FROM etl.jobs"), "3");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stages_with_one_question_pay_once() {
    for other in [BATCH, ""] {
        let (folder, sim) = (Folder::new(), sim().await);
        let stages = format!(
            "{}{}  - sink: rows\n    from: [first, second]\n    table: rows\n    columns: {{ name: name }}\n    mode: append\n",
            ask("first", BATCH),
            ask("second", &format!("from: texts\n    {other}")),
        );
        let spec = spec("two", "range % 40", &stages);
        // The second one may have to wait for the next run.
        for _ in 0..4 {
            let ended = run(&folder, &spec, &sim).await;
            if ended.sum.failures == 0 {
                break;
            }
        }
        let stats = sim.stats();
        assert_eq!((stats.answered, stats.duplicates), (40, 0), "{other}");
        let twice =
            "SELECT count(*) FROM (SELECT request FROM etl.answers GROUP BY request HAVING count(*) > 1)";
        assert_eq!(folder.sql(twice), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_renamed_stage_are_collected_by_it() {
    let (folder, sim) = (Folder::new(), sim().await);
    let named = |name: &str| spec("one", "range", &format!("{}{SINK}", ask(name, BATCH)));
    until_a_job(&folder, &named("label"), &sim).await;
    let ended = run(&folder, &named("tag"), &sim).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, sim.stats().duplicates), (900, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_leaves_the_jobs_of_another_alone() {
    let (folder, sim) = (Folder::new(), sim().await);
    let of = |pipeline: &str, rows: &str| spec(pipeline, rows, &format!("{}{SINK}", ask("one", BATCH)));
    until_a_job(&folder, &of("first", "range"), &sim).await;
    let ended = run(&folder, &of("second", "range + 10000"), &sim).await;
    conserved(&ended);
    let open = "SELECT string_agg(DISTINCT pipeline) FROM etl.jobs WHERE state NOT IN ('collected', 'lost')";
    assert_eq!(folder.sql(open), "first");
    conserved(&run(&folder, &of("first", "range"), &sim).await);
    assert_eq!(sim.stats().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_goes_on_from_its_own_records_and_no_others() {
    let (folder, real) = (Folder::new(), sim().await);
    let of = |pipeline: &str, rows: &str| {
        let late = ask("late", BATCH).replace("Describe", "Tell about");
        let below = format!("  - wave: held\n{late}{SINK}");
        spec(pipeline, rows, &format!("{}{below}", ask("early", "concurrency: 16")))
            .replace("range(900)", "range(40)")
    };
    until_a_job(&folder, &of("first", "range"), &real).await;
    // The same names and counts, in another pipeline and at another server.
    let other = sim().await;
    until_a_job(&folder, &of("second", "range + 100").replace("'row '", "'other '"), &real).await;
    until_a_job(&folder, &of("first", "range + 200").replace("'row '", "'else '"), &other).await;
    let ended = run(&folder, &of("first", "range"), &real).await;
    conserved(&ended);
    assert_eq!(folder.sql("SELECT count(*) FILTER (name LIKE 'row %'), count(*) FROM rows"), "40 | 40");
}
