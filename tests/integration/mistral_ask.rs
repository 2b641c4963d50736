//! Requests over real HTTP: every way in which an answer can fail to arrive, and the consequences.

use crate::common::script;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use etl::mistral::{
    CallError, CallResponse, Client, ConcurrencyLimiter, Connection, Endpoint, Gauge, Limits, RetryPolicy,
    StopCause, Timeouts,
};
use futures::{FutureExt, future::join_all, join};
use script::{Server, Step, say};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const QUICK: RetryPolicy =
    RetryPolicy { times: 3, wait: Duration::from_millis(2), max_wait: Duration::from_millis(400) };

fn client(server: &Server) -> Client {
    limited(server, Limits::new(None, None))
}

fn limited(server: &Server, limits: Limits) -> Client {
    let mut connection = Connection::new(&server.url, "sk-very-secret-key");
    let second = Duration::from_secs(1);
    connection.timeouts = Timeouts {
        connect: second,
        first_byte: Duration::from_millis(300),
        whole: Duration::from_millis(600),
    };
    Client::new(&connection, limits, CancellationToken::new()).unwrap()
}

async fn ask(client: &Client) -> Result<CallResponse, CallError> {
    ask_of(client, "m", QUICK).await
}

async fn ask_of(client: &Client, model: &str, policy: RetryPolicy) -> Result<CallResponse, CallError> {
    let body = Bytes::from_static(b"{\"model\":\"m\"}");
    client.ask(Endpoint::Chat, model, body, 10, policy, &Gauge::default()).await
}

fn answer() -> Step {
    let body = json!({ "choices": [{ "message": { "content": "yes" }, "finish_reason": "stop" }] });
    Step::Say(200, vec![("mistral-correlation-id", "c-1".to_owned())], body.to_string())
}

