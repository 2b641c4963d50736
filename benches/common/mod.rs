//! Shared by the benchmarks: a server with a known latency in a separate process, and a run.
#![allow(dead_code, unreachable_pub, reason = "each benchmark uses some of it")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use etl::{
    event::{Conservation, EventKind},
    run::{Options, Pipeline},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Arrival times since the server started.
type Arrivals = Arc<(Instant, Mutex<Vec<Duration>>)>;

/// A server in a separate process, killed by its process id on drop.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first argument that makes a benchmark act as the server.
const SERVE: &str = "--serve-with-latency-ms";

impl Server {
    /// Starts this benchmark's binary again, as a server.
    pub fn start(latency: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args([SERVE, &latency.as_millis().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
        Self { child, url: line.trim().to_owned() }
    }

    /// The arrival times since the last call.
    pub async fn arrivals(&self, http: &reqwest::Client) -> Vec<Duration> {
        let seen: Vec<u64> = http
            .get(format!("{}/arrivals", self.url))
            .send()
            .await
            .expect("the server")
            .json()
            .await
            .expect("its times");
        seen.into_iter().map(Duration::from_micros).collect()
    }
}

/// Serves until killed, if the arguments request it.
pub fn serve_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == SERVE) else { return };
    let latency = Duration::from_millis(arguments[at + 1].parse().expect("milliseconds"));
    runtime().block_on(async move {
        let arrivals: Arrivals = Arc::new((Instant::now(), Mutex::new(Vec::new())));
        let chat = move |State(arrivals): State<Arrivals>, _body: axum::body::Bytes| async move {
            arrivals.1.lock().expect("the lock").push(arrivals.0.elapsed());
            tokio::time::sleep(latency).await;
            Json(json!({
                "id": "1", "object": "chat.completion", "created": 0, "model": "bench",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": "An answer of a few words." }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27 }
            }))
        };
        let taken = |State(arrivals): State<Arrivals>| async move {
            let seen = std::mem::take(&mut *arrivals.1.lock().expect("the lock"));
            Json(seen.into_iter().map(|at| at.as_micros() as u64).collect::<Vec<_>>())
        };
        let app = Router::new().route("/v1/chat/completions", post(chat)).route("/arrivals", get(taken)).with_state(arrivals);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("its address"));
        axum::serve(listener, app).await.expect("it serves");
    });
    std::process::exit(0);
}

pub fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Runs a pipeline to the end; returns the duration and where every record ended up.
pub async fn run(folder: &Path, spec: &str, url: Option<&str>) -> (Duration, Conservation) {
    let pipeline = match Pipeline::from_text(&folder.join("spec.yaml"), spec, &[]) {
        Ok(pipeline) => pipeline,
        Err(mistakes) => panic!("{}", mistakes.render(false)),
    };
    let options = Options { base_url: url.map(str::to_owned), ..Options::default() };
    #[expect(clippy::disallowed_methods, reason = "the event `RunEnded` is the end of the events")]
    let (sender, mut events) = mpsc::channel::<etl::event::Event>(64);
    let listen = async {
        let mut sum = Conservation::default();
        while let Some(event) = events.recv().await {
            if let EventKind::RunEnded { sum: last, end, .. } = event.kind {
                assert_eq!(end.exit_code(), 0, "{end:?}");
                sum = last;
            }
        }
        sum
    };
    let started = Instant::now();
    let (end, sum) = tokio::join!(pipeline.run(&options, sender, CancellationToken::new()), listen);
    end.expect("it runs");
    assert_eq!(sum.pending(), 0, "{sum:?}");
    (started.elapsed(), sum)
}

/// CPU time that this process has used, in user and kernel mode.
pub fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name of the program, in brackets, may hold spaces; ticks are hundredths of a second.
    let after = stat.rsplit_once(')').expect("a name").1;
    let ticks =
        |at: usize| -> u64 { after.split_whitespace().nth(at).expect("a field").parse().expect("ticks") };
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The most arrivals in any window of a second.
pub fn busiest(times: &[Duration]) -> usize {
    let mut from = 0;
    let mut most = 0;
    for (at, time) in times.iter().enumerate() {
        while *time - times[from] >= Duration::from_secs(1) {
            from += 1;
        }
        most = most.max(at + 1 - from);
    }
    most
}

/// The time between the first and the last arrival.
pub fn spread(times: &[Duration]) -> Duration {
    times.last().copied().unwrap_or_default() - times.first().copied().unwrap_or_default()
}

/// A chat stage over this many records.
pub fn asking(records: usize, more: &str, concurrency: usize) -> String {
    format!(
        "
pipeline: bench
mistral: {{ api_key: none }}
duckdb: bench.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range({records})
    key: id
{more}
  - map: ask
    concurrency: {concurrency}
    chat: {{ model: bench, prompt: 'What is the number {{{{ id }}}} good for? Answer in a few words.' }}
  - sink: answers
    table: answers
"
    )
}

/// Prints the figures and checks that they are within bounds.
pub fn check(what: &str, figures: &str, holds: bool) {
    println!("{} {what}: {figures}", if holds { "ok  " } else { "FAIL" });
    // A panic, so that the server process is stopped.
    assert!(holds, "{what} is not within its bound");
}

/// Sends requests to a server, `slots` at a time, with a plain HTTP client.
pub async fn bare_loop(url: &str, requests: usize, slots: usize) {
    let (http, url) = (reqwest::Client::new(), format!("{url}/v1/chat/completions"));
    in_slots(requests, slots, move |number| {
        let request = http.post(&url).json(&body(number));
        async move {
            let answer = request.send().await.expect("an answer");
            let _: Value = answer.json().await.expect("JSON");
        }
    })
    .await;
}

/// Calls `work` for each number below `count`, `slots` at a time.
#[expect(clippy::disallowed_methods, reason = "a loop without the program's own tasks")]
pub async fn in_slots<F>(count: usize, slots: usize, work: impl Fn(usize) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..slots {
        let (next, work) = (Arc::clone(&next), work.clone());
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                work(number).await;
            }
        });
    }
    tasks.join_all().await;
}

pub fn body(number: usize) -> Value {
    json!({ "model": "bench", "messages": [{ "role": "user", "content": format!("What is the number {number} good for? Answer in a few words.") }] })
}
