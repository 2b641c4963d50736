//! Batch jobs end to end: against the simulator, over real HTTP, into a real database.

mod mistakes;
mod resume;

use std::time::Duration;

use crate::common::{CLOSED_SCHEMA, Ended, Folder, conserved, run_in};
use etl::{
    event::{EventKind, RunEnd},
    run::Options,
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

/// Frequent polling: an hour of the simulator takes a second.
const POLL: &str = "every: 50ms, backoff: { factor: 1.2, max: 200ms }";

fn head(records: usize, more: &str) -> String {
    format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
{more}
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range({records})
    key: name
"
    )
}

const CHAT: &str = "{ model: mistral-small-latest, prompt: 'describe {{ text }}', schema: schema.json }";
const REPAIR: &str = "{ model: mistral-medium-latest, prompt: 'Your last answer was refused: {{ etl.failure.reason }} {{ etl.failure.reply | default(\"\") }} {{ text }}', schema: schema.json }";

/// One batched map, with tables for its rows and failures.
fn one(records: usize, max_requests: usize, map: &str, more: &str) -> String {
    format!(
        "{}
  - map: extract
    chat: {CHAT}
    batch: {{ max_requests: {max_requests}, {POLL}, wait: 300ms }}
    {map}
  - sink: metadata
    table: metadata
  - sink: rejected
    from: extract.failed
    table: rejected
    mode: replace
",
        head(records, more)
    )
}

fn folder() -> Folder {
    Folder::with_schema(CLOSED_SCHEMA)
}

fn quick() -> SimConfig {
    // A job takes a quarter of a second, plus a little for each line.
    let text = "batch: { queue: { median: 5min, spread: 0.3 }, run: 5min, line: 1s }";
    SimConfig { latency: Duration::from_millis(5), ..SimConfig::default() }.with_yaml("quick", text).unwrap()
}

async fn ask(folder: &Folder, spec: &str, sim: &Sim, options: Options) -> Ended {
    let options = Options { base_url: Some(sim.url()), ..options };
    run_in(&folder.pipeline(spec, &[]), &options, CancellationToken::new()).await.unwrap()
}

