//! A table reflects the latest runs: which rows of earlier runs are removed, and which stay.

use etl::run::Options;
use tokio_util::sync::CancellationToken;

use crate::common::{Ended, Folder, conserved, run};

/// Texts of a CSV file, split at commas, into a table; with further keys for the sink.
fn words(sink: &str) -> String {
    format!(
        "
duckdb: out.duckdb
stages:
  - source: texts
    csv: {{ path: texts.csv, types: text }}
    key: id
  - map: word
    split: string_split(words, ' ')
  - map: good
    fields: {{ n: CAST(word AS BIGINT) }}
  - sink: words
    except: words
    {sink}
"
    )
}

fn write(folder: &Folder, rows: &[(&str, &str)]) {
    let lines: Vec<String> = rows.iter().map(|(id, words)| format!("{id},{words}\n")).collect();
    folder.write("texts.csv", format!("id,words\n{}", lines.concat()).as_bytes());
}

fn changes(ended: &Ended) -> &[etl::event::TableChange] {
    match ended.events.last().map(|event| &event.kind) {
        Some(etl::event::EventKind::RunEnded { tables, .. }) => tables,
        _ => panic!("the last event is the run's end"),
    }
}

fn removed(ended: &Ended) -> (u64, u64) {
    conserved(ended);
    let tables = changes(ended);
    (tables.iter().map(|table| table.removed).sum(), tables.iter().map(|table| table.stale).sum())
}

fn ids(folder: &Folder) -> String {
    folder.sql("SELECT string_agg(id || word_index, ' ' ORDER BY id, word_index) FROM words")
}

#[test]
fn pieces_that_are_no_longer_there_go() {
    let folder = Folder::new();
    write(&folder, &[("a", "1 2 3"), ("b", "4 5")]);
    assert_eq!(removed(&folder.run(&words(""))), (0, 0));
    write(&folder, &[("a", "1"), ("b", "4 5")]);
    assert_eq!(removed(&folder.run(&words(""))), (2, 0));
    assert_eq!(ids(&folder), "a1 b1 b2");
    // The last piece is removed as well: NULL has none.
    write(&folder, &[("a", ""), ("b", "4 5")]);
    assert_eq!(removed(&folder.run(&words(""))), (1, 0));
    assert_eq!(ids(&folder), "b1 b2");
}

#[test]
fn rows_of_records_that_fail_stay_are_marked_or_go() {
    for (sink, after, change) in
        [("", "a1 a2 b1", (0, 2)), ("stale: delete", "b1", (2, 0)), ("stale: mark", "a1 a2 b1", (0, 2))]
    {
        let folder = Folder::new();
        write(&folder, &[("a", "1 2"), ("b", "4")]);
        assert_eq!(removed(&folder.run(&words(sink))), (0, 0));
        write(&folder, &[("a", "x y"), ("b", "4")]);
        assert_eq!(removed(&folder.run(&words(sink))), change, "{sink}");
        assert_eq!(ids(&folder), after, "{sink}");
        if sink == "stale: mark" {
            assert_eq!(
                folder.sql("SELECT id, stale FROM words ORDER BY ALL"),
                "a | true\na | true\nb | false"
            );
            write(&folder, &[("a", "1 2"), ("b", "4")]);
            folder.run(&words(sink));
            assert_eq!(folder.sql("SELECT count(*) FROM words WHERE stale"), "0");
        }
    }
}

#[test]
fn rows_of_records_that_left_the_source_go_only_where_the_sink_says_so() {
    for (sink, after) in [("", "a1 b1"), ("gone: delete", "b1")] {
        let folder = Folder::new();
        write(&folder, &[("a", "1"), ("b", "4")]);
        folder.run(&words(sink));
        write(&folder, &[("b", "4")]);
        let ended = folder.run(&words(sink));
        assert_eq!(ids(&folder), after, "{sink}");
        let left: u64 = changes(&ended).iter().map(|table| table.left).sum();
        assert_eq!((removed(&ended).0, left), if sink.is_empty() { (0, 1) } else { (1, 0) });
    }
}

