//! Round trips of values through DuckDB, and expressions that bind or report why they do not.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::record::{LogicalType, Schema, Value, parse_type};

fn row(values: Vec<Value>) -> Row {
    values.into()
}

fn one(engine: &Engine, schema: &Schema, expression: &str, values: Vec<Value>) -> Result<Value, String> {
    let datatype = bind(engine, schema, expression).map_err(|error| error.to_string())?;
    let evaluator = Evaluator::new(engine, schema, &[(expression.to_owned(), datatype)]).unwrap();
    evaluator.evaluate(&[row(values)]).remove(0).map(|mut values| values.remove(0))
}

#[test]
fn every_type_survives_the_way_through_a_chunk() {
    let engine = Engine::start().unwrap();
    for (datatype, literal) in [
        ("DECIMAL(38,2)", "12345678901234567.89"),
        ("HUGEINT", "170141183460469231731687303715884105727"),
        ("UBIGINT", "18446744073709551615"),
        ("UHUGEINT", "340282366920938463463374607431768211455"),
        ("FLOAT", "0.1"),
        ("DATE", "1969-12-31"),
        ("TIME", "12:30:00.123456"),
        ("TIMESTAMP", "2026-02-17 08:30:00.5"),
        ("TIMESTAMP_NS", "2026-02-17 08:30:00.123456789"),
        ("TIMESTAMP WITH TIME ZONE", "2026-02-17 08:30:00+00"),
        ("INTERVAL", "1 year 2 days 00:00:01"),
        ("UUID", "b8acd569-1b2c-4e47-8245-cb3ab4e4cede"),
        ("BLOB", "\\x00a\\xFF"),
        ("JSON", "{\"a\": [1, null]}"),
        ("ENUM('a', 'b c')", "b c"),
        ("MAP(VARCHAR, INTEGER)", "{a=1, b=2}"),
        ("BIT", "0101"),
    ] {
        let schema = Schema::new([("x", parse_type(datatype))]);
        assert_eq!(
            one(&engine, &schema, "x", vec![Value::from(literal)]),
            Ok(Value::from(literal)),
            "{datatype}"
        );
        let list = Schema::new([("x", LogicalType::List(Box::new(parse_type(datatype))))]);
        let values = Value::List(Arc::new([Value::from(literal), Value::Null]));
        assert_eq!(one(&engine, &list, "x", vec![values.clone()]), Ok(values), "{datatype}[]");
    }
}

fn typed() -> impl Strategy<Value = (LogicalType, Vec<Value>)> {
    let leaf = prop_oneof![
        Just(LogicalType::Varchar),
        Just(LogicalType::BigInt),
        Just(LogicalType::Double),
        Just(LogicalType::Boolean),
    ];
    let datatype = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| LogicalType::List(Box::new(of))),
            proptest::collection::vec(inner, 1..4).prop_map(|of| LogicalType::Struct(
                of.into_iter().enumerate().map(|(at, of)| (format!("f \"{at}, ("), of)).collect()
            )),
        ]
    });
    datatype.prop_flat_map(|of| {
        let values = proptest::collection::vec(value_of(&of), 1..40);
        (Just(of), values)
    })
}

fn value_of(of: &LogicalType) -> BoxedStrategy<Value> {
    let inside: BoxedStrategy<Value> = match of {
        LogicalType::BigInt => any::<i64>().prop_map(Value::Integer).boxed(),
        LogicalType::Double => {
            any::<f64>().prop_filter("no NaN", |v| !v.is_nan()).prop_map(Value::Double).boxed()
        }
        LogicalType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        LogicalType::List(of) => {
            proptest::collection::vec(value_of(of), 0..4).prop_map(|items| Value::List(items.into())).boxed()
        }
        LogicalType::Struct(fields) => fields
            .iter()
            .map(|(_, of)| value_of(of))
            .collect::<Vec<_>>()
            .prop_map(|items| Value::Struct(items.into()))
            .boxed(),
        _ => prop_oneof![
            Just("null".to_owned()),
            Just(String::new()),
            Just("'\"\\\n\u{1f600}e\u{301}".to_owned()),
            any::<String>().prop_map(|text| text.replace('\0', "")),
        ]
        .prop_map(Value::from)
        .boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 4 => inside].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn values_survive_the_way_through_a_chunk((of, values) in typed(), name in "[a-zA-Z \"']{1,8}") {
        let engine = Engine::start().unwrap();
        let schema = Schema::new([(name.as_str(), of.clone()), ("other", LogicalType::BigInt)]);
        let expression = crate::record::quote(&name);
        let evaluator = Evaluator::new(&engine, &schema, &[(expression, of)]).unwrap();
        let rows: Vec<Row> = values.iter().map(|value| row(vec![value.clone(), Value::Integer(1)])).collect();
        let back: Vec<Value> = evaluator.evaluate(&rows).into_iter().map(|row| row.unwrap().remove(0)).collect();
        prop_assert_eq!(back, values);
    }
}

#[test]
fn more_rows_than_a_vector_keep_their_order() {
    let engine = Engine::start().unwrap();
    let schema = Schema::new([("n", LogicalType::BigInt)]);
    let evaluator = Evaluator::new(&engine, &schema, &[("n * 2".to_owned(), LogicalType::BigInt)]).unwrap();
    for count in [0, 1, 2047, 2048, 2049, 5000] {
        let rows: Vec<Row> = (0..count).map(|n| row(vec![Value::Integer(n)])).collect();
        let expected: Vec<Evaluated> = (0..count).map(|n| Ok(vec![Value::Integer(n * 2)])).collect();
        assert_eq!(evaluator.evaluate(&rows), expected);
    }
}

