//! Answers, errors and results as seen from the service, parsed and described.

use std::{fs, path::Path};

use etl::mistral::{
    ApiError, ENDINGS, ERROR_ACTIONS, Ending, Endpoint, ErrorAction, read_reply, read_result, received,
};
use proptest::prelude::*;
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mistral");

/// Each fixture of a folder and its description by `words`, one per line.
fn reported(folder: &str, words: impl Fn(&Value) -> String) -> String {
    let mut files: Vec<_> =
        fs::read_dir(Path::new(FOLDER).join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let line = |file: &Path| {
        let fixture = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        format!("{}\n    {}\n", file.file_stem().unwrap().display(), words(&fixture))
    };
    files.iter().map(|file| line(file)).collect()
}

#[test]
fn every_shape_of_error_is_read_and_has_its_fate() {
    insta::assert_snapshot!(reported("errors", |fixture| {
        let status = u16::try_from(fixture["status"].as_u64().unwrap()).unwrap();
        let body = fixture["body"].as_str().map_or_else(|| fixture["body"].to_string(), str::to_owned);
        let error = ApiError::read(status, &body);
        let capacity =
            if error.action() == ErrorAction::RateLimited && error.is_capacity() { ", theirs" } else { "" };
        format!("{error}\n    → {:?}{capacity}", error.action())
    }));
}

#[test]
fn every_shape_of_answer_is_read() {
    insta::assert_snapshot!(reported("answers", |fixture| {
        let endpoint = Endpoint::of_path(fixture["endpoint"].as_str().unwrap()).unwrap();
        let reply = read_reply(endpoint, &fixture["body"]).unwrap();
        format!(
            "{}\n    → {:?} ended by {:?}, {} tokens, {} pages",
            reply.text, reply.model, reply.finish_reason, reply.usage.total_tokens, reply.pages
        )
    }));
}

#[test]
fn every_shape_of_result_is_read() {
    let lines = fs::read_to_string(Path::new(FOLDER).join("results.jsonl")).unwrap();
    let reported = lines.lines().map(|line| {
        let row = read_result(line).unwrap();
        let outcome = match &row.outcome {
            Ok(body) => format!("answer: {}", read_reply(Endpoint::Chat, body).unwrap().text),
            Err(error) => format!("{error} → {:?}", error.action()),
        };
        format!("{}\n    {outcome}\n", row.custom_id)
    });
    insta::assert_snapshot!(reported.collect::<String>());
}

#[test]
fn every_status_has_one_fate_and_the_manual_tells_the_same() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).unwrap();
    let mut next = 0;
    for (statuses, fate, meaning) in ERROR_ACTIONS {
        assert_eq!(*statuses.start(), next, "a gap or an overlap in the table");
        next = statuses.end().wrapping_add(1);
        let range = match (*statuses.start(), *statuses.end()) {
            (start, end) if start == end => start.to_string(),
            (start, u16::MAX) => format!("{start} and above"),
            (start, end) => format!("{start}–{end}"),
        };
        let fate = match fate {
            ErrorAction::Fail => "the record fails",
            ErrorAction::Retry => "sent again",
            ErrorAction::RateLimited => "waits for the limit, then sent again",
            ErrorAction::Stop => "the run stops",
            ErrorAction::Doubt => "the record fails; the run stops if nothing is answered",
            ErrorAction::Unpaid => "the run stops, and can be resumed once there is credit",
        };
        let row = format!("| {range} | {meaning} | {fate} |");
        assert!(manual.contains(&row), "`docs/errors.md` lacks: {row}");
    }
    assert_eq!(next, 0, "the table ends before the statuses do");
    let rows =
        manual.lines().skip_while(|line| !line.starts_with("| status")).take_while(|l| l.starts_with('|'));
    assert_eq!(rows.count(), ERROR_ACTIONS.len() + 2, "`docs/errors.md` has rows of its own");
}

#[test]
fn every_ending_has_one_fate_and_the_manual_tells_the_same() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).unwrap();
    for (word, ending, meaning) in ENDINGS {
        let fate = match ending {
            Ending::Whole => "checked".to_owned(),
            Ending::Cut => "fails as `length`".to_owned(),
            Ending::Refused(why) => format!("refused: {why}"),
        };
        let row = format!("| `{word}` | {meaning} | {fate} |");
        assert!(manual.contains(&row), "`docs/errors.md` lacks: {row}");
        assert_eq!(Ending::of(Some(word)), *ending);
    }
    let rows = manual
        .lines()
        .skip_while(|line| !line.starts_with("| `finish_reason`"))
        .take_while(|line| line.starts_with('|'));
    assert_eq!(rows.count(), ENDINGS.len() + 2, "`docs/errors.md` has rows of its own");
    assert_eq!((Ending::of(None), Ending::of(Some("eos"))), (Ending::Whole, Ending::Whole));
}

/// JSON like that read here, with anything anywhere.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let keys = "message|detail|error|code|msg|loc|choices|content|tool_calls|function|arguments|data|\
                embedding|pages|markdown|results|usage|total_tokens|response|body|custom_id|status_code|type|text";
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys, inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// For any body, the readers return a result and do not panic.
    #[test]
    fn no_body_is_too_odd(status in any::<u16>(), text in ".*", json in json()) {
        for body in [text, json.to_string(), json.to_string().chars().skip(1).collect()] {
            let error = ApiError::read(status, &body);
            prop_assert!(!error.message.is_empty());
            error.action();
            let _ = read_result(&body);
        }
        for endpoint in Endpoint::ALL {
            let _ = read_reply(endpoint, &json);
            let _ = received(endpoint, &json);
        }
    }
}
