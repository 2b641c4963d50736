//! A schema as written. Main type: [`SchemaSpec`].

use serde_json::{Map, Value};

use crate::{
    diagnostic::{Place, SchemaFault, nearest},
    record::LogicalType,
};

use super::text::Text;

/// The schema of an answer or of a tool's arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaSpec {
    /// A file with a JSON Schema.
    File(Text),
    /// A JSON Schema in the spec.
    Json(Place, Value),
    /// The short form: the equivalent JSON Schema, and the type of the values.
    Short(Place, Value, LogicalType),
    /// An invalid schema, which has been reported.
    Wrong,
}

/// Keywords of a JSON Schema whose misspelling would leave an answer without fields.
const STRUCTURE: [&str; 4] = ["properties", "required", "items", "additionalProperties"];

/// Valid keywords of any version that are spelt like one of `STRUCTURE`.
const SIMILAR: [&str; 12] = [
    "additionalItems",
    "dependentRequired",
    "maxItems",
    "maxProperties",
    "minItems",
    "minProperties",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// All keywords of JSON Schema, of drafts 4 to 2020-12.
const KEYWORDS: &str = "$anchor $comment $defs $dynamicAnchor $dynamicRef $id $recursiveAnchor $recursiveRef $ref $schema \
    $vocabulary additionalItems additionalProperties allOf anyOf const contains contentEncoding contentMediaType \
    contentSchema default definitions dependencies dependentRequired dependentSchemas deprecated description else enum \
    examples exclusiveMaximum exclusiveMinimum format id if items maxContains maxItems maxLength maxProperties maximum \
    minContains minItems minLength minProperties minimum multipleOf not oneOf pattern patternProperties prefixItems \
    properties propertyNames readOnly required then title type unevaluatedItems unevaluatedProperties uniqueItems \
    writeOnly";

/// A likely mistake in a valid JSON Schema, and the word where it is.
pub(crate) fn flaw(schema: &Value) -> Option<(String, SchemaFault)> {
    let Value::Object(keys) = schema else { return None };
    let own = misspelt(keys).or_else(|| unmet(keys)).or_else(|| empty_range(keys)).or_else(|| stray(keys));
    let inner = || {
        let mut below: Vec<&Value> = Vec::new();
        for (key, value) in keys {
            match (key.as_str(), value) {
                ("properties" | "$defs" | "definitions" | "patternProperties", Value::Object(named)) => {
                    below.extend(named.values());
                }
                ("items" | "additionalProperties" | "not", value) => below.push(value),
                ("anyOf" | "allOf" | "oneOf" | "prefixItems", Value::Array(all)) => below.extend(all),
                _ => {}
            }
        }
        below.into_iter().find_map(flaw)
    };
    own.or_else(inner)
}

fn misspelt(keys: &Map<String, Value>) -> Option<(String, SchemaFault)> {
    keys.keys().find_map(|key| {
        let is_known = STRUCTURE.contains(&key.as_str()) || SIMILAR.contains(&key.as_str());
        let near = nearest(key, STRUCTURE).filter(|_| !is_known)?;
        let near = STRUCTURE.into_iter().find(|word| *word == near)?;
        Some((key.clone(), SchemaFault::Keyword { found: key.clone(), near }))
    })
}

/// Bounds of numbers, texts, lists or objects that exclude each other.
fn empty_range(keys: &Map<String, Value>) -> Option<(String, SchemaFault)> {
    const BOUNDS: [(&str, &str); 4] = [
        ("minimum", "maximum"),
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minProperties", "maxProperties"),
    ];
    BOUNDS.into_iter().find_map(|(low, high)| {
        let (least, most) = (keys.get(low)?.as_f64()?, keys.get(high)?.as_f64()?);
        (least > most).then(|| (low.to_owned(), SchemaFault::EmptyRange { low, high }))
    })
}

/// A property of an object that has no `properties:`, as in `{ type: object, name: text }`. Keywords of others begin with
/// `x-`.
fn stray(keys: &Map<String, Value>) -> Option<(String, SchemaFault)> {
    let shapes = ["properties", "additionalProperties", "patternProperties", "propertyNames", "required"];
    let is_bare = keys.get("type").is_some_and(|of| of == "object")
        && !keys
            .keys()
            .any(|key| shapes.contains(&key.as_str()) || key.starts_with('$') || key.ends_with("Of"));
    let is_type = |value: &Value| match value {
        Value::String(word) => TYPES.contains(&word.trim_end_matches('?')),
        Value::Object(schema) => schema.get("type").is_some_and(Value::is_string),
        _ => false,
    };
    let is_property =
        |key: &str| !key.starts_with("x-") && !KEYWORDS.split_whitespace().any(|known| known == key);
    let mut entries = keys.iter().filter(|(key, _)| is_property(key));
    let (name, _) = entries.find(|(_, value)| is_type(value)).filter(|_| is_bare)?;
    Some((name.clone(), SchemaFault::Stray(name.clone())))
}

/// The types of JSON Schema, and those of the short form.
const TYPES: [&str; 10] =
    ["string", "number", "integer", "boolean", "array", "object", "text", "date", "timestamp", "decimal"];

/// A property that is both required and forbidden.
fn unmet(keys: &Map<String, Value>) -> Option<(String, SchemaFault)> {
    if keys.get("additionalProperties") != Some(&Value::Bool(false)) || keys.contains_key("patternProperties")
    {
        return None;
    }
    let properties = keys.get("properties").and_then(Value::as_object);
    let required = keys.get("required")?.as_array()?.iter().filter_map(Value::as_str);
    let mut missing = required.filter(|name| properties.is_none_or(|known| !known.contains_key(*name)));
    missing.next().map(|name| (name.to_owned(), SchemaFault::MissingProperty(name.to_owned())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misspelt_keyword_and_a_property_that_is_refused_are_found_at_any_depth() {
        let good = json!({ "type": "object", "properties": { "item": { "type": "string" }, "require": { "type": "array", "items": {} } },
            "required": ["item"], "additionalProperties": false, "title": "x", "x-note": 1 });
        assert_eq!(flaw(&good), None);
        let bounds = json!({ "type": "object", "minProperties": 1, "description": "text", "format": "date", "x": 3, "x-kind": "text" });
        assert_eq!(flaw(&bounds), None);
        for keyword in KEYWORDS.split_whitespace() {
            assert_eq!(flaw(&json!({ keyword: 1 })), None, "{keyword}");
            if keyword != "type" {
                assert_eq!(flaw(&json!({ "type": "object", keyword: "text" })), None, "{keyword}");
                assert_eq!(
                    flaw(&json!({ "type": "object", keyword: { "type": "string" } })),
                    None,
                    "{keyword}"
                );
            }
        }
        for (inner, word) in [
            (json!({ "type": "object", "propertys": {} }), "propertys"),
            (json!({ "type": "object", "name": "text?" }), "name"),
            (json!({ "type": "object", "title": "x", "n": { "type": "integer" } }), "n"),
            (json!({ "type": "integer", "minimum": 5, "maximum": 2 }), "minimum"),
            (json!({ "type": "array", "items": {}, "minItems": 5, "maxItems": 2 }), "minItems"),
            (json!({ "type": "object", "properties": {}, "requried": [] }), "requried"),
            (
                json!({ "type": "object", "properties": { "a": {} }, "required": ["b"], "additionalProperties": false }),
                "b",
            ),
        ] {
            assert_eq!(flaw(&inner).unwrap().0, word);
            let outer =
                json!({ "type": "object", "properties": { "list": { "type": "array", "items": inner } } });
            assert_eq!(flaw(&outer).unwrap().0, word);
        }
    }
}
