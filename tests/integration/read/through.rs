//! The same hostile tables through the whole program: source → table and CSV file, counted and compared with the
//! original, by independent readers or by ours from the written file.

use std::path::Path;

use etl::{
    files::FileSet,
    read::{Csv, Entry, Format, Options, Types, describe, rows},
    run::{Options as RunOptions, Pipeline},
    units::Size,
};
use rand::{RngExt, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use super::{
    each_seed,
    table::{Cell, Table},
    text,
};
use crate::common::{Ended, conserved, run, sql};

/// Texts of a table, row by row.
type Texts = Vec<Vec<Option<String>>>;

fn through(folder: &Path, source: &str) -> Ended {
    let spec = format!(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: written
    {source}
  - sink: kept
    table: kept
    mode: replace
  - sink: file
    from: written
    csv: kept.csv
"
    );
    let pipeline = Pipeline::from_text(&folder.join("spec.yaml"), &spec, &[]);
    let pipeline = pipeline.unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)));
    run(&pipeline, &RunOptions::default(), CancellationToken::new()).unwrap()
}

/// The values of the written table, as DuckDB prints them; lists and structs as JSON.
fn of_table(folder: &Path, names: &[String]) -> Texts {
    let connection = duckdb::Connection::open(folder.join("out.duckdb")).unwrap();
    let column = |name: &String| {
        let name = format!("\"{}\"", name.replace('"', "\"\""));
        format!(
            "CASE WHEN typeof({name}) LIKE '%]' OR typeof({name}) LIKE 'STRUCT%' THEN CAST(to_json({name}) AS VARCHAR) \
             ELSE CAST({name} AS VARCHAR) END"
        )
    };
    let columns: Vec<String> = names.iter().map(column).collect();
    let mut statement =
        connection.prepare(&format!("SELECT {} FROM kept ORDER BY rowid", columns.join(", "))).unwrap();
    let found = statement.query_map([], |row| (0..names.len()).map(|at| row.get(at)).collect());
    found.unwrap().map(Result::unwrap).collect()
}

