//! The simulator as seen by a foreign client: over real HTTP on loopback.

mod answers;
mod faults;
mod jobs;
mod scenarios;
mod store;

use std::time::Duration;

use etl::sim::{BatchConfig, Sim, SimConfig, SimStats};
use reqwest::{Client, Method, StatusCode, multipart};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MODEL: &str = "mistral-small-latest";

/// A client independent of this crate.
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
