//! `expect:` and `feedback:`: the conditions on an answer, and what the next attempt is shown.

use etl::{
    event::RunEnd,
    run::{Options, Pipeline},
    sim::SimConfig,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Folder, bodies, mistakes, pipeline, run_against, run_in, server};

fn asks(rows: &str, prompt: &str, more: &str, expect: &str) -> String {
    pipeline(&format!(
        "
  - source: texts
    rows: {rows}
    key: id
  - map: sum
    {more}
    expect: {expect}
    chat:
      model: m
      temperature: 0.7
      prompt: \"{prompt}\"
      schema: {{ total: decimal }}
  - sink: out
    table: out
"
    ))
}

const TOTAL: &str = "{ total: sum.total = wanted }";

/// Answers with a total of one more than the number of earlier answers in the conversation.
fn corrected(body: &Value, _: usize) -> String {
    let messages = body["messages"].as_array().unwrap();
    let said = messages.iter().filter(|message| message["role"] == "assistant").count();
    json!({ "total": said + 1 }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_is_shown_the_answer_and_what_was_expected() {
    let folder = Folder::new();
    let server = server(corrected).await;
    let spec = asks("[{ id: 1, wanted: 1 }, { id: 2, wanted: 3 }]", "Sum of {{ id }}", "attempts: 3", TOTAL);
    let pipeline = folder.pipeline(&spec, &[]);
    assert!(pipeline.plan().to_string().contains("expects total: sum.total = wanted"));
    assert_eq!(run_against(&server, &pipeline).await.end, RunEnd::Complete);
    assert_eq!(folder.sql("SELECT id, total FROM out ORDER BY id"), "1 | 1.00\n2 | 3.00");
    let mut bodies = bodies(&server);
    assert_eq!(bodies.len(), 4);
    bodies.sort_by_key(|body| body["messages"].as_array().unwrap().len());
    let refused = "Your answer was refused: `total` is not met: `sum.total = wanted` is false\n\nAnswer again, completely, and without this mistake.";
    assert_eq!(
        bodies[3]["messages"],
        json!([
            { "role": "user", "content": "Sum of 2" },
            { "role": "assistant", "content": "{\"total\":1}" },
            { "role": "user", "content": refused },
            { "role": "assistant", "content": "{\"total\":2}" },
            { "role": "user", "content": refused },
        ])
    );
    // Everything else is unchanged.
    let without = |body: &Value| {
        let mut body = body.clone();
        body["messages"] = Value::Null;
        body
    };
    assert_eq!(without(&bodies[3]), without(&bodies[0]));
    assert_eq!(
        folder.sql("SELECT key, attempt, state, refused, reason FROM etl.requests ORDER BY key, attempt"),
        "1 | 1 | answered | NULL | NULL
2 | 1 | refused | expectation | `total` is not met: `sum.total = wanted` is false
2 | 2 | refused | expectation | `total` is not met: `sum.total = wanted` is false
2 | 3 | answered | NULL | NULL"
    );
    assert_eq!(folder.sql("SELECT count(DISTINCT request) FROM etl.requests WHERE key = '2'"), "1");
    run_against(&server, &folder.pipeline(&spec, &[])).await;
    assert_eq!(super::bodies(&server).len(), 4, "a second run asks nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_feedback_the_same_bytes_are_sent() {
    let folder = Folder::new();
    let server = server(corrected).await;
    let more = "attempts: 2\n    feedback: false";
    let spec = asks("[{ id: 2, wanted: 2 }]", "Sum of {{ id }}", more, TOTAL);
    assert_eq!(run_against(&server, &folder.pipeline(&spec, &[])).await.end, RunEnd::WithFailures);
    let bodies = bodies(&server);
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
    assert_eq!(
        folder.sql("SELECT kind, attempts, reason, reply FROM etl.failures"),
        "expectation | 2 | `total` is not met: `sum.total = wanted` is false | {\"total\":1}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_share_a_request_judge_its_answer_for_themselves() {
    let folder = Folder::new();
    let server = server(corrected).await;
    let rows: Vec<String> = (1..=12).map(|id| format!("{{ id: {id}, wanted: {} }}", 1 + id % 3)).collect();
    let spec = asks(&format!("[{}]", rows.join(", ")), "Sum", "attempts: 2", TOTAL);
    let ended = run_against(&server, &folder.pipeline(&spec, &[])).await;
    assert_eq!(ended.end, RunEnd::WithFailures);
    // 1 is the first answer, 2 the second, and for 3 no attempt is left.
    assert_eq!(
        folder.sql("SELECT total, count(*), bool_and(total = wanted) FROM out GROUP BY total ORDER BY total"),
        "1.00 | 4 | true\n2.00 | 4 | true"
    );
    assert_eq!(folder.sql("SELECT kind, count(*) FROM etl.failures GROUP BY kind"), "expectation | 4");
    assert_eq!(bodies(&server).len(), 2, "one request, two attempts");
    assert_eq!(folder.sql("SELECT count(DISTINCT request), max(attempt) FROM etl.requests"), "1 | 2");
    run_against(&server, &folder.pipeline(&spec, &[])).await;
    assert_eq!(bodies(&server).len(), 2);
    assert_eq!(folder.sql("SELECT count(*) FROM out"), "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_with_more_attempts_goes_on_with_the_conversation() {
    let folder = Folder::new();
    let server = server(corrected).await;
    let spec = |attempts| asks("[{ id: 1, wanted: 2 }]", "Sum", &format!("attempts: {attempts}"), TOTAL);
    assert_eq!(run_against(&server, &folder.pipeline(&spec(1), &[])).await.end, RunEnd::WithFailures);
    assert_eq!(run_against(&server, &folder.pipeline(&spec(2), &[])).await.end, RunEnd::Complete);
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[1]["messages"].as_array().unwrap().len(), 3);
    assert_eq!(folder.sql("SELECT total FROM out"), "2.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_expectation_judges_what_was_paid_for() {
    let folder = Folder::new();
    let server = server(corrected).await;
    let rows = "[{ id: 1, wanted: 1 }]";
    let first = asks(rows, "Sum", "attempts: 2", TOTAL);
    run_against(&server, &folder.pipeline(&first, &[])).await;
    let stricter = asks(rows, "Sum", "attempts: 2", "{ more: sum.total > 1, sound: sum.total IS NOT NULL }");
    run_against(&server, &folder.pipeline(&stricter, &[])).await;
    assert_eq!(bodies(&server).len(), 2);
    assert_eq!(folder.sql("SELECT total FROM out"), "2.00");
    run_against(&server, &folder.pipeline(&first, &[])).await;
    assert_eq!(bodies(&server).len(), 2, "the first answer is still there");
    assert_eq!(folder.sql("SELECT total FROM out"), "1.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_hold_answers_against_their_records_too() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: texts
    rows: [{ id: 1, text: The ferryman measured the river. }, { id: 2, text: The ferryman measured the river. }]
    key: id
  - map: about
    attempts: 2
    batch: { wait: 50ms, every: 10ms }
    expect: { first: \"id = 1 AND length(about.title) > 0\" }
    chat: { model: mistral-small-latest, prompt: \"Describe: {{ text }}\", schema: { title: text } }
  - sink: out
    table: out
  - sink: failed
    from: about.failed
    table: failed
",
    );
    let options = Options {
        offline: true,
        sim: SimConfig { misfits: 0.0, ..SimConfig::default() },
        ..Options::default()
    };
    let run = |pipeline: Pipeline| {
        let options = options.clone();
        async move { run_in(&pipeline, &options, CancellationToken::new()).await.unwrap() }
    };
    run(folder.pipeline(&spec, &[])).await;
    assert_eq!(folder.sql("SELECT id FROM out"), "1");
    assert_eq!(folder.sql("SELECT id, kind, attempts FROM failed"), "2 | expectation | 2");
    // The second attempt contains the first one and the reason.
    assert_eq!(
        folder.sql("SELECT count(*), bool_and(later) FROM (SELECT prompt_tokens > min(prompt_tokens) OVER () + 20 AS later, attempt FROM etl.answers) WHERE attempt = 2"),
        "1 | true"
    );
    let before = folder.sql("SELECT count(*) FROM etl.requests");
    run(folder.pipeline(&spec, &[])).await;
    assert_eq!(folder.sql("SELECT count(*) FROM etl.requests"), before, "a second run asks nothing");
}

#[test]
fn an_expectation_is_checked_with_the_spec() {
    let folder = Folder::new();
    let wrong = "{ a: sum.totl > 1, b: sum.total, c: \"{{ id }} = 1\", d: wantd = 1 }";
    insta::assert_snapshot!(mistakes(&folder, &asks("[{ id: 1, wanted: 1 }]", "Sum", "attempts: 2", wrong)));
}
