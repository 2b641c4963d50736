//! DuckDB's messages, and how they are explained.

use duckdb::Connection;

use super::*;
use crate::sql::message;

/// A query, and the texts that must be in the message.
const QUERIES: &[(&str, &[&str])] = &[
    ("SELECT 1 FORM x y", &["syntax error at or near \"x\""]),
    ("SELECT 1\nFORM x y", &["syntax error at or near \"x\"", "line 2, at `x`"]),
    (
        "SELECT a\nFROM 'a.csv'\nWHERE bb = 1",
        &["Referenced column \"bb\" not found", "Candidate bindings: \"b\"", "line 3, at `bb`"],
    ),
    ("SELECT * FROM missing", &["Table with name missing does not exist", "at `missing`"]),
    ("SELECT * FROM 'none*.parquet'", &["No files found that match the pattern \"none*.parquet\""]),
    (
        "SELECT left(1,2,3,4)",
        &["No function matches", "Candidate functions: left(VARCHAR, BIGINT) -> VARCHAR", "at `left`"],
    ),
    (
        "SELECT CAST(a AS INT) FROM read_csv('a.csv', all_varchar=true)",
        &["Could not convert string 'x' to INT32 when casting from source column a"],
    ),
    (
        "SELECT * FROM read_csv(['a.csv', 'b.csv'])",
        &[
            "Schema mismatch",
            "Main file schema: a.csv",
            "Current file: b.csv",
            "write `union_by_name = true` in the call, or read the files by a source",
        ],
    ),
    (
        "SELECT sum(a) FROM 'late.csv'",
        &[
            "CSV Error on Line: 30002",
            "Original Line: zzz,1",
            "file late.csv",
            "delimiter ,",
            "read the file by a source with `csv:`",
        ],
    ),
    ("SELECT * FROM 'latin.csv'", &["not utf-8 encoded", "`encoding = 'latin-1'`", "file latin.csv"]),
    ("SELECT * FROM read_json('bad.jsonl')", &["Malformed JSON in file \"bad.jsonl\""]),
    (
        "SELECT * FROM read_json('mixed.jsonl', columns={'a': 'INT'})",
        &["in line 1", "read the file by a source with `jsonl:`"],
    ),
    (
        "SELECT * FROM read_csv('a.csv', union_by_nam=true)",
        &["Invalid named parameter \"union_by_nam\"", "union_by_name BOOLEAN"],
    ),
    (
        "SELECT * FROM st_read('x')",
        &["`st_read` is in DuckDB's extension `spatial`", "export the data to a file"],
    ),
    (
        "SELECT x, count(*) FROM (SELECT 1 AS x, 2 AS y) GROUP BY y",
        &["must appear in the GROUP BY clause", "Either add it to the GROUP BY list"],
    ),
    ("SELECT (SELECT x FROM (VALUES (1),(2)) t(x))", &["More than one row returned by a subquery"]),
    (
        "SELECT struct_extract({a: 1}, 'b')",
        &["Could not find key \"b\" in struct", "Candidate Entries: \"a\""],
    ),
    ("SELECT strptime('x', '%Y')", &["Could not parse string \"x\"", "Error: Expected a number"]),
    ("SELECT error('my own Error: as it is')", &["my own Error: as it is"]),
    (
        "SELECT list(repeat('x', 20000) || x) FROM range(100000) t(x)",
        &["DuckDB's memory limit is exceeded", "`duckdb: { path: …, memory: 2GB }`"],
    ),
    (
        "SELECT * FROM range(30000000) t(x) ORDER BY hash(x)",
        &["neither memory nor disk space is sufficient", "`duckdb: { path: …, temp: DIR }`"],
    ),
];

/// Texts that no message may contain: settings and options not available in a pipeline.
const FOREIGN: [&str; 12] = [
    "SET ",
    "PRAGMA",
    "sample_size",
    "files_to_sniff",
    "ignore_errors",
    "INSTALL",
    "LOAD ",
    "memory_limit",
    "max_temp_directory_size",
    "preserve_insertion_order",
    "http",
    "COPY",
];

fn refused(connection: &Connection, query: &str) -> String {
    let run = || -> Result<(), duckdb::Error> {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    message(&run().expect_err(query))
}

#[test]
fn every_message_is_whole_and_gives_advice_that_can_be_followed() {
    let folder = tempfile::tempdir().unwrap();
    let late: String = (0..30_000).map(|i| format!("{i},{i}\n")).collect();
    let files: [(&str, Vec<u8>); 6] = [
        ("a.csv", b"a,b\n1,2\nx,3\n".to_vec()),
        ("b.csv", b"a,c\n1,2\n".to_vec()),
        ("late.csv", format!("a,b\n{late}zzz,1\n").into()),
        ("latin.csv", b"x\xe9,b\n1,2\n".to_vec()),
        ("bad.jsonl", b"{\"a\":1}\n{\"a\":\n".to_vec()),
        ("mixed.jsonl", b"{\"a\":1}\n[1,2]\n".to_vec()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut wrong = Vec::new();
    for (query, wanted) in QUERIES {
        let connection = Connection::open_in_memory().unwrap();
        let memory = if query.contains("range(") { "30MB" } else { "1GB" };
        let path = folder.path().display();
        connection
            .execute_batch(&format!(
                "SET file_search_path = '{path}'; SET temp_directory = '{path}/t'; SET max_temp_directory_size = '1MB';
                 SET memory_limit = '{memory}'; SET threads = 1; SET autoinstall_known_extensions = false;"
            ))
            .unwrap();
        let raw = refused(&connection, query);
        let reported = explained(&raw).replace(&format!("{path}/"), "");
        let lacks = wanted.iter().filter(|part| !reported.contains(**part));
        // The listed options of a function are available to the user.
        let foreign = if reported.contains("Candidates: ") { &[] } else { &FOREIGN[..] };
        let has = foreign.iter().chain(&["\n", "LINE 1", "; ;"]).filter(|part| reported.contains(**part));
        for part in lacks.chain(has) {
            wrong.push(format!("{query}\n  about: {part:?}\n  reported: {reported}\n  of: {raw}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn memory_that_runs_out_at_the_end_of_a_transaction_gives_the_same_advice() {
    let reported = explained(
        "TransactionContext Error: Failed to commit: failed to pin block of size 256.0 KiB (121.9 MiB/122.0 MiB used)",
    );
    let begin = "DuckDB's memory limit is exceeded (failed to pin block of size 256.0 KiB";
    assert!(reported.starts_with(begin), "{reported}");
    assert!(reported.contains("`duckdb: { path: …, memory: 2GB }`"), "{reported}");
}

#[test]
fn an_extension_that_cannot_be_downloaded_is_named() {
    let raw = "An error occurred while trying to automatically install the required extension 'httpfs':\n\
        Failed to download extension \"httpfs\" at URL \"http://x\"\nExtension \"httpfs\" is an existing extension.\n\n\
        For more info, visit https://x?extension=httpfs (ERROR Could not establish connection)";
    assert_eq!(
        explained(raw),
        "the query needs DuckDB's extension `httpfs`, which is not built in and cannot be downloaded \
         (Could not establish connection): export the data to a file, and read the file"
    );
}
