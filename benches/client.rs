//! What the client and its limiter cost where nothing limits and the server answers at once: requests a second beside a
//! bare loop, once the pace is found, and CPU time a request. Without ledger, rows and display.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Server, bare_loop, body, check, cpu_time, in_slots, runtime, serve_if_asked, spread};
use etl::mistral::{Client, ConcurrencyLimiter, Connection, Endpoint, Gauge, Limits, RetryPolicy};
use tokio_util::sync::CancellationToken;

const REQUESTS: usize = 40_000;
const SLOTS: usize = 64;
const ROUNDS: usize = 5;

fn main() {
    serve_if_asked();
    let server = Server::start(Duration::ZERO);
    runtime().block_on(async {
        let http = reqwest::Client::new();
        // The two take turns, so that a busy moment of the machine meets both.
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let bare = measured(&server, &http, bare_loop(&server.url, REQUESTS, SLOTS)).await;
            let client = measured(&server, &http, client_loop(&server.url)).await;
            println!("     client: {client}, bare: {bare}");
            rounds.push((client.per_second / bare.per_second * 100.0, client.cpu - bare.cpu));
        }
        let share = median(rounds.iter().map(|round| round.0).collect());
        let cpu = median(rounds.iter().map(|round| round.1).collect());
        let figures = format!(
            "{cpu:+.1} µs of CPU a request beside a bare loop (wanted at most 30), {share:.1} % of its pace"
        );
        check("client", &figures, cpu <= 30.0);
    });
}

/// The pace of a loop of requests.
struct Pace {
    per_second: f64,
    /// CPU time of this process for a request, in microseconds.
    cpu: f64,
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s with {:.1} µs of CPU", self.per_second, self.cpu)
    }
}

async fn measured(server: &Server, http: &reqwest::Client, requests: impl Future<Output = ()>) -> Pace {
    let before = cpu_time();
    requests.await;
    let cpu = (cpu_time() - before).as_secs_f64() * 1e6 / REQUESTS as f64;
    let mut times = server.arrivals(http).await;
    assert_eq!(times.len(), REQUESTS);
    times.sort_unstable();
    // The first quarter finds the pace.
    let times = &times[REQUESTS / 4..];
    Pace { per_second: times.len() as f64 / spread(times).as_secs_f64(), cpu }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn client_loop(url: &str) {
    let connection = Connection::new(url, "none");
    let client =
        Client::new(&connection, Limits::new(None, None), CancellationToken::new()).expect("a client");
    let client = client.with_slots(Arc::new(ConcurrencyLimiter::fixed(SLOTS)));
    let gauge = Arc::new(Gauge::default());
    in_slots(REQUESTS, SLOTS, move |number| {
        let (client, gauge, body) = (client.clone(), Arc::clone(&gauge), body(number).to_string().into());
        async move {
            let policy = RetryPolicy::DEFAULT;
            client.ask(Endpoint::Chat, "bench", body, 50, policy, &gauge).await.expect("an answer");
        }
    })
    .await;
}
