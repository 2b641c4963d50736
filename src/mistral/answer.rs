//! Parses JSON out of a model's answer and validates it against the schema.
//!
//! Models wrap JSON in code fences, think aloud before it, add prose around it, return an array where an object is
//! expected, or stop half-way. Anything with a single meaning is accepted; the rest is refused. The reason names the
//! wrong part, because the next attempt receives it. The stages that call a model use [`read_answer`] and [`accept`].

use std::borrow::Cow;

use serde_json::Value;

use super::{
    expected::Expected,
    json_repair::{Broken, Flaw, Scanned, place, scan},
    thinking::{Tag, tag_at},
};

/// An accepted answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The JSON text of the value: as the model wrote it, except for repairs.
    pub json: Cow<'a, str>,
    /// What was repaired, if anything; stored with the answer.
    pub note: Option<String>,
}

/// The JSON text of the value in an answer, or the reason for refusing it.
///
/// # Errors
/// See [`accept`].
pub fn read_answer<'a>(reply: &'a str, expected: &Expected) -> Result<Cow<'a, str>, String> {
    accept(reply, expected).map(|accepted| accepted.json)
}

/// The value in an answer: the whole answer, or the only value in it that fits.
///
/// # Errors
/// The reason, worded for the model.
pub fn accept<'a>(reply: &'a str, expected: &Expected) -> Result<Accepted<'a>, String> {
    let text = reply.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("the answer is empty".to_owned());
    }
    let found = match whole(text) {
        Some(candidate) => Found { values: vec![candidate], ..Found::default() },
        None => Found::within(text)?,
    };
    found.the_one_that_fits(expected)
}

/// A JSON value found in an answer.
struct Candidate<'a> {
    json: Cow<'a, str>,
    note: Option<String>,
    value: Value,
}

/// The value if it spans the whole text.
fn whole(text: &str) -> Option<Candidate<'_>> {
    if text.starts_with(['{', '[']) {
        return candidate(text, 0).ok().filter(|(_, end)| *end == text.len()).map(|(candidate, _)| candidate);
    }
    let value = serde_json::from_str(text).ok()?;
    Some(Candidate { json: text.into(), note: None, value })
}

/// The value that begins at `start`, and its end.
fn candidate(text: &str, start: usize) -> Result<(Candidate<'_>, usize), Option<Broken>> {
    // Most brackets in prose do not begin JSON and need no reason.
    let explained = |flaw: Flaw| begins_json(&text[start..]).then(|| flaw.explained(text));
    let Scanned { end, repaired } = scan(text, start).map_err(explained)?;
    let (json, note) = match repaired {
        Some((json, note)) => (Cow::Owned(json), Some(note)),
        None => (Cow::Borrowed(&text[start..end]), None),
    };
    // For example a number too large for any parser.
    let value = serde_json::from_str(&json).map_err(|error| {
        let (line, column) = place(text, start);
        let reason = format!("the JSON that begins at line {line}, column {column} cannot be read: {error}");
        Some(Broken { reason, end: Some(end) })
    })?;
    Ok((Candidate { json, note, value }, end))
}

/// The most values examined in one answer.
const MOST_FOUND: usize = 64;

/// The most brackets tried that do not begin JSON: more than the code or formulas before an answer contain.
const MOST_TRIES: usize = 4000;

/// The values found in a text.
#[derive(Default)]
struct Found<'a> {
    values: Vec<Candidate<'a>>,
    /// The reason for the first unreadable value.
    broken: Option<String>,
    /// Whether the text ends inside a value.
    cut: bool,
    thinking: Option<&'static str>,
}

