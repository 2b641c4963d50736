//! A body with status 200 is an answer: it is parsed if possible, and otherwise stored with its cost.
//!
//! The service has done its work and charges for it. Retrying because the body has no `choices[0]` would pay again, up
//! to `retry` times. So an unreadable body becomes a [`Reply`] that is [unusable](Reply::unusable): a refused answer,
//! which `attempts` may retry. Only a body showing that nothing was done (an error without a usage, a gateway's page)
//! is a fault. [`call`](super::call) passes direct answers; [`received`] also accepts a line of a job.

use serde_json::Value;

use super::{
    ApiError, Endpoint, Reply, decode,
    json_repair::{Scanned, scan},
    reply::{cost, read_reply},
};

/// The most characters kept of an unreadable answer.
const KEPT: usize = 20_000;

/// The parsed body of an answer.
///
/// # Errors
/// Why it is not an answer, worded to follow "the answer …".
pub(super) fn received_bytes(endpoint: Endpoint, bytes: &[u8]) -> Result<(Value, Reply), String> {
    let (text, replaced) = decode::text(bytes);
    let text = text.trim();
    if text.starts_with('<') {
        return Err(format!(
            "is a web page, not a response of the service: {}",
            ApiError::read(200, text).message
        ));
    }
    let (body, repaired) = match parsed(text) {
        Ok(parsed) => parsed,
        Err(why) => return Ok((Value::Null, unreadable(text, &why))),
    };
    let mut reply = received(endpoint, &body)?;
    let notes: Vec<String> = [reply.note, replaced, repaired].into_iter().flatten().collect();
    reply.note = (!notes.is_empty()).then(|| notes.join("; "));
    Ok((body, reply))
}

/// Parses the body of an answer, usable or not.
///
/// # Errors
/// Why it is not an answer, worded to follow "the answer …": it is an error without any usage.
pub fn received(endpoint: Endpoint, body: &Value) -> Result<Reply, String> {
    match read_reply(endpoint, body) {
        Ok(reply) => Ok(reply),
        Err(why) => {
            let costs = cost(body);
            let is_error = !body["error"].is_null() || body["object"] == "error";
            if is_error && costs.usage.total_tokens == 0 && costs.pages == 0 {
                return Err(format!("reports an error: {}", ApiError::of(200, body).message));
            }
            Ok(Reply { text: kept(&body.to_string()), unusable: Some(format!("the answer {why}")), ..costs })
        }
    }
}

/// An unreadable answer, with the beginning of its text.
pub(super) fn unreadable(text: &str, why: &str) -> Reply {
    // The usage may be intact even if the rest is broken.
    let usage = text.rfind("\"usage\"").and_then(|at| {
        let open = at + text[at..].find('{')?;
        let Scanned { end, .. } = scan(text, open).ok()?;
        serde_json::from_str::<Value>(&text[open..end]).ok()
    });
    let body = serde_json::json!({ "usage": usage });
    Reply { text: kept(text), unusable: Some(format!("the answer {why}")), ..cost(&body) }
}

/// Parses a body as JSON, with a note of the repairs.
fn parsed(text: &str) -> Result<(Value, Option<String>), String> {
    let error = match serde_json::from_str(text) {
        Ok(body) => return Ok((body, None)),
        Err(error) => error,
    };
    if text.is_empty() {
        return Err("has an empty body".to_owned());
    }
    if text.starts_with('{')
        && let Ok(Scanned { end, repaired }) = scan(text, 0)
    {
        let (json, note) = match repaired {
            Some((json, note)) => (json, note),
            None => (text[..end].to_owned(), "ignored: the text after the JSON of the answer".to_owned()),
        };
        if let Ok(body) = serde_json::from_str(&json) {
            return Ok((body, Some(note)));
        }
    }
    Err(format!("has a body that is not JSON ({error})"))
}

fn kept(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(body: &[u8]) -> Result<Reply, String> {
        received_bytes(Endpoint::Chat, body).map(|(_, reply)| reply)
    }

    #[test]
    fn what_can_be_decoded_is_an_answer_like_any_other() {
        let body = r#"{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9}}"#;
        let raw = body.replace("yes", "ye\ns");
        let bad = [b"{\"choices\":[{\"message\":{\"content\":\"y", &b"\xffs\"}}]}"[..]].concat();
        for (bytes, text, noted) in [
            (body.as_bytes().to_vec(), "yes", false),
            ([b"\xef\xbb\xbf".as_slice(), body.as_bytes()].concat(), "yes", false),
            (format!(" \n{body}\0\0").into_bytes(), "yes", true),
            (raw.into_bytes(), "ye\ns", true),
            (bad, "y\u{fffd}s", true),
        ] {
            let reply = reported(&bytes).unwrap();
            assert_eq!((reply.text.as_str(), reply.unusable, reply.note.is_some()), (text, None, noted));
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_with_its_cost() {
        let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":4}"#;
        for (body, why) in [
            (format!(r#"{{"choices":[],{usage}}}"#), "the answer has no `choices[0]`"),
            (format!(r#"{{"error":"late","choices":null,{usage}}}"#), "the answer has no `choices[0]`"),
            (format!(r#"{{{usage},"choices":[{{"mess"#), "the answer has a body that is not JSON (EOF"),
            (
                format!(r#"{{"choices":[{{"message":{{"content":7}}}}],{usage}}}"#),
                "the answer has a `content` that is neither text nor a list of chunks",
            ),
        ] {
            let reply = reported(body.as_bytes()).unwrap();
            assert!(
                reply.unusable.as_ref().is_some_and(|reported| reported.starts_with(why)),
                "{body}: {reply:?}"
            );
            assert_eq!((reply.usage.total_tokens, reply.text.is_empty()), (13, false), "{body}");
        }
        let empty = reported(b"").unwrap();
        assert_eq!(empty.unusable.as_deref(), Some("the answer has an empty body"));
    }

    #[test]
    fn an_error_that_cost_nothing_is_a_fault() {
        let error = reported(br#"{"error":{"message":"Service overloaded","code":503}}"#).unwrap_err();
        assert_eq!(error, "reports an error: Service overloaded");
        assert!(reported(b"<html><h1>502 Bad Gateway</h1></html>").unwrap_err().contains("502 Bad Gateway"));
    }
}
