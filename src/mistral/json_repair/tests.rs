//! Repairs, refusals and their messages.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn reported(text: &str) -> String {
    match scan(text, 0) {
        Ok(Scanned { repaired: None, .. }) => "valid".to_owned(),
        Ok(Scanned { repaired: Some((json, note)), .. }) => format!("{json}\n    {note}"),
        Err(flaw) => {
            let Broken { reason, end } = flaw.explained(text);
            format!("{reason}\n    ends at {end:?} of {}", text.len())
        }
    }
}

#[test]
fn a_flaw_has_a_name_and_a_place() {
    let texts = [
        r#"{"a":1,}"#,
        "[1,2,\n]",
        "{\"a\":\"x\ny\tz\u{1}\"}",
        r#"{"a":1,,"b":2}"#,
        r#"{"a":"50\% off","b":[]} after"#,
        r#"{"a":"\ud83d","b":"}"}"#,
        r#"{"a":"\udc00x"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":NaN}"#,
        r#"{"a":-Infinity}"#,
        r#"{"a":True,"b":None}"#,
        r#"{'a': 1}"#,
        r#"{"a": 'x'}"#,
        r#"{a: 1}"#,
        r#"{"a": 1 "b": 2}"#,
        r#"{"a": "he said "no" to it"}"#,
        r#"{"a": 01}"#,
        r#"{"a": .5}"#,
        r#"{"a": }"#,
        r#"{"a": [1}"#,
        r#"{"a": 1, "a": 2}"#,
        "{\"a\": 1 // one\n}",
        r#"{"a": "x"#,
        r#"{"a": [1, 2"#,
        r#"{"a": "\ud83d\ude00"}"#,
    ];
    let reported: Vec<String> = texts.iter().map(|text| format!("{text}\n    {}", reported(text))).collect();
    insta::assert_snapshot!(reported.join("\n"));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(".*", inner, 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// JSON that a parser accepts is valid here up to its last byte, whatever follows.
    #[test]
    fn valid_json_is_valid(value in json(), after in ".*") {
        let text = format!("[{value}]");
        let scanned = scan(&format!("{text}{after}"), 0);
        prop_assert_eq!(scanned, Ok(Scanned { end: text.len(), repaired: None }));
    }

    /// A parser accepts everything reported as valid or repaired; nothing panics.
    #[test]
    fn what_is_taken_is_json(text in "[\\[{][\\[\\]{}\",:a-c0-2\\\\u\n nut\u{1}é.e-]{0,24}") {
        if let Ok(Scanned { end, repaired }) = scan(&text, 0) {
            let json = repaired.map_or_else(|| text[..end].to_owned(), |(json, _)| json);
            prop_assert!(serde_json::from_str::<Value>(&json).is_ok(), "{}", json);
        }
    }
}