impl<'a> Found<'a> {
    /// The objects and arrays of a text that are neither nested nor inside thinking.
    fn within(text: &'a str) -> Result<Self, String> {
        let mut found = Self::default();
        let (mut at, mut tries) = (0, 0);
        while let Some(start) = text[at..].find(['{', '[', '<']).map(|offset| at + offset) {
            match tag_at(text, start) {
                Some(Tag::Opens { end: Some(end) }) => {
                    found.thinking = Some("the answer contains no JSON after its thinking");
                    at = end;
                    continue;
                }
                Some(Tag::Opens { end: None }) => {
                    found.thinking = Some("the answer is cut off within its thinking");
                    break;
                }
                Some(Tag::Closes { end }) => {
                    found = Self::default();
                    found.thinking = Some("the answer contains no JSON after its thinking");
                    at = end;
                    continue;
                }
                None if text[start..].starts_with('<') => {
                    at = start + 1;
                    continue;
                }
                None => {}
            }
            match candidate(text, start) {
                Ok((value, end)) => {
                    found.values.push(value);
                    at = end;
                }
                // Parts of a broken value are not an answer.
                Err(Some(Broken { reason, end })) => {
                    found.broken.get_or_insert(reason);
                    let Some(end) = end else {
                        found.cut = true;
                        break;
                    };
                    at = end;
                }
                Err(None) => {
                    at = start + 1;
                    tries += 1;
                }
            }
            // A value that was not examined may fit, too.
            if found.values.len() > MOST_FOUND || tries > MOST_TRIES {
                return Err("the answer contains too many brackets to find the JSON in it".to_owned());
            }
        }
        Ok(found)
    }

    fn the_one_that_fits(self, expected: &Expected) -> Result<Accepted<'a>, String> {
        let Self { mut values, broken, cut, thinking } = self;
        if cut && let Some(broken) = broken {
            return Err(broken);
        }
        values.sort_by_key(|candidate| !candidate.value.is_object());
        let mut fits = Vec::new();
        let mut reason = None;
        for candidate in values {
            match expected.complaints(&candidate.value) {
                None => fits.push(candidate),
                Some(complaints) => {
                    reason.get_or_insert_with(|| {
                        (expected.unlike(&candidate.value, &complaints), candidate.value.is_object())
                    });
                }
            }
        }
        let several = fits.len();
        match (fits.pop(), several) {
            (Some(Candidate { json, note, .. }), 1) => Ok(Accepted { json, note }),
            (Some(_), _) => {
                Err(format!("{several} JSON values in the answer fit the schema: one is expected"))
            }
            (None, _) => Err(match (reason, broken) {
                (Some((reason, true)), _) | (Some((reason, false)), None) => reason,
                (_, Some(broken)) => broken,
                (None, None) => thinking.unwrap_or("the answer contains no JSON").to_owned(),
            }),
        }
    }
}

