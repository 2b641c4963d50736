//! Documents read page by page. A document that is not on loopback is generated from its address.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    pages,
    sim::{
        answer::{Generated, document::Document, model, shape::Filler, tokens, usage},
        check,
        dice::Dice,
        endpoint::{
            kind::{Endpoint, Stored},
            supplied::read,
            unanswerable::within,
        },
        models::Skill,
    },
};

pub(super) static OCR: Endpoint = Endpoint {
    path: "/v1/ocr",
    in_jobs: true,
    skills: &[Skill::Ocr],
    models: &[],
    // The only endpoint with a default model.
    usual: "mistral-ocr-latest",
    complaints: check::others::complaints,
    within,
    answer: |call, dice| answer(call.request, dice, call.stored),
    written,
};

fn written(text: &str) -> Value {
    let result = read(text);
    let markdown = result["markdown"].as_str().unwrap_or(text);
    let pages = match &result["pages"] {
        Value::Array(pages) => json!(pages),
        _ => json!([{ "index": 0, "markdown": markdown }]),
    };
    let count = pages.as_array().map_or(0, Vec::len);
    json!({ "pages": pages, "usage_info": { "pages_processed": count, "doc_size_bytes": null } })
}

const WORDS: &[&str] = &[
    "river", "ferryman", "promise", "measure", "friend", "judge", "garden", "lantern", "winter", "letter",
    "witness", "harvest", "silence", "teacher", "stone", "market",
];

/// Characters per page of an uploaded text.
const PAGE: usize = 3000;

fn answer(request: &Value, dice: &mut Dice, stored: Stored<'_>) -> Generated {
    let document = &request["document"];
    let uploaded = document["file_id"].as_str().and_then(stored);
    let texts: Vec<String> = match uploaded.as_deref().map(String::from_utf8_lossy) {
        Some(text) if !text.contains('\0') => {
            let all: Vec<char> = text.chars().collect();
            all.chunks(PAGE).map(|page| page.iter().collect()).collect()
        }
        _ => {
            let image = &document["image_url"];
            let url = [&document["document_url"], image, &image["url"]].into_iter().find_map(Value::as_str);
            let inline = url.and_then(|url| {
                let (_, data) = url.split_once(";base64,")?;
                usize::try_from(pages::count(&STANDARD.decode(data).ok()?)?).ok()
            });
            let count = inline.unwrap_or_else(|| match document["type"] == "image_url" {
                true => 1,
                false => dice.between(2, 4),
            });
            (0..count).map(|at| page(at, dice)).collect()
        }
    };
    let wanted = |index: usize| match &request["pages"] {
        Value::Array(pages) => pages.iter().any(|page| page.as_u64() == Some(index as u64)),
        Value::String(ranges) => in_ranges(ranges, index),
        _ => true,
    };
    let read: Vec<(usize, &String)> = texts.iter().enumerate().filter(|(at, _)| wanted(*at)).collect();
    let pages: Vec<Value> = read
        .iter()
        .map(|(index, text)| {
            json!({
                "index": index,
                "markdown": text,
                "images": [],
                "tables": [],
                "hyperlinks": [],
                "header": null,
                "footer": null,
                "dimensions": { "dpi": 200, "height": 2200, "width": 1700 },
            })
        })
        .collect();
    let annotation =
        request["document_annotation_format"]["json_schema"]["schema"].as_object().map(|schema| {
            let all = read.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n\n");
            let asked = json!({ "messages": [{ "role": "user", "content": all }] });
            let schema = Value::Object(schema.clone());
            let mut filler = Filler { root: &schema, document: &Document::of(&asked), dice };
            filler.fill(&schema, "", 0).to_string()
        });
    let size = uploaded.map(|content| content.len());
    let response = json!({
        "pages": pages,
        "model": model(request),
        "document_annotation": annotation,
        "usage_info": { "pages_processed": read.len(), "doc_size_bytes": size },
    });
    let read = tokens(read.iter().map(|(_, text)| text.len()).sum());
    Generated { response, usage: usage(0, read), misfit: false }
}

fn page(at: usize, dice: &mut Dice) -> String {
    let mut word = || dice.pick(WORDS).copied().unwrap_or("page");
    let sentences: Vec<String> = (0..6)
        .map(|_| format!("The {} spoke of the {}, and the {} kept the {}.", word(), word(), word(), word()))
        .collect();
    format!("# Page {}\n\n{}", at + 1, sentences.join(" "))
}

/// Parses `0,2-4`: numbers and ranges.
fn in_ranges(ranges: &str, index: usize) -> bool {
    ranges.split(',').any(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (from.trim().parse::<usize>(), to.trim().parse::<usize>());
        matches!((from, to), (Ok(from), Ok(to)) if (from..=to).contains(&index))
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;

    use super::*;

    #[test]
    fn pages_are_chosen_and_an_uploaded_text_is_read() {
        let stored = |_: &str| Some(Bytes::from("One day. ".repeat(700)));
        let read = |request: Value| answer(&request, &mut Dice::of(1, b"x", 0, "test"), &stored).response;
        let file = json!({ "type": "file", "file_id": "x" });
        let all = read(json!({ "document": file }));
        assert_eq!(all["usage_info"], json!({ "pages_processed": 3, "doc_size_bytes": 6300 }));
        let some = read(json!({ "document": file, "pages": "0,2-9" }));
        assert_eq!((&some["pages"][0]["index"], &some["pages"][1]["index"]), (&json!(0), &json!(2)));
        let picture = json!({ "document": { "type": "image_url", "image_url": "https://example.org/a.png" }, "pages": [0] });
        assert!(read(picture)["pages"][0]["markdown"].as_str().unwrap().starts_with("# Page 1"));
        let two = b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0\0\0\0";
        assert_eq!(pages::count(two), Some(2));
        let url = format!("data:image/tiff;base64,{}", STANDARD.encode(two));
        for image in [json!(url), json!({ "url": url })] {
            let pages = read(json!({ "document": { "type": "image_url", "image_url": image } }));
            assert_eq!(pages["usage_info"]["pages_processed"], 2);
        }
    }
}
