//! Answers of every kind with status 200, through a pipeline: each becomes a row or a refusal with its reason, is
//! in the ledger with its cost, and is requested once.

use std::{io::Write, sync::Arc, time::Duration};

use crate::common::{Folder, run_in, script};
use etl::{
    event::RunEnd,
    run::{Options, RunError},
};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use script::{Server, Step, say};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const CASES: &str = include_str!("../fixtures/mistral/answered.jsonl");

pub(crate) const SCHEMA: &str = r#"{ "type": "object", "required": ["title", "year"], "additionalProperties": false,
    "properties": { "title": { "type": "string" }, "year": { "type": "integer" } } }"#;

pub(crate) fn cases() -> Vec<Value> {
    CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The bytes and headers of a case.
pub(crate) fn step(case: &Value) -> Step {
    let message = json!({ "role": "assistant", "content": case["content"], "reasoning_content": case["reasoning_content"] });
    let reason = case["finish_reason"].as_str().unwrap_or("stop");
    let body = json!({
        "model": "m",
        "choices": [{ "index": 0, "finish_reason": reason, "message": message }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13 },
    });
    let body = if case["body"].is_null() { body } else { case["body"].clone() };
    let body = body.to_string().into_bytes();
    let encoding = |name: &str| vec![("content-encoding", name.to_owned())];
    match case["bytes"].as_str() {
        None => Step::Bytes(vec![], body),
        Some("gzip") => Step::Bytes(encoding("gzip"), gzip(&body)),
        Some("bare gzip") => Step::Bytes(vec![], gzip(&body)),
        Some("deflate") => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(&body).unwrap();
            Step::Bytes(encoding("deflate"), zlib.finish().unwrap())
        }
        Some("br") => Step::Bytes(encoding("br"), brotli(&body)),
        Some("zstd") => Step::Bytes(encoding("zstd"), vec![0x28, 0xb5, 0x2f, 0xfd]),
        Some("bom") => Step::Bytes(vec![], [b"\xef\xbb\xbf".as_slice(), &body].concat()),
        Some("bad byte") => {
            Step::Bytes(vec![], body.iter().map(|byte| if *byte == b'?' { 0xe9 } else { *byte }).collect())
        }
        Some("half") => {
            let half = String::from_utf8(body).unwrap().replace("\"choices\"", "\"usage_again\"");
            let usage = "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}";
            Step::Bytes(vec![], format!("{{{usage},{}", &half[1..half.len() / 2]).into_bytes())
        }
        Some("empty") => Step::Bytes(vec![], vec![]),
        Some(other) => panic!("{other}"),
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body).unwrap();
    gzip.finish().unwrap()
}

/// Brotli with one uncompressed block.
fn brotli(body: &[u8]) -> Vec<u8> {
    // A window of 22 bits, not the last block, four nibbles of length minus one, uncompressed; then a last, empty
    // block.
    let length = (body.len() - 1) as u32;
    let header = 0b1011 | (length << 7) | (1 << 23);
    let mut bytes = header.to_le_bytes()[..3].to_vec();
    bytes.extend_from_slice(body);
    bytes.push(0b11);
    bytes
}

