//! Values and names at the edges: SQL values that JSON cannot express, names that are not identifiers, and nested
//! values in texts and files.

use crate::common::{Folder, conserved, run_in};
use etl::{
    event::{EventKind, RunEnd},
    run::Options,
    sim::{Sim, SimConfig},
};
use tokio_util::sync::CancellationToken;

fn offline() -> Options {
    Options { offline: true, ..Options::default() }
}

fn spec(stages: &str) -> String {
    format!("pipeline: test\nmistral: {{ api_key: test }}\nduckdb: out.duckdb\nstages:\n{stages}")
}

/// The single request of an offline run from the ledger: the text rendered by a template.
async fn prompt(source: &str, template: &str) -> String {
    let folder = Folder::new();
    let spec = spec(&format!(
        "
  - source: rows
    sql: |
      {source}
    key: key
  - map: ask
    mock: \"struct_pack(said := 'x')\"
    chat:
      model: mistral-small-latest
      prompt: |-
        {template}
      schema: {{ said: text }}
  - sink: out
    table: out
  - sink: file
    from: ask
    csv: out.csv
"
    ));
    let ended = run_in(&folder.pipeline(&spec, &[]), &offline(), CancellationToken::new()).await.unwrap();
    conserved(&ended);
    assert_eq!(ended.end, RunEnd::Complete, "{}", folder.sql("SELECT reason FROM etl.failures"));
    let dry = etl::run::estimate(&folder.pipeline(&spec, &[]), &Options::default()).await.unwrap();
    let first = dry.stages[0].asks.as_ref().unwrap().first.clone().unwrap();
    let request: serde_json::Value = serde_json::from_str(&first).unwrap();
    let said =
        request["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
    let csv = folder.read("out.csv");
    let row = csv.lines().nth(1).unwrap();
    format!("{said}\n{}", row.split_once(",x,simulated:").unwrap().0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_are_json_in_texts_and_in_csv() {
    let source = "SELECT 'a' AS key, {'ok': true, 'no': NULL::BOOLEAN, 'list': [1.50::DECIMAL(5,2), NULL], \
                  'day': DATE '2024-01-02', 'at': TIMESTAMP '2024-01-02 03:04:05.5', 'in': {'q': 'it''s \"x\"'}} AS s, \
                  [DATE '2024-01-02', NULL] AS days, [true, false] AS flags, true AS ok, 12.50::DECIMAL(10,2) AS price";
    let template = "{{ s }}|{{ days }}|{{ flags }}|{{ ok }}|{{ price }}|{{ [s.ok, s.day] }}|{{ s.list }}|{{ {'a': s.in} }}";
    let both = prompt(source, template).await;
    insta::assert_snapshot!(both);
    let (said, row) = both.split_once('\n').unwrap();
    for part in said.split('|').filter(|part| part.starts_with(['{', '['])) {
        serde_json::from_str::<serde_json::Value>(part).unwrap_or_else(|error| panic!("{error}: {part}"));
    }
    let cells: Vec<String> = csv_cells(row).into_iter().filter(|cell| cell.starts_with(['{', '['])).collect();
    assert_eq!(cells.len(), 3, "{row}");
    for cell in cells {
        serde_json::from_str::<serde_json::Value>(&cell).unwrap_or_else(|error| panic!("{error}: {cell}"));
    }
}

/// The cells of a CSV line, without quotes.
fn csv_cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[tokio::test(flavor = "multi_thread")]
async fn what_json_has_no_word_for_arrives_as_it_is() {
    let source = "SELECT 'a' AS key, 'NaN'::DOUBLE AS n, '-inf'::DOUBLE AS i, \
                  170141183460469231731687303715884105727::HUGEINT AS h, {'n': 'NaN'::DOUBLE, 'h': -170141183460469231731687303715884105727::HUGEINT} AS s, \
                  18446744073709551615::UBIGINT AS u";
    insta::assert_snapshot!(prompt(source, "{{ n }}|{{ i }}|{{ h }}|{{ u }}|{{ key }}|{{ s }}").await);
}

#[test]
fn nan_and_hugeint_of_a_query_are_the_table_s_values() {
    let folder = Folder::new();
    let spec = spec(
        "
  - source: rows
    sql: |
      SELECT range::INTEGER AS key, CASE WHEN range = 1 THEN 'NaN'::DOUBLE ELSE range END AS n,
        170141183460469231731687303715884105727::HUGEINT - range AS h, [ 'inf'::DOUBLE ] AS l FROM range(3)
    key: key
  - map: more
    fields: { twice: h - 1, is: isnan(n) }
  - sink: out
    table: out
",
    );
    let ended = folder.run(&spec);
    assert_eq!((ended.end, ended.sum.rows), (RunEnd::Complete, 3));
    let rows = folder.sql("SELECT key, n, h, l, twice, \"is\", typeof(h) FROM out ORDER BY key");
    insta::assert_snapshot!(rows, @"
    0 | 0.0 | 170141183460469231731687303715884105727 | [inf] | 170141183460469231731687303715884105726 | false | HUGEINT
    1 | nan | 170141183460469231731687303715884105726 | [inf] | 170141183460469231731687303715884105725 | true | HUGEINT
    2 | 2.0 | 170141183460469231731687303715884105725 | [inf] | 170141183460469231731687303715884105724 | false | HUGEINT
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_whose_names_are_no_identifiers_work_everywhere() {
    let folder = Folder::new();
    let spec = spec(
        "
  - source: rows
    rows: [{ 'First Name': Ann, größe: 3, key: k1, when: w, \"a'b\": q }]
    key: 'First Name'
  - map: more
    when: '\"First Name\" IS NOT NULL'
    fields: { up: 'upper(\"First Name\")', plus: größe + 1, joined: 'key || \"when\"', 'New Name': '\"a''b\"' }
  - map: ask
    mock: \"struct_pack(said := 'x')\"
    chat:
      model: mistral-small-latest
      prompt: '{{ größe }} {{ etl.fields[\"First Name\"] }} {{ key }} {{ when }} {{ etl.fields[\"New Name\"] }}'
      schema: { said: text }
  - sink: out
    table: out
    columns: { 'First Name': '\"First Name\"', größe: größe, up: up, plus: plus, joined: joined, new: '\"New Name\"' }
",
    );
    let ended = run_in(&folder.pipeline(&spec, &[]), &offline(), CancellationToken::new()).await.unwrap();
    assert_eq!(ended.end, RunEnd::Complete);
    assert_eq!(folder.sql("SELECT * FROM out"), "Ann | 3 | ANN | 4 | k1w | q");
    let dry = etl::run::estimate(&folder.pipeline(&spec, &[]), &Options::default()).await.unwrap();
    let first = dry.stages[0].asks.as_ref().unwrap().first.clone().unwrap();
    assert!(first.contains("3 Ann k1 w q"), "{first}");
    let wrong = spec.replace("{{ größe }}", "{{ name }}");
    assert!(folder.mistakes(&wrong).contains("etl.fields[\"First Name\"]"), "{}", folder.mistakes(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_a_condition_lets_pass_have_null_and_cost_nothing() {
    let folder = Folder::new();
    let spec = spec(
        "
  - source: rows
    rows: [{ id: 1, text: a }, { id: 2, text: ~ }, { id: 3, text: c }]
    key: id
  - map: ask
    when: text IS NOT NULL
    chat: { model: mistral-small-latest, prompt: '{{ text }}', schema: { said: text } }
  - sink: out
    table: out
    columns: { id: id, there: ask.said IS NOT NULL }
",
    );
    let ended = run_in(&folder.pipeline(&spec, &[]), &offline(), CancellationToken::new()).await.unwrap();
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.skipped, ended.progress.usage.requests), (3, 0, 2));
    assert_eq!(folder.sql("SELECT id, there FROM out ORDER BY id"), "1 | true\n2 | false\n3 | true");
}

/// A simulator at a URL costs nothing either, and the summary says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulator_at_an_address_is_recognised() {
    let folder = Folder::new();
    let spec = spec(
        "
  - source: rows
    rows: [{ id: 1 }]
    key: id
  - map: ask
    chat: { model: mistral-small-latest, prompt: 'Say {{ id }}', schema: { said: text } }
  - sink: out
    table: out
",
    );
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let ended = run_in(&folder.pipeline(&spec, &[]), &options, CancellationToken::new()).await.unwrap();
    assert!(ended.progress.usage.simulated);
    let mut reporter = Reported::default();
    let mut report = etl::report::Reporter::new(etl::report::Mode::Lines, Box::new(reporter.clone()));
    ended.events.iter().for_each(|event| report.on(event));
    report.finish().unwrap();
    let text = reporter.take();
    assert!(text.contains("cost      simulated, not charged; would have cost"), "{text}");
    assert!(
        ended.events.iter().any(|event| matches!(event.kind, EventKind::RunStarted { offline: false, .. }))
    );
}

#[derive(Clone, Default)]
struct Reported(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Reported {
    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for Reported {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