fn count(folder: &Folder, query: &str) -> u64 {
    folder.sql(query).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_run_replayed() {
    let config = SimConfig { seed: 7, ..SimConfig::default() }.with_scenario("philosophy").unwrap();
    let (folder, sim) = (folder(), Sim::start(config).await.unwrap());
    folder.write(
        "schema.json",
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/metadata.schema.json"))
            .unwrap()
            .as_slice(),
    );
    let repair = |name: &str, from: &str| {
        format!(
            "
  - map: {name}
    from: {from}
    into: extract
    chat: {REPAIR}
    batch: {{ {POLL}, wait: 300ms }}
"
        )
    };
    let spec = format!(
        "{}
  - map: job
    submit:
      chat: {CHAT}
      wait: 300ms
  - poll: finished
    job: mistral
    every: 50ms
    backoff: {{ factor: 1.2, max: 200ms }}
  - map: extract
    collect: {{}}
  - wave: first
{}
  - wave: second
{}
  - sink: metadata
    from: [first, second, again]
    table: metadata
  - sink: rejected
    from: again.failed
    table: rejected
    mode: replace
",
        head(723, ""),
        repair("repair", "first.failed"),
        repair("again", "second.failed"),
    );
    let ended = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.sum.read, ended.sum.rows, ended.sum.failures), (723, 723, 0));
    let rows = count(&folder, "SELECT count(*) FROM metadata");
    let rejected = count(&folder, "SELECT count(*) FROM rejected");
    assert_eq!(rows + rejected, 723);
    let refused = |stage: &str| {
        count(
            &folder,
            &format!("SELECT count(*) FROM etl.answers WHERE stage = '{stage}' AND refused IS NOT NULL"),
        )
    };
    let asked =
        |stage: &str| count(&folder, &format!("SELECT count(*) FROM etl.answers WHERE stage = '{stage}'"));
    assert_eq!((asked("extract"), refused("extract")), (723, 118));
    // Wave two requests exactly the refused ones again, wave three those still refused.
    assert_eq!(asked("repair"), 118);
    assert!((5..40).contains(&refused("repair")), "{}", refused("repair"));
    assert_eq!((asked("again"), refused("again")), (refused("repair"), rejected));
    // Each refused answer is stored with its reason.
    let bare =
        "SELECT count(*) FROM etl.answers WHERE refused IS NOT NULL AND (reason IS NULL OR reply IS NULL)";
    assert_eq!(count(&folder, bare), 0);
    let stats = sim.stats();
    assert_eq!((stats.duplicates, stats.jobs, stats.jobs_twice), (0, 3, 0));
    assert_eq!(stats.answered, 723 + asked("repair") + asked("again"));
    // The origin of every row.
    let known = "SELECT count(*) FROM metadata m JOIN etl.origin o ON o.target = 'metadata' AND o.row_key = m.name AND o.job IS NOT NULL AND o.model LIKE 'simulated:%'";
    assert_eq!(count(&folder, known), rows);

    let again = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&again);
    assert_eq!((again.progress.usage.requests, sim.stats()), (0, stats));
    assert_eq!(count(&folder, "SELECT count(*) FROM rejected"), rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_missing_is_asked_again_up_to_the_attempts() {
    let text = "
misfits: { share: 0.3 }
batch: { queue: { median: 2min }, run: 2min, line: 1s, failed: 0.1, missing: 0.1, errors: either }";
    let (folder, sim) = (folder(), Sim::start(quick().with_yaml("x", text).unwrap()).await.unwrap());
    let spec = one(200, 50, "attempts: 4", "");
    let ended = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&ended);
    let stats = sim.stats();
    assert!(stats.batch_failed > 5 && stats.batch_missing > 5, "{stats:?}");
    assert_eq!(ended.sum.rows + ended.sum.failures + ended.sum.unanswered, 200);
    // Every answer given is stored, each as a separate attempt.
    assert_eq!(count(&folder, "SELECT count(*) FROM etl.answers"), stats.answered);
    assert_eq!(folder.sql("SELECT max(attempt) BETWEEN 2 AND 4 FROM etl.requests"), "true");
    assert_eq!(count(&folder, "SELECT count(*) FROM etl.requests WHERE state = 'placed'"), 0);
    assert_eq!(stats.jobs_twice, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_in_every_way_and_every_record_is_accounted_for() {
    let text = "
misfits: { share: 0.1 }
batch:
  queue: { median: 2min }
  run: 2min
  line: 1s
  failed: 0.05
  missing: 0.05
  endings: { success: 3, failed: 2, failed_bare: 2, timeout: 2 }
  errors: either";
    let (folder, sim) = (folder(), Sim::start(quick().with_yaml("x", text).unwrap()).await.unwrap());
    let spec = one(300, 20, "attempts: 3", "").replace("wait: 300ms", "wait: 300ms, timeout_hours: 1");
    let mut ended = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&ended);
    // Requests that a job left unanswered are pending, and continue with the next run.
    for _ in 0..20 {
        if count(&folder, "SELECT count(*) FROM etl.failures WHERE run = (SELECT max(run) FROM etl.runs)")
            == 0
        {
            break;
        }
        ended = ask(&folder, &spec, &sim, Options::default()).await;
        conserved(&ended);
    }
    assert_eq!((ended.sum.rows, ended.sum.failures), (300, 0));
    let statuses = folder.sql("SELECT count(DISTINCT status) FROM etl.jobs WHERE state = 'collected'");
    assert_eq!(statuses, "3", "SUCCESS, FAILED, TIMEOUT_EXCEEDED");
    let stats = sim.stats();
    assert_eq!(count(&folder, "SELECT count(*) FROM etl.answers"), stats.answered, "{stats:?}");
    // A refused answer is requested again, a duplicate to the server; a valid one never is.
    let refused = count(&folder, "SELECT count(*) FROM etl.answers WHERE state = 'refused'");
    assert!(stats.duplicates <= refused, "{stats:?}, {refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_may_ask_a_query_over_all_and_stop_what_went_wrong() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.5, ..quick() }).await.unwrap());
    let spec = format!(
        "{}
  - map: extract
    chat: {CHAT}
  - wave: extracted
    sql: SELECT extract.kind AS kind, count(*) AS texts, max(extract.score) AS best FROM extracted GROUP BY ALL ORDER BY kind
    stop_if: STOP
  - sink: kinds
    from: extracted
    table: kinds
    mode: replace
",
        head(60, "")
    );
    let ended = ask(&folder, &spec.replace("STOP", "failed > 0.1 * total"), &sim, Options::default()).await;
    let RunEnd::Fatal(reported) = &ended.end else { panic!("{:?}", ended.end) };
    assert!(
        reported.starts_with("wave `extracted` stopped the run because of `failed > 0.1 * total`"),
        "{reported}"
    );
    assert_eq!(count(&folder, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'kinds'"), 0);
    let ended = ask(&folder, &spec.replace("STOP", "failed > 0.9 * total"), &sim, Options::default()).await;
    conserved(&ended);
    let ok = count(&folder, "SELECT count(DISTINCT request) FROM etl.answers WHERE state = 'answered'");
    assert_eq!(count(&folder, "SELECT sum(texts)::BIGINT FROM kinds"), ok);
    assert_eq!(folder.sql("SELECT string_agg(kind ORDER BY kind) FROM kinds"), "essay,letter,speech");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_out_of_a_job_is_the_same_answer_as_one_that_came_at_once() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.0, ..quick() }).await.unwrap());
    conserved(&ask(&folder, &one(30, 10, "", ""), &sim, Options::default()).await);
    let stats = sim.stats();
    assert_eq!((stats.jobs, stats.uploads), (3, 0), "small jobs carry their requests themselves");
    let online = one(30, 10, "", "").replace("    batch:", "    # batch:");
    let ended = ask(&folder, &online, &sim, Options::default()).await;
    assert_eq!((ended.progress.usage.requests, ended.progress.usage.reused), (0, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_ask_the_same_are_one_line() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.0, ..quick() }).await.unwrap());
    let spec = one(200, 500, "", "").replace("number ' || range", "number ' || (range % 7)");
    let ended = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, sim.stats().answered, sim.stats().duplicates), (200, 7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_alone_and_in_jobs() {
    for batch in ["", "batch: { every: 50ms, wait: 100ms }"] {
        let (folder, sim) = (folder(), Sim::start(quick()).await.unwrap());
        let spec = format!(
            "{}
  - map: vector
    embed: {{ model: mistral-embed, input: '{{{{ text }}}}' }}
    {batch}
  - map: harm
    moderate: {{ model: mistral-moderation-latest, input: '{{{{ text }}}}' }}
    {batch}
  - map: page
    ocr: {{ model: mistral-ocr-latest, document: 'https://example.com/{{{{ name }}}}.pdf' }}
    {batch}
  - sink: rows
    table: rows
    columns: {{ name: name, first: 'vector[1]', harm: harm.categories, text: page.markdown }}
",
            head(5, "")
        );
        let ended = ask(&folder, &spec, &sim, Options::default()).await;
        conserved(&ended);
        assert_eq!(ended.sum.rows, 5, "{batch}");
        assert_eq!(
            count(
                &folder,
                "SELECT count(*) FROM rows WHERE first IS NOT NULL AND harm IS NOT NULL AND text <> ''"
            ),
            5
        );
        assert!(folder.sql("SELECT sum(cost_usd) > 0 FROM etl.answers") == "true");
    }
}
