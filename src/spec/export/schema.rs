//! The language as a JSON Schema, for completion and checks in editors.
//!
//! It covers shapes only: `etl check` alone checks names, references and fields.

use serde_json::{Map, Value, json};

use super::{
    super::{
        describe::{Choice, Shape, Type},
        language::PIPELINE,
    },
    walk::{about, shapes},
};

/// The JSON Schema of a pipeline file.
pub fn json_schema() -> Value {
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An etl pipeline",
    });
    let inner = shapes().into_iter().filter(|shape| shape.name != PIPELINE.name);
    let defs: Map<String, Value> =
        scalars().into_iter().chain(inner.map(|shape| (shape.name.to_owned(), object(shape)))).collect();
    let (Value::Object(mut schema), Value::Object(mut top)) = (head, object(&PIPELINE)) else {
        return Value::Null;
    };
    schema.append(&mut top);
    schema.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(schema)
}

/// A mapping with only the keys of a shape.
fn object(shape: &Shape) -> Value {
    let properties: Map<String, Value> = shape
        .keys()
        .map(|key| {
            let mut value = value(&key.holds);
            value["description"] = about(key).into();
            (key.name.to_owned(), value)
        })
        .collect();
    let mut object = json!({
        "type": "object",
        "description": shape.about,
        "additionalProperties": false,
        "properties": properties,
    });
    if let Some(prefix) = shape.ignored {
        object["patternProperties"] = json!({ format!("^{prefix}"): {} });
    }
    let required: Vec<&str> = shape.keys().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    let forms: Vec<Value> = shape.choice.forms().iter().map(|form| json!({ "required": [form] })).collect();
    match shape.choice {
        Choice::Free => {}
        Choice::One(..) => object["oneOf"] = forms.into(),
        Choice::Optional(..) => {
            let none = json!({ "not": { "anyOf": forms } });
            object["oneOf"] = forms.iter().cloned().chain([none]).collect::<Vec<_>>().into();
        }
        Choice::Some(_) => object["anyOf"] = forms.into(),
    }
    object
}

fn value(holds: &Type) -> Value {
    match holds {
        Type::Text(_) | Type::Secret => def("text"),
        Type::Name => def("name"),
        Type::Flag => or_variable(&json!({ "type": "boolean" })),
        Type::Count(_, least, most) => {
            or_variable(&json!({ "type": "integer", "minimum": least, "maximum": most }))
        }
        Type::Number(least, most) => {
            or_variable(&json!({ "type": "number", "minimum": least, "maximum": most }))
        }
        Type::Share => or_variable(&json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })),
        Type::Word(_, words) => {
            let words: Vec<&str> = words.iter().map(|word| word.0).collect();
            or_variable(&json!({ "enum": words }))
        }
        Type::Rate => def("rate"),
        Type::Wait | Type::Duration => def("span"),
        Type::Size(_) => def("size"),
        Type::Money => def("money"),
        Type::List(of, _) => json!({ "type": "array", "items": value(of) }),
        Type::Many(of) => {
            let of = value(of);
            json!({ "anyOf": [of, { "type": "array", "items": of }] })
        }
        Type::Map(shape) => def(shape.name),
        Type::Own(_, of, _) => json!({ "type": "object", "additionalProperties": value(of) }),
        Type::Json(_) => json!({ "type": "object" }),
        Type::Schema => json!({ "anyOf": [def("text"), { "type": ["object", "array"] }] }),
        Type::Either(types) => json!({ "anyOf": types.iter().map(value).collect::<Vec<_>>() }),
        Type::Tagged(_, _, shapes) => {
            json!({ "anyOf": shapes.iter().map(|shape| def(shape.name)).collect::<Vec<_>>() })
        }
    }
}

fn def(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A value that is not a text may also be given by a variable.
fn or_variable(value: &Value) -> Value {
    json!({ "anyOf": [value, def("variable")] })
}

/// The definitions of shared scalars.
fn scalars() -> Vec<(String, Value)> {
    let quantity = |pattern: &str, example: &str| json!({ "type": "string", "pattern": format!(r"^\s*[0-9._]+\s*{pattern}\s*$|\$\{{"), "examples": [example] });
    let defs = [
        ("variable", json!({ "type": "string", "pattern": r"\$\{" })),
        // YAML reads some texts as numbers or booleans.
        ("text", json!({ "type": ["string", "number", "boolean"] })),
        ("name", json!({ "type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_]*$|\$\{" })),
        ("rate", quantity(r"[kKM]?\s*/\s*(s|sec|second|min|minute|h|hour|d|day)", "5/s")),
        ("span", quantity("(ms|s|sec|min|m|h|d)", "30s")),
        ("size", quantity("(B|KB|kB|MB|GB)", "100MB")),
        ("money", quantity("USD", "5.00 USD")),
    ];
    defs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
