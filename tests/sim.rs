//! The simulator as a foreign client sees it: over real HTTP on loopback.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use etl::sim::{
    BatchConfig, Endings, ErrorShape, ErrorsIn, Fault, FaultKind, FaultOn, RetryAfter, SCENARIOS, Sim,
    SimConfig, SimStats, Spread,
};
use reqwest::{Client, Method, StatusCode, multipart};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MODEL: &str = "mistral-small-latest";

/// A client that knows nothing of this crate.
struct Api {
    client: Client,
    sim: Sim,
    key: &'static str,
}

impl Api {
    async fn new(config: SimConfig) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = SimConfig { latency: Duration::from_millis(1), ..config };
        Self { client: Client::new(), sim: Sim::start(config).await.unwrap(), key: "test" }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request =
            self.client.request(method, format!("{}{path}", self.sim.url())).bearer_auth(self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.call(Method::POST, path, Some(body)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn upload(&self, lines: &str) -> (StatusCode, Value) {
        let part = multipart::Part::text(lines.to_owned()).file_name("input.jsonl");
        let form = multipart::Form::new().text("purpose", "batch").part("file", part);
        let request = self.client.post(format!("{}/v1/files", self.sim.url()));
        let response = request.bearer_auth(self.key).multipart(form).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// A job over a new file.
    async fn job(&self, lines: &str, more: Value) -> Value {
        let (status, file) = self.upload(lines).await;
        assert_eq!(status, 200, "{file}");
        let mut job = json!({ "endpoint": CHAT, "model": MODEL, "input_files": [file["id"]] });
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/v1/batch/jobs", job).await
    }

    async fn look(&self, job: &Value) -> Value {
        self.get(&format!("/v1/batch/jobs/{}", job["id"].as_str().unwrap())).await
    }

    /// Waits for the end of a job.
    async fn end(&self, job: &Value) -> Value {
        for _ in 0..500 {
            let job = self.look(job).await;
            if ["SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"]
                .contains(&job["status"].as_str().unwrap())
            {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the job does not end: {}", self.look(job).await);
    }

    async fn lines(&self, file: &Value) -> Vec<Value> {
        let Some(id) = file.as_str() else { return Vec::new() };
        let request =
            self.client.get(format!("{}/v1/files/{id}/content", self.sim.url())).bearer_auth(self.key);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/octet-stream");
        let text = response.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn stats(&self) -> SimStats {
        self.sim.stats()
    }
}

fn body(text: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": format!("Describe the text {text}") }] })
}

fn line(id: &str) -> String {
    json!({ "custom_id": id, "body": body(id) }).to_string() + "\n"
}

fn lines(count: usize) -> String {
    (0..count).map(|at| line(&format!("text-{at}"))).collect()
}

fn quick() -> SimConfig {
    SimConfig { misfits: 0.0, speed: 20_000.0, ..SimConfig::default() }
}

fn batch(batch: BatchConfig) -> SimConfig {
    SimConfig { batch, ..quick() }
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["custom_id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_kept_listed_read_linked_and_deleted() {
    let api = Api::new(quick()).await;
    let (status, file) = api.upload(&lines(3)).await;
    assert_eq!(status, 200, "{file}");
    for (name, value) in [
        ("object", json!("file")),
        ("purpose", json!("batch")),
        ("sample_type", json!("batch_request")),
        ("source", json!("upload")),
        ("num_lines", json!(3)),
        ("bytes", json!(lines(3).len())),
        ("filename", json!("input.jsonl")),
    ] {
        assert_eq!(file[name], value, "{name}");
    }
    let (_, twin) = api.upload(&lines(3)).await;
    assert_ne!(file["id"], twin["id"], "nothing is deduplicated");
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await["deleted"], false);
    assert_eq!(api.lines(&file["id"]).await.len(), 3);
    let url = api.get(&format!("{path}/url")).await["url"].as_str().unwrap().to_owned();
    assert_eq!(api.client.get(url).send().await.unwrap().text().await.unwrap(), lines(3));
    let list = api.get("/v1/files?page_size=1&purpose=batch").await;
    assert_eq!((list["total"].clone(), list["data"][0]["id"].clone()), (json!(2), twin["id"].clone()));
    assert_eq!(api.get("/v1/files?purpose=ocr").await["total"], 0);
    let (status, gone) = api.call(Method::DELETE, &path, None).await;
    assert_eq!((status.as_u16(), &gone["deleted"]), (200, &json!(true)));
    assert_eq!(api.call(Method::GET, &path, None).await.0, 404);
    assert_eq!(api.call(Method::GET, "/v1/files/17", None).await.0, 422);
    assert_eq!((api.stats().uploads, api.stats().deletes), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_line_refuses_the_file_and_ids_and_models_are_not_looked_at() {
    let api = Api::new(quick()).await;
    let with = |name: &str, value: Value| {
        let mut body = body("x");
        body[name] = value;
        json!({ "custom_id": "x", "body": body }).to_string()
    };
    for bad in [
        "{".to_owned(),
        r#"{"custom_id": "x"}"#.to_owned(),
        with("messages", json!([])),
        with("messages", json!([{ "role": "wizard", "content": "x" }])),
        with("temperature", json!(1.6)),
        with("max_tokens", json!(-1)),
    ] {
        let (status, told) = api.upload(&format!("{}{bad}\n{}", line("1"), line("2"))).await;
        assert_eq!(
            (status.as_u16(), &told["message"]["detail"][0]["loc"][1]),
            (422, &json!(2)),
            "{bad}: {told}"
        );
    }
    let same = with("model", json!("no-such-model"));
    let (status, file) = api.upload(&format!("{same}\n\n{same}\n{}", json!({ "body": body("y") }))).await;
    assert_eq!((status.as_u16(), &file["num_lines"]), (200, &json!(3)));
    let small = Api::new(batch(BatchConfig { largest_file: 1000, ..BatchConfig::default() })).await;
    assert_eq!(small.upload(&lines(100)).await.0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_queued_to_success_and_its_answers_come_in_another_order() {
    let api = Api::new(SimConfig { speed: 4000.0, ..quick() }).await;
    let job = api.job(&lines(50), json!({ "metadata": { "etl_job": "a" } })).await;
    assert_eq!((&job["status"], &job["total_requests"]), (&json!("QUEUED"), &json!(0)));
    let mut seen = BTreeSet::new();
    let mut counts = BTreeSet::new();
    let ended = loop {
        let job = api.look(&job).await;
        seen.insert(job["status"].as_str().unwrap().to_owned());
        counts.insert(job["completed_requests"].as_u64().unwrap());
        if job["status"] == "SUCCESS" {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), ["QUEUED", "RUNNING", "SUCCESS"]);
    assert!(counts.len() > 5, "the counts move: {counts:?}");
    for (name, value) in [("total", 50), ("completed", 50), ("succeeded", 50), ("failed", 0)] {
        assert_eq!(ended[format!("{name}_requests")], value);
    }
    assert_eq!((&ended["error_file"], &ended["metadata"]["etl_job"]), (&Value::Null, &json!("a")));
    let output = api.lines(&ended["output_file"]).await;
    let order = ids(&output);
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 50);
    assert_ne!(order[0], "text-0", "shuffled");
    assert!(output.iter().all(|line| line["response"]["status_code"] == 200 && line["error"].is_null()));
    let file = api.get(&format!("/v1/files/{}", ended["output_file"].as_str().unwrap())).await;
    assert_eq!(
        (&file["sample_type"], &file["source"], &file["num_lines"]),
        (&json!("batch_result"), &json!("mistral"), &json!(50))
    );
    let stats = api.stats();
    assert_eq!((stats.jobs, stats.answered, stats.batch_answered, stats.duplicates), (1, 50, 50, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_job_is_answered_as_if_it_had_come_alone_and_the_same_twice_is_a_duplicate() {
    let config = SimConfig { misfits: 0.3, ..quick() };
    let content = |answer: &Value| answer["choices"][0].clone();
    let (one, other) = (Api::new(config.clone()).await, Api::new(config).await);
    let ended = one.end(&one.job(&lines(10), json!({})).await).await;
    let mut alone = BTreeMap::new();
    for at in (0..10).rev() {
        let id = format!("text-{at}");
        let mut body = body(&id);
        body["model"] = json!(MODEL);
        alone.insert(id, content(&other.post(CHAT, body).await));
    }
    for line in one.lines(&ended["output_file"]).await {
        assert_eq!(content(&line["response"]["body"]), alone[line["custom_id"].as_str().unwrap()]);
    }
    one.end(&one.job(&lines(3), json!({})).await).await;
    let mut body = body("text-1");
    body["model"] = json!(MODEL);
    one.post(CHAT, body.clone()).await;
    assert_eq!((one.stats().answered, one.stats().duplicates), (14, 4));
    body["model"] = json!("mistral-large-latest");
    one.post(CHAT, body).await;
    assert_eq!(one.stats().duplicates, 4, "another model is another request");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_fail_in_three_shapes_and_go_missing() {
    let config = BatchConfig { failed: 0.3, missing: 0.1, ..BatchConfig::default() };
    let api = Api::new(batch(config.clone())).await;
    let ended = api.end(&api.job(&lines(200), json!({})).await).await;
    assert_eq!(ended["status"], "SUCCESS");
    let (output, errors) = (api.lines(&ended["output_file"]).await, api.lines(&ended["error_file"]).await);
    let stats = api.stats();
    assert_eq!(output.len() as u64, stats.batch_answered);
    assert_eq!(errors.len() as u64, stats.batch_failed);
    assert!(stats.batch_missing > 5 && stats.batch_failed > 30, "{stats:?}");
    assert_eq!(stats.batch_answered + stats.batch_failed + stats.batch_missing, 200);
    assert_eq!(ended["failed_requests"], errors.len());
    let counted: u64 = ended["errors"].as_array().unwrap().iter().map(|e| e["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, errors.len() as u64);
    let shapes: BTreeSet<&str> = errors
        .iter()
        .map(|line| match &line["response"]["body"] {
            Value::String(text) => {
                let body: Value = serde_json::from_str(text).unwrap();
                assert_eq!(body["raw_status_code"], line["response"]["status_code"]);
                "text"
            }
            Value::Object(_) => "object",
            _ => {
                assert!(line["error"]["message"].is_string());
                "bare"
            }
        })
        .collect();
    assert_eq!(shapes.len(), 3, "{shapes:?}");

    // The other way: between the answers, and with no answer at all.
    let api = Api::new(batch(BatchConfig { errors: ErrorsIn::OutputFile, ..config.clone() })).await;
    let ended = api.end(&api.job(&lines(50), json!({})).await).await;
    let output = api.lines(&ended["output_file"]).await;
    assert_eq!(ended["error_file"], Value::Null);
    assert!(output.iter().any(|line| line["response"]["status_code"].as_u64().unwrap() >= 400));
    let shapes = vec![ErrorShape::Bare];
    let api = Api::new(batch(BatchConfig { failed: 1.0, missing: 0.0, shapes, ..config })).await;
    let ended = api.end(&api.job(&lines(5), json!({})).await).await;
    assert_eq!((&ended["status"], &ended["output_file"]), (&json!("SUCCESS"), &Value::Null));
    assert_eq!(ids(&api.lines(&ended["error_file"]).await).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_the_endpoint_refuses_fails_by_itself() {
    let api = Api::new(quick()).await;
    let bad = json!({ "custom_id": "bad", "body": { "messages": [{ "role": "user", "content": "x" }], "seed": 1 } });
    let ended = api.end(&api.job(&format!("{}{bad}\n", lines(2)), json!({})).await).await;
    assert_eq!((&ended["succeeded_requests"], &ended["failed_requests"]), (&json!(2), &json!(1)));
    let errors = api.lines(&ended["error_file"]).await;
    assert_eq!(ids(&errors), ["bad"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_in_every_way_and_keep_what_was_finished() {
    for (endings, status, file) in [
        (Endings { success: 0.0, failed: 1.0, failed_bare: 0.0, timeout: 0.0 }, "FAILED", true),
        (Endings { success: 0.0, failed: 0.0, failed_bare: 1.0, timeout: 0.0 }, "FAILED", false),
        (Endings { success: 0.0, failed: 0.0, failed_bare: 0.0, timeout: 1.0 }, "TIMEOUT_EXCEEDED", true),
    ] {
        let api = Api::new(batch(BatchConfig { endings, ..BatchConfig::default() })).await;
        let ended = api.end(&api.job(&lines(50), json!({ "timeout_hours": 1 })).await).await;
        assert_eq!(ended["status"], status);
        let output = api.lines(&ended["output_file"]).await;
        assert_eq!(ended["output_file"].is_string(), file, "{ended}");
        assert!(output.len() < 50 && output.is_empty() != file, "{}", output.len());
        assert_eq!(api.stats().answered, output.len() as u64, "what never was finished was never answered");
        assert!(ended["completed_at"].is_i64());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_keeps_what_was_finished_and_a_deleted_one_is_gone() {
    let still = Spread { median: Duration::ZERO, spread: 0.0, tail: 0.0, tail_times: 1.0 };
    let config = BatchConfig { queue: still, ..BatchConfig::default() };
    let api = Api::new(SimConfig { speed: 2000.0, ..batch(config) }).await;
    let job = api.job(&lines(100), json!({})).await;
    while api.look(&job).await["completed_requests"].as_u64().unwrap() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let path = format!("/v1/batch/jobs/{}", job["id"].as_str().unwrap());
    let told = api.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(told["status"], "CANCELLATION_REQUESTED");
    let ended = api.end(&job).await;
    assert_eq!(ended["status"], "CANCELLED");
    let output = api.lines(&ended["output_file"]).await;
    assert!((20..100).contains(&output.len()), "{}", output.len());
    let (status, gone) = api.call(Method::DELETE, &path, None).await;
    assert_eq!((status.as_u16(), &gone["deleted"], &gone["object"]), (200, &json!(true), &json!("batch")));
    assert_eq!(api.call(Method::GET, &path, None).await.0, 404);
    assert_eq!((api.stats().cancels, api.stats().deletes), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_by_what_they_were_created_with() {
    let api = Api::new(quick()).await;
    let first = api.job(&lines(2), json!({ "metadata": { "etl_job": "one", "who": "a" } })).await;
    let second = api
        .job(
            &lines(2),
            json!({ "metadata": { "etl_job": "two", "who": "a" }, "model": "mistral-large-latest" }),
        )
        .await;
    let twice = api.job(&lines(2), json!({ "metadata": { "etl_job": "one" } })).await;
    assert_ne!(first["id"], twice["id"], "there is no idempotency key");
    let found = async |query: &[(&str, &str)]| {
        let mut url = reqwest::Url::parse("http://x/v1/batch/jobs").unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let list = api.get(&format!("/v1/batch/jobs?{}", url.query().unwrap())).await;
        let ids: Vec<Value> = list["data"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect();
        (list["total"].as_u64().unwrap(), ids)
    };
    let id = |job: &Value| job["id"].clone();
    assert_eq!(found(&[("metadata", r#"{"etl_job":"two"}"#)]).await, (1, vec![id(&second)]));
    assert_eq!(found(&[("metadata", r#"{"etl_job":"one","who":"a"}"#)]).await, (1, vec![id(&first)]));
    assert_eq!(found(&[("etl_job", "two")]).await.0, 1, "as the published clients write it");
    assert_eq!(found(&[("page_size", "1"), ("page", "1")]).await, (3, vec![id(&second)]));
    assert_eq!(found(&[("order_by", "created"), ("page_size", "1")]).await, (3, vec![id(&first)]));
    assert_eq!(found(&[("model", "mistral-large-latest")]).await.0, 1);
    assert_eq!(found(&[("created_after", "2000-01-01T00:00:00Z")]).await.0, 3);
    assert_eq!(found(&[("created_after", "2100-01-01T00:00:00")]).await.0, 0);
    api.end(&twice).await;
    api.end(&second).await;
    api.end(&first).await;
    assert_eq!(found(&[("status", "SUCCESS"), ("status", "FAILED")]).await.0, 3);
    assert_eq!(found(&[("status", "QUEUED")]).await.0, 0);
    for wrong in ["metadata=x", "status=DONE", "order_by=size", "page=-1", "created_after=soon"] {
        assert_eq!(api.call(Method::GET, &format!("/v1/batch/jobs?{wrong}"), None).await.0, 422, "{wrong}");
    }
    let stats = api.stats();
    assert_eq!((stats.jobs, stats.jobs_twice), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_no_job_is_refused() {
    let pending = BatchConfig { pending: 100, ..BatchConfig::default() };
    let api = Api::new(SimConfig { speed: 1.0, ..batch(pending) }).await;
    let inline = json!([{ "custom_id": "x", "body": body("x") }]);
    let create = async |change: &[(&str, Value)]| {
        let mut job = json!({ "endpoint": CHAT, "model": MODEL, "requests": inline });
        for (name, value) in change {
            job[*name] = value.clone();
        }
        api.call(Method::POST, "/v1/batch/jobs", Some(job)).await
    };
    assert_eq!(create(&[]).await.0, 200);
    for change in [
        ("endpoint", json!("/v1/poems")),
        ("completion_window", json!("24h")),
        ("timeout_hours", json!(0)),
        ("timeout_hours", json!(169)),
        ("metadata", json!({ "k": "" })),
        ("metadata", json!({ "k": 1 })),
        ("metadata", json!({ "k".repeat(33): "x" })),
        ("metadata", json!({ "k": "x".repeat(513) })),
        ("requests", json!([])),
        ("requests", Value::from(vec![json!({ "body": {} }); 10_001])),
        ("input_files", json!(["x"])),
        ("model", Value::Null),
    ] {
        let (status, told) = create(std::slice::from_ref(&change)).await;
        assert_eq!(status, 422, "{change:?}: {told}");
        assert!(told["detail"].is_array());
    }
    let (status, told) = create(&[("model", json!("mistral-smol"))]).await;
    assert_eq!((status.as_u16(), &told["code"]), (400, &json!("1500")));
    let nowhere = "00000000-0000-4000-8000-000000000000";
    let (status, _) = create(&[("requests", Value::Null), ("input_files", json!([nowhere]))]).await;
    assert_eq!(status, 404);
    let many: Vec<Value> = (0..100).map(|at| json!({ "body": body(&at.to_string()) })).collect();
    assert_eq!(create(&[("requests", json!(many))]).await.0, 429);
    assert_eq!(api.call(Method::GET, &format!("/v1/batch/jobs/{nowhere}"), None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_jobs_belong_to_the_key_that_made_them() {
    let mut api = Api::new(quick()).await;
    let job = api.job(&lines(2), json!({})).await;
    let (file, id) = (job["input_files"][0].as_str().unwrap(), job["id"].as_str().unwrap());
    api.key = "another";
    for path in
        [format!("/v1/files/{file}"), format!("/v1/files/{file}/content"), format!("/v1/batch/jobs/{id}")]
    {
        assert_eq!(api.call(Method::GET, &path, None).await.0, 404, "{path}");
    }
    assert_eq!(api.get("/v1/files").await["total"], 0);
    assert_eq!(api.get("/v1/batch/jobs").await["total"], 0);
    let take = json!({ "endpoint": CHAT, "model": MODEL, "input_files": [file] });
    assert_eq!(api.call(Method::POST, "/v1/batch/jobs", Some(take)).await.0, 404);
    api.key = "invalid";
    assert_eq!(api.call(Method::GET, "/v1/batch/jobs", None).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_and_the_same_jobs_give_the_same_files() {
    let config =
        batch(BatchConfig { failed: 0.2, missing: 0.05, errors: ErrorsIn::Either, ..BatchConfig::default() });
    let mut runs = Vec::new();
    for turn in 0..2 {
        let api = Api::new(SimConfig { misfits: 0.3, ..config.clone() }).await;
        // The other way round the second time, and with a pause: neither matters.
        let parts = if turn == 0 { [10, 20] } else { [20, 10] };
        let mut told = BTreeMap::new();
        for part in parts {
            let text: String = (0..part).map(|at| line(&format!("{part}-{at}"))).collect();
            let ended = api.end(&api.job(&text, json!({})).await).await;
            let mut rows = api.lines(&ended["output_file"]).await;
            rows.extend(api.lines(&ended["error_file"]).await);
            for row in rows.iter_mut().filter(|row| row["response"].is_object()) {
                if let Some(body) = row["response"]["body"].as_object_mut() {
                    body.remove("created");
                }
            }
            told.insert(part, (ended["id"].clone(), ended["output_file"].is_string(), rows));
        }
        runs.push(told);
    }
    assert_eq!(runs[0], runs[1]);
}

fn faulty(kind: FaultKind) -> Fault {
    Fault {
        kind,
        on: FaultOn::Answers,
        share: 1.0,
        from: Duration::ZERO,
        lasting: None,
        every: None,
        retry_after: None,
    }
}

async fn with_fault(fault: Fault) -> (Api, Result<reqwest::Response, reqwest::Error>) {
    let api = Api::new(SimConfig { faults: vec![fault], ..quick() }).await;
    let mut body = body("x");
    body["model"] = json!(MODEL);
    let request = api.client.post(format!("{}{CHAT}", api.sim.url())).bearer_auth("test").json(&body);
    let response = request.timeout(Duration::from_secs(2)).send().await;
    (api, response)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_cut_before_in_and_after_an_answer() {
    for (kind, answered) in [(FaultKind::Cut, 0), (FaultKind::Lost, 1)] {
        let (api, response) = with_fault(faulty(kind)).await;
        let error = response.unwrap_err();
        assert!(!error.is_timeout(), "{error:?}");
        assert_eq!((api.stats().answered, api.stats().faults), (answered, 1), "{kind:?}");
    }
    for kind in [FaultKind::CutBody, FaultKind::WrongLength] {
        let (api, response) = with_fault(faulty(kind)).await;
        let response = response.unwrap_or_else(|error| panic!("{kind:?}: {error:?}"));
        assert_eq!(response.status(), 200);
        let error = response.text().await.unwrap_err();
        assert!(!error.is_timeout(), "{kind:?} {error:?}");
        assert_eq!(api.stats().answered, 1);
    }
    let (api, response) = with_fault(faulty(FaultKind::Hang)).await;
    assert!(response.unwrap_err().is_timeout());
    assert_eq!(api.stats().answered, 0);
    let started = std::time::Instant::now();
    let (_api, response) = with_fault(faulty(FaultKind::SlowBody(Duration::from_millis(500)))).await;
    let answer: Value = response.unwrap().json().await.unwrap();
    assert!(answer["choices"][0].is_object() && started.elapsed() >= Duration::from_millis(450));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_in_every_shape_and_say_when_to_come_back() {
    let wait = Duration::from_millis(1500);
    let retry = |kind, retry_after| Fault { retry_after: Some(retry_after), ..faulty(kind) };
    let (api, response) = with_fault(retry(FaultKind::Capacity, RetryAfter::Seconds(wait))).await;
    let response = response.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"2".parse().unwrap())
    );
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "3505");
    assert_eq!((api.stats().limited, api.stats().requests), (1, 1));
    let (_, response) = with_fault(retry(FaultKind::Status(503), RetryAfter::Millis(wait))).await;
    let response = response.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after-ms"]),
        (503, &"1500".parse().unwrap())
    );
    let (api, response) = with_fault(retry(FaultKind::Html(502), RetryAfter::Date(wait))).await;
    let response = response.unwrap();
    let date = response.headers()["retry-after"].to_str().unwrap().to_owned();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    assert!(response.headers().contains_key("mistral-correlation-id"));
    assert!(response.text().await.unwrap().starts_with("<html>"));
    assert_eq!(api.stats().refused, 1);
    // Somebody who asks for models is not meant, and a fault that has not begun is none.
    api.get("/v1/models").await;
    let later = Fault { from: Duration::from_secs(60), ..faulty(FaultKind::Cut) };
    assert_eq!(with_fault(later).await.1.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_told_and_kept_for_each_model() {
    let requests = Some("3/min".parse().unwrap());
    let api = Api::new(SimConfig { requests, tokens: Some("10k/min".parse().unwrap()), ..quick() }).await;
    let mut told = Vec::new();
    for at in 0..5 {
        let mut body = body(&at.to_string());
        body["model"] = json!(MODEL);
        let request = api.client.post(format!("{}{CHAT}", api.sim.url())).bearer_auth("test").json(&body);
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-ratelimit-limit-req-minute"), "3");
        assert_eq!(header("x-ratelimit-limit-tokens-minute"), "10000");
        assert!(header("x-ratelimit-remaining-tokens-minute").parse::<u64>().unwrap() < 10_000);
        let cost: u64 = header("x-ratelimit-tokens-query-cost").parse().unwrap();
        assert_eq!(cost > 0, response.status() == 200);
        told.push((response.status().as_u16(), header("x-ratelimit-remaining-req-minute")));
    }
    let told: Vec<(u16, &str)> = told.iter().map(|(status, left)| (*status, left.as_str())).collect();
    assert_eq!(told, [(200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")]);
    let mut body = body("x");
    body["model"] = json!("mistral-large-latest");
    api.post(CHAT, body.clone()).await;
    body["messages"][0]["content"] = json!("word ".repeat(10_000));
    assert_eq!(api.call(Method::POST, CHAT, Some(body)).await.0, 429, "too many tokens");
}

#[test]
fn every_scenario_that_is_shipped_can_be_played_and_a_wrong_one_says_where() {
    for (name, _) in SCENARIOS {
        SimConfig::default().with_scenario(name).unwrap();
    }
    let wrong = |text: &str| SimConfig::default().with_yaml("x.yaml", text).unwrap_err().to_string();
    insta::assert_snapshot!(wrong("seed: 1\nlatency:\n  middle: 3s\n"), @"x.yaml: unknown field `middle`, expected one of median, spread, tail, tail_times at line 3, column 3");
    insta::assert_snapshot!(wrong("limits: { requests: 60 }\n"), @"x.yaml: found `60`, wanted a rate with its unit, such as `5/s`, `60/min` or `500k/min` at line 1, column 21");
    insta::assert_snapshot!(wrong("faults:\n  - { kind: cut, share: 2 }\n"), @"x.yaml: `2` is no share: wanted a number from 0 to 1 at line 2, column 25");
    insta::assert_snapshot!(wrong("faults:\n  - { kind: explode }\n"), @"x.yaml: unknown variant `explode`, expected one of capacity, limit, status, html, cut, lost, cut_body, wrong_length, hang, slow_body at line 2, column 13");
    insta::assert_snapshot!(SimConfig::default().with_scenario("wild").unwrap_err(), @"there is no scenario `wild`: wanted a file, or one of `calm`, `busy`, `flaky`, `hostile`, `philosophy`");
}

/// What is wrong with an answer, as a strict reader sees it.
fn misfit(content: &str, schema: &Value) -> &'static str {
    let Ok(value) = serde_json::from_str::<Value>(content) else { return "no JSON" };
    let Some(object) = value.as_object() else { return "no object" };
    if schema["required"].as_array().unwrap().iter().any(|name| !object.contains_key(name.as_str().unwrap()))
    {
        return "no field";
    }
    let fits = jsonschema::is_valid(schema, &value);
    match object["category"] == "miscellaneous" || object["difficulty"] == "miscellaneous" {
        true => "invented",
        false if fits => "fits",
        false => "empty",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_philosophy_run_misfits_as_often_as_the_real_one_did() {
    let schema: Value = serde_json::from_str(include_str!("../schemas/metadata.schema.json")).unwrap();
    let api =
        Api::new(SimConfig { speed: 1e6, ..SimConfig::default().with_scenario("philosophy").unwrap() }).await;
    let ask = |at: &str, why: &str| {
        let text = format!(
            "{why}<text>\nOn rivers, {at}\n\nThe ferryman measured river number {at} every day, and nobody knew why he did.\n</text>"
        );
        json!({
            "messages": [{ "role": "user", "content": text }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "metadata", "schema": schema, "strict": true } },
        })
    };
    let count = async |bodies: Vec<(String, Value)>| {
        let lines =
            bodies.iter().map(|(id, body)| json!({ "custom_id": id, "body": body }).to_string() + "\n");
        let ended = api.end(&api.job(&lines.collect::<String>(), json!({})).await).await;
        let mut counts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for line in api.lines(&ended["output_file"]).await {
            let content = &line["response"]["body"]["choices"][0]["message"]["content"];
            let text: String = match content {
                Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
                content => content.as_str().unwrap().to_owned(),
            };
            // Fences and a sentence before an object are put up with.
            let text = match (text.find("{\""), text.rfind('}')) {
                (Some(from), Some(to)) if !text.starts_with('[') => text[from..=to].to_owned(),
                _ => text,
            };
            let id = line["custom_id"].as_str().unwrap().to_owned();
            counts.entry(misfit(&text, &schema)).or_default().push(id);
        }
        counts
    };
    let first = count((0..723).map(|at| (at.to_string(), ask(&at.to_string(), ""))).collect()).await;
    let told: Vec<(&str, usize)> = first.iter().map(|(kind, ids)| (*kind, ids.len())).collect();
    let wanted =
        [("empty", 9), ("fits", 605), ("invented", 5), ("no JSON", 10), ("no field", 52), ("no object", 42)];
    assert_eq!(told, wanted);
    assert_eq!(api.stats().misfits, 118);
    let mut refused: Vec<String> =
        first.into_iter().filter(|(kind, _)| *kind != "fits").flat_map(|(_, ids)| ids).collect();
    let mut rounds = Vec::new();
    for round in 1..3 {
        let why = format!("Your last answer was refused: {round}\n");
        let told = count(refused.iter().map(|id| (id.clone(), ask(id, &why))).collect()).await;
        refused = told.into_iter().filter(|(kind, _)| *kind != "fits").flat_map(|(_, ids)| ids).collect();
        rounds.push(refused.len());
    }
    assert!((10..32).contains(&rounds[0]) && rounds[1] <= 4, "{rounds:?}");
    assert_eq!(api.stats().duplicates, 0);
}

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
        let (status, told) = api.call(Method::POST, CHAT, Some(body)).await;
        (status.as_u16(), told["code"].as_str().unwrap_or_default().to_owned())
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
        let (status, told) = api.call(Method::POST, endpoint, Some(alone)).await;
        assert_eq!((status.as_u16(), &told["detail"][0]["loc"][1]), (422, &json!("poem")), "{endpoint}");
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
    let (status, told) = api
        .call(Method::POST, "/v1/embeddings", Some(json!({ "model": "mistral-embed", "input": many })))
        .await;
    assert_eq!((status.as_u16(), &told["code"]), (400, &json!("3210")));
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
async fn a_job_ends_while_one_looks_on_unless_told_otherwise() {
    let api = Api::new(SimConfig::default()).await;
    let started = std::time::Instant::now();
    let ended = api.end(&api.job(&lines(50), json!({})).await).await;
    assert_eq!(ended["status"], "SUCCESS");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_meet_the_same_faults_and_get_their_answer_in_the_end() {
    let share = |kind, share| Fault { share, ..faulty(kind) };
    let faults = vec![
        share(FaultKind::Status(500), 0.2),
        share(FaultKind::Html(502), 0.1),
        share(FaultKind::Cut, 0.1),
        share(FaultKind::CutBody, 0.1),
        share(FaultKind::Limit, 0.1),
    ];
    let mut runs = Vec::new();
    for backwards in [false, true] {
        let api = Api::new(SimConfig { faults: faults.clone(), ..quick() }).await;
        let mut order: Vec<usize> = (0..40).collect();
        if backwards {
            order.reverse();
        }
        let mut met = BTreeMap::new();
        for at in order {
            let mut body = body(&at.to_string());
            body["model"] = json!(MODEL);
            let mut told = Vec::new();
            while told.last() != Some(&"answered".to_owned()) {
                assert!(told.len() < 50, "{told:?}");
                let request =
                    api.client.post(format!("{}{CHAT}", api.sim.url())).bearer_auth("test").json(&body);
                told.push(match request.send().await {
                    Err(_) => "cut".to_owned(),
                    Ok(response) if response.status() != 200 => response.status().to_string(),
                    Ok(response) => {
                        response.json::<Value>().await.map_or("cut body", |_| "answered").to_owned()
                    }
                });
            }
            met.insert(at, told);
        }
        let stats = api.stats();
        assert!(stats.faults > 30 && stats.limited > 0 && stats.refused > 0, "{stats:?}");
        assert_eq!(stats.answered - stats.duplicates, 40);
        runs.push(met);
    }
    assert_eq!(runs[0], runs[1]);
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

#[test]
fn the_command_says_which_scenarios_there_are() {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_etl"));
    let told = command.args(["sim", "--port", "0", "--scenario", "wild"]).assert().code(2);
    let told = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
    assert!(told.contains("`calm`, `busy`, `flaky`, `hostile`, `philosophy`"), "{told}");
}