/// Whether the bracket here is meant as JSON rather than prose, code or a formula.
fn begins_json(text: &str) -> bool {
    let rest = text[1..].trim_start();
    if text.starts_with('[') {
        return rest.is_empty() || rest.starts_with(['{', '[', '"']);
    }
    let word = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    rest.is_empty()
        || rest.starts_with(['"', '\'', '“', '‘', ',', '/'])
        || (word.len() < rest.len() && word.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Expected {
        let schema = json!({
            "type": "object",
            "required": ["title", "score"],
            "additionalProperties": false,
            "properties": {
                "title": { "type": "string", "minLength": 3 },
                "score": { "type": "number", "maximum": 1 },
                "kind": { "enum": ["essay", "letter"] },
                "written": { "type": "string", "format": "date" }
            }
        });
        Expected::new(&schema).unwrap()
    }

    fn reported(reply: &str) -> Result<String, String> {
        read_answer(reply, &schema()).map(Cow::into_owned)
    }

    const GOOD: &str = r#"{"title": "On Liberty", "score": 0.50}"#;
    const OTHER: &str = r#"{"title": "WRONG", "score": 0}"#;

    #[test]
    fn what_can_be_read_is_read() {
        for reply in [
            GOOD.to_owned(),
            format!("\u{feff}{GOOD}"),
            format!("\n```json\n{GOOD}\n```\n"),
            format!("Here is the result you asked for:\n{GOOD}\nI hope it helps [1]."),
            format!("As [1] says in [0, 3): {GOOD}"),
            format!("{{not this}} {GOOD}"),
            format!("f(x) = {{ a | b }} if x < 3 [see {GOOD}]"),
            format!("{{\"note\": \"first\"}}\n{GOOD}"),
            format!("{{\"title\": \"WRONG\", \"score\": 0,,}} better: {GOOD}"),
        ] {
            assert_eq!(reported(&reply).as_deref(), Ok(GOOD), "{reply}");
        }
    }

    #[test]
    fn thinking_is_never_the_answer() {
        for reply in [
            format!("<think>maybe {OTHER}</think>\n{GOOD}"),
            format!("<think>maybe {{\"title\": </think>{GOOD}"),
            format!("<Thinking>{OTHER}</THINKING><reasoning>{OTHER}</reasoning> {GOOD}"),
            format!("[THINK]{OTHER}[/THINK]{GOOD}"),
            format!("{OTHER} or so\n</think>\n{GOOD}"),
            format!("<think>a <think> b </think> {OTHER} </think> {GOOD}"),
            format!("{GOOD}\n<think>or {OTHER}?"),
        ] {
            assert_eq!(reported(&reply).as_deref(), Ok(GOOD), "{reply}");
        }
        let tagged = r#"{"title": "<think>of</think> it", "score": 1}"#;
        assert_eq!(
            reported(&format!("So: {tagged}")).as_deref(),
            Ok(tagged),
            "a tag within a string is text"
        );
        for (reply, reason) in [
            (format!("<think>{GOOD}</think>"), "the answer contains no JSON after its thinking"),
            (format!("<think>{GOOD}"), "the answer is cut off within its thinking"),
            (format!("{GOOD}</think> done"), "the answer contains no JSON after its thinking"),
        ] {
            assert_eq!(reported(&reply).unwrap_err(), reason, "{reply}");
        }
    }

    #[test]
    fn of_several_values_only_one_may_fit() {
        let both = "2 JSON values in the answer fit the schema: one is expected";
        assert_eq!(reported(&format!("{GOOD}\n{OTHER}")).unwrap_err(), both);
        assert_eq!(reported(&format!("{GOOD} {GOOD}")).unwrap_err(), both);
        for half in [
            format!("{{\"all\": [{GOOD}, {{\"ti"),
            format!("[{GOOD}, {{\"title\": \"B"),
            format!("{GOOD} {{\"title\": \"B"),
        ] {
            let reason = reported(&half).unwrap_err();
            assert!(reason.contains("the text ends in the middle of the JSON"), "{half}: {reason}");
        }
        let part = reported(&format!("{{\"all\": [{GOOD}], no}}")).unwrap_err();
        assert!(
            part.contains("column 51: `no` is not in double quotes"),
            "no part of a broken value: {part}"
        );
        assert!(reported(&"[1 ".repeat(5000)).unwrap_err().contains("too many brackets"));
        assert!(reported(&"{} ".repeat(100)).unwrap_err().contains("too many brackets"));
    }

    #[test]
    fn a_repair_with_one_meaning_is_noted() {
        let accepted = accept("So: {\"title\": \"On\nLiberty\", \"score\": 1,}", &schema()).map(|accepted| {
            let Accepted { json, note } = accepted;
            (json.into_owned(), note)
        });
        let note = "repaired: a trailing comma at line 2, column 21; a raw control character in a string at line 1, column 18";
        let json = "{\"title\": \"On\\nLiberty\", \"score\": 1}";
        assert_eq!(accepted, Ok((json.to_owned(), Some(note.to_owned()))));
        assert_eq!(accept(GOOD, &schema()).unwrap().note, None);
    }

    #[test]
    fn a_refusal_says_which_part_and_why() {
        let refusals = [
            "",
            "I cannot answer that.",
            "{\"title\": \"On Lib",
            "{\"title\": \"50\\% off\", \"score\": 1}",
            "{\"title\": \"On Liberty\", \"score\": NaN}",
            "{'title': 'On Liberty', 'score': 1}",
            "{\"title\": \"On Liberty\", \"score\": 1e999}",
            "[2023.0830]",
            "2023",
            "[{\"title\": \"On Liberty\", \"score\": 0.5}]",
            "{\"title\": \"On Liberty\"}",
            "{\"title\": \"\", \"score\": 7, \"kind\": \"poem\", \"more\": 1, \"written\": \"yesterday\"}",
        ];
        let reported: Vec<String> =
            refusals.iter().map(|reply| format!("{reply}\n    {}", reported(reply).unwrap_err())).collect();
        insta::assert_snapshot!(reported.join("\n"));
    }
}
