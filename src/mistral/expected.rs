//! Validates a value against the schema of a stage. Main type: [`Expected`]. Its complaints are the reason that the
//! next attempt receives, so they say what would be valid.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

/// What an answer must look like.
pub struct Expected {
    validator: Validator,
    /// Whether the schema requires an object.
    object: bool,
}

/// The most complaints listed in a reason; a completely wrong answer has hundreds.
const MOST_COMPLAINTS: usize = 5;

/// The longest complaint, in characters; a validator quotes the offending values.
const LONGEST_COMPLAINT: usize = 240;

/// The longest list of permitted values, in characters: the next attempt can choose only from what it is shown.
const LONGEST_LIST: usize = 2000;

impl Expected {
    /// Compiles a schema.
    ///
    /// # Errors
    /// An invalid schema; a plan never contains one.
    pub fn new(schema: &Value) -> Result<Self, Box<ValidationError<'static>>> {
        let validator =
            jsonschema::options().should_validate_formats(true).build(schema).map_err(Box::new)?;
        Ok(Self { validator, object: schema["type"] == "object" })
    }

    /// What does not fit, if anything.
    pub(super) fn complaints(&self, value: &Value) -> Option<String> {
        let mut reported: Vec<String> = Vec::new();
        let mut more = 0;
        for error in self.validator.iter_errors(value) {
            if reported.len() == MOST_COMPLAINTS {
                more += 1;
                continue;
            }
            let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let what = complaint(&error);
            reported.push(if place.is_empty() { what } else { format!("`{place}`: {what}") });
        }
        if more > 0 {
            reported.push(format!("and {more} more"));
        }
        (!reported.is_empty()).then(|| reported.join("; "))
    }

    /// Describes why a value does not fit.
    pub(super) fn unlike(&self, value: &Value, complaints: &str) -> String {
        match value {
            Value::Object(_) => complaints.to_owned(),
            _ if !self.object => complaints.to_owned(),
            Value::Array(_) => format!("found a JSON array, expected an object: {complaints}"),
            _ => format!("found a bare value, expected an object: {complaints}"),
        }
    }
}

/// What is wrong with a part of an answer.
fn complaint(error: &ValidationError<'_>) -> String {
    let short = |text: String| text.chars().take(LONGEST_COMPLAINT).collect::<String>();
    match error.kind() {
        // The library's own message ends after the second of many values.
        ValidationErrorKind::Enum { options } => {
            let found = short(error.instance().to_string());
            let values = options.as_array().map(Vec::as_slice).unwrap_or_default();
            format!("{found} is not one of {}", alternatives(values))
        }
        _ => short(error.to_string()),
    }
}

/// The values as a list, or its beginning and how many values follow.
fn alternatives(values: &[Value]) -> String {
    let mut list = String::new();
    for (at, value) in values.iter().enumerate() {
        let next = value.to_string();
        let left = values.len() - at;
        if at > 0 && left > 1 && list.chars().count() + next.chars().count() > LONGEST_LIST {
            return format!("{list} or {left} others");
        }
        match at {
            0 => {}
            _ if at + 1 == values.len() => list.push_str(" or "),
            _ => list.push_str(", "),
        }
        list.push_str(&next);
    }
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_permitted_values_are_listed_or_how_many_there_are() {
        let complaints = |values: &Value| {
            let expected = Expected::new(&json!({ "properties": { "kind": { "enum": values } } })).unwrap();
            expected.complaints(&json!({ "kind": "poem" })).unwrap()
        };
        let some = complaints(&json!(["essay", "letter", "speech", null, 3]));
        assert_eq!(some, r#"`kind`: "poem" is not one of "essay", "letter", "speech", null or 3"#);
        assert_eq!(complaints(&json!(["essay"])), r#"`kind`: "poem" is not one of "essay""#);
        let many: Vec<String> = (0..5000).map(|number| format!("value {number}")).collect();
        let many = complaints(&json!(many));
        assert!(many.contains(r#", "value 100", "#) && many.ends_with(" others"), "{many}");
        assert!(many.chars().count() < LONGEST_LIST + 100, "{many}");
    }
}
