//! `concurrency: auto` end to end, against servers whose optimal number in flight is unknown to the client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::common::{Folder, run_in};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use etl::{event::RunEnd, run::Options};
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// A server that answers a number of requests at once in 100 ms; more make all of them slower.
struct Load {
    capacity: AtomicUsize,
    /// Latency grows with this power of the requests in flight relative to the capacity: at 1, throughput stays
    /// at its best however many wait; above 1, it drops with more requests.
    power: f64,
    /// Requests in flight beyond this multiple of the capacity are refused with 429.
    refuses: f64,
    in_flight: AtomicUsize,
    answered: AtomicUsize,
    limited: AtomicUsize,
}

/// A request in flight for as long as this lives.
struct InFlight(Arc<Load>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

const LATENCY: Duration = Duration::from_millis(100);

async fn chat(State(load): State<Arc<Load>>) -> Response {
    let now = load.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
    let _under_way = InFlight(Arc::clone(&load));
    let share = now as f64 / load.capacity.load(Ordering::Relaxed) as f64;
    if share > load.refuses {
        load.limited.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "message": "Requests rate limit exceeded" })))
            .into_response();
    }
    tokio::time::sleep(LATENCY.mul_f64(share.max(1.0).powf(load.power))).await;
    load.answered.fetch_add(1, Ordering::Relaxed);
    let message = json!({ "role": "assistant", "content": "An answer." });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23 });
    Json(json!({ "id": "1", "model": "m", "choices": [choice], "usage": usage })).into_response()
}

impl Load {
    fn new(capacity: usize, power: f64, refuses: f64) -> Arc<Self> {
        let zero = AtomicUsize::default;
        let capacity = AtomicUsize::new(capacity);
        Arc::new(Self { capacity, power, refuses, in_flight: zero(), answered: zero(), limited: zero() })
    }

    #[allow(clippy::disallowed_methods, reason = "the handle that ends it is made right here")]
    async fn serve(self: &Arc<Self>) -> (String, AbortOnDropHandle<()>) {
        let app = Router::new().route("/v1/chat/completions", post(chat)).with_state(Arc::clone(self));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (url, AbortOnDropHandle::new(serving))
    }

    /// The answers per second over a period, the mean number in flight, and the 429s.
    async fn measure(&self, time: Duration) -> Figures {
        let started = Instant::now();
        let (answered, limited) =
            (self.answered.load(Ordering::Relaxed), self.limited.load(Ordering::Relaxed));
        let (mut sum, mut samples) = (0, 0);
        while started.elapsed() < time {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sum += self.in_flight.load(Ordering::Relaxed);
            samples += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        Figures {
            rate: (self.answered.load(Ordering::Relaxed) - answered) as f64 / seconds,
            in_flight: sum as f64 / f64::from(samples),
            limited: self.limited.load(Ordering::Relaxed) - limited,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    in_flight: f64,
    limited: usize,
}

/// Runs a pipeline with this `concurrency:` for as long as `measuring` takes.
async fn while_running<T>(load: &Arc<Load>, concurrency: &str, measuring: impl Future<Output = T>) -> T {
    let (url, _serving) = load.serve().await;
    let folder = Folder::new();
    let spec = format!(
        "
pipeline: test
mistral: {{ api_key: none }}
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range(1000000)
    key: id
  - map: ask
    concurrency: {concurrency}
    chat: {{ model: m, prompt: 'What is {{{{ id }}}} good for?' }}
    retry: {{ wait: 500ms, max_wait: 2s }}
  - sink: answers
    table: answers
"
    );
    let pipeline = folder.pipeline(&spec, &[]);
    let options = Options { base_url: Some(url), ..Options::default() };
    let stop = CancellationToken::new();
    let (ended, value) = tokio::join!(run_in(&pipeline, &options, stop.clone()), async {
        let value = measuring.await;
        stop.cancel();
        value
    });
    assert_eq!(ended.unwrap().end, RunEnd::Interrupted);
    value
}

const SECOND: Duration = Duration::from_secs(1);

/// Compares the best fixed number with `auto`: after warming up, and after the server has become four times slower.
async fn compare(capacity: usize, power: f64, refuses: f64) {
    let mut best = 0.0_f64;
    for fixed in [4, 8, 16, 32, 64] {
        let load = Load::new(capacity, power, refuses);
        let measuring = async {
            tokio::time::sleep(SECOND).await;
            load.measure(2 * SECOND).await
        };
        let figures = while_running(&load, &fixed.to_string(), measuring).await;
        eprintln!("capacity {capacity}, power {power}: {fixed} at a time: {figures:?}");
        best = best.max(figures.rate);
    }
    let load = Load::new(capacity, power, refuses);
    let measuring = async {
        let warming = load.measure(8 * SECOND).await;
        let warm = load.measure(6 * SECOND).await;
        load.capacity.store(capacity / 4, Ordering::Relaxed);
        tokio::time::sleep(4 * SECOND).await;
        (warming, warm, load.measure(3 * SECOND).await)
    };
    let (warming, warm, slow) = while_running(&load, "auto", measuring).await;
    let share = warm.rate / best * 100.0;
    eprintln!(
        "capacity {capacity}, power {power}: auto: {warming:?}, then {warm:?}: {share:.0} % of the best"
    );
    eprintln!("capacity {capacity}, power {power}: four times slower: {slow:?}");
    assert!(share >= 90.0, "{share:.0} % of the best");
    assert!(warm.limited <= 12, "{} 429s in six seconds", warm.limited);
    assert!(
        slow.in_flight <= warm.in_flight / 2.0,
        "{} in flight, {} before",
        slow.in_flight,
        warm.in_flight
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_before_which_requests_wait() {
    compare(20, 1.0, 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_less_the_more_it_is_asked() {
    compare(12, 1.5, f64::INFINITY).await;
}
