//! Every type of DuckDB from `sql:` and from Parquet to a column: the table of `docs/language.md`, line by line.

use crate::common::{Folder, conserved};

/// A type, a value, the resulting column from `sql:` and its text there; the type of the column from a Parquet
/// file, where different, or `No` if DuckDB cannot write it.
struct Case(&'static str, &'static str, &'static str, &'static str, Parquet);

enum Parquet {
    Same,
    /// DuckDB writes another type.
    Of(&'static str, &'static str),
    No,
}

use Parquet::{No, Of, Same};

const CASES: &[Case] = &[
    Case("BOOLEAN", "true", "BOOLEAN", "true", Same),
    Case("TINYINT", "(-128)::TINYINT", "TINYINT", "-128", Same),
    Case("SMALLINT", "(-32768)::SMALLINT", "SMALLINT", "-32768", Same),
    Case("INTEGER", "(-2147483648)::INTEGER", "INTEGER", "-2147483648", Same),
    Case("BIGINT", "(-9223372036854775808)::BIGINT", "BIGINT", "-9223372036854775808", Same),
    Case("UTINYINT", "255::UTINYINT", "UTINYINT", "255", Same),
    Case("USMALLINT", "65535::USMALLINT", "USMALLINT", "65535", Same),
    Case("UINTEGER", "4294967295::UINTEGER", "UINTEGER", "4294967295", Same),
    Case("UBIGINT", "18446744073709551615::UBIGINT", "UBIGINT", "18446744073709551615", Same),
    Case(
        "HUGEINT",
        "170141183460469231731687303715884105727::HUGEINT",
        "HUGEINT",
        "170141183460469231731687303715884105727",
        Of("DOUBLE", "1.7014118346046923e+38"),
    ),
    Case("sum()", "(SELECT sum(i) FROM range(10) AS t(i))", "HUGEINT", "45", Of("DOUBLE", "45.0")),
    Case(
        "UHUGEINT",
        "340282366920938463463374607431768211455::UHUGEINT",
        "UHUGEINT",
        "340282366920938463463374607431768211455",
        Of("DOUBLE", "3.402823669209385e+38"),
    ),
    Case("FLOAT", "0.1::FLOAT", "FLOAT", "0.1", Same),
    Case("DOUBLE", "0.1::DOUBLE", "DOUBLE", "0.1", Same),
    Case("DOUBLE", "'nan'::DOUBLE", "DOUBLE", "nan", Same),
    Case(
        "DECIMAL",
        "12345678901234567890.10::DECIMAL(38,2)",
        "DECIMAL(38,2)",
        "12345678901234567890.10",
        Same,
    ),
    Case("VARCHAR", "'null'", "VARCHAR", "null", Same),
    Case("VARCHAR", "''", "VARCHAR", "", Same),
    Case("BLOB", "'\\x00\\xFFa'::BLOB", "BLOB", "\\x00\\xFFa", Same),
    Case("BIT", "'0101'::BIT", "BIT", "0101", Of("VARCHAR", "0101")),
    Case(
        "UUID",
        "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID",
        "UUID",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        Same,
    ),
    Case("DATE", "'5877642-06-25 (BC)'::DATE", "DATE", "5877642-06-25 (BC)", Same),
    Case("DATE", "'infinity'::DATE", "DATE", "infinity", Same),
    Case("TIME", "'23:59:59.123456'::TIME", "TIME", "23:59:59.123456", Same),
    Case("TIME_NS", "'23:59:59.123456789'::TIME_NS", "TIME_NS", "23:59:59.123456789", Same),
    Case(
        "TIMETZ",
        "'23:59:59+05:30'::TIMETZ",
        "TIME WITH TIME ZONE",
        "23:59:59+05:30",
        Of("TIME WITH TIME ZONE", "18:29:59+00"),
    ),
    Case(
        "TIMESTAMP",
        "'1969-01-01 00:00:00.000001'::TIMESTAMP",
        "TIMESTAMP",
        "1969-01-01 00:00:00.000001",
        Same,
    ),
    Case(
        "TIMESTAMP_S",
        "'2024-01-01 00:00:00'::TIMESTAMP_S",
        "TIMESTAMP_S",
        "2024-01-01 00:00:00",
        Of("TIMESTAMP", "2024-01-01 00:00:00"),
    ),
    Case(
        "TIMESTAMP_MS",
        "'2024-01-01 00:00:00.123'::TIMESTAMP_MS",
        "TIMESTAMP_MS",
        "2024-01-01 00:00:00.123",
        Of("TIMESTAMP", "2024-01-01 00:00:00.123"),
    ),
    Case(
        "TIMESTAMP_NS",
        "'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS",
        "TIMESTAMP_NS",
        "2024-01-01 00:00:00.123456789",
        Same,
    ),
    Case(
        "TIMESTAMPTZ",
        "'2024-01-01 00:00:00+02'::TIMESTAMPTZ",
        "TIMESTAMP WITH TIME ZONE",
        "2023-12-31 22:00:00+00",
        Same,
    ),
    Case(
        "INTERVAL",
        "INTERVAL '1 year 2 months -3 days 04:05:06.789'",
        "INTERVAL",
        "1 year 2 months -3 days 04:05:06.789",
        No,
    ),
    Case("ENUM", "'b'::ENUM('a', 'b, c', 'b')", "ENUM('a', 'b, c', 'b')", "b", Of("VARCHAR", "b")),
    Case("JSON", "'{\"a\": [1.10, null, \"x\"]}'::JSON", "JSON", "{\"a\": [1.10, null, \"x\"]}", Same),
    Case("JSON", "'null'::JSON", "JSON", "null", Same),
    Case("LIST", "[1.10, NULL]::DECIMAL(9,2)[]", "DECIMAL(9,2)[]", "[1.10, NULL]", Same),
    Case("LIST", "['a, b', '''', NULL, 'NULL', '']", "VARCHAR[]", "['a, b', '\\'', NULL, 'NULL', '']", Same),
    Case("ARRAY", "[1.5, 2, 3]::FLOAT[3]", "FLOAT[3]", "[1.5, 2.0, 3.0]", Of("FLOAT[]", "[1.5, 2.0, 3.0]")),
    Case(
        "STRUCT",
        "{'a': 0.10::DECIMAL(9,2), 'b, c': 'x\"}y'}",
        "STRUCT(a DECIMAL(9,2), \"b, c\" VARCHAR)",
        "{'a': 0.10, 'b, c': 'x\"}y'}",
        Same,
    ),
    Case("MAP", "MAP {'a, b': 1, 'c=d': 2}", "MAP(VARCHAR, INTEGER)", "{'a, b'=1, 'c=d'=2}", Same),
    Case("MAP", "MAP {'a': ['x, y', 'z]']}", "JSON", "{\"a\":[\"x, y\",\"z]\"]}", Same),
    Case(
        "MAP",
        "MAP {'a': {'d': 12345678901234567890.12::DECIMAL(38,2)}}",
        "JSON",
        "{\"a\":{\"d\":12345678901234567890.12}}",
        Same,
    ),
    Case("UNION", "union_value(num := 1)::UNION(num INTEGER, str VARCHAR)", "JSON", "{\"num\":1}", No),
    Case("UNION", "union_value(str := '1')::UNION(num INTEGER, str VARCHAR)", "JSON", "{\"str\":\"1\"}", No),
    Case("VARIANT", "{'a': 1, 'b': ['1']}::VARIANT", "JSON", "{\"a\":1,\"b\":[\"1\"]}", Same),
    Case(
        "STRUCT",
        "{'u': union_value(num := 1)::UNION(num INTEGER, str VARCHAR)}",
        "STRUCT(u JSON)",
        "{'u': '{\"num\":1}'}",
        No,
    ),
    Case("NULL", "NULL", "INTEGER", "NULL", Same),
];

