//! Answers that fit: JSON out of what a model says, checked against what was asked for.
//!
//! Models put JSON into code fences, think aloud before it, write text round it, give an array where an
//! object is expected, or stop half-way. What has one meaning is read; the rest is refused, and the reason
//! says which part is wrong and why, because the next attempt is given it. [`read_answer`] and [`accept`]
//! are called by the stages that ask.

use std::borrow::Cow;

use jsonschema::Validator;
use serde_json::Value;

use super::{
    json_repair::{Broken, Flaw, Scanned, place, scan},
    thinking::{Tag, tag_at},
};

/// What an answer must look like.
pub struct Expected {
    validator: Validator,
    /// Whether the schema says that it is an object.
    object: bool,
}

/// Complaints that a reason names; a wholly wrong answer has hundreds.
const MOST_COMPLAINTS: usize = 5;

/// The longest complaint; a validator quotes the values that it complains of.
const LONGEST_COMPLAINT: usize = 240;

impl Expected {
    /// Prepares a schema.
    ///
    /// # Errors
    /// An invalid schema, which no plan has.
    pub fn new(schema: &Value) -> Result<Self, Box<jsonschema::ValidationError<'static>>> {
        let validator =
            jsonschema::options().should_validate_formats(true).build(schema).map_err(Box::new)?;
        Ok(Self { validator, object: schema["type"] == "object" })
    }

    fn complaints(&self, value: &Value) -> Option<String> {
        let mut reported: Vec<String> = Vec::new();
        let mut more = 0;
        for error in self.validator.iter_errors(value) {
            if reported.len() == MOST_COMPLAINTS {
                more += 1;
                continue;
            }
            let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let what: String = error.to_string().chars().take(LONGEST_COMPLAINT).collect();
            reported.push(if place.is_empty() { what } else { format!("`{place}`: {what}") });
        }
        if more > 0 {
            reported.push(format!("and {more} more"));
        }
        (!reported.is_empty()).then(|| reported.join("; "))
    }

    /// The complaints about a value that does not fit.
    fn unlike(&self, value: &Value, complaints: &str) -> String {
        match value {
            Value::Object(_) => complaints.to_owned(),
            _ if !self.object => complaints.to_owned(),
            Value::Array(_) => format!("found a JSON array, expected an object: {complaints}"),
            _ => format!("found a bare value, expected an object: {complaints}"),
        }
    }
}

/// An answer that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The JSON text of its value, as the model wrote it but for what was repaired.
    pub json: Cow<'a, str>,
    /// What was repaired, where something was: to be kept beside the answer.
    pub note: Option<String>,
}

/// The JSON text of the value that an answer gives, or why it is refused.
///
/// # Errors
/// See [`accept`].
pub fn read_answer<'a>(reply: &'a str, expected: &Expected) -> Result<Cow<'a, str>, String> {
    accept(reply, expected).map(|accepted| accepted.json)
}

/// The value that an answer gives: the whole of it, or the only one in it that fits.
///
/// # Errors
/// The reason, in words that the model can use.
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

/// A value in an answer.
struct Candidate<'a> {
    json: Cow<'a, str>,
    note: Option<String>,
    value: Value,
}

/// The value that a text is from its first to its last character.
fn whole(text: &str) -> Option<Candidate<'_>> {
    if text.starts_with(['{', '[']) {
        return candidate(text, 0).ok().filter(|(_, end)| *end == text.len()).map(|(candidate, _)| candidate);
    }
    let value = serde_json::from_str(text).ok()?;
    Some(Candidate { json: text.into(), note: None, value })
}

/// The value that begins at a place, and where it ends.
fn candidate(text: &str, start: usize) -> Result<(Candidate<'_>, usize), Option<Broken>> {
    // Most brackets in prose begin no JSON, and need no reason.
    let explained = |flaw: Flaw| begins_json(&text[start..]).then(|| flaw.explained(text));
    let Scanned { end, repaired } = scan(text, start).map_err(explained)?;
    let (json, note) = match repaired {
        Some((json, note)) => (Cow::Owned(json), Some(note)),
        None => (Cow::Borrowed(&text[start..end]), None),
    };
    // A number that no parser holds, and the like.
    let value = serde_json::from_str(&json).map_err(|error| {
        let (line, column) = place(text, start);
        let reason = format!("the JSON that begins at line {line}, column {column} cannot be read: {error}");
        Some(Broken { reason, end: Some(end) })
    })?;
    Ok((Candidate { json, note, value }, end))
}

/// Values that are looked at in one answer.
const MOST_FOUND: usize = 64;

/// Brackets that begin no JSON: more than code or formulas before an answer have.
const MOST_TRIES: usize = 4000;

/// What a text holds.
#[derive(Default)]
struct Found<'a> {
    values: Vec<Candidate<'a>>,
    /// Why the first of those that cannot be read cannot.
    broken: Option<String>,
    /// Whether the text ends within a value.
    cut: bool,
    thinking: Option<&'static str>,
}

impl<'a> Found<'a> {
    /// The objects and arrays of a text, outside of thinking and of each other.
    fn within(text: &'a str) -> Result<Self, String> {
        let mut found = Self::default();
        let (mut at, mut tries) = (0, 0);
        while let Some(start) = text[at..].find(['{', '[', '<']).map(|offset| at + offset) {
            match tag_at(text, start) {
                Some(Tag::Opens { end: Some(end) }) => {
                    found.thinking = Some("the answer holds no JSON after its thinking");
                    at = end;
                    continue;
                }
                Some(Tag::Opens { end: None }) => {
                    found.thinking = Some("the answer is cut off within its thinking");
                    break;
                }
                Some(Tag::Closes { end }) => {
                    found = Self::default();
                    found.thinking = Some("the answer holds no JSON after its thinking");
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
                // Parts of a broken value are no answer.
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
            // What has not been looked at may fit, too.
            if found.values.len() > MOST_FOUND || tries > MOST_TRIES {
                return Err("the answer holds too many brackets to find the JSON in it".to_owned());
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
                (None, None) => thinking.unwrap_or("the answer holds no JSON").to_owned(),
            }),
        }
    }
}

/// Whether what begins here is meant as JSON, and not a bracket of prose, code or a formula.
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
            (format!("<think>{GOOD}</think>"), "the answer holds no JSON after its thinking"),
            (format!("<think>{GOOD}"), "the answer is cut off within its thinking"),
            (format!("{GOOD}</think> done"), "the answer holds no JSON after its thinking"),
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
