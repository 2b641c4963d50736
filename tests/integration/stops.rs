//! What stops a run, end to end: no credit, or a dead server. Unfinished work does not count as done, answers are
//! kept, and the next run continues.

use std::time::Duration;

use crate::common::{Ended, Folder, SCHEMA, conserved, run_in};
use etl::{
    event::{EventKind, RunEnd},
    run::Options,
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

fn spec(records: usize, map: &str) -> String {
    format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range({records})
    key: name
  - map: extract
    chat: {{ model: mistral-small-latest, prompt: 'describe {{{{ text }}}}', schema: schema.json }}
    retry: {{ times: 4, wait: 20ms, max_wait: 100ms }}
    {map}
  - sink: metadata
    table: metadata
"
    )
}

/// An address where different servers run in turn.
struct Place {
    folder: Folder,
    port: u16,
}

impl Place {
    async fn new() -> Self {
        let folder = Folder::new();
        folder.write("schema.json", SCHEMA.as_bytes());
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        Self { folder, port: sim.url().rsplit(':').next().unwrap().parse().unwrap() }
    }

    /// A server with a scenario; stopped on drop.
    async fn serve(&self, scenario: &str) -> Sim {
        let quick = "batch: { queue: { median: 5min, spread: 0.3 }, run: 5min, line: 1s }";
        let config = SimConfig { latency: Duration::from_millis(5), misfits: 0.0, ..SimConfig::default() };
        let config = config.with_yaml("quick", quick).unwrap().with_yaml("scenario", scenario).unwrap();
        let config = SimConfig { port: self.port, ..config };
        for _ in 0..100 {
            // The previous server may not have released the address yet.
            match Sim::start(config.clone()).await {
                Ok(sim) => return sim,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("nobody can listen at {}", self.port)
    }

    async fn run(&self, spec: &str, options: Options) -> Ended {
        self.run_until(spec, options, CancellationToken::new()).await
    }

    async fn run_until(&self, spec: &str, options: Options, stop: CancellationToken) -> Ended {
        let options = Options { base_url: Some(format!("http://127.0.0.1:{}", self.port)), ..options };
        let pipeline = self.folder.pipeline(spec, &[]);
        let running = run_in(&pipeline, &options, stop);
        tokio::time::timeout(Duration::from_secs(60), running).await.expect("it ends").unwrap()
    }

    fn count(&self, query: &str) -> u64 {
        self.folder.sql(query).parse().unwrap()
    }
}

/// Checks that the run ended for lack of money, with the right message, and without failed records.
fn unpaid(ended: &Ended) {
    let RunEnd::OutOfMoney(reported) = &ended.end else { panic!("{:?}", ended.end) };
    assert!(reported.starts_with("the account has no credit or no payment method (402"), "{reported}");
    assert!(reported.ends_with("answers are kept, and the same command resumes"), "{reported}");
    assert_eq!((ended.end.exit_code(), ended.sum.failures), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credit_stops_a_run_in_the_middle_and_the_next_one_goes_on() {
    // Late enough for a slow machine to have started, with more records than it can have requested by then.
    let (place, spec) = (Place::new().await, spec(1000, "concurrency: 8"));
    let sim = place
        .serve(
            "{ latency: { median: 50ms }, faults: [{ kind: status, status: 402, on: answers, from: 3s }] }",
        )
        .await;
    let ended = place.run(&spec, Options::default()).await;
    unpaid(&ended);
    let first = sim.stats();
    assert!((8..1000).contains(&first.answered), "{first:?}");
    assert!(first.refused <= 8, "nobody asks on: {first:?}");
    let kept = place.count("SELECT count(*) FROM etl.answers");
    assert_eq!(kept, first.answered, "what was answered is kept");
    drop(sim);

    let sim = place.serve("{}").await;
    let ended = place.run(&spec, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.end, ended.sum.rows, sim.stats().answered), (RunEnd::Complete, 1000, 1000 - kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credit_for_a_job_stops_the_run_and_the_next_one_creates_it() {
    let place = Place::new().await;
    let spec = spec(
        300,
        "batch: { max_requests: 150, wait: 200ms, every: 50ms, backoff: { factor: 1.2, max: 200ms } }",
    );
    let sim = place.serve("{}").await;
    conserved(&place.run(&spec, Options { limit: Some(100), ..Options::default() }).await);
    assert_eq!(sim.stats().answered, 100);
    drop(sim);

    let sim = place.serve("faults: [{ kind: status, status: 402, on: batch }]").await;
    let ended = place.run(&spec, Options::default()).await;
    unpaid(&ended);
    assert_eq!((sim.stats().jobs, sim.stats().answered), (0, 0));
    assert!(!ended.events.iter().any(|event| matches!(event.kind, EventKind::JobChanged { .. })));
    assert_eq!(place.count("SELECT count(*) FROM etl.answers"), 100, "what was answered is kept");
    drop(sim);

    let sim = place.serve("{}").await;
    let ended = place.run(&spec, Options::default()).await;
    conserved(&ended);
    let stats = sim.stats();
    assert_eq!((ended.end, ended.sum.rows), (RunEnd::Complete, 300));
    assert_eq!((stats.answered, stats.duplicates, stats.jobs_twice), (200, 0, 0));
    assert_eq!(place.count("SELECT count(*) FROM etl.jobs WHERE state NOT IN ('collected', 'lost')"), 0);
}

/// It stops with the cause; nothing counts as done or failed.
fn broken(place: &Place, ended: &Ended, cause: &str) {
    let RunEnd::Fatal(reported) = &ended.end else { panic!("{:?}", ended.end) };
    assert!(reported.contains(" requests in a row failed in the same way; the last error: "), "{reported}");
    assert!(reported.contains(cause), "{reported}");
    assert_eq!((ended.end.exit_code(), ended.sum.rows, ended.sum.failures), (1, 0, 0));
    assert_eq!(place.count("SELECT count(*) FROM etl.journal"), 0);
    assert_eq!(place.count("SELECT count(*) FROM etl.failures"), 0);
    assert_eq!(place.count("SELECT count(*) FROM metadata"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_stops_the_run_after_a_few_dozen_calls() {
    let (place, spec) = (Place::new().await, spec(500, "concurrency: 16"));
    let sim = place.serve("faults: [{ kind: status, status: 503, on: answers }]").await;
    let ended = place.run(&spec, Options::default()).await;
    broken(&place, &ended, "503");
    let stats = sim.stats();
    assert!((24..=60).contains(&stats.requests), "{stats:?}");
    drop(sim);
    // No server is running.
    let ended = place.run(&spec, Options::default()).await;
    broken(&place, &ended, "refused");
    assert!(ended.progress.usage.requests <= 60, "{:?}", ended.progress.usage);

    let sim = place.serve("{}").await;
    let ended = place.run(&spec, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.end, ended.sum.rows, sim.stats().answered), (RunEnd::Complete, 500, 500));
}

/// The stage above may have sent requests when the run is stopped below it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stage_has_sent_is_answered_and_kept_when_the_run_stops_below_it() {
    for below in [
        "",
        "  - throttle: slow\n    rate: 30/min\n",
        "  - throttle: shared\n    rate: 2/s\n  - map: short\n    where: length(first) > 0\n",
    ] {
        let place = Place::new().await;
        let spec = two_maps(400, below, "");
        let (ended, sim) = stopped(&place, &spec).await;
        let sent = sim.stats().answered;
        assert!(sent > 8 && ended.sum.pending() > 0, "it stops in the middle: {sent}, {:?}", ended.sum);
        assert_eq!(place.count("SELECT count(*) FROM etl.answers"), sent, "{below}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stage_has_sent_is_kept_when_the_run_stops_while_jobs_are_made_below_it() {
    let place = Place::new().await;
    let spec =
        two_maps(100, "", "    batch: { wait: 200ms, every: 50ms, backoff: { factor: 1.2, max: 200ms } }\n");
    let (_, sim) = stopped(&place, &spec).await;
    let ended = place.run(&spec, Options::default()).await;
    assert_eq!((ended.end, ended.sum.rows, sim.stats().answered), (RunEnd::Complete, 100, 200));
}

/// Two maps that call a model, one below the other.
fn two_maps(records: usize, between: &str, second: &str) -> String {
    format!(
        "pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: numbers
    repeat: {records}
  - map: first
    concurrency: 8
    chat: {{ model: mistral-small-latest, prompt: \"one {{{{ n }}}}\" }}
{between}  - map: second
{second}    chat: {{ model: mistral-small-latest, prompt: \"two {{{{ n }}}} {{{{ first }}}}\" }}
  - sink: rows
"
    )
}

/// A run that is stopped while both maps have sent requests.
async fn stopped(place: &Place, spec: &str) -> (Ended, Sim) {
    let sim = place.serve("{ latency: { median: 200ms }, faults: [] }").await;
    let stop = CancellationToken::new();
    let stopping = async {
        while sim.stats().answered < 12 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(place.run_until(spec, Options::default(), stop.clone()), stopping);
    assert_eq!(ended.end, RunEnd::Interrupted);
    (ended, sim)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_below_keeps_what_a_stage_above_has_paid() {
    let place = Place::new().await;
    let spec = "pipeline: test\nbudget: 0.001 USD\nmistral: { api_key: test }\nduckdb: out.duckdb\nstages:\n  - source: numbers\n    rows: [{ n: 1, m: mistral-small-latest }, { n: 2, m: mistral-medium-latest }]\n    key: n\n  - throttle: apart\n    rate: 2/s\n  - map: first\n    chat: { model: \"{{ m }}\", prompt: \"one {{ n }}\" }\n  - map: second\n    chat: { model: mistral-large-latest, prompt: \"two {{ first }}\" }\n  - sink: rows\n";
    // The second request does not fit the budget, 500 ms after the first was sent.
    let sim = place.serve("{ latency: { median: 2s, spread: 0 } }").await;
    for _ in 0..2 {
        let ended = place.run(spec, Options::default()).await;
        assert!(matches!(ended.end, RunEnd::OutOfMoney(_)), "{:?}", ended.end);
    }
    assert_eq!((sim.stats().answered, place.count("SELECT count(*) FROM etl.answers")), (1, 1));
}
