//! Server responses, scenarios of the simulator, and quantities.

use etl::{
    mistral::{ApiError, Endpoint, Expected, read_answer, read_reply, read_result},
    sim::SimConfig,
    units::{Rate, Size, Span, Usd},
};
use proptest::prelude::*;
use serde_json::json;

use super::{both, config, soon};

const ANSWERS: &[&str] = &[
    "{\"title\": \"A \\\"text\\\" é\", \"tags\": [\"a\", {\"b\": [1, 2.5e3, null, true]}]}",
    "Here it is:\n```json\n{\"title\": \"x\", \"tags\": []}\n```\nAnything else?",
    "[{\"title\": \"x\"}]",
];

const ERRORS: &[&str] = &[
    r#"{"object":"error","message":"Prompt too long","type":"invalid_request_prompt","param":null,"code":"3059","raw_status_code":400}"#,
    r#"{"object":"error","message":{"detail":[{"type":"missing","loc":["body","messages",0],"msg":"Field required","input":{}}]}}"#,
    r#"{"detail":[{"loc":["body","x"],"msg":"no"}]}"#,
    r#"{"message":"Requests rate limit exceeded","request_id":"abc"}"#,
    "<html><head><title>502 Bad Gateway</title></head><body>é</body></html>",
];

const LINES: &[&str] = &[
    r#"{"id":"b-1","custom_id":"7","response":{"status_code":200,"body":{"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":[{"type":"text","text":"é"}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}},"error":null}"#,
    r#"{"custom_id":7,"response":{"status_code":400,"body":"{\"object\":\"error\",\"message\":\"no\",\"code\":3059}"},"error":null}"#,
    r#"{"custom_id":"7","response":null,"error":{"message":"expired"}}"#,
    r#"{"custom_id":"7","response":{"body":{"data":[{"embedding":[0.1,2]}],"pages":[{"index":0,"markdown":"x"}],"results":[{"categories":{}}],"usage_info":{"pages_processed":1}}}}"#,
];

const SCENARIOS: &[&str] = &[
    include_str!("../../../pipelines/scenarios/hostile.yaml"),
    include_str!("../../../pipelines/scenarios/philosophy.yaml"),
    include_str!("../../../pipelines/scenarios/busy.yaml"),
];

const QUANTITIES: &[&str] = &["5/s", "500k/min", "30s", "1.5 MB", "5.00 USD", "1_000ms"];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_are_read(text in both(ANSWERS)) {
        let schema = json!({ "type": "object", "required": ["title"], "properties": { "title": { "type": "string" } } });
        let expected = Expected::new(&schema).unwrap();
        match soon(&text, || read_answer(&text, &expected)) {
            Ok(json) => {
                let value: serde_json::Value = serde_json::from_str(&json).unwrap();
                prop_assert!(value["title"].is_string());
            }
            Err(reason) => prop_assert!(!reason.is_empty() && reason.len() < 10_000, "{}", reason.len()),
        }
    }

    #[test]
    fn errors_are_read(status in any::<u16>(), text in both(ERRORS)) {
        let error = soon(&text, || ApiError::read(status, &text));
        let reported = error.to_string();
        prop_assert!(reported.len() < 10_000, "{}", reported.len());
        let _ = (error.action(), error.is_capacity());
    }

    #[test]
    fn lines_of_results_are_read(text in both(LINES)) {
        soon(&text, || {
            if let Ok(row) = read_result(&text) && let Ok(body) = row.outcome {
                for endpoint in Endpoint::ALL {
                    let _ = read_reply(endpoint, &body);
                }
            }
        });
    }

    #[test]
    fn scenarios_are_read(text in both(SCENARIOS)) {
        if let Err(error) = soon(&text, || SimConfig::default().with_yaml("scenario", &text)) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn quantities_are_read(text in both(QUANTITIES)) {
        // A parsed value prints as text that parses to the same value.
        if let Ok(rate) = text.parse::<Rate>() {
            prop_assert!(rate.per_second() > 0.0);
        }
        if let Ok(span) = text.parse::<Span>() {
            prop_assert!(span.to_string().parse::<Span>().is_ok());
        }
        if let Ok(size) = text.parse::<Size>() {
            prop_assert!(size.to_string().parse::<Size>().is_ok());
        }
        if let Ok(money) = text.parse::<Usd>() {
            prop_assert!(money.to_string().parse::<Usd>().is_ok());
        }
    }
}
