//! Pacing end to end: pipelines against a simulator with real limits, compared with a client whose requests back
//! off independently (*alone*) and with the minimum time under the limit (*ideal*).
//!
//! `make bench` runs all cases, about nine minutes; `cargo bench --bench limits -- sporadic` those whose names
//! contain a word.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "figures are what a benchmark is for; its tasks are its own"
)]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{asking, body, run, runtime};
use etl::sim::{Sim, SimConfig};
use rand::RngExt;
use serde_json::Value;
use tokio::sync::Semaphore;

/// One case: a scenario, the number of records, and the bounds.
struct Case {
    name: &'static str,
    scenario: &'static str,
    records: usize,
    concurrency: usize,
    /// Concurrent pipelines, each with this many records.
    clients: usize,
    /// The minimum time, in seconds.
    ideal: f64,
    /// The maximum time in seconds, and the maximum percentage of refused requests.
    wanted: (f64, f64),
    /// The maximum number of requests refused after the first three seconds, if bounded.
    probes: Option<u64>,
    /// Whether prompts are long, with different lengths.
    long: bool,
}

const fn case(
    name: &'static str,
    scenario: &'static str,
    records: usize,
    concurrency: usize,
    ideal: f64,
    wanted: (f64, f64),
) -> Case {
    Case { name, scenario, records, concurrency, clients: 1, ideal, wanted, probes: None, long: false }
}

const CASES: &[Case] = &[
    case(
        "5 % sporadic, Retry-After 1",
        "latency: { median: 20ms, spread: 0.3, tail: 0 }\nfaults: [{ kind: limit, on: answers, share: 0.05, retry_after: { form: seconds, wait: 1s } }]",
        2000,
        64,
        0.7,
        (4.0, 7.0),
    ),
    case(
        "5 % sporadic",
        "latency: { median: 20ms, spread: 0.3, tail: 0 }\nfaults: [{ kind: limit, on: answers, share: 0.05 }]",
        2000,
        64,
        0.7,
        (4.0, 7.0),
    ),
    case(
        "no limit, no latency",
        "latency: { median: 0ms, spread: 0, tail: 0 }",
        20_000,
        64,
        0.4,
        (10.0, 0.0),
    ),
    case(
        "10/s",
        "latency: { median: 50ms, spread: 0.3, tail: 0 }\nlimits: { requests: 10/s, announce: never }",
        300,
        32,
        29.0,
        (34.0, 6.0),
    ),
    case(
        "10/s announced as 600/min",
        "latency: { median: 50ms, spread: 0.3, tail: 0 }\nlimits: { requests: 10/s }",
        300,
        32,
        29.0,
        (34.0, 6.0),
    ),
    case(
        "600/min announced",
        "latency: { median: 50ms, spread: 0.3, tail: 0 }\nlimits: { requests: 600/min }",
        900,
        32,
        60.0,
        (63.0, 1.0),
    ),
    Case {
        long: true,
        ..case(
            "60,000 tokens/min announced",
            "latency: { median: 50ms, spread: 0.3, tail: 0 }\nlimits: { tokens: 60k/min }",
            150,
            32,
            60.0,
            (63.0, 1.0),
        )
    },
    Case {
        probes: Some(12),
        ..case(
            "outage of 20 s",
            "latency: { median: 50ms, spread: 0.3, tail: 0 }\nfaults: [{ kind: capacity, on: answers, from: 2s, for: 20s }]",
            1000,
            32,
            23.0,
            (30.0, 12.0),
        )
    },
    Case {
        clients: 2,
        ..case(
            "20/s for two",
            "latency: { median: 50ms, spread: 0.3, tail: 0 }\nlimits: { requests: 20/s, announce: never }",
            600,
            32,
            59.0,
            (75.0, 5.0),
        )
    },
    case(
        "10/s for long",
        "latency: { median: 50ms, spread: 0.3, tail: 0 }\nlimits: { requests: 10/s, announce: never }",
        3000,
        32,
        299.0,
        // 96 % of the limit.
        (312.5, 3.0),
    ),
];

/// A model of the simulator.
const MODEL: &str = "model: mistral-small-latest";

/// The first argument that makes this benchmark act as the simulator.
const SERVE: &str = "--simulate";

