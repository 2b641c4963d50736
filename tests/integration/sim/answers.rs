//! The answers of the endpoints to single requests.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, CHAT, MODEL, body, quick};

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_under_each_of_their_names_and_a_retired_one_is_not_asked() {
    let api = Api::new(quick()).await;
    let list = api.get("/v1/models").await;
    let find = |id: &str| list["data"].as_array().unwrap().iter().find(|model| model["id"] == id).cloned();
    let large = find("mistral-large-latest").unwrap();
    assert_eq!(find(large["aliases"][0].as_str().unwrap()).unwrap()["aliases"][0], "mistral-large-latest");
    assert_eq!(
        (&large["capabilities"]["completion_chat"], &large["max_context_length"]),
        (&json!(true), &json!(262_144))
    );
    assert_eq!(find("mistral-ocr-latest").unwrap()["capabilities"]["ocr"], true);
    assert!(find("mistral-embed").is_some() && find("mistral-moderation-latest").is_some());
    let retired = api.get("/v1/models/magistral-small-latest").await;
    assert_eq!(retired["deprecation_replacement_model"], "mistral-small-latest");
    assert_eq!(api.call(Method::GET, "/v1/models/nobody", None).await.0, 404);
    let ask = async |model: &str, change: &[(&str, Value)]| {
        let mut body = body("x");
        body["model"] = json!(model);
        for (name, value) in change {
            body[*name] = value.clone();
        }
        let (status, reported) = api.call(Method::POST, CHAT, Some(body)).await;
        (status.as_u16(), reported["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status, code: &str| (status, code.to_owned());
    assert_eq!(ask("magistral-small-latest", &[]).await, refused(404, "1913"));
    assert_eq!(ask("mistral-embed", &[]).await, refused(400, "1500"));
    let long = json!([{ "role": "user", "content": "long ".repeat(140_000) }]);
    assert_eq!(ask(MODEL, &[("messages", long)]).await, refused(400, "3059"));
    assert_eq!(
        ask("ministral-8b-latest", &[("reasoning_effort", json!("high"))]).await,
        refused(400, "3051")
    );
    assert_eq!(ask(MODEL, &[("reasoning_effort", json!("high"))]).await, refused(200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_gives_several_answers_stops_and_calls_a_function() {
    let api = Api::new(quick()).await;
    let ask = async |more: Value| {
        let mut body = body(
            "of the ferryman. He measured the river every day at dawn. Nobody knew why he did it at all.",
        );
        body["model"] = json!(MODEL);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post(CHAT, body).await
    };
    let three = ask(json!({ "n": 3 })).await;
    let places: Vec<&Value> =
        three["choices"].as_array().unwrap().iter().map(|choice| &choice["index"]).collect();
    assert_eq!(places, [0, 1, 2]);
    let whole = ask(json!({})).await["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let word = whole.split(' ').nth(2).unwrap();
    let stopped = ask(json!({ "stop": [word] })).await;
    let content = stopped["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(!content.contains(word), "{content}");
    let short = ask(json!({ "max_tokens": 2 })).await;
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    let parameters =
        json!({ "type": "object", "required": ["kind"], "properties": { "kind": { "enum": ["essay"] } } });
    let tools = json!([{ "type": "function", "function": { "name": "file", "parameters": parameters } }]);
    let called = ask(json!({ "tools": tools, "tool_choice": "any" })).await;
    assert_eq!(called["choices"][0]["finish_reason"], "tool_calls");
    let function = &called["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!((&function["name"], &function["arguments"]), (&json!("file"), &json!(r#"{"kind":"essay"}"#)));
    assert_eq!(ask(json!({ "tools": tools })).await["choices"][0]["finish_reason"], "stop");
    let picture = json!([{ "type": "text", "text": "What?" }, { "type": "image_url", "image_url": "https://example.org/a.png" }]);
    ask(json!({ "messages": [{ "role": "user", "content": picture }] })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_endpoints_answer_alone_and_in_a_job() {
    let api = Api::new(quick()).await;
    let message = json!([{ "role": "user", "content": "I will kill the lights." }]);
    let url = json!({ "type": "document_url", "document_url": "https://example.org/a.pdf" });
    let asked = [
        (
            "/v1/embeddings",
            "mistral-embed",
            json!({ "input": ["a river", "a friend"] }),
            "/data/1/embedding/1023",
        ),
        ("/v1/ocr", "mistral-ocr-latest", json!({ "document": url }), "/pages/0/markdown"),
        (
            "/v1/moderations",
            "mistral-moderation-latest",
            json!({ "input": "x" }),
            "/results/0/categories/pii",
        ),
        (
            "/v1/chat/moderations",
            "mistral-moderation-latest",
            json!({ "input": message }),
            "/results/0/category_scores/law",
        ),
        (
            "/v1/classifications",
            "mistral-moderation-latest",
            json!({ "input": ["x"] }),
            "/results/0/category/scores",
        ),
        (
            "/v1/fim/completions",
            "codestral-latest",
            json!({ "prompt": "fn main() {" }),
            "/choices/0/message/content",
        ),
    ];
    for (endpoint, model, body, there) in &asked {
        let mut alone = body.clone();
        alone["model"] = json!(model);
        let answer = api.post(endpoint, alone.clone()).await;
        assert!(answer.pointer(there).is_some(), "{endpoint}: {answer}");
        alone["poem"] = json!(1);
        let (status, reported) = api.call(Method::POST, endpoint, Some(alone)).await;
        assert_eq!((status.as_u16(), &reported["detail"][0]["loc"][1]), (422, &json!("poem")), "{endpoint}");
        let line = json!({ "custom_id": "x", "body": body }).to_string();
        let ended = api.end(&api.job(&line, json!({ "endpoint": endpoint, "model": model })).await).await;
        let output = api.lines(&ended["output_file"]).await;
        assert!(output[0]["response"]["body"].pointer(there).is_some(), "{endpoint}: {output:?}");
    }
    let stats = api.stats();
    assert_eq!((stats.answered, stats.duplicates), (12, 6), "the line of a job is the same request");
    let kill = api
        .post("/v1/chat/moderations", json!({ "model": "mistral-moderation-latest", "input": message }))
        .await;
    assert_eq!(kill["results"][0]["categories"]["violence_and_threats"], true);
    let many: Vec<String> = vec!["word ".repeat(1000); 20];
    let (status, reported) = api
        .call(Method::POST, "/v1/embeddings", Some(json!({ "model": "mistral-embed", "input": many })))
        .await;
    assert_eq!((status.as_u16(), &reported["code"]), (400, &json!("3210")));
    let packed = json!({ "model": "mistral-embed", "input": "x", "encoding_format": "base64", "output_dimension": 256 });
    assert_eq!(
        api.post("/v1/embeddings", packed).await["data"][0]["embedding"].as_str().unwrap().len(),
        1368
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_pieces_where_that_is_asked_for() {
    let api = Api::new(quick()).await;
    let mut body = body("of the ferryman, who measured the river.");
    body["model"] = json!(MODEL);
    let whole = api.post(CHAT, body.clone()).await["choices"][0]["message"]["content"].clone();
    body["stream"] = json!(true);
    let request = api.client.post(format!("{}{CHAT}", api.sim.url())).bearer_auth("test").json(&body);
    let text = request.send().await.unwrap().text().await.unwrap();
    let events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let events: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let said: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, whole.as_str().unwrap());
    let last = events.last().unwrap();
    assert_eq!(
        (&last["choices"][0]["finish_reason"], last["usage"]["total_tokens"].is_u64()),
        (&json!("stop"), true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_within_a_prompt_is_kept_to_as_well() {
    let api = Api::new(quick()).await;
    let schema =
        json!({ "type": "object", "required": ["kind"], "properties": { "kind": { "enum": ["essay"] } } });
    let body = json!({
        "model": MODEL,
        "messages": [{ "role": "system", "content": format!("Answer with JSON {{as}} this says: {schema}.") }, { "role": "user", "content": "x" }],
        "response_format": { "type": "json_object" },
    });
    let answer = api.post(CHAT, body).await;
    let content = answer["choices"][0]["message"]["content"].to_string();
    assert!(content.contains("kind") && content.contains("essay"), "{content}");
}
