//! Pipelines that call a model, end to end: against the simulator, over real HTTP, into a real database.

use std::{path::Path, time::Duration};

use crate::common::{CLOSED_SCHEMA, Ended, Folder, conserved, run_in, sql};
use etl::{
    event::RunEnd,
    run::{Options, Pipeline, RunError},
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

/// Wave one, a barrier, repair, and a table for records that could not be repaired.
fn waves(records: usize, more: &str) -> String {
    format!(
        "
pipeline: test
params: {{ model: mistral-small-latest, word: describe }}
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range({records})
    key: name
{more}
  - map: extract
    concurrency: 16
    chat:
      model: ${{params.model}}
      prompt: '${{params.word}} {{{{ text }}}}'
      schema: schema.json
  - wave: extracted
  - map: repair
    from: extracted.failed
    into: extract
    chat:
      model: mistral-medium-latest
      prompt: 'Your last answer was refused: {{{{ etl.failure.reason }}}} {{{{ etl.failure.reply | default(\"\") }}}} {{{{ text }}}}'
      schema: schema.json
  - sink: metadata
    from: [extracted, repair]
    table: metadata
  - sink: rejected
    from: repair.failed
    table: rejected
    mode: replace
"
    )
}

fn folder() -> Folder {
    Folder::with_schema(CLOSED_SCHEMA)
}

async fn sim(config: SimConfig) -> Sim {
    Sim::start(SimConfig { latency: Duration::from_millis(5), ..config }).await.unwrap()
}

async fn ask(
    folder: &Folder,
    spec: &str,
    set: &[(&str, &str)],
    sim: &Sim,
    options: Options,
) -> Result<Ended, RunError> {
    let options = Options { base_url: Some(sim.url()), ..options };
    run_in(&folder.pipeline(spec, set), &options, CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_waves_end_with_every_record_in_one_of_two_tables_and_a_second_run_asks_nothing() {
    let (folder, sim) = (folder(), sim(SimConfig { misfits: 0.4, ..SimConfig::default() }).await);
    let first = ask(&folder, &waves(100, ""), &[], &sim, Options::default()).await.unwrap();
    conserved(&first);
    assert_eq!((first.sum.read, first.sum.rows, first.sum.failures), (100, 100, 0));
    let asked = sim.stats();
    assert_eq!((first.progress.usage.requests, asked.duplicates), (asked.requests, 0));
    let refused: u64 = folder
        .sql("SELECT count(*) FROM etl.answers WHERE stage = 'extract' AND refused IS NOT NULL")
        .parse()
        .unwrap();
    assert!((20..60).contains(&refused), "{refused}");
    assert_eq!(asked.requests, 100 + refused, "wave two asks just those that wave one left");
    let counts = folder.sql("SELECT (SELECT count(*) FROM metadata), (SELECT count(*) FROM rejected)");
    let counts: Vec<u64> = counts.split(" | ").map(|n| n.parse().unwrap()).collect();
    assert_eq!(counts[0] + counts[1], 100);
    assert!(counts[1] > 0, "some are still refused");
    assert_eq!(folder.sql("SELECT DISTINCT split_part(model, ':', 1) FROM metadata"), "simulated");
    assert_eq!(folder.sql("SELECT count(*) FROM metadata m JOIN etl.answers a ON a.request = m.request AND a.refused IS NULL"), counts[0].to_string());

    let second = ask(&folder, &waves(100, ""), &[], &sim, Options::default()).await.unwrap();
    conserved(&second);
    assert_eq!((second.progress.usage.requests, second.progress.usage.reused), (0, 100 + refused));
    assert_eq!(sim.stats(), asked, "the server was not asked");
    let again = folder.sql("SELECT (SELECT count(*) FROM metadata), (SELECT count(*) FROM rejected)");
    assert_eq!(again, format!("{} | {}", counts[0], counts[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_prompt_asks_again_and_fresh_asks_everything() {
    let (folder, sim) = (folder(), sim(SimConfig { misfits: 0.0, ..SimConfig::default() }).await);
    let requests = |ended: &Ended| ended.progress.usage.requests;
    let spec = waves(20, "");
    assert_eq!(requests(&ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap()), 20);
    // More records: only the new ones are sent.
    assert_eq!(requests(&ask(&folder, &waves(25, ""), &[], &sim, Options::default()).await.unwrap()), 5);
    assert_eq!(
        requests(&ask(&folder, &spec, &[("word", "explain")], &sim, Options::default()).await.unwrap()),
        20
    );
    let fresh = Options { fresh: true, ..Options::default() };
    assert_eq!(requests(&ask(&folder, &spec, &[], &sim, fresh).await.unwrap()), 20);
    assert_eq!(requests(&ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_not_paced() {
    let (folder, sim) = (folder(), sim(SimConfig { misfits: 0.0, ..SimConfig::default() }).await);
    let spec = waves(160, "  - throttle: pace\n    rate: 40/s");
    let started = std::time::Instant::now();
    conserved(&ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap());
    assert!(started.elapsed() >= Duration::from_millis(3_970), "{:?}", started.elapsed());
    assert!(sim.stats().busiest_second <= 42);
    let started = std::time::Instant::now();
    conserved(&ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap());
    // Half the time that the pace would need.
    assert!(started.elapsed() < Duration::from_millis(2_000), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_ask_again_and_every_answer_is_kept() {
    let (folder, sim) = (folder(), sim(SimConfig { misfits: 0.5, ..SimConfig::default() }).await);
    let spec = waves(40, "").replace("    concurrency: 16", "    concurrency: 16\n    attempts: 3");
    let ended = ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap();
    conserved(&ended);
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers").parse().unwrap();
    assert_eq!(kept, sim.stats().answered, "every answer that was paid for is in the ledger");
    let most = folder.sql(
        "SELECT max(attempt), count(*) FILTER (attempt = 2) > 5 FROM etl.answers WHERE stage = 'extract'",
    );
    assert_eq!(most, "3 | true");
    // Exhausted attempts stay exhausted.
    let again = ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap();
    assert_eq!(again.progress.usage.requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_ask_the_same_share_one_answer() {
    let (folder, sim) = (folder(), sim(SimConfig { misfits: 0.2, ..SimConfig::default() }).await);
    let spec = waves(100, "").replace("number ' || range", "number ' || (range % 10)");
    let ended = ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap();
    conserved(&ended);
    assert_eq!(ended.sum.read, 100);
    let first: u64 = folder.sql("SELECT count(*) FROM etl.answers WHERE stage = 'extract'").parse().unwrap();
    assert_eq!((first, sim.stats().duplicates), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_server_is_waited_for() {
    let limit = Some("50/s".parse().unwrap());
    let (folder, sim) =
        (folder(), sim(SimConfig { requests: limit, misfits: 0.0, ..SimConfig::default() }).await);
    let ended = ask(
        &folder,
        &waves(120, "")
            .replace("    chat:\n      model: $", "    retry: { wait: 50ms }\n    chat:\n      model: $"),
        &[],
        &sim,
        Options::default(),
    )
    .await
    .unwrap();
    conserved(&ended);
    let stats = sim.stats();
    assert_eq!((ended.sum.rows, stats.answered), (120, 120));
    assert!(stats.limited > 0 && ended.progress.usage.retries == stats.limited, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_keeps_what_it_has_and_goes_on() {
    let (folder, sim) = (folder(), sim(SimConfig { misfits: 0.2, ..SimConfig::default() }).await);
    let spec = waves(300, "  - throttle: pace\n    rate: 200/s");
    let stop = CancellationToken::new();
    let later = stop.clone();
    let interrupt = async {
        // From the first answer on, because a machine may be slow until then.
        while sim.stats().answered == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        later.cancel();
    };
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(&spec, &[]);
    let (ended, ()) = tokio::join!(run_in(&pipeline, &options, stop), interrupt);
    let ended = ended.unwrap();
    assert_eq!(ended.end, RunEnd::Interrupted);
    let answered = sim.stats().answered;
    assert!((50..300).contains(&answered), "{answered}");
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers").parse().unwrap();
    assert_eq!(kept, answered, "what was in flight was finished and kept");

    let ended = ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap();
    conserved(&ended);
    assert_eq!((ended.sum.rows, sim.stats().duplicates), (300, 0), "nothing is paid twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_and_an_unknown_model_end_the_run_with_one_message() {
    let (folder, sim) = (folder(), sim(SimConfig::default()).await);
    let ended = ask(
        &folder,
        &waves(500, "").replace("api_key: test", "api_key: invalid"),
        &[],
        &sim,
        Options::default(),
    )
    .await
    .unwrap();
    let RunEnd::Fatal(reported) = ended.end else { panic!("{:?}", ended.end) };
    assert!(
        reported.starts_with("Mistral refuses every request: check the API key (401: Invalid API Key"),
        "{reported}"
    );
    assert!(ended.progress.usage.requests <= 16);

    let ended =
        ask(&folder, &waves(500, ""), &[("model", "mistral-smol")], &sim, Options::default()).await.unwrap();
    let RunEnd::Fatal(reported) = ended.end else { panic!("{:?}", ended.end) };
    assert!(
        reported.contains("check the `model:` of the stage (400 (code 1500): Invalid model: mistral-smol"),
        "{reported}"
    );
    assert_eq!(ended.sum.failures, 0, "nobody's record has failed");

    let ended = ask(&folder, &waves(50, ""), &[], &sim, Options::default()).await.unwrap();
    conserved(&ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_leaves_records_pending_for_the_next_run() {
    let folder = folder();
    let spec = waves(5, "")
        .replace("    concurrency: 16", "    concurrency: 16\n    retry: { times: 1, wait: 10ms }");
    let nowhere = Options { base_url: Some("http://127.0.0.1:9".to_owned()), ..Options::default() };
    // Pending records are not failed ones.
    let strict = spec.replace("  - wave: extracted", "  - wave: extracted\n    stop_if: failed > 0");
    let ended = run_in(&folder.pipeline(&strict, &[]), &nowhere, CancellationToken::new()).await.unwrap();
    conserved(&ended);
    assert_eq!((ended.end, ended.sum.failures, ended.sum.unanswered), (RunEnd::Pending, 0, 5));
    assert_eq!(folder.sql("SELECT DISTINCT stage, kind FROM etl.failures"), "extract | unanswered");
    let sim = sim(SimConfig { misfits: 0.0, ..SimConfig::default() }).await;
    let ended = ask(&folder, &spec, &[], &sim, Options::default()).await.unwrap();
    conserved(&ended);
    assert_eq!(ended.sum.rows, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_simulator_are_no_answers_of_the_service() {
    let folder = folder();
    let offline = Options { offline: true, limit: Some(3), ..Options::default() };
    let first =
        run_in(&folder.pipeline(&waves(100, ""), &[]), &offline, CancellationToken::new()).await.unwrap();
    conserved(&first);
    assert_eq!(first.sum.read, 3, "three are read, not all");
    assert!(first.progress.usage.requests >= 3);
    let again =
        run_in(&folder.pipeline(&waves(100, ""), &[]), &offline, CancellationToken::new()).await.unwrap();
    assert_eq!(again.progress.usage.requests, 0);
    let sim = sim(SimConfig::default()).await;
    let other = ask(&folder, &waves(100, ""), &[], &sim, Options { limit: Some(3), ..Options::default() })
        .await
        .unwrap();
    assert!(other.progress.usage.requests >= 3);
}

/// Runs the shipped pipeline over a library; returns the number of texts.
async fn extract(library: &Path) -> u64 {
    let folder = Folder::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = root.join("pipelines/extract.yaml");
    let text = std::fs::read_to_string(&spec).unwrap().replace("5/s", "100/s");
    let database = folder.path("out.duckdb").display().to_string();
    let set = [("library".to_owned(), library.display().to_string()), ("database".to_owned(), database)];
    let pipeline = Pipeline::from_text(&spec, &text, &set).unwrap_or_else(|m| panic!("{}", m.render(false)));
    let offline = Options { offline: true, ..Options::default() };
    let first = run_in(&pipeline, &offline, CancellationToken::new()).await.unwrap();
    conserved(&first);
    let database = folder.path("out.duckdb");
    let counts = sql(&database, "SELECT (SELECT count(*) FROM metadata) + (SELECT count(*) FROM rejected)");
    assert_eq!(counts, first.sum.read.to_string());
    let types =
        sql(&database, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'metadata'");
    insta::assert_snapshot!("columns_of_the_shipped_pipeline", types);
    let second = run_in(&pipeline, &offline, CancellationToken::new()).await.unwrap();
    conserved(&second);
    assert_eq!(second.progress.usage.requests, 0);
    first.sum.read
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_pipeline_on_the_sample_library() {
    let texts = extract(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/library")).await;
    assert!(texts >= 12, "{texts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_pipeline_on_a_library_of_real_texts() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/library");
    if !library.is_dir() {
        eprintln!("skipped: there is no library beside the checkout");
        return;
    }
    assert_eq!(extract(&library).await, 47);
}
