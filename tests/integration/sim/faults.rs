//! Faults between a client and the service, and the limits that it enforces.

use std::{collections::BTreeMap, time::Duration};

use etl::sim::{Fault, FaultKind, FaultOn, RetryAfter, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, CHAT, MODEL, body, quick};

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
    // Requests for models are not affected, nor is any before the fault begins.
    api.get("/v1/models").await;
    let later = Fault { from: Duration::from_secs(60), ..faulty(FaultKind::Cut) };
    assert_eq!(with_fault(later).await.1.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_told_and_kept_for_each_model() {
    let requests = Some("3/min".parse().unwrap());
    let api = Api::new(SimConfig { requests, tokens: Some("10k/min".parse().unwrap()), ..quick() }).await;
    let mut reported = Vec::new();
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
        reported.push((response.status().as_u16(), header("x-ratelimit-remaining-req-minute")));
    }
    let reported: Vec<(u16, &str)> = reported.iter().map(|(status, left)| (*status, left.as_str())).collect();
    assert_eq!(reported, [(200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")]);
    let mut body = body("x");
    body["model"] = json!("mistral-large-latest");
    api.post(CHAT, body.clone()).await;
    body["messages"][0]["content"] = json!("word ".repeat(10_000));
    assert_eq!(api.call(Method::POST, CHAT, Some(body)).await.0, 429, "too many tokens");
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
            let mut reported = Vec::new();
            while reported.last() != Some(&"answered".to_owned()) {
                assert!(reported.len() < 50, "{reported:?}");
                let request =
                    api.client.post(format!("{}{CHAT}", api.sim.url())).bearer_auth("test").json(&body);
                reported.push(match request.send().await {
                    Err(_) => "cut".to_owned(),
                    Ok(response) if response.status() != 200 => response.status().to_string(),
                    Ok(response) => {
                        response.json::<Value>().await.map_or("cut body", |_| "answered").to_owned()
                    }
                });
            }
            met.insert(at, reported);
        }
        let stats = api.stats();
        assert!(stats.faults > 30 && stats.limited > 0 && stats.refused > 0, "{stats:?}");
        assert_eq!(stats.answered - stats.duplicates, 40);
        runs.push(met);
    }
    assert_eq!(runs[0], runs[1]);
}
