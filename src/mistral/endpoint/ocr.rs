//! Text recognition in documents and images.

use serde_json::{Map, Value, json};

use super::{kind::Kind, parts::lacks};

/// The answer may include the images of the pages.
pub(super) static KIND: Kind = Kind { path: "/v1/ocr", largest: 256_000_000, counts_pages: true, text };

fn text(body: &Value) -> Result<String, String> {
    let pages = body["pages"].as_array().ok_or_else(|| lacks("pages"))?;
    let texts: Vec<&str> = pages.iter().filter_map(|page| page["markdown"].as_str()).collect();
    let mut found = Map::new();
    found.insert("markdown".to_owned(), Value::from(texts.join("\n\n")));
    found.insert("pages".to_owned(), json!(pages));
    match &body["document_annotation"] {
        Value::Null => {}
        // A JSON string, if the model followed the instructions.
        Value::String(text) => {
            let read = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()));
            found.insert("document_annotation".to_owned(), read);
        }
        other => drop(found.insert("document_annotation".to_owned(), other.clone())),
    }
    Ok(Value::Object(found).to_string())
}