/// A simulator in a separate process, killed by its process id on drop.
struct Simulator {
    child: Child,
    url: String,
    _scenario: tempfile::NamedTempFile,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Simulator {
    fn start(scenario: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        write!(file, "seed: 1\nmisfits: {{ share: 0 }}\n{scenario}\n").expect("a scenario");
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args([SERVE, file.path().to_str().expect("a path")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
        Self { child, url: line.trim().to_owned(), _scenario: file }
    }

    /// The number of requests, and of those refused with 429.
    async fn refused(&self) -> (u64, u64) {
        let stats: Value =
            reqwest::get(format!("{}/sim/stats", self.url)).await.expect("stats").json().await.expect("JSON");
        (stats["requests"].as_u64().expect("requests"), stats["limited"].as_u64().expect("limited"))
    }
}

fn simulate_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == SERVE) else { return };
    runtime().block_on(async {
        let config = SimConfig::default().with_scenario(&arguments[at + 1]).expect("a scenario");
        let sim = Sim::start(config).await.expect("a simulator");
        println!("{}", sim.url());
        sim.wait().await;
    });
    std::process::exit(0);
}

fn main() {
    simulate_if_asked();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted =
        |case: &&Case| wanted.is_empty() || wanted.iter().any(|word| case.name.contains(word.as_str()));
    let (busy, idle): (Vec<&Case>, Vec<&Case>) =
        CASES.iter().filter(wanted).partition(|case| case.ideal < 10.0);
    println!("{:32} {:>7} {:>8} {:>7} {:>8} {:>7}", "case", "ideal", "etl", "429", "alone", "429");
    let holds = runtime().block_on(async {
        let mut holds = true;
        for case in busy {
            holds &= compare(case).await;
        }
        // These are idle nearly all the time, and do not disturb each other.
        let compared = futures::future::join_all(idle.into_iter().map(compare)).await;
        holds && compared.into_iter().all(|holds| holds)
    });
    if !holds {
        std::process::exit(1);
    }
}

/// Runs a case both ways and prints its figures; returns whether they are within bounds.
async fn compare(case: &Case) -> bool {
    let etl = pipelines(case).await;
    let alone = alone(case).await;
    let (seconds, refused) = case.wanted;
    let mut holds = etl.seconds <= seconds && etl.percent <= refused;
    let mut more = String::new();
    if case.probes.is_some() {
        more += &format!("  {} probes", etl.later);
        holds &= case.probes.is_none_or(|most| etl.later <= most);
    }
    if case.clients > 1 {
        more += &format!("  parts {:?} %", etl.parts);
        holds &= etl.parts.iter().all(|part| (40..=60).contains(part));
    }
    println!(
        "{} {:27} {:6.1}s {:7.1}s {:5.1} % {:7.1}s {:5.1} %{more}",
        if holds { "ok  " } else { "FAIL" },
        case.name,
        case.ideal,
        etl.seconds,
        etl.percent,
        alone.seconds,
        alone.percent
    );
    holds
}

/// The figures of a case.
struct Figures {
    seconds: f64,
    /// The percentage of refused requests.
    percent: f64,
    /// Requests refused after the first three seconds.
    later: u64,
    /// Each client's percentage of the answers until the first client finished.
    parts: Vec<u64>,
}

async fn figures(sim: &Simulator, seconds: f64, early: u64, ends: &[f64], records: usize) -> Figures {
    let (came, limited) = sim.refused().await;
    let percent = 100.0 * limited as f64 / came as f64;
    let first = ends.iter().copied().fold(f64::INFINITY, f64::min);
    // Both keep the same pace until then, so the end times determine the shares.
    let by_first: Vec<f64> = ends.iter().map(|end| records as f64 * (first / end)).collect();
    let all: f64 = by_first.iter().sum();
    let parts = by_first.iter().map(|part| (100.0 * part / all).round() as u64).collect();
    Figures { seconds, percent, later: limited - early, parts }
}

/// Concurrent pipelines with the case's number of records each.
async fn pipelines(case: &Case) -> Figures {
    let sim = Simulator::start(case.scenario);
    let spec = spec(case);
    let started = Instant::now();
    let run = async || {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, sum) = run(folder.path(), &spec, Some(&sim.url)).await;
        assert_eq!(sum.rows as usize, case.records, "nothing is lost");
        started.elapsed().as_secs_f64()
    };
    let early = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        sim.refused().await.1
    };
    let all = futures::future::join_all((0..case.clients).map(|_| run()));
    let (ends, early) = match case.probes {
        Some(_) => futures::join!(all, early),
        None => (all.await, 0),
    };
    let last = ends.iter().copied().fold(0.0, f64::max);
    figures(&sim, last, early, &ends, case.records).await
}

fn spec(case: &Case) -> String {
    let spec = asking(case.records, "", case.concurrency).replace("model: bench", MODEL);
    if !case.long {
        return spec;
    }
    // Different lengths, with a median of six hundred tokens.
    spec.replace(
        "SELECT range AS id",
        "SELECT range AS id, repeat('lorem ipsum ', 95 + range * 37 % 190) AS text",
    )
    .replace("What is the number", "{{ text }} What is the number")
}

/// The same number of records, each retried independently until answered.
async fn alone(case: &Case) -> Figures {
    let sim = Simulator::start(case.scenario);
    let http = reqwest::Client::new();
    let started = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..case.clients {
        let slots = Arc::new(Semaphore::new(case.concurrency));
        for number in 0..case.records {
            let (http, slots, url) = (http.clone(), Arc::clone(&slots), sim.url.clone());
            let mut body = body(number);
            body["model"] = Value::from("mistral-small-latest");
            if case.long {
                let text = "lorem ipsum ".repeat(95 + number * 37 % 190);
                body["messages"][0]["content"] = Value::from(format!("{text} {number}"));
            }
            clients.spawn(async move {
                let url = format!("{url}/v1/chat/completions");
                for refusals in 0.. {
                    let slot = slots.acquire().await.expect("a slot");
                    let answer =
                        http.post(&url).bearer_auth("none").json(&body).send().await.expect("an answer");
                    let asked =
                        answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
                    let limited = answer.status() == 429;
                    answer.bytes().await.expect("a body");
                    drop(slot);
                    if !limited {
                        return;
                    }
                    tokio::time::sleep(own_wait(asked, refusals)).await;
                }
            });
        }
    }
    clients.join_all().await;
    let seconds = started.elapsed().as_secs_f64();
    figures(&sim, seconds, 0, &[seconds], case.records).await
}

/// A common client's wait: the server's `Retry-After`, or exponential backoff with jitter.
fn own_wait(asked: Option<f64>, refusals: u32) -> Duration {
    let mut rng = rand::rng();
    Duration::from_secs_f64(match asked {
        Some(wait) => wait * rng.random_range(1.0..1.1),
        None => (0.5 * f64::from(1_u32 << refusals.min(4))).min(8.0) * rng.random_range(0.5..1.0),
    })
}
