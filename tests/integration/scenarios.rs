//! Bad days end to end: the shipped scenarios, accelerated, and the server's view of the run.

use std::time::{Duration, Instant};

use crate::common::{Ended, Folder, conserved, run_in};
use etl::{
    run::Options,
    sim::{FaultKind, RetryAfter, Sim, SimConfig, SimStats},
    units::Rate,
};
use tokio_util::sync::CancellationToken;

const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["title", "kind"],
  "additionalProperties": false,
  "properties": {
    "title": { "type": "string", "minLength": 3 },
    "kind": { "enum": ["essay", "letter", "speech"] }
  }
}"#;

/// The scenario with everything accelerated by this factor: limits, latencies, the timing of faults.
fn faster(scenario: &str, times: u32) -> SimConfig {
    let mut config = SimConfig::default().with_scenario(scenario).unwrap();
    let rate = |rate: Rate| Rate::new(rate.per_second() * f64::from(times), Duration::from_secs(1)).unwrap();
    config.requests = config.requests.map(rate);
    config.tokens = config.tokens.map(rate);
    config.latency /= times;
    for fault in &mut config.faults {
        fault.from /= times;
        fault.lasting = fault.lasting.map(|lasting| lasting / times);
        fault.every = fault.every.map(|every| every / times);
        fault.retry_after = fault.retry_after.map(|wait| match wait {
            // The other forms do not support fractions of a second.
            RetryAfter::Seconds(wait) | RetryAfter::Date(wait) | RetryAfter::Millis(wait) => {
                RetryAfter::Millis(wait / times)
            }
        });
        if let FaultKind::SlowBody(over) = &mut fault.kind {
            *over /= times;
        }
    }
    config
}

/// Sends requests about `texts` texts, and a second map for those refused; also returns the server's counts. Each
/// text ends up in one of two tables, or the test fails.
async fn run(texts: u64, concurrency: u32, retry: &str, config: SimConfig) -> (Ended, SimStats, Folder) {
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    let spec = format!(
        "
pipeline: test
mistral: {{ api_key: test, timeouts: {{ first_byte: 2s, whole: 5s }} }}
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day.' AS text FROM range({texts})
    key: name
  - map: extract
    concurrency: {concurrency}
    retry: {retry}
    chat: {{ model: mistral-small-latest, prompt: 'Describe {{{{ text }}}}', schema: schema.json }}
  - wave: extracted
  - map: repair
    from: extracted.failed
    into: extract
    concurrency: {concurrency}
    retry: {retry}
    chat:
      model: mistral-medium-latest
      prompt: 'Your last answer was refused: {{{{ etl.failure.reason }}}} {{{{ text }}}}'
      schema: schema.json
  - sink: metadata
    from: [extracted, repair]
    table: metadata
  - sink: rejected
    from: repair.failed
    table: rejected
    mode: replace
"
    );
    let sim = Sim::start(config).await.unwrap();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let ended = run_in(&folder.pipeline(&spec, &[]), &options, CancellationToken::new()).await.unwrap();
    conserved(&ended);
    assert_eq!((ended.sum.read, ended.sum.rows, ended.sum.failures), (texts, texts, 0));
    let tables = "SELECT count(*), count(DISTINCT name) FROM (SELECT name FROM metadata UNION ALL SELECT name FROM rejected)";
    assert_eq!(folder.sql(tables), format!("{texts} | {texts}"));
    let stats = sim.stats();
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers").parse().unwrap();
    assert_eq!(kept, stats.answered - stats.lost, "what arrived is in the ledger, each once: {stats:?}");
    (ended, stats, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_busy_day_every_text_gets_its_answer_and_none_a_second_one() {
    let started = Instant::now();
    let config = SimConfig { misfits: 0.0, ..faster("busy", 60) };
    let (ended, stats, _) = run(96, 16, "{ wait: 20ms, max_wait: 500ms }", config).await;
    assert_eq!((stats.answered, stats.duplicates, stats.lost), (96, 0, 0), "{stats:?}");
    assert_eq!(ended.progress.usage.retries, stats.limited, "{stats:?}");
    assert!(stats.limited > 0, "it was busy: {stats:?}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_hostile_day_every_text_is_accounted_for_and_only_what_was_lost_is_asked_again() {
    let started = Instant::now();
    let retry = "{ times: 20, wait: 50ms, max_wait: 500ms }";
    let (_, stats, folder) = run(1000, 64, retry, faster("hostile", 20)).await;
    assert!(stats.duplicates <= stats.lost, "{stats:?}");
    assert!(stats.lost > 0 && stats.limited > 0 && stats.misfits > 100, "it was hostile: {stats:?}");
    let rejected: u64 = folder.sql("SELECT count(*) FROM rejected").parse().unwrap();
    assert!((1..200).contains(&rejected), "{rejected}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
