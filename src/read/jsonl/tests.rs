use crate::{
    read::{
        Format, Options, ReadError, Types,
        fixture::{Folder, Read, gzip},
    },
    record::{LogicalType, Value, parse_type},
};

fn jsonl() -> Options {
    Options::new(Format::Jsonl)
}

fn read(text: impl AsRef<[u8]>) -> Read {
    Folder::with("a.jsonl", text).read("a.jsonl", &jsonl()).unwrap()
}

#[test]
fn values_arrive_as_they_are_written() {
    let found = read(
        "{\"id\":\"B8ACD569-1B2C-4E47-8245-CB3AB4E4CEDE\",\"t\":\"12:30\",\"d\":\"25-11-2025\",\"e\":\"\\u00e9\\n\"}\n",
    );
    assert_eq!(found.types(), "id VARCHAR, t VARCHAR, d VARCHAR, e VARCHAR");
    assert_eq!(found.texts("id"), ["B8ACD569-1B2C-4E47-8245-CB3AB4E4CEDE"]);
    assert_eq!(found.texts("t"), ["12:30"]);
    assert_eq!(found.texts("e"), ["é\n"]);
    let found = read("{\"id\":1,\"v\":12}\n{\"id\":2,\"v\":-3}\n\n{\"id\":3}\r\n{\"v\":null,\"id\":4}");
    assert_eq!(found.types(), "id BIGINT, v BIGINT");
    assert_eq!(found.texts("v"), ["12", "-3", "NULL", "NULL"]);
    assert_eq!(found.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 2, 4, 5]);
}

#[test]
fn numbers_stay_exact() {
    let found = read(
        "{\"h\":170141183460469231731687303715884105727,\"m\":9007199254740993.01,\"x\":1.5,\"a\":7,\"e\":1e999}\n\
         {\"h\":-1,\"m\":12,\"x\":0.25,\"a\":1.50,\"e\":-0}\n",
    );
    assert_eq!(found.types(), "h HUGEINT, m DECIMAL(18,2), x DOUBLE, a DECIMAL(3,2), e JSON");
    assert_eq!(found.texts("h"), ["170141183460469231731687303715884105727", "-1"]);
    assert_eq!(found.texts("m"), ["9007199254740993.01", "12.00"]);
    assert_eq!(found.texts("a"), ["7.00", "1.50"]);
    assert_eq!(found.texts("e"), ["1e999", "-0"]);
}

#[test]
fn what_comes_late_counts() {
    let late = "{\"a\":7}\n".repeat(20_480) + "{\"a\":1.5,\"b\":1}\n{\"a\":true}\n";
    let found = read(late);
    assert_eq!(found.types(), "a JSON, b BIGINT");
    assert_eq!(found.texts("a")[20_479..], ["7", "1.5", "true"]);
    assert_eq!(found.texts("b")[20_479..], ["NULL", "1", "NULL"]);
}

#[test]
fn kinds_that_differ_are_json() {
    let found = read(
        "{\"k\":1,\"n\":null,\"l\":[]}\n{\"k\":\"1\",\"n\":null}\n{\"k\":{\"b\": [1, 2]}}\n{\"k\":null}\n",
    );
    assert_eq!(found.types(), "k JSON, n JSON, l JSON[]");
    assert_eq!(found.texts("k"), ["1", "\"1\"", "{\"b\": [1, 2]}", "NULL"]);
}

#[test]
fn objects_are_structs_of_all_their_keys() {
    let found = read(
        "{\"o\":{\"a\":1,\"b\":\"x\"},\"l\":[{\"p\":1.5},{\"q\":[true]}]}\n{\"o\":{\"c\":{\"d\":null},\"A\":2}}\n",
    );
    assert_eq!(
        found.types(),
        "o STRUCT(\"a\" BIGINT, \"b\" VARCHAR, \"c\" STRUCT(\"d\" JSON)), l STRUCT(\"p\" DOUBLE, \"q\" \
         BOOLEAN[])[]"
    );
    let structure = |values: Vec<Value>| Value::Struct(values.into());
    assert_eq!(found.column("o")[0], structure(vec![1.into(), "x".into(), Value::Null]));
    assert_eq!(found.column("o")[1], structure(vec![2.into(), Value::Null, structure(vec![Value::Null])]));
    let items = [
        structure(vec![Value::Double(1.5), Value::Null]),
        structure(vec![Value::Null, Value::List([true.into()].into())]),
    ];
    assert_eq!(found.column("l")[0], Value::List(items.into()));
}

