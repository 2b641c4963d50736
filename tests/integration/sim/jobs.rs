//! The course of batch jobs, and the content of their files.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use etl::sim::{BatchConfig, Endings, ErrorShape, ErrorsIn, SimConfig, Spread};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, CHAT, MODEL, batch, body, ids, line, lines, quick};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_queued_to_success_and_its_answers_come_in_another_order() {
    let api = Api::new(SimConfig { speed: 2000.0, ..quick() }).await;
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

    // The other way: among the answers, and without any answer.
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
    let api = Api::new(SimConfig { speed: 1000.0, ..batch(config) }).await;
    let job = api.job(&lines(100), json!({})).await;
    while api.look(&job).await["completed_requests"].as_u64().unwrap() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let path = format!("/v1/batch/jobs/{}", job["id"].as_str().unwrap());
    let reported = api.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(reported["status"], "CANCELLATION_REQUESTED");
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
async fn the_same_seed_and_the_same_jobs_give_the_same_files() {
    let config =
        batch(BatchConfig { failed: 0.2, missing: 0.05, errors: ErrorsIn::Either, ..BatchConfig::default() });
    let mut runs = Vec::new();
    for turn in 0..2 {
        let api = Api::new(SimConfig { misfits: 0.3, ..config.clone() }).await;
        // In reverse order the second time, and with a pause: neither matters.
        let parts = if turn == 0 { [10, 20] } else { [20, 10] };
        let mut reported = BTreeMap::new();
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
            reported.insert(part, (ended["id"].clone(), ended["output_file"].is_string(), rows));
        }
        runs.push(reported);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_while_one_looks_on_unless_told_otherwise() {
    let api = Api::new(SimConfig::default()).await;
    let started = std::time::Instant::now();
    let ended = api.end(&api.job(&lines(50), json!({})).await).await;
    assert_eq!(ended["status"], "SUCCESS");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}
