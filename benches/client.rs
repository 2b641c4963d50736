//! What the client and its limiter cost where nothing limits and the server answers at once: requests a second beside a
//! bare loop, once the pace is found. Without ledger, rows and display.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Server, bare_loop, body, check, in_slots, runtime, serve_if_asked, spread};
use etl::mistral::{Client, ConcurrencyLimiter, Connection, Endpoint, Gauge, Limits, RetryPolicy};
use tokio_util::sync::CancellationToken;

const REQUESTS: usize = 40_000;
const SLOTS: usize = 64;

fn main() {
    serve_if_asked();
    let server = Server::start(Duration::ZERO);
    runtime().block_on(async {
        let http = reqwest::Client::new();
        // The two take turns, so that a busy moment of the machine meets both.
        let mut shares = Vec::new();
        for _ in 0..5 {
            bare_loop(&server.url, REQUESTS, SLOTS).await;
            let bare = per_second(server.arrivals(&http).await);
            client_loop(&server.url).await;
            let asked = per_second(server.arrivals(&http).await);
            println!("     client: {asked:.0}/s, bare: {bare:.0}/s");
            shares.push(asked / bare * 100.0);
        }
        shares.sort_by(f64::total_cmp);
        let share = shares[shares.len() / 2];
        check("client", &format!("{share:.1} % of a bare loop (wanted 90 %)"), share >= 90.0);
    });
}

/// The pace of the last three quarters: the first one finds it.
fn per_second(mut times: Vec<Duration>) -> f64 {
    assert_eq!(times.len(), REQUESTS);
    times.sort_unstable();
    let times = &times[REQUESTS / 4..];
    times.len() as f64 / spread(times).as_secs_f64()
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