#[test]
fn what_is_no_struct_stays_json() {
    let keys: String = (0..201).map(|i| format!("\"k{i}\":{i},")).collect();
    let many = format!("{{\"o\":{{{}}}}}\n", keys.trim_end_matches(','));
    assert_eq!(read(&many).types(), "o JSON");
    let deep = format!("{{\"o\":{}1{}}}\n", "[".repeat(200), "]".repeat(200));
    let found = read(&deep);
    assert!(found.types().contains("JSON[]"));
    assert!(found.bad.is_empty());
    for text in ["{\"o\":{}}", "{\"o\":{\"a\":1,\"A\":2}}", "{\"o\":{\"\":1}}"] {
        assert_eq!(read(text).types(), "o JSON", "{text}");
    }
}

#[test]
fn a_line_that_is_no_object_is_bad_and_says_why() {
    for (line, reason) in [
        ("{\"id\":2,", "the line ends in the middle of a value (at character 9)"),
        ("{\"id\":2,\"x\":NaN}", "expected a JSON value, found `NaN` (at character 13)"),
        ("{\"id\":2,\"x\":-Infinity}", "expected a JSON value, found `-Infinity` (at character 14)"),
        ("{\"id\":2,\"id\":3}", "duplicate key `id` (at character 14)"),
        ("{\"id\":2,\"ID\":3}", "duplicate key `ID` (names are case-insensitive) (at character 14)"),
        ("{\"id\":2,\"o\":{\"a\":1,\"a\":2}}", "duplicate key `a` (at character 24)"),
        ("[1,2]", "the line is a list; expected an object (`{…}`) (at character 1)"),
        ("\"x\"", "the line is a text; expected an object (`{…}`) (at character 1)"),
        ("null", "the line is null; expected an object (`{…}`) (at character 1)"),
        ("{\"\":1}", "an empty key cannot be a column (at character 5)"),
        ("{\"é\":1} x", "expected the end of the line after the object, found `x` (at character 9)"),
        ("{id:1}", "expected a key in quotes, found `id` (at character 2)"),
        ("{\"id\":01}", ""),
        ("{'id':1}", ""),
        ("{\"id\":1,}", ""),
        ("{\"id\":\"\t\"}", ""),
        ("{\"id\":\"\\x\"}", ""),
    ] {
        let found = read(format!("{{\"id\":1}}\n{line}\n{{\"id\":3}}\n"));
        assert_eq!((found.texts("id"), found.bad_lines()), (vec!["1".into(), "3".into()], vec![2]), "{line}");
        assert_eq!(found.bad[0].raw, line);
        assert_eq!(found.types(), "id BIGINT");
        if !reason.is_empty() {
            assert_eq!(found.bad[0].reason, reason);
        }
    }
    let found = read(b"{\"id\":1}\n{\"id\":\"\xe9\"}\n");
    assert_eq!(found.bad[0].reason, "the byte 0xe9 is not UTF-8 (at character 8)");
}

#[test]
fn a_lone_surrogate_is_no_character() {
    for escape in ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\u0041"] {
        for line in
            [format!("{{\"id\":2,\"s\":\"{escape}\"}}"), format!("{{\"id\":2,\"o\":[{{\"{escape}\":1}}]}}")]
        {
            let found = read(format!("{line}\n{{\"id\":2,\"s\":\"\\ud83d\\ude00\"}}\n"));
            assert_eq!((found.texts("s"), found.bad_lines()), (vec!["😀".into()], vec![1]), "{line}");
            assert!(found.bad[0].reason.contains("lone surrogate"), "{}", found.bad[0].reason);
        }
    }
}

