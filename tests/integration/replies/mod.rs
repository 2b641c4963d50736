//! Requests and answers: schemas, expectations, attempts, identities, mocks.

mod attempts;
mod identity;
mod mocks;
mod real_schemas;
mod schemas;
mod templates;
mod values;

use std::sync::Arc;

use crate::common::{Ended, Folder, run_in, script};
use etl::run::{Options, Pipeline};
use script::{Server, Step, say};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// An ordinary answer with this text.
fn answered(text: &str) -> Step {
    say(
        200,
        json!({
            "model": "m",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
            "usage": { "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13 },
        }),
    )
}

/// A server that answers each chat request by its body and by the number of earlier ones.
async fn server(answer: impl Fn(&Value, usize) -> String + Send + Sync + 'static) -> Server {
    let nth = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |asked, _| match asked.method.as_str() {
        "GET" => say(200, json!({ "data": [] })),
        _ => {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            answered(&answer(&body, nth.fetch_add(1, std::sync::atomic::Ordering::SeqCst)))
        }
    })
    .await
}

/// The bodies of the received requests.
fn bodies(server: &Server) -> Vec<Value> {
    let posts = server.asked().into_iter().filter(|asked| asked.method == "POST");
    posts.map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect()
}

/// A pipeline with these stages.
fn pipeline(stages: &str) -> String {
    format!("pipeline: test\nmistral: {{ api_key: test }}\nduckdb: out.duckdb\nstages:\n{stages}")
}

/// A pipeline with one request for each record, with the schema in `schema.json`.
fn one_for_each(records: usize) -> String {
    let rows: Vec<String> = (0..records).map(|id| format!("{{ id: {id} }}")).collect();
    pipeline(&format!(
        "
  - source: texts
    rows: [{}]
    key: id
  - map: reply
    chat: {{ model: m, prompt: \"{{{{ id }}}}\", schema: schema.json }}
  - sink: out
    columns: {{ answer: reply }}
",
        rows.join(", ")
    ))
}

/// A server that gives each record of [`one_for_each`] its answer.
async fn serving(answers: &Arc<Vec<Value>>) -> Server {
    let answers = Arc::clone(answers);
    server(move |body, _| {
        let id: usize = body["messages"][0]["content"].as_str().unwrap().parse().unwrap();
        answers[id].to_string()
    })
    .await
}

async fn run_against(server: &Server, pipeline: &Pipeline) -> Ended {
    let options = Options { base_url: Some(server.url.clone()), ..Options::default() };
    run_in(pipeline, &options, CancellationToken::new()).await.unwrap()
}

/// All mistakes of a spec.
fn mistakes(folder: &Folder, spec: &str) -> String {
    match Pipeline::from_text(&folder.path("spec.yaml"), spec, &[]) {
        Ok(pipeline) => panic!("no mistakes: {}", pipeline.plan()),
        Err(mistakes) => mistakes.render(false).replace(&folder.path("").display().to_string(), ""),
    }
}
