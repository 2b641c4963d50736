//! Embeddings: texts that share words are close to each other.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::sim::{
    answer::{Generated, id, inputs, model, tokens, usage},
    check,
    dice::Dice,
    endpoint::{
        kind::{Call, Endpoint},
        supplied::read,
    },
    models::{Model, Skill},
    reply::Refusal,
};

pub(super) static EMBEDDINGS: Endpoint = Endpoint {
    path: "/v1/embeddings",
    in_jobs: true,
    skills: &[Skill::Embeddings],
    models: &[],
    usual: "",
    complaints: check::others::complaints,
    within,
    answer,
    written,
};

const DIMENSIONS: usize = 1024;

/// The most tokens in all inputs of a request together.
const MOST: u64 = 16_384;

fn within(request: &Value, model: &Model) -> Result<(), Refusal> {
    let refused = |message: &str, kind: &str, code: &str| {
        Err(Refusal::object(StatusCode::BAD_REQUEST, message, kind, code))
    };
    let lengths: Vec<u64> = inputs(request).iter().map(|text| tokens(text.len())).collect();
    if let Some(longest) = lengths.iter().find(|length| **length > model.context) {
        let message = format!(
            "Input contains {longest} tokens, too large for model with {} maximum context length",
            model.context
        );
        return refused(&message, "invalid_request_prompt", "3059");
    }
    if lengths.iter().sum::<u64>() > MOST {
        return refused(
            "Too many inputs in request, split into more batches.",
            "invalid_request_error",
            "3210",
        );
    }
    if request["output_dimension"].as_u64().is_some_and(|wanted| wanted > DIMENSIONS as u64) {
        return refused("output_dimension is not supported for this model", "invalid_request_error", "3051");
    }
    Ok(())
}

fn written(text: &str) -> Value {
    json!({ "object": "list", "data": [{ "object": "embedding", "embedding": read(text), "index": 0 }] })
}

fn answer(Call { request, .. }: Call<'_>, dice: &mut Dice) -> Generated {
    let inputs = inputs(request);
    let wanted = request["output_dimension"].as_u64().map_or(DIMENSIONS, |wanted| wanted as usize);
    let kind = request["output_dtype"].as_str().unwrap_or("float");
    let base64 = request["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, wanted);
            json!({ "object": "embedding", "embedding": encoded(&vector, kind, base64), "index": index })
        })
        .collect();
    let usage = usage(inputs.iter().map(|text| tokens(text.len())).sum(), 0);
    let response =
        json!({ "id": id(dice), "object": "list", "data": data, "model": model(request), "usage": usage });
    Generated { response, usage, misfit: false }
}

/// A unit vector: the sum of one direction per word.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; dimensions];
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    // A text without words has a separate direction.
    for word in words.map(str::to_lowercase).chain([text.len().to_string()]) {
        let mut signs = vec![0; dimensions.div_ceil(8)];
        blake3::Hasher::new().update(word.as_bytes()).finalize_xof().fill(&mut signs);
        for (at, value) in sum.iter_mut().enumerate() {
            *value += if signs[at / 8] >> (at % 8) & 1 == 1 { 1.0 } else { -1.0 };
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    sum.iter().map(|value| value / length).collect()
}

fn encoded(vector: &[f32], kind: &str, base64: bool) -> Value {
    let scaled = |value: &f32| (value * 127.0 * 8.0).clamp(-127.0, 127.0) as i16;
    let bits = || {
        vector
            .chunks(8)
            .map(|eight| eight.iter().fold(0_u8, |byte, value| (byte << 1) | u8::from(*value > 0.0)))
    };
    let bytes: Vec<u8> = match kind {
        "int8" => vector.iter().map(|value| scaled(value) as i8 as u8).collect(),
        "uint8" => vector.iter().map(|value| (scaled(value) + 128) as u8).collect(),
        "binary" | "ubinary" => bits().collect(),
        _ if base64 => vector.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => return json!(vector),
    };
    match (base64, kind) {
        (true, _) => Value::from(in_base64(&bytes)),
        (false, "int8" | "binary") => bytes.iter().map(|byte| Value::from(*byte as i8)).collect(),
        (false, _) => bytes.iter().copied().map(Value::from).collect(),
    }
}

fn in_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| word << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_are_near() {
        let dot = |a: &str, b: &str| -> f32 {
            vector(a, DIMENSIONS).iter().zip(vector(b, DIMENSIONS)).map(|(a, b)| a * b).sum()
        };
        assert!((dot("the river rose", "the river rose") - 1.0).abs() < 1e-4);
        assert!(dot("the river rose", "The river fell") > 0.4);
        assert!(dot("the river rose", "a promise to a friend").abs() < 0.2);
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(in_base64(bytes.as_bytes()), text);
        }
    }
}
