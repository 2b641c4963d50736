//! Queries of waves and sources over other stages and over the pipeline's own tables.

use crate::common::{Folder, conserved};

/// A pipeline with the given stages over inline rows.
fn pipeline(stages: &str) -> String {
    format!("pipeline: test\nduckdb: out.duckdb\nstages:{stages}")
}

#[test]
fn a_column_that_a_query_names_is_in_the_table_whatever_its_name_was_above() {
    let columns = |source: &str, stages: &str| {
        let folder = Folder::new();
        folder.write("texts/a.txt", b"one two");
        let spec = format!(
            "duckdb: out.duckdb\nstages:\n  - source: a\n    {source}\n{stages}  - sink: rows\n    key: id\n"
        );
        conserved(&folder.run(&spec));
        folder.sql("SELECT string_agg(column_name, ' ' ORDER BY column_index) FROM duckdb_columns() WHERE table_name = 'rows'")
    };
    let rows = "rows: [{ id: 1, tags: [x, y] }]\n    key: id";
    let wide = "  - map: lang\n    split: { values: [German, french] }\n  - wave: w\n    sql: SELECT id, max(lang) FILTER (lang = 'German') AS german, max(lang) FILTER (lang = 'french') AS french FROM w GROUP BY id\n";
    assert_eq!(columns(rows, wide), "id german french");
    let joined = "  - map: tag\n    split: tags\n  - wave: w\n    sql: SELECT id, string_agg(upper(tag), ';') AS tags FROM w GROUP BY id\n";
    assert_eq!(columns(rows, joined), "id tags");
    let files = "files: texts/*.txt";
    let text = "  - wave: w\n    sql: SELECT path AS id, upper(text) AS text, bytes FROM w\n";
    assert_eq!(columns(files, text), "id text bytes");
    let star = "  - wave: w\n    sql: SELECT path AS id, * FROM w\n";
    assert_eq!(columns(files, star), "id path");
}

#[test]
fn a_plan_says_where_the_origins_of_a_row_are_the_whole_wave() {
    let folder = Folder::new();
    let plan = |sql: &str| {
        let spec = format!(
            "duckdb: out.duckdb\nstages:\n  - source: a\n    rows: [{{ id: a, n: 1 }}]\n    key: id\n  - wave: w\n    sql: {sql}\n    key: id\n  - sink: rows\n"
        );
        folder.pipeline(&spec, &[]).plan().to_string()
    };
    let line = "each row comes from all records of the wave";
    assert!(plan("SELECT id FROM w UNION SELECT id FROM w").contains(line));
    assert!(!plan("SELECT id, sum(n) AS n FROM w GROUP BY id").contains(line));
}

#[test]
fn a_wave_joins_the_records_of_other_stages() {
    let folder = Folder::new();
    let ended = folder.run(&pipeline(
        "
  - source: people
    rows: [{ id: 1, name: Ann, city: 7 }, { id: 2, name: Bob, city: 8 }, { id: 3, name: Cy }]
    key: id
  - source: cities
    rows: [{ code: 7, title: Rome }, { code: 8, title: Oslo }, { code: 9, title: Bonn }]
    key: code
  - wave: homes
    sql: SELECT p.id, p.name, c.title FROM people p LEFT JOIN cities c ON c.code = p.city
    key: id
  - sink: homes
",
    ));
    conserved(&ended);
    assert_eq!(folder.sql("FROM homes ORDER BY id"), "1 | Ann | Rome\n2 | Bob | Oslo\n3 | Cy | NULL");
}

#[test]
fn a_row_of_a_join_goes_when_both_of_its_records_were_settled() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: people
    csv: people.csv
    key: id
  - source: cities
    csv: cities.csv
    key: code
  - wave: homes
    sql: SELECT p.id, c.title FROM people p JOIN cities c ON c.code = CAST(p.city AS VARCHAR)
    key: [id, title]
  - sink: homes
    gone: delete
",
    );
    folder.write("people.csv", b"id,city\n1,7\n2,8\n");
    folder.write("cities.csv", b"code,title\n7,Rome\n8,Oslo\n");
    folder.run(&spec);
    assert_eq!(folder.sql("FROM homes ORDER BY id"), "1 | Rome\n2 | Oslo");
    folder.write("people.csv", b"id,city\n1,8\n2,8\n");
    folder.run(&spec);
    assert_eq!(folder.sql("FROM homes ORDER BY id"), "1 | Oslo\n2 | Oslo");
    folder.write("cities.csv", b"code,title\n7,Rome\n");
    folder.run(&spec);
    assert_eq!(folder.sql("FROM homes ORDER BY id"), "");
}

#[test]
fn a_wave_reads_the_table_of_a_sink_above_with_the_rows_of_this_run() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: numbers
    sql: SELECT range AS id FROM range(30000)
    key: id
  - sink: numbers
  - source: seed
    repeat: 1
  - wave: counted
    sql: SELECT s.n, (SELECT count(*) FROM main.numbers) AS rows FROM seed s
    key: n
  - sink: counts
",
    );
    conserved(&folder.run(&spec));
    assert_eq!(folder.sql("FROM counts"), "1 | 30000");
}

#[test]
fn a_source_reads_the_pipeline_s_own_table_before_its_first_run() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: open
    sql: SELECT n AS id, n * 2 AS twice FROM range(1, 6) AS all_of_them(n) WHERE n NOT IN (SELECT id FROM done) LIMIT 2
    key: id
  - sink: done
",
    );
    for expected in ["1 2", "1 2 3 4", "1 2 3 4 5", "1 2 3 4 5"] {
        conserved(&folder.run(&spec));
        assert_eq!(folder.sql("SELECT string_agg(id, ' ' ORDER BY id) FROM done"), expected);
    }
    assert_eq!(folder.sql("SELECT DISTINCT typeof(twice) FROM done"), "BIGINT");
}

#[test]
fn lists_that_a_query_makes_are_in_the_order_of_keys_in_every_run() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: numbers
    sql: SELECT range AS id FROM range(500) ORDER BY hash(id)
    key: id
  - wave: all_of_them
    sql: SELECT 1 AS one, list(id) AS ids FROM all_of_them
    key: one
  - sink: lists
    mode: replace
",
    );
    folder.run(&spec);
    let first = folder.sql("FROM lists");
    folder.run(&spec.replace("ORDER BY hash(id)", "ORDER BY id"));
    assert_eq!(folder.sql("FROM lists"), first);
}

#[test]
fn a_table_that_is_replaced_cannot_be_read_in_the_same_run() {
    let folder = Folder::new();
    let spec = pipeline(
        "
  - source: numbers
    repeat: 3
  - sink: numbers
    mode: replace
  - wave: read
    sql: SELECT n.n FROM main.numbers AS n
    key: n
  - sink: others
",
    );
    let mistakes = etl::run::Pipeline::from_text(&folder.path("spec.yaml"), &spec, &[]).unwrap_err();
    let reported = mistakes.render(false);
    assert!(
        reported.contains("found table `numbers`, which sink `numbers` replaces at the end of the run"),
        "{reported}"
    );
}
