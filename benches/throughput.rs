//! Requests a second against a server with 20 ms of latency, 64 at a time: the whole pipeline, with
//! its ledger and its rows in DuckDB, beside a bare loop that does nothing but ask.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "figures are what a benchmark is for, and the bare loop has tasks of its own"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Server, asking, check, run, runtime, serve_if_asked, spread};

const RECORDS: usize = 20_000;
const SLOTS: usize = 64;

fn main() {
    serve_if_asked();
    let server = Server::start(Duration::from_millis(20));
    runtime().block_on(async {
        let http = reqwest::Client::new();
        // The two take turns, so that a busy moment of the machine meets both.
        let (mut bare, mut piped) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            bare_loop(&server.url).await;
            bare.push(per_second(&server.arrivals(&http).await));
            let folder = tempfile::tempdir().expect("a folder");
            let (_, sum) = run(folder.path(), &asking(RECORDS, "", SLOTS), Some(&server.url)).await;
            assert_eq!(sum.rows as usize, RECORDS);
            piped.push(per_second(&server.arrivals(&http).await));
        }
        let (bare, piped) = (median(&mut bare), median(&mut piped));
        let share = piped / bare * 100.0;
        let figures = format!(
            "{piped:.0}/s of {bare:.0}/s in a bare loop, {share:.1} % (wanted 95 %); {:.0}/s is the theory",
            SLOTS as f64 / 0.020
        );
        check("throughput", &figures, share >= 95.0);
    });
}

async fn bare_loop(url: &str) {
    let http = reqwest::Client::new();
    let next = Arc::new(AtomicUsize::new(0));
    let url: Arc<str> = format!("{url}/v1/chat/completions").into();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..SLOTS {
        let (http, next, url) = (http.clone(), Arc::clone(&next), Arc::clone(&url));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= RECORDS {
                    return;
                }
                let answer = http.post(&*url).json(&common::body(number)).send().await.expect("an answer");
                let _: serde_json::Value = answer.json().await.expect("JSON");
            }
        });
    }
    tasks.join_all().await;
}

fn per_second(times: &[Duration]) -> f64 {
    assert_eq!(times.len(), RECORDS);
    times.len() as f64 / spread(times).as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
