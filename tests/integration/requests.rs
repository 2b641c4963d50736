//! The request for a spec: the first one of a pipeline, as shown by a dry run.

use std::time::Duration;

use crate::common::{Folder, conserved, run_in};
use etl::{
    run::{Options, estimate},
    sim::{Sim, SimConfig},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The first request of a pipeline with one map.
async fn first(folder: &Folder, map: &str) -> Value {
    let spec = format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: texts
    rows: [{{ id: 1, text: A text., image: pixel.png }}]
    key: id
  - map: answer_it
{map}
  - sink: out
    table: out
"
    );
    let estimate = estimate(&folder.pipeline(&spec, &[]), &Options::default()).await.unwrap();
    let asks = estimate.stages[0].asks.as_ref().unwrap();
    serde_json::from_str(asks.first.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn every_field_of_a_chat_request_can_be_set_by_its_own_name() {
    let folder = Folder::new();
    folder.write("find.json", br#"{ "type": "object", "properties": { "word": { "type": "string" } } }"#);
    let map = "
    chat:
      model: mistral-small-latest
      prompt: 'Read {{ text }}'
      temperature: 0.5
      top_p: 1
      max_tokens: 100
      random_seed: 7
      stop: [END, '###']
      presence_penalty: -2
      frequency_penalty: 1.5
      reasoning_effort: high
      prompt_mode: reasoning
      prompt_cache_key: library
      service_tier: standard_only
      parallel_tool_calls: false
      safe_prompt: true
      metadata: { purpose: test, 'round 1': 1 }
      prediction: { type: content, content: A text. }
      guardrails: [{ block_on_error: true }]
      tools:
        - { name: find, description: Finds a word., parameters: find.json }
        - { name: end, strict: true, parameters: { type: object, properties: {} } }
      tool_choice: find";
    let body = first(&folder, map).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[tokio::test]
async fn what_is_not_set_is_not_sent_so_that_answers_of_old_are_found_again() {
    let folder = Folder::new();
    let map = "
    chat: { model: small, system: Be brief., prompt: '{{ text }}', temperature: 0, max_tokens: 9, random_seed: 1 }";
    let body = first(&folder, map).await.to_string();
    assert_eq!(
        body,
        r#"{"model":"small","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"A text."}],"temperature":0.0,"max_tokens":9,"random_seed":1,"prompt_cache_key":"etl-a197081311fe1641"}"#
    );
    let map = "
    ocr: { model: reader, document: ' https://example.org/a.png ' }";
    let body = first(&folder, map).await.to_string();
    assert_eq!(
        body,
        r#"{"model":"reader","document":{"type":"image_url","image_url":"https://example.org/a.png"}}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_are_asked_at_once_as_the_spec_lets_be_found() {
    let config = SimConfig { latency: Duration::from_millis(20), misfits: 0.0, ..SimConfig::default() };
    let sim = Sim::start(config).await.unwrap();
    let folder = Folder::new();
    let spec = "
pipeline: test
mistral: { api_key: test, timeouts: { whole: 30s } }
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range(400)
    key: id
  - map: say
    concurrency: { auto: { min: 2, max: 12 } }
    chat: { model: mistral-small-latest, prompt: 'Say {{ id }}' }
  - sink: out
    table: out
";
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let ended = run_in(&folder.pipeline(spec, &[]), &options, CancellationToken::new()).await.unwrap();
    conserved(&ended);
    assert_eq!(ended.sum.rows, 400);
    let peak = sim.stats().peak_in_flight;
    assert!((3..=12).contains(&peak), "{peak}");
}

#[test]
fn a_changed_setting_is_another_plan() {
    let folder = Folder::new();
    let fingerprint = |word: &str, stop: &str| {
        let spec = format!(
            "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: numbers
    rows: [{{ id: 1 }}]
    key: id
  - map: say
    chat:
      model: small
      prompt: Say it.
      stop: {stop}
      tools: [{{ name: find, parameters: {{ type: object, properties: {{ {word}: {{}} }} }} }}]
  - wave: said
  - sink: out
    table: out
"
        );
        let pipeline = folder.pipeline(&spec, &[]);
        let wave = pipeline.plan().nodes.iter().find(|node| &*node.name == "said").unwrap().id;
        pipeline.plan().fingerprint(wave)
    };
    let long = "a long text ".repeat(10);
    let first = fingerprint("word", &format!("{long} 1"));
    assert_eq!(first, fingerprint("word", &format!("{long} 1")));
    assert_ne!(first, fingerprint("words", &format!("{long} 1")), "a wave over other answers is another one");
    assert_ne!(first, fingerprint("word", &format!("{long} 2")));
}
