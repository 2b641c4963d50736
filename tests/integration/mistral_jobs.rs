//! Files and batch jobs over real HTTP: created once and found again, whatever happens.

use crate::common::script;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use etl::mistral::{CallError, Client, Connection, Limits, RetryPolicy, StopCause, wire::CreateJob};
use script::{Server, Step, say};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const QUICK: RetryPolicy =
    RetryPolicy { times: 3, wait: Duration::from_millis(2), max_wait: Duration::from_millis(20) };

fn client(server: &Server) -> Client {
    let connection = Connection::new(&server.url, "sk-very-secret-key");
    Client::new(&connection, Limits::new(None, None), CancellationToken::new())
        .unwrap()
        .with_retry_policy(QUICK)
}

fn metadata() -> BTreeMap<String, String> {
    BTreeMap::from([("etl_wave".to_owned(), "w-1".to_owned())])
}

fn create() -> CreateJob {
    CreateJob {
        endpoint: "/v1/chat/completions".to_owned(),
        input_files: Some(vec!["f-1".to_owned()]),
        requests: None,
        model: Some("mistral-small-latest".to_owned()),
        metadata: Some(metadata()),
        timeout_hours: None,
    }
}

fn job(id: &str) -> Value {
    json!({ "id": id, "status": "QUEUED", "metadata": metadata(), "created_at": 5, "errors": null,
            "total_requests": null })
}

fn list(jobs: &[Value]) -> Step {
    say(200, json!({ "object": "list", "data": jobs, "total": jobs.len() }))
}

#[tokio::test]
async fn a_job_whose_creation_is_open_is_found_again_and_not_created_twice() {
    for broken in [Step::Cut, Step::Short("{".to_owned()), say(504, "<h1>timeout</h1>"), say(200, "{}")] {
        let created = AtomicBool::new(false);
        let reported = format!("{broken:?}");
        let server = Server::start(move |asked, _| match asked.method.as_str() {
            "POST" => {
                created.store(true, Ordering::SeqCst);
                broken.clone()
            }
            // A list that lags behind.
            _ if asked.path.contains("page=0") && created.swap(false, Ordering::SeqCst) => list(&[]),
            _ => list(&[json!({ "id": "other", "status": "RUNNING" }), job("j-1")]),
        })
        .await;
        assert_eq!(client(&server).create_job(&create()).await.unwrap().id, "j-1", "{reported}");
        assert_eq!(server.count("POST", "/v1/batch/jobs"), 1, "{reported}");
    }
}

#[tokio::test]
async fn a_job_that_is_not_there_is_created_again() {
    let posts = AtomicUsize::new(0);
    let server = Server::start(move |asked, _| match asked.method.as_str() {
        "POST" if posts.fetch_add(1, Ordering::SeqCst) == 0 => say(502, ""),
        "POST" => say(200, job("j-2")),
        _ => list(&[]),
    })
    .await;
    assert_eq!(client(&server).create_job(&create()).await.unwrap().id, "j-2");
    assert_eq!((server.count("POST", "/v1/batch"), server.count("GET", "/v1/batch")), (2, 5));
}

#[tokio::test]
async fn a_job_that_cannot_be_found_again_is_told_as_unsure() {
    let server = Server::start(|_, _| Step::Cut).await;
    let nameless = CreateJob { metadata: None, ..create() };
    let error = client(&server).create_job(&nameless).await.unwrap_err();
    assert!(matches!(error, CallError::Unsure { .. }), "{error}");
    assert_eq!(server.count("POST", "/"), 1);
    let error = client(&server).create_job(&create()).await.unwrap_err();
    assert!(matches!(error, CallError::Unsure { .. }), "{error}");
    assert_eq!(server.count("POST", "/"), 2);
}

