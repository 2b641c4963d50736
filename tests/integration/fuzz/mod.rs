//! For any input, the readers terminate: without a panic, quickly, and in bounded memory.
//!
//! This file generates the inputs; `specs` reads them as specs, templates and expressions, `replies` as server
//! responses and quantities. Takes seconds by default; `PROPTEST_CASES=100000 cargo nextest run fuzz` for longer.

mod replies;
mod specs;

use std::{
    fs,
    time::{Duration, Instant},
};

use etl::{
    mistral::{ApiError, Expected, read_answer, read_result},
    sim::SimConfig,
    template,
};
use proptest::prelude::*;
use serde_json::json;

use specs::{read_spec, shape};

/// Fragments of the languages read here.
const FRAGMENTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "(",
    ")",
    "<",
    ">",
    "|",
    "~",
    "*",
    "**",
    "/",
    "%",
    "-",
    "- ",
    "--- ",
    ":",
    ": ",
    ",",
    ", ",
    ".",
    "..",
    "\"",
    "'",
    "\\",
    "\\u",
    "\\ud800",
    "`",
    "```json\n",
    "```",
    "&a ",
    "*a",
    "!!str ",
    "!",
    "? ",
    "#",
    " #",
    "$",
    "${",
    "$${",
    "${params.",
    "${env.HOME}",
    "\n",
    "\r\n",
    "\n  ",
    "\n    - ",
    "\t",
    " ",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "é",
    "文",
    "👩\u{200d}🚀",
    "\u{300}",
    "0",
    "1",
    "-1",
    "1e999",
    ".5",
    "0x7f",
    "99999999999999999999",
    "null",
    "true",
    "false",
    "~",
    "NaN",
    "in",
    "is",
    "not",
    "for x in range(9)",
    "for x in text",
    "endfor",
    "if",
    "else",
    "endif",
    "include 'a'",
    "set x = ",
    "text",
    "extract.title",
    "loop.index",
    "upper",
    "length",
    "batch(3)",
    "range(100000)",
    "'ab' * 1000000",
    "5/s",
    "5",
    "30s",
    "100MB",
    "5.00 USD",
    "auto",
    "source: a",
    "map: b",
    "chat:",
    "model: m",
    "prompt: ",
    "files: '*.txt'",
    "rows: ",
    "fields: ",
    "columns: ",
    "batch: ",
    "concurrency: ",
    "retry: ",
    "tools: ",
    "schema: schema.json",
    "from: ",
    "when: ",
    "\"error\":",
    "\"detail\":",
    "\"message\":",
    "\"code\":",
    "\"choices\":",
    "\"message\":",
    "\"content\":",
    "\"custom_id\":",
    "\"response\":",
    "\"body\":",
    "\"status_code\":",
    "\"title\":",
    "<html>",
];

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z_]{1,8}",
    ]
}

/// Anything at all: characters, bytes, fragments of the languages, one fragment repeated very often.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        prop::collection::vec(fragment(), 0..60).prop_map(|parts| parts.concat()),
        (fragment(), fragment(), 0usize..3000).prop_map(|(part, last, times)| part.repeat(times) + &last),
    ]
}

/// An edit of a text: what is removed at a position, and what is inserted.
#[derive(Debug, Clone)]
enum Edit {
    Delete,
    Duplicate,
    Replace(String),
    Move(prop::sample::Index),
}

/// A valid text with some changes.
fn nearly(texts: Vec<String>) -> impl Strategy<Value = String> {
    let edit = prop_oneof![
        Just(Edit::Delete),
        Just(Edit::Duplicate),
        fragment().prop_map(Edit::Replace),
        any::<prop::sample::Index>().prop_map(Edit::Move),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, edit), 1..6);
    (prop::sample::select(texts), edits).prop_map(|(text, edits)| {
        edits.into_iter().fold(text, |text, (at, len, edit)| {
            let chars: Vec<char> = text.chars().collect();
            let start = at.index(chars.len() + 1);
            let end = (start + len).min(chars.len());
            let (before, cut, after) = (&chars[..start], &chars[start..end], &chars[end..]);
            match edit {
                Edit::Delete => [before, after].concat(),
                Edit::Duplicate => [before, cut, cut, after].concat(),
                Edit::Replace(with) => [before, &with.chars().collect::<Vec<_>>(), after].concat(),
                Edit::Move(to) => {
                    let mut rest = [before, after].concat();
                    let to = to.index(rest.len() + 1);
                    rest.splice(to..to, cut.iter().copied());
                    rest
                }
            }
            .into_iter()
            .collect()
        })
    })
}

fn both(texts: &[&str]) -> impl Strategy<Value = String> {
    prop_oneof![1 => anything(), 2 => nearly(texts.iter().map(|text| (*text).to_owned()).collect())]
}

/// The time limit of a read, in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// The limit for a test's peak memory.
const MEMORY_KB: u64 = 1_000_000;

fn soon<T>(text: &str, read: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = read();
    assert!(started.elapsed() < SOON, "{:?} for {} bytes", started.elapsed(), text.len());
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < MEMORY_KB, "{peak} kB after {} bytes", text.len());
    }
    value
}

fn config() -> ProptestConfig {
    // Bugs found become separate tests; a file of seeds tells a reader nothing.
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn long_inputs_are_read_in_time() {
    let expected = Expected::new(&json!({ "type": "object" })).unwrap();
    for part in [
        "{",
        "[",
        "{\"a\":",
        "\"",
        "\\\"",
        "`",
        "```json\n",
        "{}",
        "{\"a\":1}",
        "é",
        "<",
        "{ x ",
        "- ",
        "a: {",
    ] {
        let text = part.repeat(300_000 / part.len());
        soon(&text, || {
            let _ = read_answer(&text, &expected);
            let _ = ApiError::read(500, &text);
            let _ = read_result(&text);
            let _ = SimConfig::default().with_yaml("scenario", &text);
            let _ = template::check(&text, &shape());
            read_spec(&text, false);
        });
    }
}
