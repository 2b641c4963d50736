//! The stages that call no model, each over a few records.

use etl::run::Options;
use tokio_util::sync::CancellationToken;

use crate::common::{Folder, conserved, run};

/// A pipeline with the given stages over inline rows.
fn pipeline(stages: &str) -> String {
    format!("duckdb: out.duckdb\nstages:{stages}")
}

#[test]
fn a_pattern_of_texts_may_match_nothing_if_that_is_fine() {
    let folder = Folder::new();
    let spec = "duckdb: out.duckdb\nstages:\n  - source: texts\n    files: nothing/*.txt\n    optional: true\n  - sink: rows\n";
    let ended = folder.run(spec);
    assert_eq!((ended.sum.rows, ended.sum.failures), (0, 0));
    assert!(folder.mistakes(&spec.replace("    optional: true\n", "")).contains("no file matches"));
    folder.write("nothing/a.txt", b"A text.");
    folder.run(spec);
    assert_eq!(folder.sql("SELECT path FROM rows"), "a.txt");
}

#[test]
fn values_that_are_written_out_are_the_texts_that_are_written() {
    let folder = Folder::new();
    folder.run("duckdb: out.duckdb\nstages:\n  - source: a\n    rows: [{ id: 1 }]\n    key: id\n  - map: code\n    split: { values: [01067, 1.50, x, \"2.0\"] }\n  - sink: rows\n");
    assert_eq!(folder.sql("SELECT string_agg(code, ' ' ORDER BY code) FROM rows"), "01067 1.50 2.0 x");
}

#[test]
fn digits_in_rows_and_in_schemas_stay_as_they_are_written() {
    let folder = Folder::new();
    folder.run(
        "duckdb: out.duckdb\nstages:\n  - source: a\n    rows:\n      - { id: 007, n: 18446744073709551615, h: 123456789012345678901234567890, f: 0.5, z: 0, minus: -7 }\n      - { id: 08, n: 1, h: 02, f: 0.25, z: -0, minus: 7 }\n    key: id\n  - map: code\n    fields: { kind: typeof(id) || typeof(n) || typeof(f) || typeof(minus) }\n  - sink: rows\n",
    );
    let sql = "SELECT string_agg(concat_ws(' ', id, n, h, f, z, minus, kind), ' | ' ORDER BY id) FROM rows";
    assert_eq!(
        folder.sql(sql),
        "007 18446744073709551615 123456789012345678901234567890 0.5 0 -7 VARCHARHUGEINTDOUBLEBIGINT | \
         08 1 02 0.25 0 7 VARCHARHUGEINTDOUBLEBIGINT"
    );
    let spec = "pipeline: p\nduckdb: out.duckdb\nstages:\n  - source: a\n    rows: [{ id: 1 }]\n    key: id\n  - map: zip\n    chat: { prompt: x, model: mistral-small-latest, schema: { code: { one_of: [01067, 02943] } } }\n    mock: { \"1\": { code: \"01067\" } }\n  - sink: zips\n";
    let offline = Options { offline: true, ..Options::default() };
    run(&folder.pipeline(spec, &[]), &offline, CancellationToken::new()).unwrap();
    assert_eq!(folder.sql("SELECT code, typeof(code) FROM zips"), "01067 | VARCHAR");
}

#[test]
fn a_failure_that_nothing_below_takes_stays_a_failure() {
    let spec = |more: &str| {
        format!(
            "duckdb: out.duckdb\nstages:\n  - source: a\n    rows: [{{ id: 1, n: x }}, {{ id: 2, n: \"7\" }}, {{ id: 3, n: y }}]\n    key: id\n  - map: m\n    fields: {{ v: CAST(n AS BIGINT) }}\n{more}  - sink: rows\n    from: [m, r]\n    columns: {{ n: n }}\n"
        )
    };
    for more in [
        "  - map: r\n    from: m.failed\n    where: id = 1\n",
        "  - map: r\n    from: m.failed\n    when: id = 1\n    into: answer\n    mock: \"'z'\"\n    chat: { model: mistral-small-latest, prompt: hello }\n",
    ] {
        let folder = Folder::new();
        let options = Options { offline: true, ..Options::default() };
        let ended = run(&folder.pipeline(&spec(more), &[]), &options, CancellationToken::new()).unwrap();
        conserved(&ended);
        assert_eq!(folder.sql("SELECT id, n FROM rows ORDER BY id"), "1 | x\n2 | 7", "{more}");
        assert_eq!(folder.sql("SELECT key, stage, kind FROM etl.failures"), "3 | m | expression", "{more}");
        assert_eq!((ended.sum.failures, ended.sum.skipped), (1, 0), "{more}");
    }
}

