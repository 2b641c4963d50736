//! `mock:` and `--answers`: supplied answers of the simulator.

use etl::{
    event::RunEnd,
    run::{Answers, Options, RunError},
    sim::SimConfig,
};
use tokio_util::sync::CancellationToken;

use super::{Ended, Folder, pipeline, run_in};

async fn offline(folder: &Folder, spec: &str, answers: Option<&str>) -> Result<Ended, RunError> {
    // Supplied answers stay unchanged, whatever the rate of misfits.
    let options = Options {
        offline: true,
        sim: SimConfig { misfits: 1.0, ..SimConfig::default() },
        answers: answers.map(|text| Answers::parse("answers.yaml", text).unwrap()),
        ..Options::default()
    };
    run_in(&folder.pipeline(spec, &[]), &options, CancellationToken::new()).await
}

fn labels(more: &str) -> String {
    pipeline(&format!(
        "
  - source: reviews
    rows: [{{ id: R1, stars: 1, text: Bad. }}, {{ id: R2, stars: 5, text: Good. }}, {{ id: R3, stars: 3, text: So so. }}]
    key: id
  - map: label
    {more}
    chat:
      model: mistral-small-latest
      prompt: \"{{{{ text }}}}\"
      schema: {{ mood: text, score: decimal }}
  - sink: out
    table: out
  - sink: failed
    from: label.failed
    table: failed
    columns: {{ kind: etl.failure.kind, reply: etl.failure.reply }}
"
    ))
}

