//! Pipelines end to end, without requests.

use etl::{
    event::{EventKind, RunEnd},
    run::Options,
};
use tokio_util::sync::CancellationToken;

use crate::common::{Folder, conserved, run_watched};

#[test]
fn rows_are_reshaped_and_written_by_their_types() {
    let folder = Folder::new();
    let ended = folder.run(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    rows:
      - { id: 1, name: one, tags: [a, b], about: { score: 0.5 } }
      - { id: 2, name: two, tags: [], about: { score: 1 } }
      - { id: 3, name: three, tags: [c] }
    key: id
  - map: shape
    fields:
      shout: upper(name)
      length: length(name)
      half: id / 2
    drop: name
  - sink: out
    table: numbers
",
    );
    conserved(&ended);
    assert_eq!(ended.sum.rows, 3);
    insta::assert_snapshot!(folder.sql("SELECT * FROM numbers ORDER BY id"), @"
    1 | [a, b] | {'score': 0.5} | ONE | 3 | 0.5
    2 | [] | {'score': 1.0} | TWO | 3 | 1.0
    3 | [c] | NULL | THREE | 5 | 1.5
    ");
    insta::assert_snapshot!(folder.sql("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'numbers'"), @"
    id | BIGINT
    tags | VARCHAR[]
    about | STRUCT(score DECIMAL(2,1))
    shout | VARCHAR
    length | BIGINT
    half | DOUBLE
    ");
}

#[test]
fn a_million_rows_from_a_query_are_read_lazily_up_to_the_limit() {
    let folder = Folder::new();
    let ended = folder.run(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id, 'row ' || range AS name FROM range(1000000000)
    key: id
    limit: 5000
  - sink: out
    when: id % 2 == 0
    table: numbers
",
    );
    conserved(&ended);
    assert_eq!((ended.sum.read, ended.sum.rows, ended.sum.skipped), (5000, 2500, 2500));
}

#[test]
fn bad_files_are_failures_and_good_ones_are_rows() {
    let folder = Folder::new();
    folder.write("library/a.txt", b"A text.");
    folder.write("library/empty.txt", b"");
    folder.write("library/binary.txt", b"ab\0c");
    folder.write("library/latin1.txt", b"caf\xe9");
    let ended = folder.run(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: documents
    files: library/*.txt
  - wave: read
  - sink: out
    table: documents
",
    );
    conserved(&ended);
    assert_eq!((ended.sum.read, ended.sum.rows, ended.sum.failures), (4, 1, 3));
    insta::assert_snapshot!(folder.sql("SELECT stage, key, kind, reason FROM etl.failures ORDER BY key"), @"
    documents | binary.txt | unreadable | this is a binary file: it has a zero byte at offset 2
    documents | empty.txt | unreadable | the file is empty
    documents | latin1.txt | unreadable | the text is not UTF-8: byte 0xe9 at offset 3
    ");
}

#[test]
fn a_split_gives_parts_with_keys_of_their_own() {
    let folder = Folder::new();
    let ended = folder.run(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: documents
    rows:
      - { id: a, tags: [x, y, z] }
      - { id: b, tags: [] }
    key: id
  - map: tag
    split: tags
  - sink: out
    table: tags
    key: key
    columns: { key: id || '/' || tag_index, tag: tag }
",
    );
    conserved(&ended);
    assert_eq!((ended.sum.read, ended.sum.added, ended.sum.rows, ended.sum.skipped), (2, 2, 3, 1));
    insta::assert_snapshot!(folder.sql("SELECT * FROM tags ORDER BY key"), @"
    a/1 | x
    a/2 | y
    a/3 | z
    ");
}

#[test]
fn older_pieces_of_a_record_go_when_it_is_written_again() {
    let folder = Folder::new();
    let spec = |rows: &str| {
        format!(
            "
pipeline: test
duckdb: out.duckdb
stages:
  - source: documents
    rows: {rows}
    key: id
  - map: tag
    split: tags
  - sink: out
    table: tags
"
        )
    };
    let tags = || folder.sql("SELECT id, tag FROM tags ORDER BY id, tag_index").replace('\n', "; ");
    conserved(&folder.run(&spec("[{ id: a, tags: [x, y, z] }, { id: b, tags: [u, v] }]")));
    assert_eq!(tags(), "a | x; a | y; a | z; b | u; b | v");
    // An unread record keeps its rows.
    conserved(&folder.run(&spec("[{ id: a, tags: [w] }]")));
    assert_eq!(tags(), "a | w; b | u; b | v");
    let ended = folder.run(&spec("[{ id: a, tags: [p] }, { id: a, tags: [r] }, { id: b, tags: [u] }]"));
    assert_eq!(ended.sum.failures, 1, "the second record with the key `a`");
    assert_eq!(tags(), "a | p; b | u", "`b` is settled, and of `a` there is one piece");
}

#[test]
fn upsert_append_and_replace_do_what_they_say_and_files_are_written_whole() {
    let folder = Folder::new();
    let spec = |rows: &str| {
        format!(
            "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    rows: {rows}
    key: id
  - sink: upserted
    table: upserted
  - sink: appended
    from: numbers
    table: appended
    mode: append
  - sink: replaced
    from: numbers
    table: replaced
    mode: replace
  - sink: lines
    from: numbers
    jsonl: out/rows.jsonl
  - sink: sheet
    from: numbers
    csv: out/rows.csv
  - sink: columns
    from: numbers
    parquet: out/rows.parquet
"
        )
    };
    for rows in
        ["[{ id: 1, name: one }, { id: 2, name: two }]", "[{ id: 2, name: zwei }, { id: 3, name: drei }]"]
    {
        let ended = folder.run(&spec(rows));
        conserved(&ended);
        assert_eq!((ended.sum.read, ended.sum.added, ended.sum.rows), (2, 10, 12));
    }
    let all = |table: &str| folder.sql(&format!("SELECT id, name FROM {table} ORDER BY id, name"));
    insta::assert_snapshot!(all("upserted"), @"
    1 | one
    2 | zwei
    3 | drei
    ");
    insta::assert_snapshot!(all("appended"), @"
    1 | one
    2 | two
    2 | zwei
    3 | drei
    ");
    insta::assert_snapshot!(all("replaced"), @"
    2 | zwei
    3 | drei
    ");
    assert_eq!(
        all(&format!("read_parquet('{}')", folder.path("out/rows.parquet").display())),
        all("replaced")
    );
    insta::assert_snapshot!(folder.read("out/rows.csv"), @"
    id,name
    2,zwei
    3,drei
    ");
    insta::assert_snapshot!(folder.read("out/rows.jsonl"), @r#"
    {"id":2,"name":"zwei"}
    {"id":3,"name":"drei"}
    "#);
}

#[test]
fn what_one_pipeline_writes_another_reads() {
    let folder = Folder::new();
    folder.write("in.csv", b"id,name\n1,one\n2,two\n");
    folder.write("in.jsonl", b"{\"id\": 7, \"tags\": [\"a\"]}\n{\"id\": 8, \"tags\": []}\n");
    let source = |source: &str, sink: &str| {
        format!(
            "pipeline: test\nduckdb: out.duckdb\nstages:\n  - source: rows\n    {source}\n    key: id\n  - sink: out\n    {sink}\n"
        )
    };
    for (from, to, rows) in [
        ("csv: in.csv", "parquet: a.parquet", 2),
        ("parquet: a.parquet", "table: a", 2),
        ("sql: SELECT * FROM a WHERE id > '1'", "table: b", 1),
        ("jsonl: in.jsonl", "table: c", 2),
        ("sql: SELECT * FROM 'in.csv'", "table: d", 2),
    ] {
        let ended = folder.run(&source(from, to));
        conserved(&ended);
        assert_eq!(ended.sum.rows, rows, "{from}");
    }
    insta::assert_snapshot!(folder.sql("SELECT c.id, c.tags, b.name FROM c, b ORDER BY 1"), @"
    7 | [a] | two
    8 | [] | two
    ");
}

#[test]
fn a_value_that_does_not_fit_is_a_failure_of_the_sink() {
    let folder = Folder::new();
    let ended = folder.run(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT * FROM (VALUES (1, '2026-01-01'), (2, 'soon'), (NULL, 'x')) AS t(id, day)
  - sink: out
    table: days
    key: id
    columns: { id: id, next: id + 1 }
",
    );
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.failures), (2, 1));
    insta::assert_snapshot!(folder.sql("SELECT stage, key, kind, reason FROM etl.failures"), @"out | 3 | type | the key column `id` is NULL");
}

#[test]
fn a_table_of_other_types_is_told_before_anything_is_read() {
    let folder = Folder::new();
    let spec = |id: &str| {
        format!(
            "pipeline: test\nduckdb: out.duckdb\nstages:\n  - source: rows\n    rows: [{{ id: {id} }}]\n    key: id\n  - sink: out\n    table: rows\n"
        )
    };
    conserved(&folder.run(&spec("1")));
    let shown = folder.mistakes(&spec("text"));
    assert!(
        shown.contains("the column `id` of the table `rows` is BIGINT, and `out` writes VARCHAR"),
        "{shown}"
    );
}

#[test]
fn a_throttle_delays_and_drops_nothing() {
    let folder = Folder::new();
    let started = std::time::Instant::now();
    let ended = folder.run(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range(50)
    key: id
  - throttle: pace
    rate: 50/s
  - sink: out
    table: numbers
",
    );
    conserved(&ended);
    assert_eq!(ended.sum.rows, 50);
    assert!(started.elapsed().as_millis() >= 980);
}

#[test]
fn a_table_of_whole_numbers_takes_the_first_that_is_none_where_nothing_is_lost() {
    let folder = Folder::new();
    let spec = |rows: &str| {
        format!(
            "duckdb: out.duckdb\nstages:\n  - source: prices\n    rows: {rows}\n    key: id\n  - sink: prices\n"
        )
    };
    folder.run(&spec("[{ id: a, price: 3 }, { id: b, price: 9007199254740992 }]"));
    folder.run(&spec("[{ id: c, price: 2.5 }]"));
    assert_eq!(folder.sql("FROM prices ORDER BY id"), "a | 3.0\nb | 9007199254740992.0\nc | 2.5");
    let folder = Folder::new();
    folder.run(&spec("[{ id: a, price: 9007199254740993 }]"));
    let refused = folder.mistakes(&spec("[{ id: c, price: 2.5 }]"));
    assert!(
        refused.contains("the column `price` of the table `prices` is BIGINT, and `prices` writes DOUBLE"),
        "{refused}"
    );
    assert!(refused.contains("set `types: { price: BIGINT }` on the sink"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_replaces_nothing_and_counts_what_it_discards() {
    let folder = Folder::new();
    let spec = "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range(1000000)
    key: id
  - throttle: pace
    rate: 2000/s
  - sink: rows
    table: numbers
  - sink: copy
    from: pace
    csv: copy.csv
";
    let stop = CancellationToken::new();
    let pipeline = folder.pipeline(spec, &[]);
    let ended = run_watched(&pipeline, &Options::default(), stop.clone(), |kind| {
        if let EventKind::Progress(progress) = kind
            && progress.stages[3].done > 0
        {
            stop.cancel();
        }
    })
    .await
    .unwrap();
    assert_eq!(ended.end, RunEnd::Interrupted);
    let Some(EventKind::RunEnded { tables, progress, .. }) = ended.events.last().map(|event| &event.kind)
    else {
        panic!("the last event is the run's end")
    };
    let [change] = &tables[..] else { panic!("{tables:?}") };
    assert!(change.table.ends_with("copy.csv") && change.discarded == progress.stages[3].done, "{change:?}");
    assert!(!folder.path("copy.csv").exists());
    // The source has more records, and never reported its end.
    assert!(!ended.events.iter().any(|event| matches!(event.kind, EventKind::StageEnded { stage: 0 })));
}
