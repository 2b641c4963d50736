//! Unreachable servers: reported within ten seconds, with what to check, and nothing counts as failed.

use std::time::{Duration, Instant};

use crate::common::{Folder, run_in};
use etl::{event::RunEnd, run::Options};
use tokio_util::sync::CancellationToken;

const SPEC: &str = "
pipeline: test
mistral: { api_key: test }
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range(40)
    key: id
  - map: ask
    chat: { model: m, prompt: 'What is {{ id }} good for?' }
  - sink: answers
    table: answers
";

/// The error that ends a run against a server at this address.
async fn reported(url: &str) -> String {
    let folder = Folder::new();
    let options = Options { base_url: Some(url.to_owned()), ..Options::default() };
    let started = Instant::now();
    let ended = run_in(&folder.pipeline(SPEC, &[]), &options, CancellationToken::new()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "{url}: {:?}", started.elapsed());
    let sum = ended.sum;
    assert_eq!((sum.rows, sum.failures, ended.end.exit_code()), (0, 0, 1), "{url}: {sum:?}");
    let RunEnd::Fatal(reported) = ended.end else { panic!("{url}: {:?}", ended.end) };
    reported
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_says_to_look_at_the_server() {
    let reported = reported("http://127.0.0.1:9").await;
    assert!(reported.starts_with("cannot connect to 127.0.0.1:9: "), "{reported}");
    assert!(
        reported.ends_with("check that the server is running, and the host and port in `base_url`"),
        "{reported}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_says_to_look_at_its_spelling() {
    // A name that never resolves (RFC 2606).
    let reported = reported("http://api.mistral.invalid").await;
    assert!(reported.starts_with("cannot connect to api.mistral.invalid: "), "{reported}");
    assert!(
        reported.ends_with("check the spelling of the host in `base_url`, and the network"),
        "{reported}"
    );
}