fn pipeline(attempts: u32, rows: &str) -> String {
    format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
prices: {{ m: {{ prompt: 1 USD, completion: 1 USD }} }}
stages:
  - source: texts
    rows: {rows}
    key: name
  - map: extract
    attempts: {attempts}
    retry: {{ times: 3, wait: 1ms }}
    chat: {{ model: m, prompt: 'The case is <{{{{ name }}}}>', schema: schema.json }}
  - sink: out
    from: extract
    table: out
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_a_row_or_a_refusal_and_is_asked_for_once() {
    let cases = Arc::new(cases());
    let serving = Arc::clone(&cases);
    let server = Server::start(move |asked, _| {
        if asked.method == "GET" {
            return say(200, json!({ "data": [] }));
        }
        let body = String::from_utf8_lossy(&asked.body);
        step(
            serving
                .iter()
                .find(|case| body.contains(&format!("<{}>", case["name"].as_str().unwrap())))
                .unwrap(),
        )
    })
    .await;
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    let rows: Vec<Value> = cases.iter().map(|case| json!({ "name": case["name"] })).collect();
    let pipeline = folder.pipeline(&pipeline(1, &json!(rows).to_string()), &[]);
    let options = Options { base_url: Some(server.url.clone()), ..Options::default() };
    let ended = run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
    assert_eq!(ended.end, RunEnd::WithFailures);
    for case in &*cases {
        let name = case["name"].as_str().unwrap();
        let of = |what: &str| folder.sql(&format!("{what} = '{name}'"));
        if let Some(title) = case["title"].as_str() {
            assert_eq!(of("SELECT title FROM out WHERE name"), title, "{name}");
        }
        if let Some(reason) = case["refused"].as_str() {
            let reported = of("SELECT reason FROM etl.failures WHERE key");
            assert!(reported.contains(reason), "{name}: {reported}");
            assert_eq!(of("SELECT count(*) FROM out WHERE name"), "0", "{name}");
        }
        if let Some(note) = case["note"].as_str() {
            let reported = of("SELECT reason FROM etl.answers WHERE state = 'answered' AND key");
            assert!(reported.contains(note), "{name}: {reported}");
        }
        let paid = !["an empty body", "an unknown compression"].contains(&name);
        let tokens = of("SELECT prompt_tokens + completion_tokens FROM etl.answers WHERE key");
        assert_eq!(tokens, if paid { "13" } else { "0" }, "{name}: kept with its cost");
    }
    assert_eq!(server.count("POST", "/v1/chat/completions"), cases.len(), "none is sent twice");
    // Nor by the next run: a stored answer stays refused, whatever it looks like.
    run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
    assert_eq!(server.count("POST", "/v1/chat/completions"), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_answer_is_asked_again_by_attempts_only() {
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "GET" => say(200, json!({ "data": [] })),
        _ => say(200, json!({ "choices": [], "usage": { "prompt_tokens": 9 } })),
    })
    .await;
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    let options = Options { base_url: Some(server.url.clone()), ..Options::default() };
    let pipeline = folder.pipeline(&pipeline(2, "[{ name: one }]"), &[]);
    for _ in 0..2 {
        let ended = run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
        assert_eq!((ended.end, ended.sum.failures), (RunEnd::WithFailures, 1));
        assert_eq!(server.count("POST", "/v1/chat/completions"), 2);
    }
    assert_eq!(folder.sql("SELECT refused, prompt_tokens FROM etl.answers"), "unusable | 9\nunusable | 9");
}

async fn ended_by(step: Step) -> (RunEnd, usize) {
    let server = Server::start(move |asked, _| match asked.method.as_str() {
        "GET" => say(200, json!({ "data": [] })),
        _ => step.clone(),
    })
    .await;
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    let options = Options { base_url: Some(server.url.clone()), ..Options::default() };
    let pipeline = folder.pipeline(&pipeline(2, "[{ name: one }]"), &[]);
    let ended: Result<_, RunError> = run_in(&pipeline, &options, CancellationToken::new()).await;
    (ended.unwrap().end, server.count("POST", "/v1/chat/completions"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_ends_the_run_at_once() {
    for body in [
        json!({ "object": "error", "message": "You have exceeded your monthly token quota", "code": "1301" }),
        json!({ "message": "monthly limit reached" }),
    ] {
        let started = std::time::Instant::now();
        let (end, asked) = ended_by(say(429, body)).await;
        let RunEnd::OutOfMoney(reported) = end else { panic!("{end:?}") };
        assert!(reported.starts_with("the quota of the account is exhausted (429"), "{reported}");
        assert_eq!(asked, 1);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_the_message_says_what_to_write() {
    let other = Server::start(|_, _| say(200, "{}")).await;
    let location = format!("{}/proxy/v1/chat/completions?key=secret", other.url);
    let (end, asked) = ended_by(Step::Say(307, vec![("location", location)], String::new())).await;
    let RunEnd::Fatal(reported) = end else { panic!("{end:?}") };
    assert!(reported.contains(&format!("write `base_url: {}/proxy`", other.url)), "{reported}");
    assert!(!reported.contains("secret"), "{reported}");
    assert_eq!((asked, other.asked().len()), (1, 0), "the text goes nowhere else");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_refused_at_its_bound() {
    let (end, asked) = ended_by(Step::Bytes(vec![], vec![b' '; 40_000_000])).await;
    assert_eq!((end, asked), (RunEnd::WithFailures, 2), "an answer that is too large, twice");
}
