//! Proxies from the environment, which needs a separate process.

use crate::common::script;

use std::fs;

use script::{Server, say};
use serde_json::json;

const SPEC: &str = "\
pipeline: proxied
duckdb: results.duckdb
mistral: { api_key: sk-very-secret-key, base_url: BASE }
stages:
  - source: texts
    files: \"*.txt\"
  - map: answers
    chat: { model: m, prompt: \"{{ text }}\" }
  - sink: out
    table: out
";

/// Runs the pipeline with a proxy in its environment; returns its output.
async fn run(base_url: &str, proxy: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "hello").unwrap();
    fs::write(folder.path().join("p.yaml"), SPEC.replace("BASE", base_url)).unwrap();
    let mut command = assert_cmd::Command::new(crate::common::ETL);
    command.current_dir(folder.path()).args(["run", "p.yaml"]);
    command.env("HTTP_PROXY", proxy).env("http_proxy", proxy).env_remove("NO_PROXY").env_remove("no_proxy");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_are_asked_through_the_proxy_and_this_one_is_not() {
    let answer = |_: &script::Asked, _| say(200, json!({ "choices": [{ "message": { "content": "x" } }] }));
    let (proxy, direct) = (Server::start(answer).await, Server::start(answer).await);
    let reported = run("http://mistral.test", &proxy.url).await;
    assert_eq!(proxy.count("POST", "http://mistral.test/v1/chat/completions"), 1, "{reported}");
    let before = proxy.asked().len();
    let reported = run(&direct.url, &proxy.url).await;
    assert_eq!(
        (proxy.asked().len(), direct.count("POST", "/v1/chat/completions")),
        (before, 1),
        "{reported}"
    );
    assert!(!reported.contains("secret"), "{reported}");
}