#[test]
fn a_record_whose_expression_fails_fails_alone() {
    let engine = Engine::start().unwrap();
    let schema = Schema::new([("t", LogicalType::Varchar)]);
    let evaluator =
        Evaluator::new(&engine, &schema, &[("CAST(t AS BIGINT)".to_owned(), LogicalType::BigInt)]).unwrap();
    let rows: Vec<Row> = (0..300)
        .map(|n| row(vec![Value::from(if n % 97 == 5 { "x".to_owned() } else { n.to_string() })]))
        .collect();
    let results = evaluator.evaluate(&rows);
    let failed: Vec<usize> = (0..300).filter(|at| results[*at].is_err()).collect();
    assert_eq!(failed, [5, 102, 199, 296]);
    assert_eq!(results[7], Ok(vec![Value::Integer(7)]));
    assert!(results[5].as_ref().unwrap_err().contains("Could not convert string 'x' to INT64"));
}

#[test]
fn what_does_not_bind_says_why_and_where() {
    let engine = Engine::start().unwrap();
    let schema = Schema::new([
        ("text", LogicalType::Varchar),
        ("n", LogicalType::BigInt),
        ("lines", parse_type("STRUCT(name VARCHAR, total DECIMAL(18,2))[]")),
        ("line", LogicalType::Varchar),
        ("day", LogicalType::Date),
    ]);
    let said = |expression: &str| match bind(&engine, &schema, expression) {
        Ok(of) => format!("{expression} -> {}", of.sql()),
        Err(error) => {
            let at = error.span.clone().map(|span| format!(" [{}]", &expression[span])).unwrap_or_default();
            format!("{expression} -> {error}{at}")
        }
    };
    let lines: Vec<String> = [
        "length(text) + n",
        "list_sum([x.total for x in lines])",
        "txet",
        "length(txet) > 3",
        "lenght(text)",
        "sum(n)",
        "row_number() OVER ()",
        "unnest(lines)",
        "(SELECT 1)",
        "[line.total for line in lines]",
        "n = 'x'",
        "day = 'soon'",
        "text is not none",
        "text | length",
        "{{ text }}",
        "text == \"letter\"",
        "NULL",
        "[]",
        "n +",
        "n, text",
        "n; DROP TABLE t",
    ]
    .map(said)
    .into();
    insta::assert_snapshot!(lines.join("\n"));
    let not_boolean = condition(&engine, &schema, "text").unwrap_err().to_string();
    assert_eq!(
        not_boolean,
        "`text` is VARCHAR, but a condition must be BOOLEAN: compare it: `text = 'true'`, `text <> ''` or `text IS NOT NULL`"
    );
}

#[test]
fn text_is_not_converted_unless_a_cast_is_written() {
    let engine = Engine::start().unwrap();
    let fields = [
        ("text", "VARCHAR"),
        ("n", "BIGINT"),
        ("price", "DECIMAL(9,2)"),
        ("day", "DATE"),
        ("about", "STRUCT(a VARCHAR, b BIGINT)"),
        ("words", "VARCHAR[]"),
        ("j", "JSON"),
        ("größe", "VARCHAR"),
    ];
    let schema = Schema::new(fields.map(|(name, of)| (name, parse_type(of))));
    for (expression, at) in [
        ("text = 3", "text"),
        ("NOT text", "text"),
        ("n > 1 AND text IN (1, 2)", "text"),
        ("price = text", "text"),
        ("text = day", "text"),
        ("about.a = 3", "about.a"),
        ("if(text, 1, 2)", "text"),
        ("CASE text WHEN 3 THEN 1 END", "text"),
        ("text IN ('a', 3)", "text"),
        ("words[1] = 3", "words[1] = 3"),
        ("length('größe') > 1 AND text = 3", "text"),
        ("\"größe\" = 3", "\"größe\""),
    ] {
        let Err(error) = bind(&engine, &schema, expression) else { panic!("{expression} binds") };
        assert!(error.message.contains(" used as "), "{expression}: {error}");
        let span = error.span.unwrap_or_else(|| panic!("{expression}: no place"));
        assert_eq!(&expression[span], at, "{expression}");
    }
    for expression in ["3 < text", "n > text", "coalesce(n, text) = 'x'"] {
        let error = bind(&engine, &schema, expression).unwrap_err();
        assert!(error.message.contains("an explicit cast is required"), "{expression}: {error}");
    }
    for expression in [
        "CAST(text AS INTEGER) = 3",
        "text::INT = 3",
        "TRY_CAST(text AS INT) > 1",
        "CAST(about.a AS DATE) = day",
        "CAST(trim(text) AS DECIMAL(9,2)) = price",
        "n = 3",
        "n = '3'",
        "day >= '2024-01-01'",
        "text = '3'",
        "text || n",
        "concat(text, n, day)",
        "j = '3'",
        "text LIKE '3%'",
        "regexp_matches(text, '3')",
        "words[1] = 'a'",
        "list_contains(words, text)",
        "[CAST(w AS INT) FOR w IN words]",
        "coalesce(text, '3') IN ('3', '4')",
        "strptime(text, '%Y')",
        "text < 'x' AND length(text) > 3",
        "regexp_extract(text, '([0-9]+)', 1)::INT",
        "printf('%s %d', text, n)",
    ] {
        bind(&engine, &schema, expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    }
}
