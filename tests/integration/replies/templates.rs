//! Templates in `model:` and in the settings of a request, and where templates are not permitted.

use etl::{
    event::RunEnd,
    run::{Options, estimate},
    sim::SimConfig,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Ended, Folder, bodies, mistakes, pipeline, run_against, run_in, script::Server, server};
use crate::common::script::say;

const RENDERED: &str = "
  - source: texts
    rows: [{ id: 1, model: small, end: STOP }, { id: 2, model: large, end: null }]
    key: id
  - map: reply
    chat:
      model: \"{{ model }}\"
      prompt: \"Say {{ id }}\"
      random_seed: \"{{ id + 6 }}\"
      stop: [\"{{ end | default('END') }}\", \"##\"]
      prompt_cache_key: \"key {{ model }}\"
      metadata: { id: \"{{ id }}\", same: constant }
  - sink: out
    table: out
";

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_the_model_are_rendered_for_each_record() {
    let folder = Folder::new();
    let server = server(|body, _| format!("by {}", body["model"])).await;
    run_against(&server, &folder.pipeline(&pipeline(RENDERED), &[])).await;
    let mut bodies = bodies(&server);
    bodies.sort_by_key(|body| body["random_seed"].as_u64());
    let parts: Vec<_> = bodies
        .iter()
        .map(|body| {
            json!([
                body["model"],
                body["random_seed"],
                body["stop"],
                body["prompt_cache_key"],
                body["metadata"]
            ])
        })
        .collect();
    assert_eq!(
        json!(parts),
        json!([
            ["small", 7, ["STOP", "##"], "key small", { "id": "1", "same": "constant" }],
            ["large", 8, ["END", "##"], "key large", { "id": "2", "same": "constant" }],
        ])
    );
    assert_eq!(folder.sql("SELECT id, reply FROM out ORDER BY id"), "1 | by \"small\"\n2 | by \"large\"");
    assert_eq!(folder.sql("SELECT DISTINCT asked_model FROM etl.journal ORDER BY 1"), "large\nsmall");
}

async fn offline(folder: &Folder, stages: &str) -> Ended {
    let sim = SimConfig { misfits: 0.0, ..SimConfig::default() };
    let options = Options { offline: true, sim, ..Options::default() };
    run_in(&folder.pipeline(&pipeline(stages), &[]), &options, CancellationToken::new()).await.unwrap()
}

const COMPARED: &str = "
  - source: texts
    rows: [{ id: 1 }, { id: 2 }]
    key: id
  - map: writer
    split: { values: [mistral-small-latest, mistral-medium-latest, mistral-large-latest] }
  - map: reply
    BATCH
    chat: { model: \"{{ writer }}\", prompt: \"Say {{ id }}\" }
  - sink: out
    table: out
";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_one_model_and_each_model_its_job() {
    let folder = Folder::new();
    let ended = offline(&folder, &COMPARED.replace("BATCH", "batch: { wait: 100ms, every: 10ms }")).await;
    assert_eq!(ended.end, RunEnd::Complete);
    assert_eq!(
        folder.sql("SELECT model, max(requests) FROM etl.jobs GROUP BY model ORDER BY model"),
        "mistral-large-latest | 2\nmistral-medium-latest | 2\nmistral-small-latest | 2"
    );
    assert_eq!(
        folder.sql("SELECT count(*), count(*) FILTER (WHERE model LIKE '%' || writer || '%') FROM out"),
        "6 | 6"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_models_than_jobs_are_put_together_at_once() {
    let folder = Folder::new();
    let models = [
        "mistral-small-latest",
        "mistral-medium-latest",
        "mistral-large-latest",
        "ministral-3b-latest",
        "ministral-8b-latest",
        "codestral-latest",
        "mistral-small-2603",
        "mistral-medium-2604",
        "mistral-large-2512",
        "open-mistral-nemo",
    ];
    let rows: Vec<String> =
        (0..30).map(|n| format!("{{ id: {n}, model: {} }}", models[n % models.len()])).collect();
    let stages = format!(
        "
  - source: texts
    rows: [{}]
    key: id
  - map: reply
    batch: {{ wait: 100ms, every: 10ms }}
    chat: {{ model: \"{{{{ model }}}}\", prompt: \"Say {{{{ id }}}}\" }}
  - sink: out
    table: out
",
        rows.join(", ")
    );
    let ended = offline(&folder, &stages).await;
    let failed = folder.sql("SELECT DISTINCT kind, reason FROM etl.failures");
    assert_eq!((ended.end, failed.as_str()), (RunEnd::Complete, ""));
    assert_eq!(folder.sql("SELECT count(*), count(DISTINCT id) FROM out"), "30 | 30");
    assert_eq!(folder.sql("SELECT count(*) FROM (SELECT token FROM etl.jobs GROUP BY token HAVING count(DISTINCT model) > 1)"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_there_fails_its_record() {
    for batch in ["concurrency: 2", "batch: { wait: 100ms, every: 10ms }"] {
        let folder = Folder::new();
        let stages = format!(
            "
  - source: texts
    rows: [{{ id: 1, model: mistral-small-latest }}, {{ id: 2, model: mistral-smal-latest }}, {{ id: 3, model: \"\" }}]
    key: id
  - map: reply
    {batch}
    chat: {{ model: \"{{{{ model }}}}\", prompt: \"Say {{{{ id }}}}\" }}
  - sink: out
    table: out
"
        );
        let ended = offline(&folder, &stages).await;
        assert_eq!(ended.end, RunEnd::WithFailures);
        assert_eq!(folder.sql("SELECT id FROM out"), "1");
        assert_eq!(
            folder.sql("SELECT key, kind, attempts, reason FROM etl.failures ORDER BY key"),
            "2 | model | 0 | `reply` uses `mistral-smal-latest`, but there is no such model; did you mean `mistral-small-latest`?\n3 | model | 0 | the template of `model:` renders to an empty name"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lists_no_models_refuses_one_for_its_record() {
    let folder = Folder::new();
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "GET" => say(200, json!({ "data": [] })),
        _ if String::from_utf8_lossy(&asked.body).contains("nowhere") => {
            say(404, json!({ "message": "model not found" }))
        }
        _ => super::answered("yes"),
    })
    .await;
    let rows = "rows: [{ id: 1, model: here, end: x }, { id: 2, model: nowhere, end: x }]";
    let spec = RENDERED
        .replace("rows: [{ id: 1, model: small, end: STOP }, { id: 2, model: large, end: null }]", rows);
    let ended = run_against(&server, &folder.pipeline(&pipeline(&spec), &[])).await;
    assert_eq!(ended.end, RunEnd::WithFailures);
    assert_eq!(folder.sql("SELECT id, reply FROM out"), "1 | yes");
    assert_eq!(
        folder.sql("SELECT key, kind, reason FROM etl.failures"),
        "2 | model | `nowhere` cannot be used: 404: model not found"
    );
}

#[test]
fn what_is_asked_is_estimated_by_model() {
    let folder = Folder::new();
    let pipeline = folder.pipeline(&pipeline(&COMPARED.replace("    BATCH\n", "")), &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found =
        runtime.block_on(estimate(&pipeline, &Options { offline: true, ..Options::default() })).unwrap();
    let stages: Vec<_> = found
        .stages
        .iter()
        .map(|stage| {
            let asks = stage.asks.as_ref().unwrap();
            (stage.model.as_str(), asks.requests, asks.cost.unwrap().micros() > 0)
        })
        .collect();
    assert_eq!(
        stages,
        [
            ("mistral-large-latest", 2, true),
            ("mistral-medium-latest", 2, true),
            ("mistral-small-latest", 2, true)
        ]
    );
}

#[test]
fn a_template_where_none_is_read_is_a_mistake() {
    let folder = Folder::new();
    folder.write("a.txt", b"A text.");
    let spec = "pipeline: test
description: About {{ text }}
mistral: { api_key: test }
duckdb: out.duckdb
stages:
  - source: texts
    files: \"{{ name }}.txt\"
  - map: reply
    from: \"{{ texts }}\"
    when: \"{{ text }} = 'x'\"
    chat:
      model: \"{{ modle }}\"
      prompt: { file: \"{{ name }}.j2\" }
      temperature: \"{{ x }}\"
      random_seed: seven
      stop: [\"{{ ned }}\"]
      reasoning_effort: \"{{ x }}\"
      schema: { a: { is: text, about: \"{{ x }}\" } }
      tools: [{ name: find, description: \"{{ x }}\", parameters: \"{{ x }}.json\" }]
  - wave: all
    sql: SELECT * FROM all WHERE text = '{{ kept }}' OR text = {{ text }}
  - sink: out
    table: \"{{ name }}\"
";
    insta::assert_snapshot!(mistakes(&folder, spec));
}

#[test]
fn under_a_budget_models_that_are_written_out_need_a_price() {
    let folder = Folder::new();
    let stages = COMPARED.replace("    BATCH\n", "").replace("mistral-large-latest", "llama");
    insta::assert_snapshot!(mistakes(&folder, &format!("budget: 1 USD\n{}", pipeline(&stages))));
}
