use duckdb::Connection;

use crate::{
    read::{Format, Options, ReadError, Types, fixture::Folder},
    record::{LogicalType, Value, parse_type},
};

fn parquet() -> Options {
    Options::new(Format::Parquet)
}

fn written(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    let duckdb = Connection::open_in_memory().unwrap();
    for (name, query) in files {
        let path = folder.0.path().join(name);
        let path = path.display().to_string().replace('\'', "''");
        duckdb.execute_batch(&format!("COPY ({query}) TO '{path}' (FORMAT parquet)")).unwrap();
    }
    folder
}

#[test]
fn every_type_arrives_as_its_carrier() {
    let folder = written(&[(
        "a.parquet",
        "SELECT 12345678901234567.89::DECIMAL(38,2) AS d, {'m': 1.10::DECIMAL(5,2), 'l': [2.5::DECIMAL(3,1)]} AS s, \
         18446744073709551615::UBIGINT AS u, [1.5, 2]::FLOAT[2] AS f, \
         TIMESTAMP_NS '1969-12-31 23:59:59.123456789' AS ns, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS tz, \
         TIME '12:30:00' AS t, UUID 'b8acd569-1b2c-4e47-8245-cb3ab4e4cede' AS id, 'x'::ENUM('x') AS e, \
         INTERVAL 3 DAY AS i, MAP {'a': 1} AS m, 'null' AS text, NULL::VARCHAR AS none, DATE '1969-01-01' AS day, \
         true AS b, 1.5 AS w, 7::TINYINT AS tiny, '\\x00ab'::BLOB AS blob, '{\"a\": 1}'::JSON AS j",
    )]);
    let found = folder.read("a.parquet", &parquet()).unwrap();
    let text = |name: &str| found.texts(name).remove(0);
    assert_eq!(text("d"), "12345678901234567.89");
    assert_eq!(
        found.description.schema.get("d").unwrap().datatype,
        LogicalType::Decimal { width: 38, scale: 2 }
    );
    let inner = Value::Struct(["1.10".into(), Value::List(["2.5".into()].into())].into());
    assert_eq!(found.column("s"), [inner]);
    assert_eq!(text("u"), "18446744073709551615");
    assert_eq!(found.column("f"), [Value::List(["1.5".into(), "2.0".into()].into())]);
    assert_eq!(text("ns"), "1969-12-31 23:59:59.123456789");
    assert_eq!(
        (text("t"), text("id"), text("e")),
        ("12:30:00".into(), "b8acd569-1b2c-4e47-8245-cb3ab4e4cede".into(), "x".into())
    );
    assert_eq!(
        (text("i"), text("m"), text("text"), text("none")),
        ("3 days".into(), "{a=1}".into(), "null".into(), "NULL".into())
    );
    assert_eq!(
        (text("day"), text("b"), text("w"), text("tiny")),
        ("1969-01-01".into(), "true".into(), "1.5".into(), "7".into())
    );
    assert_eq!((text("blob"), text("j")), ("\\x00ab".into(), "{\"a\": 1}".into()));
    assert!(text("tz").starts_with("2024-01-01") || text("tz").starts_with("2023-12-31"), "{}", text("tz"));
}

#[test]
fn files_are_united_and_widened_or_refused() {
    let folder = written(&[
        ("a.parquet", "SELECT 1::INTEGER AS id, 'x' AS n, 1::DECIMAL(4,2) AS p"),
        (
            "b.parquet",
            "SELECT 'e@x' AS email, 'y' AS N, 9007199254740993 AS ID, 12345.678::DECIMAL(8,3) AS p",
        ),
    ]);
    let found = folder.read("*.parquet", &parquet()).unwrap();
    assert_eq!(found.types(), "id BIGINT, n VARCHAR, p DECIMAL(8,3), email VARCHAR");
    assert_eq!(found.texts("id"), ["1", "9007199254740993"]);
    assert_eq!(found.texts("p"), ["1.000", "12345.678"]);
    assert_eq!(found.texts("email"), ["NULL", "e@x"]);
    let folder = written(&[("a.parquet", "SELECT 1 AS id"), ("b.parquet", "SELECT 'x' AS id")]);
    let error = folder.read("*.parquet", &parquet()).err().unwrap().to_string();
    assert!(error.contains("`id` is INTEGER in `a.parquet` and VARCHAR in `b.parquet`"), "{error}");
    let types = Types { of: vec![("id".into(), LogicalType::Varchar)], ..Types::default() };
    let found = folder.read("*.parquet", &Options { types, ..parquet() }).unwrap();
    assert_eq!(found.texts("id"), ["1", "x"]);
}