#[test]
fn nothing_goes_of_records_that_were_not_read() {
    let folder = Folder::new();
    write(&folder, &[("a", "1 2"), ("b", "4 5"), ("c", "6 7")]);
    folder.run(&words("gone: delete"));
    write(&folder, &[("a", "1"), ("b", "4"), ("c", "6")]);
    let limited = Options { limit: Some(1), ..Options::default() };
    let pipeline = folder.pipeline(&words("gone: delete"), &[]);
    let ended = run(&pipeline, &limited, CancellationToken::new()).unwrap();
    assert_eq!(removed(&ended), (1, 0));
    assert_eq!(ids(&folder), "a1 b1 b2 c1 c2");
    // An unreadable line may be any record.
    folder.write("texts.csv", b"id,words\na,1\nb,4,9\nc,6\n");
    folder.run(&words("gone: delete"));
    assert_eq!(ids(&folder), "a1 b1 b2 c1");
    // An empty source may have been missing.
    folder.write("texts.csv", b"id,words\n");
    folder.run(&words("gone: delete"));
    assert_eq!(ids(&folder), "a1 b1 b2 c1");
}

#[test]
fn a_row_that_a_condition_or_a_port_no_longer_gives_goes() {
    let folder = Folder::new();
    write(&folder, &[("a", "1"), ("b", "4")]);
    folder.run(&words(""));
    assert_eq!(removed(&folder.run(&words("when: n > 2"))), (1, 0));
    assert_eq!(ids(&folder), "b1");
}

#[test]
fn a_row_of_a_group_goes_when_all_its_records_were_settled() {
    let folder = Folder::new();
    let spec = "
duckdb: out.duckdb
stages:
  - source: texts
    csv: { path: texts.csv, types: text }
    key: id
  - wave: groups
    sql: SELECT words, count(*) AS n FROM groups GROUP BY words
  - sink: groups
";
    write(&folder, &[("a", "x"), ("b", "x"), ("c", "y")]);
    folder.run(spec);
    assert_eq!(folder.sql("FROM groups ORDER BY ALL"), "x | 2\ny | 1");
    // `c` is not read, so its group stays.
    write(&folder, &[("a", "z"), ("b", "z"), ("c", "z")]);
    let limited = Options { limit: Some(2), ..Options::default() };
    run(&folder.pipeline(spec, &[]), &limited, CancellationToken::new()).unwrap();
    assert_eq!(folder.sql("FROM groups ORDER BY ALL"), "y | 1\nz | 2");
    folder.run(spec);
    assert_eq!(folder.sql("FROM groups ORDER BY ALL"), "z | 3");
}

#[test]
fn another_pipeline_s_rows_are_never_touched() {
    let folder = Folder::new();
    write(&folder, &[("a", "1"), ("b", "4")]);
    folder.run(&format!("pipeline: first{}", words("")));
    write(&folder, &[("b", "5"), ("c", "6")]);
    let second = format!("pipeline: second{}", words("gone: delete"));
    let ended = folder.run(&second);
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.failures), (1, 1));
    assert_eq!(folder.sql("SELECT id, word FROM words ORDER BY id"), "a | 1\nb | 4\nc | 6");
    let reason = folder.sql("SELECT kind, reason FROM etl.failures");
    assert!(reason.starts_with("duplicate key | pipeline `first` wrote the row"), "{reason}");
    write(&folder, &[("d", "7")]);
    folder.run(&second);
    assert_eq!(folder.sql("SELECT id FROM words ORDER BY id"), "a\nb\nd");
}

#[test]
fn a_table_that_a_query_above_reads_keeps_its_rows() {
    let folder = Folder::new();
    folder.run(
        "duckdb: out.duckdb\nstages:\n  - source: seed\n    rows: [{ id: 0 }]\n    key: id\n  - sink: done\n",
    );
    let spec = "
pipeline: spec
duckdb: out.duckdb
stages:
  - source: open
    sql: SELECT n AS id FROM range(1, 4) AS all_of_them(n) ANTI JOIN done ON done.id = n
    key: id
  - sink: done
";
    folder.run(spec);
    folder.run(spec);
    assert_eq!(folder.sql("FROM done ORDER BY id"), "0\n1\n2\n3");
}

#[test]
fn a_table_is_written_by_the_key_that_its_rows_have() {
    let folder = Folder::new();
    write(&folder, &[("a", "1")]);
    folder.run(&words(""));
    let refused = folder.mistakes(&words("key: [id, word]"));
    assert!(
        refused.contains("`words` have the key `id, word_index`, and `words` writes them by `id,"),
        "{refused}"
    );
    assert!(refused.contains("spec.yaml:13:"), "{refused}");
    assert!(folder.mistakes(&words("key: [id]")).contains("writes them by `id`"));
    // Rows that are only appended, or a table that is replaced, need no key.
    folder.pipeline(&words("mode: append"), &[]);
    folder.pipeline(&words("mode: replace\n    key: [id, word]"), &[]);
    assert_eq!(ids(&folder), "a1");
}