fn limit(headers: &[(&'static str, &str)], body: serde_json::Value) -> Step {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Step::Say(429, headers.collect(), body.to_string())
}

#[tokio::test]
async fn every_fault_is_tried_again() {
    let html = "<html><h1>502 Bad Gateway</h1></html>";
    let steps = [
        say(500, ""),
        say(502, html),
        say(200, html),
        say(200, json!({ "error": { "message": "overloaded" } })),
        Step::Cut,
        Step::Short("{\"choices\":".to_owned()),
        Step::Hang("{".to_owned()),
        Step::Late(Duration::from_millis(500), 200, "{}".to_owned()),
        limit(&[], json!({ "object": "error", "message": "Rate limit exceeded", "code": "1300" })),
        limit(
            &[("retry-after-ms", "1")],
            json!({ "message": "Service tier capacity exceeded", "code": 3505 }),
        ),
    ];
    for step in steps {
        let reported = format!("{step:?}");
        let server = Server::start(move |_, nth| if nth == 0 { step.clone() } else { answer() }).await;
        let said = ask(&client(&server)).await.unwrap_or_else(|error| panic!("{reported}: {error}"));
        assert_eq!((said.tries, said.reply.text.as_str()), (2, "yes"), "{reported}");
        assert_eq!(said.correlation_id.as_deref(), Some("c-1"));
        assert_eq!(said.reply.model, "m", "the model asked for, where none is reported");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again_and_says_why() {
    let cases = [
        (
            say(422, json!({ "detail": [{ "loc": ["body", "top_p"], "msg": "too large" }] })),
            "the service refused the request: 422: body.top_p: too large",
        ),
        (say(401, json!({ "detail": "Invalid API Key" })), "401: Invalid API Key"),
        (say(402, "{}"), "402: no message"),
        (
            Step::Say(
                400,
                vec![("mistral-correlation-id", "c-9".to_owned())],
                json!({ "message": "Invalid model: x", "code": 1500 }).to_string(),
            ),
            "400 (code 1500): Invalid model: x [correlation id c-9]",
        ),
        (
            limit(
                &[("x-ratelimit-limit-req-minute", "0")],
                json!({ "message": "Requests rate limit exceeded" }),
            ),
            "the limit of `m` is 0 requests a minute: this account may not use it",
        ),
    ];
    for (step, reported) in cases {
        let server = Server::start(move |_, _| step.clone()).await;
        assert_eq!(ask(&client(&server)).await.unwrap_err().to_string(), reported);
        assert_eq!(server.asked().len(), 1, "{reported}");
    }
}

/// A server that refuses the first request with a status, and answers later ones after a delay.
async fn first_refused(status: u16) -> Server {
    Server::start(move |_, nth| match (nth, answer()) {
        (0, _) => say(status, json!({ "message": "not this one" })),
        (_, Step::Say(ok, _, body)) => Step::Late(Duration::from_millis(100), ok, body),
        (_, other) => other,
    })
    .await
}

#[tokio::test]
async fn a_refusal_that_others_do_not_meet_is_the_requests_own() {
    for status in [302, 307, 403, 404] {
        let server = first_refused(status).await;
        let client = client(&server);
        let ends = join_all((0..8).map(|_| ask(&client))).await;
        let refused: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
        assert!(matches!(refused[..], [CallError::Refused(error)] if error.status == status), "{refused:?}");
        assert!(ask(&client).await.is_ok(), "{status}");
    }
    // An earlier answer is enough to decide at once.
    let server = Server::start(|_, nth| if nth == 0 { answer() } else { say(403, "{}") }).await;
    let client = client(&server);
    ask(&client).await.unwrap();
    for _ in 0..40 {
        assert!(matches!(ask(&client).await, Err(CallError::Refused(_))));
    }
}

#[tokio::test]
async fn a_refusal_that_all_meet_ends_the_run_and_is_no_records_own() {
    for status in [302, 403, 404] {
        for records in [1, 5, 200] {
            let server = Server::start(move |_, _| say(status, json!({ "message": "no" }))).await;
            let client = client(&server).with_slots(Arc::new(ConcurrencyLimiter::fixed(4)));
            let ends = join_all((0..records).map(|_| ask(&client))).await;
            let stopped = |end: &Result<CallResponse, CallError>| matches!(end, Err(CallError::Stop(StopCause::Refused(error))) if error.status == status);
            assert!(ends.iter().all(stopped), "{records} with {status}: {ends:?}");
            assert!(server.asked().len() <= 30, "{} requests", server.asked().len());
        }
    }
}

#[tokio::test]
async fn patience_has_an_end_that_names_the_last_fault() {
    let server = Server::start(|_, _| say(503, "busy")).await;
    let error = ask(&client(&server)).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer after 4 tries; the last error: 503: busy");
    drop(server);
    let nobody = Server::start(|_, _| Step::Cut).await;
    let client = client(&nobody);
    drop(nobody);
    sleep(Duration::from_millis(20)).await;
    let error = ask(&client).await.unwrap_err().to_string();
    assert!(error.contains("4 tries") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_429_holds_up_its_own_request_for_as_long_as_is_asked_and_nobody_else() {
    for (name, value, wait) in
        [("retry-after-ms", "250", 250), ("retry-after", "0.3", 300), ("retry-after", "3600", 400)]
    {
        let server = Server::start(move |_, nth| match nth {
            0 => limit(&[(name, value)], json!({ "message": "Requests rate limit exceeded" })),
            _ => answer(),
        })
        .await;
        let client = client(&server);
        let first = ask(&client);
        let later = async {
            sleep(Duration::from_millis(60)).await;
            ask(&client).await
        };
        let (first, later) = join!(first, later);
        assert!(first.is_ok_and(|response| response.tries == 2) && later.is_ok());
        let asked = server.asked();
        let after = |nth: usize| asked[nth].at.duration_since(asked[0].at).as_millis();
        assert!(after(1) < 200, "the other request is not held up: {}", after(1));
        assert!((wait - 5..wait + 150).contains(&after(2)), "{name} {value}: {}", after(2));
    }
}

#[tokio::test]
async fn a_request_that_waits_holds_no_slot() {
    let server = Server::start(|_, nth| match nth {
        0 => Step::Say(503, vec![("retry-after-ms", "300".to_owned())], String::new()),
        _ => answer(),
    })
    .await;
    let client = client(&server).with_slots(Arc::new(ConcurrencyLimiter::fixed(1)));
    let started = Instant::now();
    let gauge = Gauge::default();
    let asked = |after: u64| {
        let (client, gauge) = (&client, &gauge);
        async move {
            sleep(Duration::from_millis(after)).await;
            let said = client.ask(Endpoint::Chat, "m", Bytes::new(), 0, QUICK, gauge).await.unwrap();
            (said.tries, started.elapsed().as_millis())
        }
    };
    let (first, second) = join!(asked(0), asked(20));
    assert_eq!((first.0, second.0), (2, 1));
    assert!(second.1 < 250 && first.1 >= 300, "{first:?} {second:?}");
    assert_eq!((gauge.requests.load(Ordering::Relaxed), gauge.retries.load(Ordering::Relaxed)), (3, 1));
    assert_eq!(gauge.in_flight.load(Ordering::Relaxed) + gauge.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_announced_limit_is_kept_to_without_being_configured() {
    let server = Server::start(|_, _| {
        let Step::Say(status, _, body) = answer() else { return answer() };
        Step::Say(status, vec![("x-ratelimit-limit-req-second", "5".to_owned())], body)
    })
    .await;
    let client = client(&server);
    ask(&client).await.unwrap();
    let started = Instant::now();
    join_all((0..12).map(|_| ask(&client))).await;
    let took = started.elapsed().as_millis();
    assert!((2000..2900).contains(&took), "thirteen at five in any second: {took}");
}

#[tokio::test]
async fn a_dead_server_stops_the_run_after_a_few_dozen_calls() {
    let server = Server::start(|_, _| say(503, "down for maintenance")).await;
    let client = client(&server).with_slots(Arc::new(ConcurrencyLimiter::fixed(8)));
    let policy = RetryPolicy { max_wait: Duration::from_millis(10), ..QUICK };
    let ends = join_all((0..200).map(|_| ask_of(&client, "m", policy))).await;
    let broken = |end: &&Result<CallResponse, CallError>| {
        matches!(end, Err(CallError::Stop(StopCause::Broken { .. })))
    };
    assert!(ends.iter().all(Result::is_err) && ends.iter().filter(broken).count() > 100);
    let reported = ask(&client).await.unwrap_err().to_string();
    assert!(
        reported
            .ends_with("requests in a row failed in the same way; the last error: 503: down for maintenance"),
        "{reported}"
    );
    let asked = server.asked().len();
    assert!((24..60).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_short_outage_stops_nothing() {
    let server = Server::start(|_, nth| if nth < 26 { Step::Cut } else { answer() }).await;
    let client = client(&server).with_slots(Arc::new(ConcurrencyLimiter::fixed(16)));
    let policy = RetryPolicy { times: 6, ..QUICK };
    let ends = join_all((0..100).map(|_| ask_of(&client, "m", policy))).await;
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 100);
}

#[tokio::test]
async fn a_busy_service_answers_everything_in_the_end() {
    // Thirty per half second, occasionally no capacity, and nothing about it in the headers.
    let window: Mutex<VecDeque<Instant>> = Mutex::default();
    let server = Server::start(move |asked, nth| {
        let mut window = window.lock().unwrap();
        while window.front().is_some_and(|first| asked.at - *first >= Duration::from_millis(500)) {
            window.pop_front();
        }
        if nth % 40 == 39 {
            return limit(
                &[("retry-after-ms", "30")],
                json!({ "message": "capacity exceeded", "code": "3505" }),
            );
        }
        if window.len() >= 30 {
            return limit(&[], json!({ "message": "Requests rate limit exceeded" }));
        }
        window.push_back(asked.at);
        answer()
    })
    .await;
    let client = client(&server).with_slots(Arc::new(ConcurrencyLimiter::fixed(8)));
    let ends = join_all((0..96).map(|_| ask(&client))).await;
    assert!(ends.iter().all(Result::is_ok));
    let asked = server.asked().len();
    assert!(asked < 200, "{asked} requests for 96 answers");
}

#[tokio::test]
async fn slots_are_found_where_none_are_given() {
    let server = Server::start(|_, _| {
        let Step::Say(status, _, body) = answer() else { return answer() };
        Step::Late(Duration::from_millis(20), status, body)
    })
    .await;
    let slots = Arc::new(ConcurrencyLimiter::auto(1, 32));
    let client = client(&server).with_slots(Arc::clone(&slots));
    let started = Instant::now();
    let ends = join_all((0..400).map(|_| ask(&client))).await;
    assert!(ends.iter().all(Result::is_ok));
    assert!(slots.limit() >= 8, "{}", slots.limit());
    assert!(started.elapsed() < Duration::from_secs(4), "one after the other takes eight seconds");
}

#[tokio::test]
async fn stopping_ends_what_waits() {
    let server = Server::start(|_, _| limit(&[("retry-after", "60")], json!({}))).await;
    let stop = CancellationToken::new();
    let connection = Connection::new(&server.url, "none");
    let client = Client::new(&connection, Limits::new(None, None), stop.clone()).unwrap();
    let patient = RetryPolicy { max_wait: Duration::from_secs(60), ..QUICK };
    let stopping = async {
        sleep(Duration::from_millis(100)).await;
        stop.cancel();
    };
    let (end, ()) = join!(ask_of(&client, "m", patient), stopping);
    assert_eq!(end.unwrap_err(), CallError::Stopped);
    assert_eq!(ask_of(&client, "m", patient).now_or_never().unwrap().unwrap_err(), CallError::Stopped);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start(|_, _| answer()).await;
    let client = client(&server);
    for _ in 0..5 {
        ask(&client).await.unwrap();
    }
    assert!(server.asked().iter().all(|asked| asked.connection == 0));
    assert!(server.asked().iter().all(|asked| asked.head.contains("content-type: application/json")));
}