fn column(folder: &Folder, source: &str) -> (String, Vec<String>) {
    let spec = format!(
        "
pipeline: test
duckdb: out.duckdb
stages:
  - source: values
    {source}
    key: id
  - sink: rows
    table: rows
    mode: replace
"
    );
    let ended = folder.run(&spec);
    conserved(&ended);
    assert_eq!((ended.sum.rows, ended.sum.failures), (2, 0), "{source}");
    let of =
        folder.sql("SELECT data_type FROM duckdb_columns() WHERE table_name = 'rows' AND column_name = 'v'");
    let values = folder
        .sql("SELECT CASE WHEN v IS NULL THEN 'NULL' ELSE CAST(v AS VARCHAR) END FROM rows ORDER BY id");
    (of, values.split('\n').map(str::to_owned).collect())
}

#[test]
fn integers_of_more_than_64_bits_are_exact_in_a_parquet_file() {
    let folder = Folder::new();
    let big = "170141183460469231731687303715884105";
    folder.run(&format!(
        "duckdb: out.duckdb\nstages:\n  - source: values\n    sql: \"SELECT {big}::HUGEINT AS n, [{{'m': {big}::HUGEINT}}] AS l, MAP {{'k': {big}::HUGEINT}} AS k\"\n  - sink: rows\n    parquet: rows.parquet\n"
    ));
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let path = folder.path("rows.parquet").display().to_string();
    let sql = format!("SELECT concat_ws(' ', n, l[1].m, k['k'], typeof(n)) FROM '{path}'");
    let found: String = duckdb.query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(found, format!("{big} {big} {big} DECIMAL(38,0)"));
}