#[test]
fn a_field_can_be_a_text_that_a_template_writes() {
    let folder = Folder::new();
    let spec = "duckdb: out.duckdb
stages:
  - source: a
    rows:
      - { id: 1, lines: [{ name: x, sum: 1.5 }, { name: y, sum: 2 }], note: hello }
      - { id: 2, lines: [], note: null }
    key: id
  - map: b
    fields:
      list: { text: \"{% for line in lines %}{{ line.name }}={{ line.sum }};{% endfor %}\" }
      head: { text: \"{{ etl.key }}: {{ note }}\" }
      count: len(lines)
  - sink: c
    except: lines
";
    let ended = folder.run(spec);
    assert_eq!(folder.sql("SELECT id, list, head, count FROM c"), "1 | x=1.5;y=2.0; | 1: hello | 2");
    assert_eq!(ended.sum.failures, 1);
    let failure = folder.sql("SELECT kind, reason FROM etl.failures");
    assert!(failure.starts_with("null | `note` is NULL in this record: write"), "{failure}");
    let shown = folder.mistakes(&spec.replace("{{ note }}", "{{ noet }}"));
    assert!(shown.contains("unknown field `noet`") && shown.contains("spec.yaml:11:"), "{shown}");
}

#[test]
fn the_expressions_of_a_map_do_not_see_each_other() {
    let shown = Folder::new().mistakes(
        "duckdb: out.duckdb\nstages:\n  - source: a\n    rows: [{ id: 1 }]\n    key: id\n  - map: b\n    fields: { x: id + 1, y: x + 1 }\n  - sink: c\n",
    );
    assert!(shown.contains("`x` is set by this same map") && shown.contains("spec.yaml:7:29"), "{shown}");
}

#[test]
fn where_keeps_the_records_for_which_it_is_true_and_counts_the_others() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        "
  - source: numbers
    rows: [{ id: 1, n: 5 }, { id: 2, n: 0 }, { id: 3 }, { id: 4, n: 7 }]
    key: id
  - map: large
    where: 10 // n > 1
  - sink: kept
",
    ));
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.skipped, ended.sum.failures), (1, 3, 0));
    assert_eq!(folder.sql("FROM kept"), "1 | 5");
    let large = ended.progress.stages[1];
    assert_eq!((large.taken, large.done, large.skipped), (4, 1, 3));
}

#[test]
fn a_text_of_white_space_has_no_chunk_and_is_counted_as_skipped() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        r#"
  - source: texts
    rows: [{ id: 1, text: " \n\n " }, { id: 2, text: "" }, { id: 3, text: "one two      six" }]
    key: id
  - map: part
    split: { text: text, max_chars: 4 }
  - sink: parts
"#,
    ));
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.skipped), (3, 2));
    let parts = folder.sql("SELECT part_index, trim(part) FROM parts ORDER BY part_index");
    assert_eq!(parts, "1 | one\n2 | two\n3 | six");
}

#[test]
fn repeat_counts_from_one_and_its_number_is_the_key() {
    let folder = Folder::new();
    conserved(&folder.run(&pipeline("\n  - source: seed\n    repeat: 3\n  - sink: seeds\n")));
    assert_eq!(folder.sql("FROM seeds ORDER BY n"), "1\n2\n3");
}

