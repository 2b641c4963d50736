//! The cost compared with the budget and the estimate.

use std::path::Path;

use crate::common::{Folder, run_in};
use etl::{
    event::RunEnd,
    run::{Options, Pipeline, estimate},
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Pages/Count 2>>2 0 obj<</Type/Page>>3 0 obj<</Type/Page>>";

/// Twenty documents of two pages each, all different; at 4 USD per thousand pages they cost 0.16 USD.
fn documents(budget: &str, more: &str) -> (Folder, String) {
    let folder = Folder::new();
    let rows: Vec<String> = (0..20).map(|at| format!("{{ name: '{at}.pdf' }}")).collect();
    for at in 0..20 {
        folder.write(&format!("{at}.pdf"), &[PDF, format!("%{at}").as_bytes()].concat());
    }
    let spec = format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
budget: {budget}
stages:
  - source: papers
    rows: [{}]
    key: name
  - map: read
    concurrency: 4
{more}
    ocr: {{ model: mistral-ocr-latest, document: '{{{{ name }}}}' }}
  - sink: out
    table: out
",
        rows.join(", ")
    );
    (folder, spec)
}

fn spent(folder: &Folder) -> f64 {
    folder.sql("SELECT round(sum(cost_usd), 6) FROM etl.answers").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_reserved_before_they_are_paid() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let (folder, spec) = documents("0.05 USD", "");
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let pipeline = folder.pipeline(&spec, &[]);
    let asks = estimate(&pipeline, &options).await.unwrap().stages[0].asks.clone().unwrap();
    assert_eq!((asks.pages, asks.cost.unwrap().to_string().as_str()), (40, "0.1600 USD"));
    let ended = run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
    let RunEnd::OutOfMoney(reported) = ended.end else { panic!("{:?}", ended.end) };
    assert!(reported.starts_with("the budget of 0.0500 USD does not cover"), "{reported}");
    // Six documents of 0.008 USD are 0.048 USD; those without a slot are left for the next run.
    for _ in 0..4 {
        let answered = sim.stats().answered;
        assert!((1..=6).contains(&answered), "{answered}");
        assert!((spent(&folder) - 0.008 * answered as f64).abs() < 1e-9, "{}", spent(&folder));
        let again = run_in(&pipeline, &options, CancellationToken::new()).await.unwrap();
        assert!(matches!(again.end, RunEnd::OutOfMoney(_)), "{:?}", again.end);
    }
    assert_eq!(sim.stats().answered, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_reads_documents_is_reserved_page_by_page() {
    let sim = Sim::start(SimConfig { speed: 100_000.0, ..SimConfig::default() }).await.unwrap();
    let batch = "    batch: { wait: 100ms, every: 50ms }";
    let (folder, spec) = documents("0.07 USD", batch);
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let ended = run_in(&folder.pipeline(&spec, &[]), &options, CancellationToken::new()).await.unwrap();
    let RunEnd::OutOfMoney(reported) = ended.end else { panic!("{:?}", ended.end) };
    assert!(
        reported.contains("the next request or job, which may cost 0.0800 USD"),
        "at half the price: {reported}"
    );
    assert_eq!(sim.stats().jobs, 0);
    let (folder, spec) = documents("0.08 USD", batch);
    let ended = run_in(&folder.pipeline(&spec, &[]), &options, CancellationToken::new()).await.unwrap();
    assert_eq!((ended.end, spent(&folder)), (RunEnd::Complete, 0.08));
}

#[test]
fn a_model_without_a_price_is_a_mistake_under_a_budget() {
    let reported = |more: &str, budget: &str| {
        let spec = format!(
            "
pipeline: test
mistral: {{ api_key: test }}
duckdb: out.duckdb
{budget}
{more}
stages:
  - source: texts
    rows: [{{ id: 1 }}]
    key: id
  - map: say
    chat: {{ model: mistral-large-4, prompt: 'Say {{{{ id }}}}' }}
  - sink: out
    table: out
"
        );
        Pipeline::from_text(Path::new("spec.yaml"), &spec, &[])
            .map(drop)
            .map_err(|mistakes| mistakes.render(false))
    };
    let mistake = reported("", "budget: 1 USD").unwrap_err();
    assert!(
        mistake.contains("the price of `mistral-large-4` is unknown, but there is a budget"),
        "{mistake}"
    );
    assert!(mistake.contains("add `prices: { mistral-large-4: {"), "{mistake}");
    let other = "prices: { mistral-large: { prompt: 1 USD } }";
    assert!(reported(other, "budget: 1 USD").is_err(), "a mere beginning of the name");
    assert!(reported("prices: { mistral-large-4: { prompt: 1 USD } }", "budget: 1 USD").is_ok());
    assert!(reported("", "").is_ok());
}