#[test]
fn every_type_has_its_column() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    duckdb.execute_batch("SET TimeZone = 'UTC'").unwrap();
    for Case(name, value, of, text, parquet) in CASES {
        let folder = Folder::new();
        let query = format!("SELECT 1 AS id, {value} AS v UNION ALL SELECT 2, NULL");
        let wanted = |of: &str, text: &str| (of.to_owned(), vec![text.to_owned(), "NULL".to_owned()]);
        let block = format!("sql: |\n      {query}");
        assert_eq!(column(&folder, &block), wanted(of, text), "{name} from sql");
        let path = folder.path("v.parquet");
        let written = duckdb.execute_batch(&format!("COPY ({query}) TO '{}'", path.display()));
        match (parquet, written) {
            (No, _) => {}
            (Same, Ok(())) => {
                assert_eq!(column(&folder, "parquet: v.parquet"), wanted(of, text), "{name} from Parquet");
            }
            (Of(of, text), Ok(())) => {
                assert_eq!(column(&folder, "parquet: v.parquet"), wanted(of, text), "{name} from Parquet");
            }
            (_, Err(error)) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn a_number_of_rows_is_never_another_number() {
    for (written, of, text) in [
        ("12345678901234567.89", "DECIMAL(19,2)", "12345678901234567.89"),
        ("-0.1000000000000000055", "DECIMAL(20,19)", "-0.1000000000000000055"),
        ("18446744073709551615", "HUGEINT", "18446744073709551615"),
        ("123456789012345678901234", "HUGEINT", "123456789012345678901234"),
        ("007", "VARCHAR", "007"),
        ("1.10", "DECIMAL(3,2)", "1.10"),
        ("-0.25", "DOUBLE", "-0.25"),
        ("1e3", "DECIMAL(4,0)", "1000"),
        ("0x1F", "BIGINT", "31"),
        ("12:30", "VARCHAR", "12:30"),
    ] {
        let rows = format!("rows: [{{ id: 1, v: {written} }}, {{ id: 2, v: null }}]");
        let expected = (of.to_owned(), vec![text.to_owned(), "NULL".to_owned()]);
        assert_eq!(column(&Folder::new(), &rows), expected, "{written}");
    }
}

#[test]
fn a_double_is_printed_as_duckdb_prints_it() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let mut values: Vec<f64> =
        (-320..=308).map(|exponent| format!("1e{exponent}").parse().unwrap()).collect();
    for at in 0..values.len() {
        let value = values[at];
        // The next one below and above, and one with all digits.
        values.extend([value.next_down(), value.next_up(), value * 3.061_054_416_501_859, -value * 7.0]);
    }
    values.retain(|value| value.is_finite());
    let mut statement = duckdb.prepare("SELECT CAST(?::DOUBLE AS VARCHAR)").unwrap();
    for value in values {
        let printed: String = statement.query_row([value], |row| row.get(0)).unwrap();
        assert_eq!(etl::record::double(value), printed, "{value:e}");
    }
}

#[test]
fn a_cast_of_a_sink_changes_no_value() {
    let cases = [
        ("7.5::DOUBLE", "integer", None),
        ("7.0::DOUBLE", "integer", Some("7")),
        ("1e30::DOUBLE", "integer", None),
        ("1.005::DOUBLE", "decimal(6,2)", None),
        ("0.1::DOUBLE", "decimal(6,2)", Some("0.10")),
        ("3.999::DECIMAL(6,3)", "decimal(6,2)", None),
        ("3.990::DECIMAL(6,3)", "decimal(6,2)", Some("3.99")),
        ("300", "UTINYINT", None),
        ("2", "boolean", None),
        ("1", "boolean", Some("true")),
        ("'7.50'", "integer", None),
        ("' 007 '", "integer", Some("7")),
        ("'1e3'", "integer", None),
        ("'1.500'", "decimal(6,2)", Some("1.50")),
        ("'1.505'", "decimal(6,2)", None),
        ("'2026-01-02'", "date", Some("2026-01-02")),
        ("'2026-01-02 10:11:12'", "date", None),
        ("TIMESTAMP '2026-01-02 10:11:12'", "date", None),
        ("TIMESTAMP '2026-01-02 00:00:00'", "date", Some("2026-01-02")),
        ("'it''s'", "integer", None),
        ("'0.1'", "FLOAT", Some("0.1")),
        ("[7.5, 1.0]::DOUBLE[]", "BIGINT[]", None),
        ("[7.0, NULL]::DOUBLE[]", "BIGINT[]", Some("[7, NULL]")),
        ("[0.1]::DOUBLE[]", "FLOAT[1]", Some("[0.1]")),
        ("{ a: 7.5::DOUBLE }", "STRUCT(a BIGINT)", None),
    ];
    for (value, to, expected) in cases {
        let folder = Folder::new();
        let ended = folder.run(&format!(
            "duckdb: out.duckdb\nstages:\n  - source: values\n    sql: \"SELECT 1 AS id, {value} AS v UNION ALL SELECT 2, NULL\"\n    key: id\n  - sink: out\n    types: {{ v: \"{to}\" }}\n"
        ));
        conserved(&ended);
        let failed = u64::from(expected.is_none());
        assert_eq!((ended.sum.rows, ended.sum.failures), (2 - failed, failed), "{value} as {to}");
        let found = folder.sql("SELECT v FROM out WHERE id = 1");
        assert_eq!(found, expected.unwrap_or_default(), "{value} as {to}");
        if expected.is_none() {
            let reason = folder.sql("SELECT reason FROM etl.failures");
            assert!(reason.contains("`v`"), "{reason}");
        }
    }
}

/// DuckDB needs about a megabyte for each column that it writes, more than the memory of an ordinary pipeline.
#[test]
fn a_table_of_900_columns_is_written() {
    const COLUMNS: usize = 900;
    let folder = Folder::new();
    let mut csv = format!("id{}\n", (0..COLUMNS).map(|at| format!(",c{at}")).collect::<String>());
    for row in 0..600 {
        let cells: String = (0..COLUMNS).map(|at| format!(",v{}{at}", row % 7)).collect();
        csv += &format!("{row}{cells}\n");
    }
    folder.write("wide.csv", csv.as_bytes());
    let spec =
        "duckdb: out.duckdb\nstages:\n  - source: wide\n    csv: wide.csv\n    key: id\n  - sink: wide\n";
    let ended = folder.run(spec);
    conserved(&ended);
    assert_eq!(
        folder.sql("SELECT count(*), count(DISTINCT c899), any_value(c0 ORDER BY id) FROM wide"),
        "600 | 7 | v00"
    );
}
