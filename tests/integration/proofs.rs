//! Types verified by a run are stored: a later check or run of the same file does not verify them again.

use std::{fs::File, time::SystemTime};

use crate::common::{Folder, conserved};

const SPEC: &str = "
pipeline: test
duckdb: out.duckdb
stages:
  - source: numbers
    csv: numbers.csv
    key: id
  - sink: rows
    table: rows
";

/// A file modified some time ago.
fn write(folder: &Folder, bytes: &[u8], seconds_ago: u64) {
    folder.write("numbers.csv", bytes);
    let at = SystemTime::now() - std::time::Duration::from_secs(seconds_ago);
    File::options().append(true).open(folder.path("numbers.csv")).unwrap().set_modified(at).unwrap();
}

fn type_at_check(folder: &Folder) -> String {
    let plan = folder.pipeline(SPEC, &[]).plan().to_string();
    let line = plan.lines().rev().find(|line| line.trim_start().starts_with("value ")).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

fn table() -> Vec<u8> {
    let rows: String = (0..100_000).map(|i| format!("{i},{}\n", i * 7)).collect();
    format!("id,value\n{rows}").into()
}

#[test]
fn a_file_that_has_not_changed_is_not_proven_again() {
    let folder = Folder::new();
    write(&folder, &table(), 60);
    conserved(&folder.run(SPEC));
    assert_eq!(folder.sql("SELECT count(*) FROM etl.proofs"), "1");
    // A falsified entry shows that it is used.
    let connection = duckdb::Connection::open(folder.path("out.duckdb")).unwrap();
    connection
        .execute_batch("UPDATE etl.proofs SET proof = replace(proof, '{\"Of\":\"BigInt\"}', '\"Text\"'); DROP TABLE rows")
        .unwrap();
    drop(connection);
    let before = std::fs::read(folder.path("out.duckdb")).unwrap();
    assert_eq!(type_at_check(&folder), "VARCHAR");
    assert!(std::fs::read(folder.path("out.duckdb")).unwrap() == before, "a check writes nothing");
    // Another time, size or options: the file is verified again.
    write(&folder, &table(), 50);
    assert_eq!(type_at_check(&folder), "BIGINT");
    let longer = [table(), b"100000,1.5\n".to_vec()].concat();
    write(&folder, &longer, 60);
    assert_eq!(type_at_check(&folder), "VARCHAR", "`1` does not print back as a DOUBLE");
}

#[test]
fn a_file_that_was_just_written_is_proven_again() {
    let folder = Folder::new();
    write(&folder, &table(), 0);
    conserved(&folder.run(SPEC));
    assert_eq!(folder.sql("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'proofs'"), "0");
}

#[test]
fn a_proof_that_cannot_be_read_is_made_again() {
    let folder = Folder::new();
    write(&folder, &table(), 60);
    conserved(&folder.run(SPEC));
    let connection = duckdb::Connection::open(folder.path("out.duckdb")).unwrap();
    connection.execute_batch("UPDATE etl.proofs SET proof = '{'").unwrap();
    drop(connection);
    assert_eq!(type_at_check(&folder), "BIGINT");
    conserved(&folder.run(SPEC));
    assert_eq!(
        folder.sql("SELECT count(*) FILTER (proof LIKE '%BigInt%'), count(*) FROM etl.proofs"),
        "1 | 1"
    );
}
