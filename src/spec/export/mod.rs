//! The language as a JSON Schema, for editors that complete and check while one types.
//!
//! Which keys there are comes from the lists that the reader uses; here stands what they hold and what they
//! are for. It says what a shape can say: names, references and fields are known to `etl check` alone.

mod asks;
mod stages;
mod values;

use serde_json::{Map, Value, json};

use super::{LIMITS, MISTRAL, PIPELINE, PRICE, bounds::TIMEOUTS};

use values::{def, defs, text, unit};

/// A key, what it holds, and what it is for.
type Property = (&'static str, Value, &'static str);

/// The JSON Schema of a pipeline file.
pub fn json_schema() -> Value {
    let stages = json!({ "type": "array", "minItems": 1, "items": { "anyOf": stages::names() } });
    let properties = vec![
        ("pipeline", def("name"), "The pipeline's name."),
        ("description", text(), "What it is for."),
        (
            "params",
            json!({ "type": "object" }),
            "Values that `--set name=value` can change; used as `${params.name}`.",
        ),
        ("mistral", mistral(), "How every stage of this pipeline reaches Mistral, or a server like it."),
        ("duckdb", text(), "The database for the results, and for the ledger that makes a rerun free."),
        ("budget", unit("money"), "What a run, and those that go on from it, may cost: `5.00 USD`."),
        (
            "prices",
            prices(),
            "Prices by the beginning of a model's name; they count before the program's own.",
        ),
        (
            "stages",
            stages,
            "What happens, in reading order. A stage reads the one above it unless it says `from:`.",
        ),
    ];
    let mut schema = object(PIPELINE, &["pipeline", "duckdb", "stages"], properties);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An etl pipeline",
    });
    let defs: Map<String, Value> = defs().into_iter().chain(stages::all()).collect();
    if let (Value::Object(schema), Value::Object(mut head)) = (&mut schema, head) {
        head.append(schema);
        head.insert("$defs".to_owned(), Value::Object(defs));
        *schema = head;
    }
    schema
}

fn mistral() -> Value {
    let limits = vec![
        ("requests", unit("rate"), "Requests in time, retries included: `5/s`."),
        ("tokens", unit("rate"), "Tokens in time, read and written: `500k/min`."),
    ];
    let timeouts = vec![
        ("connect", unit("span"), "Until it takes up a connection. Default: 10s."),
        ("first_byte", unit("span"), "Until its answer begins. Default: 5min."),
        ("whole", unit("span"), "Until its answer is there in full. Default: 5min."),
    ];
    let properties = vec![
        ("api_key", text(), "The key: `${env.MISTRAL_API_KEY}`."),
        ("base_url", text(), "`eu`, `us`, or the address of another server that speaks the same language."),
        ("limits", object(LIMITS, &[], limits), "What the account allows; counted for each request sent."),
        ("timeouts", object(TIMEOUTS, &[], timeouts), "How long to wait for the server."),
    ];
    object(MISTRAL, &[], properties)
}

fn prices() -> Value {
    let properties = vec![
        ("prompt", unit("money"), "A million tokens read."),
        ("completion", unit("money"), "A million tokens written."),
        ("pages", unit("money"), "A thousand pages."),
    ];
    json!({ "type": "object", "additionalProperties": object(PRICE, &[], properties) })
}

/// A mapping with just these keys.
fn object(keys: &[&str], required: &[&str], properties: Vec<Property>) -> Value {
    // In the order of the reader's list, which is the one that people are told.
    let mut described: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!({}))).collect();
    for (key, mut value, about) in properties {
        value["description"] = about.into();
        if let Some(place) = described.get_mut(key) {
            *place = value;
        }
    }
    let mut object = json!({ "type": "object", "additionalProperties": false, "properties": described });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// A mapping that has exactly one of these keys.
fn one_of(mut object: Value, forms: &[&str]) -> Value {
    let forms: Vec<Value> = forms.iter().map(|form| json!({ "required": [form] })).collect();
    object["oneOf"] = forms.into();
    object
}

#[cfg(test)]
mod tests {
    use super::{
        super::{read_ask, read_chat, read_stage, settings},
        *,
    };

    fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let at = format!("{at}/{key}");
                    if key == "properties"
                        && let Value::Object(properties) = value
                    {
                        let bare = properties.iter().filter(|(_, value)| value.get("description").is_none());
                        found.extend(bare.map(|(name, _)| format!("{at}/{name}")));
                    }
                    undescribed(value, &at, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| undescribed(item, at, found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_that_is_read_is_described() {
        let mut found = Vec::new();
        undescribed(&json_schema(), "", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn every_known_key_of_each_stage_is_in_the_schema() {
        let schema = json_schema();
        let keys = |def: &str| -> Vec<String> {
            schema["$defs"][def]["properties"].as_object().unwrap().keys().cloned().collect()
        };
        for (def, known) in [
            ("source", read_stage::SOURCE),
            ("asks", read_ask::MAP_ASK),
            ("submits", read_ask::MAP_SUBMIT),
            ("collects", read_stage::MAP_COLLECT),
            ("reshapes", read_stage::MAP_FIELDS),
            ("splits", read_stage::MAP_SPLIT),
            ("throttle", read_stage::THROTTLE),
            ("poll", read_stage::POLL),
            ("wave", read_stage::WAVE),
            ("sink", read_stage::SINK),
            ("chat", read_chat::CHAT),
            ("tool", read_chat::TOOL),
            ("batch", read_ask::BATCH),
        ] {
            assert_eq!(keys(def), known, "{def}");
        }
        assert!(settings::FIELDS.iter().all(|field| keys("chat").iter().any(|key| key == field.name)));
    }
}