#[test]
fn a_sample_is_the_same_in_every_run_and_in_every_order() {
    let folder = Folder::new();
    let of = |order: &str| {
        pipeline(&format!(
            "
  - source: numbers
    sql: SELECT range AS id FROM range(1000) ORDER BY {order}
    key: id
  - wave: some
    sample: 20
  - sink: chosen
    mode: replace
"
        ))
    };
    let ended = folder.run(&of("id"));
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.skipped), (20, 980));
    let first = folder.sql("FROM chosen ORDER BY id");
    folder.run(&of("hash(id)"));
    assert_eq!(folder.sql("FROM chosen ORDER BY id"), first);
}

#[test]
fn unique_keeps_the_first_by_key_and_every_null() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        "
  - source: titles
    rows: [{ id: d, place: B }, { id: a, place: b }, { id: c }, { id: b }, { id: e, place: C }]
    key: id
  - wave: distinct
    unique: lower(place)
  - sink: places
",
    ));
    conserved(&ended);
    assert_eq!(folder.sql("FROM places ORDER BY id"), "a | b\nb | NULL\nc | NULL\ne | C");
}

#[test]
fn unique_takes_several_expressions_and_keys_in_the_order_of_their_type() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        "
  - source: titles
    rows:
      - { id: 10, place: B, year: 1 }
      - { id: 9, place: b, year: 1 }
      - { id: 8, place: b, year: 2 }
      - { id: 7, place: b }
      - { id: 6, place: b }
      - { id: 5, year: 1 }
    key: id
  - wave: distinct
    unique: [lower(place), year]
  - sink: places
",
    ));
    conserved(&ended);
    assert_eq!(folder.sql("SELECT string_agg(id, ' ' ORDER BY id) FROM places"), "5 6 7 8 9");
    let wrong = folder.mistakes(&pipeline(
        "
  - source: titles
    rows: [{ id: 1, place: b }]
    key: id
  - wave: distinct
    unique: [place, yaer]
  - sink: places
",
    ));
    assert!(wrong.contains("unknown field `yaer`"), "{wrong}");
}

#[test]
fn a_wave_s_query_says_what_identifies_its_records() {
    let folder = Folder::new();
    folder.run(&pipeline(
        "
  - source: votes
    rows: [{ id: 1, of: a, n: 2 }, { id: 2, of: b, n: 3 }, { id: 3, of: a, n: 4 }]
    key: id
  - wave: sums
    sql: SELECT of, sum(n) AS n FROM sums GROUP BY of
  - sink: sums
  - wave: named
    from: votes
    sql: SELECT max(n) AS n, 'all' AS what FROM named
    key: what
  - sink: whole
  - wave: plain
    from: votes
    sql: SELECT id, n FROM plain
  - sink: plain
",
    ));
    assert_eq!(folder.sql("FROM sums ORDER BY of"), "a | 6\nb | 3");
    // The key comes first.
    assert_eq!(folder.sql("FROM whole"), "all | 4");
    assert_eq!(folder.sql("FROM plain ORDER BY id"), "1 | 2\n2 | 3\n3 | 4");
}