const EXPRESSION: &str = "mock: \"CASE WHEN stars <> 3 THEN {'mood': if(stars < 3, 'bad', 'good'), 'score': CAST(stars AS DECIMAL(18,2)) / 2} END\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_mock_answers_alone_and_in_jobs_and_null_leaves_it_to_the_simulator() {
    for batch in ["concurrency: 2", "batch: { wait: 50ms, every: 10ms }"] {
        let folder = Folder::new();
        let spec = labels(&format!("{batch}\n    {EXPRESSION}"));
        let ended = offline(&folder, &spec, None).await.unwrap();
        assert_eq!(ended.end, RunEnd::Complete);
        assert_eq!(
            folder.sql("SELECT id, mood, score FROM out ORDER BY id"),
            "R1 | bad | 0.50\nR2 | good | 2.50"
        );
        assert_eq!(
            folder.sql("SELECT id, kind IN ('refused', 'length') FROM failed"),
            "R3 | true",
            "the simulator's own"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mock_may_be_written_by_key_and_be_a_wrong_answer() {
    let folder = Folder::new();
    let spec =
        labels("mock: { R1: { mood: bad, score: 1.5 }, R2: \"no JSON\", R3: { mood: so, score: much } }");
    offline(&folder, &spec, None).await.unwrap();
    assert_eq!(folder.sql("SELECT id, mood, score FROM out"), "R1 | bad | 1.50");
    assert_eq!(
        folder.sql("SELECT id, kind, reply FROM failed ORDER BY id"),
        "R2 | refused | no JSON\nR3 | refused | {\"mood\":\"so\",\"score\":\"much\"}"
    );
    let edited = labels("mock: { R1: { mood: bad, score: 1.5 }, R2: { mood: good, score: 5 } }");
    offline(&folder, &edited, None).await.unwrap();
    assert_eq!(
        folder.sql("SELECT id, mood, score FROM out ORDER BY id"),
        "R1 | bad | 1.50\nR2 | good | 5.00"
    );
    assert_eq!(
        folder.sql("SELECT count(DISTINCT server), bool_and(server LIKE 'simulator:%') FROM etl.journal"),
        "2 | true"
    );
}

const FILE: &str = "
label:
  - when: stars < 3
    answer: { mood: bad, score: 1 }
  - { when: id = 'R2', answer: { mood: good, score: 2 } }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_answers_comes_before_a_mock() {
    let folder = Folder::new();
    let spec = labels("mock: \"{'mood': 'mock', 'score': 0}\"");
    offline(&folder, &spec, Some(FILE)).await.unwrap();
    assert_eq!(
        folder.sql("SELECT id, mood, score FROM out ORDER BY id"),
        "R1 | bad | 1.00\nR2 | good | 2.00\nR3 | mock | 0.00"
    );
    offline(&folder, &spec, Some("{ \"label\": { \"R1\": { \"mood\": \"other\", \"score\": 3 } } }"))
        .await
        .unwrap();
    assert_eq!(folder.sql("SELECT id, mood FROM out ORDER BY id"), "R1 | other\nR2 | mock\nR3 | mock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_answers_that_does_not_fit_is_refused_before_anything_runs() {
    let folder = Folder::new();
    let spec = labels("concurrency: 2");
    for (file, wanted) in [
        ("lable: { R1: x }", "`answers.yaml`: no stage `lable` calls a model (those that do: `label`)"),
        ("label: [{ when: starz < 3, answer: x }]", "stage `label`: `when: starz < 3`"),
        ("label: [{ answer: x }]", "expected `when:` with a condition and `answer:`"),
        ("label: 7", "expected `key: answer` or a list"),
    ] {
        let error = offline(&folder, &spec, Some(file)).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert!(Answers::parse("a.yaml", "[1]").unwrap_err().contains("expected a mapping"));
    folder.write("spec.yaml", spec.as_bytes());
    folder.write("answers.yaml", FILE.as_bytes());
    let etl = |arguments: &[&str]| {
        let mut command = assert_cmd::Command::new(crate::common::ETL);
        command.current_dir(folder.path("")).args(["run", "spec.yaml"]).args(arguments).output().unwrap()
    };
    assert_eq!(etl(&["--offline", "--quiet", "--answers", "nowhere.yaml"]).status.code(), Some(2));
    assert_eq!(etl(&["--answers", "answers.yaml"]).status.code(), Some(2), "only offline");
    assert!(matches!(etl(&["--offline", "--quiet", "--answers", "answers.yaml"]).status.code(), Some(0 | 3)));
    assert_eq!(folder.sql("SELECT mood FROM out WHERE id = 'R2'"), "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_and_the_like_are_mocked_too() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: texts
    rows: [{ id: 1, text: a }]
    key: id
  - map: vector
    mock: \"[0.5, 0.25]\"
    embed: { model: mistral-embed, input: \"{{ text }}\" }
  - map: reply
    mock: \"text || '!'\"
    chat: { model: mistral-small-latest, prompt: \"{{ text }}\" }
  - sink: out
    table: out
",
    );
    offline(&folder, &spec, None).await.unwrap();
    assert_eq!(folder.sql("SELECT vector, reply FROM out"), "[0.5, 0.25] | a!");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_takes_values_out_of_the_prompt() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: texts
    rows: [{ id: 1, said: The parcel was broken and I want my money back }]
    key: id
  - map: label
    chat:
      model: mistral-small-latest
      prompt: |
        Customer: Ada Lovelace
        Categories: [\"delivery\", \"payment\"]
        Text: {{ said }}
      schema: { category: text, customer: text, about: { one_of: [parcel, invoice, account] } }
  - sink: out
    table: out
",
    );
    let options = Options {
        offline: true,
        sim: SimConfig { misfits: 0.0, ..SimConfig::default() },
        ..Options::default()
    };
    run_in(&folder.pipeline(&spec, &[]), &options, CancellationToken::new()).await.unwrap();
    assert_eq!(
        folder.sql("SELECT category IN ('delivery', 'payment'), customer, about FROM out"),
        "true | Ada Lovelace | parcel"
    );
}

#[test]
fn a_mock_is_checked_with_the_spec() {
    let folder = Folder::new();
    let reported = super::mistakes(&folder, &labels("mock: \"{'mood': starz}\""));
    assert!(
        reported.contains("unknown field `starz`") && reported.contains("did you mean `stars`?"),
        "{reported}"
    );
}
