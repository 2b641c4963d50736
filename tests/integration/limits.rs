//! Limits end to end: a pipeline against a simulator that enforces them, from the simulator's view.

use std::time::{Duration, Instant};

use crate::common::{Folder, run_in};
use etl::{
    event::{EventKind, WaitingFor},
    run::Options,
    sim::{Sim, SimConfig, SimStats},
};
use tokio_util::sync::CancellationToken;

/// The figures of a run.
struct Figures {
    seconds: f64,
    stats: SimStats,
    waited_for: Vec<WaitingFor>,
}

fn spec(records: usize, concurrency: &str) -> String {
    format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range({records})
    key: id
  - map: ask
    concurrency: {concurrency}
    chat: {{ model: mistral-small-latest, prompt: 'What is {{{{ id }}}} good for?' }}
  - sink: answers
    table: answers
"
    )
}

fn config(scenario: &str) -> SimConfig {
    let calm = "latency: { median: 50ms, spread: 0.3, tail: 0 }\nmisfits: { share: 0 }\n";
    SimConfig::default().with_yaml("test", &format!("{calm}{scenario}")).unwrap()
}

async fn run(scenario: &str, records: usize, concurrency: &str) -> Figures {
    let sim = Sim::start(config(scenario)).await.unwrap();
    let folder = Folder::new();
    let pipeline = folder.pipeline(&spec(records, concurrency), &[]);
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let started = Instant::now();
    let ended = run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(ended.sum.rows, records as u64, "{:?}", ended.end);
    let waited_for = ended.events.iter().filter_map(|event| match &event.kind {
        EventKind::Progress(progress) => progress.limits.waiting_for,
        _ => None,
    });
    Figures { seconds, stats: sim.stats(), waited_for: waited_for.collect() }
}

fn percent(stats: &SimStats) -> f64 {
    100.0 * stats.limited as f64 / stats.requests as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_in_flight_and_the_rate_are_found_at_once() {
    let figures = run("limits: { requests: 20/s, announce: never }", 240, "auto").await;
    let (seconds, percent) = (figures.seconds, percent(&figures.stats));
    assert!(seconds < 20.0, "{seconds:.1} s, the least is 11 s");
    assert!(percent < 20.0, "{percent:.1} % refused");
    assert!(figures.waited_for.contains(&WaitingFor::AccountLimit), "{:?}", figures.waited_for);
}

#[tokio::test(flavor = "multi_thread")]
async fn sporadic_refusals_neither_slow_the_rate_down_nor_lower_the_number_in_flight() {
    let figures = run("faults: [{ kind: limit, on: answers, share: 0.1 }]", 1500, "auto").await;
    assert!(figures.seconds < 40.0, "{:.1} s", figures.seconds);
    assert!(figures.stats.peak_in_flight >= 16, "{} in flight at most", figures.stats.peak_in_flight);
    assert!(figures.waited_for.contains(&WaitingFor::SporadicRefusals), "{:?}", figures.waited_for);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_on_one_key_share_a_limit() {
    let sim = Sim::start(config("limits: { requests: 20/s, announce: never }")).await.unwrap();
    let run = async || {
        let folder = Folder::new();
        let pipeline = folder.pipeline(&spec(120, "16"), &[]);
        let options = Options { base_url: Some(sim.url()), ..Options::default() };
        let started = Instant::now();
        let ended = run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
        assert_eq!(ended.sum.rows, 120);
        started.elapsed()
    };
    let (one, other) = tokio::join!(run(), run());
    let last = one.max(other);
    assert!(last < Duration::from_secs(33), "{one:?} and {other:?}, the least is 11 s for both");
    assert!(percent(&sim.stats()) < 25.0, "{:.1} % refused", percent(&sim.stats()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_probed_and_said() {
    let figures = run("faults: [{ kind: capacity, on: answers, from: 1s, for: 6s }]", 600, "16").await;
    assert!(figures.seconds < 26.0, "{:.1} s", figures.seconds);
    assert!(figures.stats.limited < 40, "{} refused", figures.stats.limited);
    assert!(figures.waited_for.contains(&WaitingFor::Outage), "{:?}", figures.waited_for);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_limit_of_a_second_is_kept_to() {
    let figures = run("limits: { requests: 20/s, announce: window }", 200, "16").await;
    assert!(figures.seconds < 12.5, "{:.1} s, the least is 9 s", figures.seconds);
    assert!(percent(&figures.stats) <= 3.0, "{:.1} % refused", percent(&figures.stats));
}
