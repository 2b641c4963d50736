//! Files and jobs: created, found and refused.

use etl::sim::{BatchConfig, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, CHAT, MODEL, batch, body, line, lines, quick};

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
    assert_ne!(api.upload(&lines(3)).await.1["id"], file["id"], "an id never comes again");
    assert_eq!((api.stats().uploads, api.stats().deletes), (3, 1));
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
        let (status, reported) = api.upload(&format!("{}{bad}\n{}", line("1"), line("2"))).await;
        assert_eq!(
            (status.as_u16(), &reported["message"]["detail"][0]["loc"][1]),
            (422, &json!(2)),
            "{bad}: {reported}"
        );
    }
    let same = with("model", json!("no-such-model"));
    let (status, file) = api.upload(&format!("{same}\n\n{same}\n{}", json!({ "body": body("y") }))).await;
    assert_eq!((status.as_u16(), &file["num_lines"]), (200, &json!(3)));
    let small = Api::new(batch(BatchConfig { largest_file: 1000, ..BatchConfig::default() })).await;
    assert_eq!(small.upload(&lines(100)).await.0, 413);
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
    assert_eq!(found(&[("etl_job", "two")]).await, (1, vec![id(&second)]));
    assert_eq!(found(&[("etl_job", "one"), ("who", "a")]).await, (1, vec![id(&first)]));
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
    for wrong in [r#"metadata={"a":"b"}"#, "status=DONE", "order_by=size", "page=-1", "created_after=soon"] {
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
        let (status, reported) = create(std::slice::from_ref(&change)).await;
        assert_eq!(status, 422, "{change:?}: {reported}");
        assert!(reported["detail"].is_array());
    }
    let (status, reported) = create(&[("model", json!("mistral-smol"))]).await;
    assert_eq!((status.as_u16(), &reported["code"]), (400, &json!("1500")));
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
