//! The identity of a request, the key of its stage's cache, and the length limit of prompts.

use duckdb::Connection;
use etl::{
    event::RunEnd,
    ledger::RequestId,
    mistral::wire::{CHAT_PATH, identity_table},
    run::{Options, estimate},
    sim::SimConfig,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Folder, bodies, pipeline, run_against, run_in, script::Server, server};
use crate::common::script::say;

fn asks(settings: &str) -> String {
    pipeline(&format!(
        "
  - source: texts
    rows: [{{ id: 1 }}, {{ id: 2 }}]
    key: id
  - map: reply
    chat:
      model: mistral-small-latest
      prompt: \"Say {{{{ id }}}}\"
{settings}
  - sink: out
    table: out
"
    ))
}

#[test]
fn the_docs_have_the_table_that_the_code_has() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/language.md")).unwrap();
    assert!(docs.contains(&identity_table()), "put this into docs/language.md:\n{}", identity_table());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_about_the_answer_asks_nothing_again() {
    let folder = Folder::new();
    let server = server(|_, _| "yes".to_owned()).await;
    let beside = "      prompt_cache_key: mine\n      service_tier: standard_only\n      metadata: { id: \"{{ id }}\" }";
    for settings in ["", beside, &beside.replace("mine", "other"), "      metadata: { project: x }"] {
        let ended = run_against(&server, &folder.pipeline(&asks(settings), &[])).await;
        assert_eq!((ended.end, bodies(&server).len()), (RunEnd::Complete, 2), "{settings}");
    }
    run_against(&server, &folder.pipeline(&asks("      temperature: 0.5"), &[])).await;
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), 4, "another temperature is another request");
    // Fields that a spec does not set are sent only to the service's own server.
    assert_eq!(bodies[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["model", "messages"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_has_paid_for_is_found() {
    let folder = Folder::new();
    let server = server(|_, _| "yes".to_owned()).await;
    let settings =
        "      prompt_cache_key: mine\n      service_tier: standard_only\n      metadata: { a: b }";
    run_against(&server, &folder.pipeline(&asks(settings), &[])).await;
    // Older versions hashed everything sent, and their ledgers have no column for cached tokens.
    let sent = server.asked().into_iter().filter(|asked| asked.method == "POST");
    let connection = Connection::open(folder.path("out.duckdb")).unwrap();
    for asked in sent {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(
            body.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["model", "messages", "prompt_cache_key", "service_tier", "metadata"]
        );
        let key = body["messages"][0]["content"].as_str().unwrap().replace("Say ", "");
        let older = RequestId::of(CHAT_PATH, &asked.body);
        let sql = format!("UPDATE etl.journal SET request = '{older}' WHERE key = '{key}'");
        assert_eq!(connection.execute(&sql, []).unwrap(), 1);
    }
    let older_layout = "DROP VIEW etl.origin; DROP VIEW etl.answers; DROP VIEW etl.requests;
        ALTER TABLE etl.journal DROP COLUMN cached_tokens; ALTER TABLE etl.runs DROP COLUMN cached_tokens;
        DROP TABLE etl.row_owners; DROP TABLE etl.owner_sets; DROP TABLE etl.source_records;
        DROP TABLE etl.read_records; DROP TABLE etl.unsettled_records; DROP TABLE etl.table_keys;
        UPDATE etl.meta SET version = 1;";
    connection.execute_batch(older_layout).unwrap();
    drop(connection);
    let options = Options { base_url: Some(server.url.clone()), ..Options::default() };
    let looked = estimate(&folder.pipeline(&asks(settings), &[]), &options).await.unwrap();
    assert_eq!(looked.stages[0].asks.as_ref().unwrap().answered, 2, "also by who only looks");
    let ended = run_against(&server, &folder.pipeline(&asks(settings), &[])).await;
    assert_eq!((ended.end, bodies(&server).len()), (RunEnd::Complete, 2));
    assert_eq!(folder.sql("SELECT count(*), sum(cached_tokens) FROM etl.answers"), "2 | NULL");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_cache_are_counted_and_cost_less() {
    let folder = Folder::new();
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "GET" => say(200, json!({ "data": [] })),
        _ => say(200, json!({
            "model": "mistral-small-latest",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "content": "yes" } }],
            "usage": { "prompt_tokens": 1_000_000, "completion_tokens": 0, "prompt_tokens_details": { "cached_tokens": 900_000 } },
        })),
    })
    .await;
    let ended = run_against(&server, &folder.pipeline(&asks(""), &[])).await;
    assert_eq!(ended.progress.usage.cached_tokens, 1_800_000);
    assert_eq!(
        folder.sql("SELECT prompt_tokens, cached_tokens, cost_usd FROM etl.answers"),
        "1000000 | 900000 | 0.0285\n1000000 | 900000 | 0.0285"
    );
    assert_eq!(folder.sql("SELECT prompt_tokens, cached_tokens FROM etl.runs"), "2000000 | 1800000");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_stage_share_a_cache_and_begin_alike() {
    let folder = Folder::new();
    let first = async |settings: &str| {
        let options = Options { offline: true, ..Options::default() };
        let found = estimate(&folder.pipeline(&asks(settings), &[]), &options).await.unwrap();
        let first: Value =
            serde_json::from_str(found.stages[0].asks.as_ref().unwrap().first.as_ref().unwrap()).unwrap();
        (first["prompt_cache_key"].clone(), first["messages"][0]["role"].clone())
    };
    let (key, role) = first("      system: Be brief.").await;
    assert!(key.as_str().unwrap().starts_with("etl-"), "{key}");
    assert_eq!(role, "system");
    assert_eq!(first("      temperature: 1.0").await.0, key);
    assert_eq!(first("      prompt_cache_key: mine").await.0, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_not_sent_and_no_repair_sees_it() {
    let folder = Folder::new();
    let stages = "
  - source: texts
    sql: SELECT * FROM (VALUES (1, 'A text.'), (2, repeat('abcdefgh', 150000)), (3, repeat('abcd efg ', 80000))) t(id, text)
    key: id
  - map: reply
    chat: { model: mistral-small-latest, prompt: \"Say {{ text }}\" }
  - wave: replied
  - map: repair
    from: replied.failed
    when: etl.failure.kind <> 'context'
    into: reply
    chat: { model: mistral-large-latest, prompt: \"Say {{ text }}\" }
  - sink: out
    from: [replied, repair]
    columns: { kind: etl.failure.kind, attempts: etl.failure.attempts, reason: etl.failure.reason }
    table: out
";
    let options = Options {
        offline: true,
        sim: SimConfig { misfits: 0.0, ..SimConfig::default() },
        ..Options::default()
    };
    let pipeline = folder.pipeline(&pipeline(stages), &[]);
    run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
    assert_eq!(
        folder.sql("SELECT key, kind, attempts, reason[:60] FROM etl.failures ORDER BY key"),
        "2 | context | 0 | the request has at least 150014 tokens, but the context of `
3 | context | 1 | 400 (code 3059): Prompt contains 180001 tokens and 0 are wan"
    );
    // A record excluded by the repair's condition is still a failure.
    assert_eq!(folder.sql("SELECT id, kind FROM out"), "1 | NULL");
    assert_eq!(folder.sql("SELECT count(*) FROM etl.journal WHERE key = '2'"), "0");
    assert_eq!(
        pipeline.contexts(),
        [("mistral-small-latest".to_owned(), 262_144), ("mistral-large-latest".to_owned(), 262_144)]
    );
}