#[test]
fn two_sinks_write_one_table_by_the_same_key() {
    let folder = Folder::new();
    let spec = "
duckdb: out.duckdb
stages:
  - source: texts
    csv: { path: texts.csv, types: text }
    key: id
  - map: short
    where: length(words) < 3
  - sink: from_short
    table: words
    columns: { size: \"'short'\" }
  - map: long
    from: texts
    where: length(words) >= 3
  - sink: from_long
    table: words
    columns: { size: \"'long'\", words: words }
";
    write(&folder, &[("a", "1"), ("b", "2 3")]);
    conserved(&folder.run(spec));
    assert_eq!(
        folder.sql("SELECT id, size, words FROM words ORDER BY id"),
        "a | short | NULL\nb | long | 2 3"
    );
    // A record that takes the other branch keeps one row, and one that takes none keeps none.
    write(&folder, &[("a", "1 2"), ("b", "")]);
    conserved(&folder.run(spec));
    assert_eq!(folder.sql("SELECT id, size, words FROM words ORDER BY id"), "a | long | 1 2");
}

#[test]
fn rows_whose_record_the_source_did_not_give_are_counted() {
    let spec = |sink: &str| {
        format!(
            "duckdb: out.duckdb\nstages:\n  - source: notes\n    files: notes/*.txt\n    optional: true\n  - sink: notes\n{sink}"
        )
    };
    for sink in ["", "    gone: delete\n"] {
        let folder = Folder::new();
        ["a", "b", "c"].iter().for_each(|name| folder.write(&format!("notes/{name}.txt"), name.as_bytes()));
        folder.run(&spec(sink));
        // One file cannot be read, and another is gone: nobody knows whether it is.
        folder.write("notes/a.txt", b"\xff\xfe\xff");
        std::fs::remove_file(folder.path("notes/b.txt")).unwrap();
        let ended = folder.run(&spec(sink));
        let unread = |ended: &Ended| changes(ended).iter().map(|table| table.unread).sum::<u64>();
        assert_eq!((ended.sum.failures, removed(&ended).0, unread(&ended)), (1, 0, 2), "{sink}");
        assert_eq!(folder.sql("SELECT count(*) FROM notes"), "3");
        // With a limit, the others were not asked for.
        let limited = Options { limit: Some(1), ..Options::default() };
        let ended = run(&folder.pipeline(&spec(sink), &[]), &limited, CancellationToken::new()).unwrap();
        assert_eq!((ended.sum.failures, unread(&ended)), (1, 0), "{sink}");
        // No file at all.
        ["a", "c"]
            .iter()
            .for_each(|name| std::fs::remove_file(folder.path(&format!("notes/{name}.txt"))).unwrap());
        let ended = folder.run(&spec(sink));
        assert_eq!((ended.sum.failures, removed(&ended).0, unread(&ended)), (0, 0, 3), "{sink}");
    }
}

#[test]
fn a_record_whose_key_is_null_is_not_taken_for_the_one_with_its_number() {
    let spec = "
duckdb: out.duckdb
stages:
  - source: texts
    csv: texts.csv
    key: id
  - sink: out
    stale: delete
";
    let folder = Folder::new();
    folder.write("texts.csv", b"id,text\n3,a\n7,b\n");
    conserved(&folder.run(spec));
    // The third record has no key, and the one with the key 3 has left the source.
    folder.write("texts.csv", b"id,text\n8,c\n7,b\n,d\n");
    let ended = folder.run(spec);
    assert_eq!((removed(&ended), ended.sum.failures), ((0, 0), 1));
    assert_eq!(folder.sql("SELECT string_agg(id, ' ' ORDER BY id) FROM out"), "3 7 8");
    assert!(folder.sql("SELECT key FROM etl.failures").ends_with("texts.csv:4"));
    let rows = "rows: [{ id: 1, text: a }, { id: null, text: b }]";
    folder.run(&spec.replace("csv: texts.csv", rows).replace("sink: out", "sink: others"));
    assert_eq!(folder.sql("SELECT key FROM etl.failures WHERE stage = 'others'"), "row 2");
}