#[test]
fn marks_and_compression_are_seen_through() {
    assert_eq!(read("\u{feff}{\"id\":1}\n{\"id\":2}\n").texts("id"), ["1", "2"]);
    let bytes = gzip(b"{\"id\":1}\n{\"id\":2}\n");
    let folder = Folder::with("a.jsonl.gz", &bytes);
    assert_eq!(folder.read("*.gz", &jsonl()).unwrap().texts("id"), ["1", "2"]);
    let error = Folder::with("a.jsonl.gz", &bytes[..bytes.len() - 4]).read("*.gz", &jsonl()).err();
    assert!(matches!(error, Some(ReadError::Damaged { .. })));
}

#[test]
fn long_lines_come_whole() {
    let line =
        |i: u32| format!("{{\"id\":{i},\"pad\":\"{}\"}}\n", "x".repeat(if i < 3000 { 100 } else { 12_000 }));
    let found = read((0..3600).map(line).collect::<String>());
    assert_eq!(found.rows.len(), 3600);
    let long = found.texts("pad").iter().filter(|pad| pad.len() == 12_000).count();
    assert_eq!(long, 600);
}

#[test]
fn files_are_united_and_widened() {
    let folder = Folder::new();
    folder.write("d/a.jsonl", "{\"id\":1,\"p\":5}\n");
    folder.write("d/b.jsonl", "{\"P\":1.25,\"email\":\"e\",\"Id\":2}\n");
    folder.write("d/c.jsonl", "");
    let found = folder.read("d/{a,b,c}.jsonl", &jsonl()).unwrap();
    assert_eq!(found.types(), "id BIGINT, p DECIMAL(3,2), email VARCHAR");
    assert_eq!(found.texts("p"), ["5.00", "1.25"]);
}

#[test]
fn types_that_are_said_win() {
    let declared =
        [("id", "INTEGER"), ("day", "DATE"), ("n", "VARCHAR"), ("rare", "DOUBLE"), ("v", "FLOAT[2]")];
    let of = declared.iter().map(|(name, of)| ((*name).to_owned(), parse_type(of))).collect();
    let options = Options { types: Types { of, ..Types::default() }, ..jsonl() };
    let text = "{\"id\":1.0,\"day\":\"2024-01-02\",\"n\":1.50,\"v\":[0.1,2]}\n\
                {\"id\":2,\"day\":\"02.01.2024\"}\n{\"id\":3,\"v\":[1]}\n";
    let found = Folder::with("a.jsonl", text).read("a.jsonl", &options).unwrap();
    assert_eq!(found.types(), "id INTEGER, day DATE, n VARCHAR, v FLOAT[2], rare DOUBLE");
    assert_eq!(found.rows[0].values[..3], [Value::Integer(1), "2024-01-02".into(), "1.50".into()]);
    assert_eq!(found.rows[0].values[3], Value::List(["0.1".into(), "2.0".into()].into()));
    assert_eq!(found.bad_lines(), [2, 3]);
    assert_eq!(
        found.bad[0].reason,
        "the column `day` has the type DATE, and the value is \"02.01.2024\" (at character 15)"
    );
}

#[test]
fn what_is_proven_in_part_is_checked_to_the_end() {
    let text = "{\"id\":1}\n".repeat(100) + "{\"id\":\"x\"}\n{\"id\":2,\"new\":1}\n{\"id\":3}\n";
    let folder = Folder::with("a.jsonl", text);
    let found = folder.read("a.jsonl", &Options { prove: Some(50), ..jsonl() }).unwrap();
    assert_eq!((found.types(), found.rows.len()), ("id BIGINT".into(), 101));
    assert_eq!(found.bad_lines(), [101, 102]);
    assert_eq!(found.description.schema.get("ID").unwrap().datatype, LogicalType::BigInt);
}