#[test]
fn columns_are_left_out_and_cast() {
    let folder = Folder::new();
    folder.run(&pipeline(
        "
  - source: numbers
    rows: [{ id: 1, price: 2.5, note: x, v: [1, 2] }]
    key: id
  - sink: numbers
    except: note
    types: { price: decimal, v: \"FLOAT[2]\" }
",
    ));
    assert_eq!(
        folder.sql("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'numbers'"),
        "id | BIGINT\nprice | DECIMAL(18,2)\nv | FLOAT[2]"
    );
    assert_eq!(folder.sql("FROM numbers"), "1 | 2.50 | [1.0, 2.0]");
}

#[test]
fn the_shortest_pipeline_takes_its_names_from_its_files() {
    let folder = Folder::new();
    folder.write("in.csv", b"id,name\n1,one\n");
    let ended = folder.run("stages:\n  - source: names\n    csv: in.csv\n    key: id\n  - sink: names\n");
    conserved(&ended);
    assert_eq!(crate::common::sql(&folder.path("spec.duckdb"), "FROM names"), "1 | one");
    assert_eq!(crate::common::sql(&folder.path("spec.duckdb"), "SELECT pipeline FROM etl.runs"), "spec");
}

/// Books whose chapters are split and gathered; `x` is not a number.
fn gathered(rows: &str, gather: &str) -> String {
    pipeline(&format!(
        "
  - source: books
    rows: {rows}
    key: id
  - map: chapter
    split: string_split(chapters, ' ')
  - map: read
    fields: {{ pages: CAST(chapter AS BIGINT) }}
  - gather: parts
    {gather}
  - map: total
    fields: {{ pages: 'coalesce(list_sum([p.pages for p in parts]), 0)', all: '[p.chapter for p in parts]' }}
  - sink: books
    except: chapters
"
    ))
}

#[test]
fn gather_puts_the_pieces_of_a_record_in_a_list_in_their_order() {
    let folder = Folder::new();
    let rows =
        "[{ id: a, chapters: 3 1 2 }, { id: b, chapters: '7' }, { id: c }, { id: d, chapters: 1 x 2 x }]";
    let ended = folder.run(&gathered(rows, "needs: all"));
    conserved(&ended);
    assert_eq!(folder.sql("FROM books ORDER BY id"), "a | 6 | [3, 1, 2]\nb | 7 | [7]\nc | 0 | []");
    assert_eq!(
        folder.sql("SELECT stage, key, kind, reason FROM etl.failures WHERE kind = 'pieces'"),
        "parts | d | pieces | 2 of 4 pieces failed; the first in `read`: Could not convert string 'x' to INT64 when casting from source column chapter"
    );
    assert_eq!((ended.sum.rows, ended.sum.failures), (3, 3));
    let folder = Folder::new();
    let ended = folder.run(&gathered(rows, "needs: any"));
    conserved(&ended);
    assert_eq!(folder.sql("FROM books WHERE id = 'd'"), "d | 3 | [1, 2]");
    assert_eq!((ended.sum.rows, ended.sum.failures), (4, 2));
}

#[test]
fn pieces_that_are_dropped_on_the_way_are_not_waited_for() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        "
  - source: books
    rows: [{ id: a, chapters: [3, 1, 2] }, { id: b, chapters: [1] }]
    key: id
  - map: chapter
    split: chapters
  - map: long
    where: chapter > 1
  - gather: parts
  - sink: books
    columns: { all: '[p.chapter for p in parts]' }
",
    ));
    conserved(&ended);
    assert_eq!(folder.sql("FROM books ORDER BY id"), "a | [3, 2]\nb | []");
}

#[test]
fn a_gather_within_a_gather() {
    let folder = Folder::new();
    conserved(&folder.run(&pipeline(
        "
  - source: books
    rows: [{ id: a, chapters: [1 2, '3'] }, { id: b, chapters: [4 5 6] }]
    key: id
  - map: chapter
    split: chapters
  - map: word
    split: string_split(chapter, ' ')
  - gather: words
  - map: counted
    fields: { n: len(words) }
  - gather: parts
  - sink: books
    columns: { counts: '[p.n for p in parts]', first: 'parts[1].words[1].word' }
",
    )));
    assert_eq!(folder.sql("FROM books ORDER BY id"), "a | [2, 1] | 1\nb | [3] | 4");
}

#[test]
fn a_gather_holds_more_than_memory() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        "
  - source: books
    sql: SELECT range AS id, repeat('x', 20000) AS text, range % 5 AS n FROM range(3000)
    key: id
  - map: piece
    split: range(n)
  - map: read
    fields: { copy: 'text || piece' }
  - map: last
    from: [read]
    where: true
  - gather: parts
  - sink: books
    columns: { n: n, bytes: 'list_sum([length(p.copy) for p in parts])', pieces: '[p.piece for p in parts]' }
",
    ));
    conserved(&ended);
    assert_eq!(
        folder.sql(
            "SELECT n, count(*), any_value(bytes), count(DISTINCT pieces) FROM books GROUP BY n ORDER BY n"
        ),
        "0 | 600 | NULL | 1\n1 | 600 | 20001 | 1\n2 | 600 | 40002 | 1\n3 | 600 | 60003 | 1\n4 | 600 | 80004 | 1"
    );
}
