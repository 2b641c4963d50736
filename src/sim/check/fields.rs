//! The fields of a request object and their permitted values.

use serde_json::{Map, Value, json};

use crate::sim::check::complaint;

/// The permitted values of a field. `null` counts as absent, unless the field is required.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    TextOrTexts,
    Number(f64, f64),
    /// An integer of at least this.
    Whole(i64),
    Flag,
    Object,
    List,
    Choice(&'static [&'static str]),
    /// Checked elsewhere, or not at all.
    Any,
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// Complaints about the fields of an object without additional fields.
pub(crate) fn complaints(fields: &[Field], request: &Map<String, Value>) -> Vec<Value> {
    let mut reported = Vec::new();
    for (name, value) in request {
        if !fields.iter().any(|field| field.name == name) {
            reported.push(complaint(
                "extra_forbidden",
                vec![json!(name)],
                "Extra inputs are not permitted",
                value,
            ));
        }
    }
    for field in fields {
        let place = vec![json!(field.name)];
        match request.get(field.name) {
            None if field.required => {
                reported.push(complaint("missing", place, "Field required", &Value::Object(request.clone())));
            }
            None => {}
            Some(Value::Null) if !field.required => {}
            Some(value) => {
                if let Some((kind, message)) = unfit(field.kind, value) {
                    reported.push(complaint(kind, place, &message, value));
                }
            }
        }
    }
    reported
}

fn unfit(kind: Kind, value: &Value) -> Option<(&'static str, String)> {
    let wanted =
        |fits: bool, kind, wanted: &str| (!fits).then(|| (kind, format!("Input should be {wanted}")));
    match kind {
        Kind::Any => None,
        Kind::Text => wanted(value.is_string(), "string_type", "a valid string"),
        Kind::Flag => wanted(value.is_boolean(), "bool_type", "a valid boolean"),
        Kind::Object => wanted(value.is_object(), "dict_type", "a valid dictionary"),
        Kind::List => wanted(value.is_array(), "list_type", "a valid list"),
        Kind::TextOrTexts => {
            let texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
            wanted(value.is_string() || texts, "string_type", "a valid string or a list of them")
        }
        Kind::Choice(words) => {
            let fits = value.as_str().is_some_and(|word| words.contains(&word));
            wanted(
                fits,
                "enum",
                &words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" or "),
            )
        }
        Kind::Whole(least) => match value.as_i64() {
            None => wanted(value.is_u64(), "int_type", "a valid integer"),
            Some(number) => {
                let message = format!("greater than or equal to {least}");
                wanted(number >= least, "greater_than_equal", &message)
            }
        },
        Kind::Number(low, high) => match value.as_f64() {
            None => wanted(false, "float_type", "a valid number"),
            Some(number) if number < low => {
                wanted(false, "greater_than_equal", &format!("greater than or equal to {low}"))
            }
            Some(number) => {
                wanted(number <= high, "less_than_equal", &format!("less than or equal to {high}"))
            }
        },
    }
}