#[test]
fn structs_are_united_by_the_names_of_their_fields() {
    let folder = written(&[
        ("a.parquet", "SELECT {'a': 1::INTEGER, 'c': [1.5::DECIMAL(3,1)]} AS s"),
        ("b.parquet", "SELECT {'b': 'x', 'a': 3000000000::BIGINT} AS s"),
    ]);
    let found = folder.read("*.parquet", &parquet()).unwrap();
    assert_eq!(found.types(), "s STRUCT(\"a\" BIGINT, \"c\" DECIMAL(3,1)[], \"b\" VARCHAR)");
    let list = Value::List(["1.5".into()].into());
    assert_eq!(
        found.column("s"),
        [
            Value::Struct([1.into(), list, Value::Null].into()),
            Value::Struct([3_000_000_000.into(), Value::Null, "x".into()].into()),
        ]
    );
}

#[test]
fn a_value_that_does_not_fit_what_is_said_is_bad() {
    let folder = written(&[("a.parquet", "SELECT * FROM (VALUES (1, '5'), (2, 'x'), (3, NULL)) t(id, v)")]);
    let types = Types { of: vec![("v".into(), parse_type("INTEGER"))], ..Types::default() };
    let found = folder.read("a.parquet", &Options { types, ..parquet() }).unwrap();
    assert_eq!((found.texts("id"), found.bad_lines()), (vec!["1".into(), "3".into()], vec![2]));
    assert_eq!(found.bad[0].reason, "the column `v` has the type INTEGER in `types:`, and the value is `x`");
}

#[test]
fn long_rows_arrive_in_the_order_of_the_file() {
    let folder = Folder::new();
    let duckdb = Connection::open_in_memory().unwrap();
    let long = "SELECT range AS id, repeat('x', 8000) || range AS text, range AS piece FROM range(9000)";
    for (number, size) in [2048, 3000, 5000, 122_880].into_iter().enumerate() {
        for (name, query) in [("a", long.to_owned()), ("b", long.replace("piece", "file_row_number"))] {
            let file = format!("{name}{number}.parquet");
            let path = folder.0.path().join(&file);
            let copy =
                format!("COPY ({query}) TO '{}' (FORMAT parquet, ROW_GROUP_SIZE {size})", path.display());
            duckdb.execute_batch(&copy).unwrap();
            let found = folder.read(&file, &parquet()).unwrap();
            let ids: Vec<i64> = found.texts("id").iter().map(|id| id.parse().unwrap()).collect();
            assert!(ids.iter().copied().eq(0..9000), "{file}, groups of {size} rows");
            assert_eq!(found.texts("text")[8999].len(), 8004);
        }
    }
}

#[test]
fn names_are_no_patterns() {
    let folder = written(&[("a'[1]*?.parquet", "SELECT 1 AS id"), ("a'1xx.parquet", "SELECT 2 AS id")]);
    assert_eq!(folder.read("a'[1]*?.parquet", &parquet()).unwrap().texts("id"), ["1"]);
}

#[test]
fn a_damaged_file_is_an_error_and_no_end() {
    let folder = written(&[("a.parquet", "SELECT range AS id, md5(range::VARCHAR) AS v FROM range(300000)")]);
    let path = folder.0.path().join("a.parquet");
    let good = std::fs::read(&path).unwrap();
    assert_eq!(folder.read("a.parquet", &parquet()).unwrap().rows.len(), 300_000);
    for at in [good.len() / 3, good.len() / 2, good.len() * 3 / 4] {
        let mut bytes = good.clone();
        bytes[at..at + 2000].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        let error = folder.read("a.parquet", &parquet()).err();
        let error = error.unwrap_or_else(|| panic!("damage at {at} is not seen")).to_string();
        assert!(error.starts_with("`a.parquet` cannot be read to its end: "), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    std::fs::write(&path, &good[..good.len() - 1000]).unwrap();
    assert!(matches!(folder.read("a.parquet", &parquet()).err(), Some(ReadError::Damaged { .. })));
}