#[tokio::test]
async fn a_limit_leaves_nothing_open_and_a_refusal_is_one() {
    let server = Server::start(|asked, nth| match (asked.method.as_str(), nth) {
        ("POST", 0) => say(429, json!({ "message": "Requests rate limit exceeded" })),
        ("POST", 1) => say(200, job("j-3")),
        ("POST", 2) => say(422, json!({ "detail": "no such file" })),
        _ => say(402, "{}"),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.create_job(&create()).await.unwrap().id, "j-3");
    let error = client.create_job(&create()).await.unwrap_err();
    assert_eq!(error.to_string(), "the service refused the request: 422: no such file");
    let error = client.create_job(&create()).await.unwrap_err();
    assert!(matches!(error, CallError::Stop(StopCause::Unpaid(_))), "{error}");
    assert_eq!(server.count("GET", "/"), 0);
}

#[tokio::test]
async fn jobs_are_found_on_every_page_and_by_their_own_metadata() {
    let server = Server::start(|asked, _| {
        assert!(asked.path.contains("&etl_wave=w-1"), "{}", asked.path);
        let page: usize =
            asked.path.split("page=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        let jobs = (0..100).map(|nth| match (page, nth) {
            (0, 7) | (2, 5) => job(&format!("j-{page}")),
            (1, 1) => json!({ "id": "broken", "status": 7 }),
            _ => json!({ "id": format!("{page}-{nth}"), "status": "SUCCESS", "metadata": { "etl_wave": 1 } }),
        });
        let jobs: Vec<Value> = jobs.take(if page < 3 { 100 } else { 0 }).collect();
        // No total: the list ends at an empty page.
        say(200, json!({ "data": jobs }))
    })
    .await;
    let found = client(&server).find_jobs(&metadata()).await.unwrap();
    assert_eq!(found.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["j-0", "j-2"]);
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_server_without_the_filter_or_without_pages_is_listed_all_the_same() {
    let server = Server::start(|asked, _| match asked.path.contains("etl_wave") {
        true => say(422, json!({ "detail": "unknown parameter" })),
        false => say(200, json!({ "data": [job("j-1")], "total": 9 })),
    })
    .await;
    assert_eq!(client(&server).find_jobs(&metadata()).await.unwrap().len(), 1);
    assert_eq!(client(&server).list_jobs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_is_looked_at_cancelled_and_deleted_through_faults() {
    let server = Server::start(|asked, nth| match (asked.method.as_str(), asked.path.as_str()) {
        _ if nth % 2 == 0 => say(503, ""),
        ("GET", "/v1/batch/jobs/gone") => say(404, json!({ "detail": "not found" })),
        ("GET", "/v1/batch/jobs/twice") => {
            say(200, json!({ "id": "twice", "status": "CANCELLATION_REQUESTED" }))
        }
        ("GET", "/v1/batch/jobs/runs") => say(200, json!({ "id": "runs", "status": "RUNNING" })),
        ("GET", _) => say(200, json!({ "id": "done", "status": "SUCCESS" })),
        ("POST", "/v1/batch/jobs/twice/cancel" | "/v1/batch/jobs/runs/cancel") => {
            say(400, json!({ "message": "cannot be cancelled" }))
        }
        ("POST", "/v1/batch/jobs/done/cancel") => say(400, json!({ "message": "job has ended" })),
        ("POST", _) => say(200, json!({ "id": "j", "status": "CANCELLATION_REQUESTED" })),
        _ => say(404, "{}"),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.job("gone").await.unwrap(), None);
    assert_eq!(client.job("j").await.unwrap().unwrap().id, "done");
    assert!(!client.cancel_job("j").await.unwrap().status.is_terminal());
    assert!(client.cancel_job("done").await.unwrap().status.is_terminal());
    // The answer to the first request was lost, and the second one is refused.
    assert_eq!(client.cancel_job("twice").await.unwrap().id, "twice");
    assert!(client.cancel_job("runs").await.is_err());
    client.delete_job("j").await.unwrap();
    client.delete_file("f").await.unwrap();
}

#[tokio::test]
async fn a_file_goes_up_whole_after_a_cut_and_comes_down_as_it_is() {
    let server = Server::start(|asked, nth| match (asked.method.as_str(), nth) {
        ("POST", 0) => Step::Cut,
        ("POST", _) => say(200, json!({ "id": "f-1", "bytes": null, "filename": "w.jsonl" })),
        (_, 2) => Step::Short("{\"custom".to_owned()),
        _ => say(200, "{\"custom_id\":\"1\"}\n"),
    })
    .await;
    let client = client(&server);
    let lines = Bytes::from("{\"custom_id\":\"1\",\"body\":{}}\n".repeat(50_000));
    assert_eq!(client.upload("w.jsonl", lines.clone()).await.unwrap().id, "f-1");
    for asked in &server.asked()[..2] {
        let body = String::from_utf8_lossy(&asked.body);
        assert!(asked.head.contains("content-type: multipart/form-data"), "{}", asked.head);
        assert!(body.contains("name=\"purpose\"\r\n\r\nbatch") && body.contains("filename=\"w.jsonl\""));
        assert!(body.contains(std::str::from_utf8(&lines).unwrap()));
    }
    assert_eq!(client.download("f-1").await.unwrap(), "{\"custom_id\":\"1\"}\n");
    assert_eq!(server.asked().last().unwrap().path, "/v1/files/f-1/content");
}

#[tokio::test]
async fn models_are_listed_as_far_as_they_can_be_read() {
    let server = Server::start(|_, _| {
        say(200, json!({ "data": [{ "id": "llama", "aliases": null }, { "name": "?" }, { "id": "m" }] }))
    })
    .await;
    let models = client(&server).models().await.unwrap();
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["llama", "m"]);
}

#[tokio::test]
async fn the_key_is_sent_and_never_told() {
    let server = Server::start(|asked, _| {
        assert!(asked.head.contains("authorization: bearer sk-very-secret-key"));
        say(401, json!({ "detail": "Invalid API Key: sk-very-secret-key" }))
    })
    .await;
    let error = client(&server).models().await.unwrap_err();
    assert_eq!(error.to_string(), "401: Invalid API Key: [the API key]");
    assert!(!format!("{error:?}").contains("secret"));
    let refused = Client::new(
        &Connection::new("nowhere", "sk-very-secret-key\n"),
        Limits::new(None, None),
        CancellationToken::new(),
    );
    let reported = refused.err().map(|error| format!("{error} {error:?}")).unwrap();
    assert!(!reported.contains("secret"), "{reported}");
}