/// The values of the written CSV file, read by our own source.
fn of_file(folder: &Path, names: &[String]) -> Texts {
    let set = FileSet::new(&folder.join("kept.csv"), Size(u64::MAX));
    let types = Types { text: true, ..Types::default() };
    let options = Options { types, ..Options::new(Format::Csv(Csv::default())) };
    let description = describe(&set, &options).unwrap();
    assert_eq!(description.schema.names().collect::<Vec<_>>(), names);
    let mut texts = Texts::new();
    rows(&set, &options, &description, &mut |entry| {
        match entry {
            Entry::Row(row) => {
                texts
                    .push(row.values.iter().map(|value| value.leaf().map(|text| text.to_string())).collect());
            }
            Entry::Bad(bad) => panic!("line {}: {}\n{}", bad.line, bad.reason, bad.raw),
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    texts
}

/// The same text, or the same JSON regardless of whitespace and number format.
fn is_same(a: &Option<String>, b: &Option<String>) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (a, b) {
        (Some(a), Some(b)) if a.starts_with(['[', '{']) => {
            a == b || json(a).is_some_and(|a| Some(a) == json(b))
        }
        (a, b) => a == b,
    }
}

fn whole(folder: &Path, table: &Table, source: &str, names: &[String]) -> Texts {
    let ended = through(folder, source);
    conserved(&ended);
    // Counted by the writer: each row is in both sinks.
    let count = table.rows.len() as u64;
    assert_eq!((ended.sum.read, ended.sum.failures, ended.sum.rows), (count, 0, 2 * count));
    assert_eq!(sql(&folder.join("out.duckdb"), "SELECT count(*) FROM kept"), count.to_string());
    let (kept, file) = (of_table(folder, names), of_file(folder, names));
    assert_eq!(kept.len(), file.len());
    for (number, (kept, file)) in kept.iter().zip(&file).enumerate() {
        for ((name, kept), file) in names.iter().zip(kept).zip(file) {
            assert!(
                is_same(kept, file),
                "row {number}, {name:?}: {kept:?} in the table, {file:?} in the file"
            );
        }
    }
    kept
}

/// The columns of the table, in order.
fn columns(folder: &Path) -> Vec<String> {
    let query = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'kept' ORDER BY column_index";
    let connection = duckdb::Connection::open(folder.join("out.duckdb")).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn compared(table: &Table, names: &[String], kept: &Texts) {
    for (number, (row, kept)) in table.rows.iter().zip(kept).enumerate() {
        for (name, cell) in table.names.iter().zip(row) {
            let at = names.iter().position(|known| known == name);
            let text = at.and_then(|at| kept[at].as_ref());
            match cell {
                Cell::Null => assert_eq!(text, None, "row {number}, {name:?}"),
                Cell::Text(_) | Cell::Number(_) | Cell::Boolean(_) => {
                    assert_eq!(text, Some(&cell.text()), "row {number}, {name:?}");
                }
                Cell::List(_) | Cell::Object(_) => assert!(text.is_some(), "row {number}, {name:?}"),
            }
        }
    }
}

/// A run is slower than a reader: one table in ten.
fn each_tenth(test: impl Fn(&mut StdRng, &Path)) {
    each_seed(|random, folder| {
        if random.random_bool(0.1) {
            test(random, folder);
        }
    });
}

#[test]
fn csv_comes_back_through_the_program() {
    each_tenth(|random, folder| {
        let table = Table::random(random, false);
        for (number, part) in table.parts(random).into_iter().enumerate() {
            std::fs::write(folder.join(format!("in{number}.csv")), text::csv(&part, random)).unwrap();
        }
        through(folder, "csv: in*.csv");
        let names = columns(folder);
        let kept = whole(folder, &table, "csv: in*.csv", &names);
        compared(&table, &names, &kept);
    });
}

#[test]
fn jsonl_comes_back_through_the_program() {
    each_tenth(|random, folder| {
        let table = Table::random(random, true);
        if table.rows.iter().flatten().all(|cell| *cell == Cell::Null) {
            return;
        }
        for (number, part) in table.parts(random).into_iter().enumerate() {
            std::fs::write(folder.join(format!("in{number}.jsonl")), text::jsonl(&part, random)).unwrap();
        }
        through(folder, "jsonl: in*.jsonl");
        let names = columns(folder);
        whole(folder, &table, "jsonl: in*.jsonl", &names);
    });
}

#[test]
fn parquet_comes_back_through_the_program() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    each_tenth(|random, folder| {
        let table = Table::random_typed(random);
        for (number, part) in table.parts(random).into_iter().enumerate() {
            text::parquet(&part, &duckdb, &folder.join(format!("in{number}.parquet")));
        }
        through(folder, "parquet: in*.parquet");
        let names = columns(folder);
        let kept = whole(folder, &table, "parquet: in*.parquet", &names);
        compared(&table, &names, &kept);
    });
}

#[test]
fn null_and_the_empty_text_differ_in_a_csv_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows =
        "rows: [{ a: '', b: null, c: x }, { a: null, b: '', c: ' ' }, { a: 'NULL', b: '\"\"', c: null }]";
    through(folder, rows);
    let names = columns(folder);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(names, ["a", "b", "c"]);
    let wanted = vec![
        vec![text(""), None, text("x")],
        vec![None, text(""), text(" ")],
        vec![text("NULL"), text("\"\""), None],
    ];
    assert_eq!(of_file(folder, &names), wanted);
    // One column: a NULL is a separate line.
    through(folder, "rows: [{ a: x }, { a: null }, { a: '' }, { a: null }]");
    assert_eq!(
        of_file(folder, &["a".to_owned()]),
        [[text("x")], [None], [text("")], [None]].map(|row| row.to_vec())
    );
}
