//! Answers that fit: JSON out of what a model says, checked against what was asked for.
//!
//! Models put JSON into code fences, write text round it, give an array where an object is wanted,
//! or stop half-way. What can be read without guessing is read; the rest is refused, and the reason
//! says which part of the schema and why, because the next attempt is given it.

use jsonschema::Validator;
use serde_json::Value;

/// What an answer must look like.
pub struct Expected {
    validator: Validator,
}

/// Complaints that a reason names; a wholly wrong answer has hundreds.
const MOST_COMPLAINTS: usize = 5;

/// The longest complaint; a validator quotes the values that it complains of.
const LONGEST_COMPLAINT: usize = 240;

impl Expected {
    /// Prepares a schema.
    ///
    /// # Errors
    /// A schema that is none; a plan has none of these.
    pub fn new(schema: &Value) -> Result<Self, Box<jsonschema::ValidationError<'static>>> {
        let validator =
            jsonschema::options().should_validate_formats(true).build(schema).map_err(Box::new)?;
        Ok(Self { validator })
    }

    fn complaints(&self, value: &Value) -> Option<String> {
        let mut told: Vec<String> = Vec::new();
        let mut more = 0;
        for error in self.validator.iter_errors(value) {
            if told.len() == MOST_COMPLAINTS {
                more += 1;
                continue;
            }
            let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let what: String = error.to_string().chars().take(LONGEST_COMPLAINT).collect();
            told.push(if place.is_empty() { what } else { format!("`{place}`: {what}") });
        }
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// The value that an answer gives, or why it is refused.
///
/// # Errors
/// The reason, in words that the model can use.
pub fn read_answer(reply: &str, expected: &Expected) -> Result<Value, String> {
    let text = reply.trim();
    if text.is_empty() {
        return Err("the answer is empty".to_owned());
    }
    let found = match serde_json::from_str(text) {
        Ok(value) => vec![value],
        Err(error) => {
            let found = values_within(text);
            if found.is_empty() {
                let cut = error.is_eof() && text.starts_with(['{', '[']);
                return Err(if cut { "the JSON is cut off" } else { "the answer holds no JSON" }.to_owned());
            }
            found
        }
    };
    let mut reason = None;
    for value in found {
        match expected.complaints(&value) {
            None => return Ok(value),
            Some(complaints) => {
                let told = match &value {
                    Value::Object(_) => complaints,
                    Value::Array(_) => format!("found a JSON array, wanted an object: {complaints}"),
                    _ => format!("found a bare value, wanted an object: {complaints}"),
                };
                reason.get_or_insert(told);
            }
        }
    }
    Err(reason.unwrap_or_default())
}

/// Values that are looked at in one answer.
const MOST_FOUND: usize = 8;

/// Brackets at which a value is looked for: more than code or formulas before an answer have.
const MOST_TRIES: usize = 4000;

/// The JSON objects and arrays that stand in a text, objects first.
fn values_within(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let (mut at, mut tries) = (0, 0);
    while let Some(start) = text[at..].find(['{', '[']).map(|offset| at + offset) {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                at = start + values.byte_offset();
                found.push(value);
            }
            _ => at = start + 1,
        }
        // A text of brackets would be tried at each of them, and each try goes many levels deep.
        tries += 1;
        if found.len() >= MOST_FOUND || tries >= MOST_TRIES {
            break;
        }
    }
    found.sort_by_key(|value| !value.is_object());
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(reply: &str) -> Result<Value, String> {
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
        read_answer(reply, &Expected::new(&schema).unwrap())
    }

    #[test]
    fn what_can_be_read_is_read() {
        let good = json!({ "title": "On Liberty", "score": 0.5 });
        let text = good.to_string();
        for reply in [
            text.clone(),
            format!("\n```json\n{text}\n```\n"),
            format!("Here is the result you asked for:\n{text}\nI hope it helps [1]."),
            format!("As [1] says: {text}"),
            format!("{{not this}} {text}"),
        ] {
            assert_eq!(told(&reply), Ok(good.clone()), "{reply}");
        }
    }

    #[test]
    fn a_refusal_says_which_part_and_why() {
        let refusals = [
            "",
            "I cannot answer that.",
            "{\"title\": \"On Lib",
            "[2023.0830]",
            "2023",
            "[{\"title\": \"On Liberty\", \"score\": 0.5}]",
            "{\"title\": \"On Liberty\"}",
            "{\"title\": \"\", \"score\": 7, \"kind\": \"poem\", \"more\": 1, \"written\": \"yesterday\"}",
        ];
        let told: Vec<String> =
            refusals.iter().map(|reply| format!("{reply}\n    {}", told(reply).unwrap_err())).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
