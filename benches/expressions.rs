//! What expressions cost: five over records of a text of 2 KB and four other fields, in chunks and for one record.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::time::Instant;

use common::check;
use etl::{
    record::{LogicalType, Schema, Value},
    sql::{Engine, Evaluator, Row},
};

const EXPRESSIONS: [(&str, LogicalType); 5] = [
    ("upper(left(text, 40))", LogicalType::Varchar),
    ("length(text)", LogicalType::BigInt),
    ("price * 1.19", LogicalType::Double),
    ("list_sum(list_transform(parts, x -> x + id))", LogicalType::HugeInt),
    ("CASE WHEN id % 3 = 0 THEN 'first' ELSE lang END", LogicalType::Varchar),
];

fn main() {
    let schema = Schema::new([
        ("id", LogicalType::BigInt),
        ("text", LogicalType::Varchar),
        ("price", LogicalType::Double),
        ("lang", LogicalType::Varchar),
        ("parts", LogicalType::List(Box::new(LogicalType::BigInt))),
    ]);
    let rows: Vec<Row> = (0..256).map(row).collect();
    let engine = Engine::start().expect("DuckDB");
    let expressions = EXPRESSIONS.map(|(text, of)| (text.to_owned(), of));
    let evaluator = Evaluator::new(&engine, &schema, &expressions).expect("expressions that bind");
    let (chunks, single) = (per_record(&evaluator, &rows, 400), per_record(&evaluator, &rows[..1], 5_000));
    let figures = format!(
        "{chunks:.1} µs a record in chunks of 256 (wanted 10), {single:.0} µs for one record (wanted 200)"
    );
    check("five expressions", &figures, chunks <= 10.0 && single <= 200.0);
}

/// Microseconds a record, the median of some rounds.
fn per_record(evaluator: &Evaluator, rows: &[Row], times: usize) -> f64 {
    let mut rounds: Vec<f64> = (0..9)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..times {
                let values = evaluator.evaluate(rows);
                assert!(values.len() == rows.len() && values.iter().all(Result::is_ok));
            }
            started.elapsed().as_secs_f64() * 1e6 / (times * rows.len()) as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn row(id: i64) -> Row {
    let parts: Vec<Value> = (0..3).map(|part| Value::from(id * part)).collect();
    let text = format!("{id}: {}", "a few words in a text, ".repeat(88));
    [
        Value::from(id),
        Value::from(text),
        Value::Double(id as f64 / 4.0),
        Value::text("en"),
        Value::List(parts.into()),
    ]
    .into()
}
