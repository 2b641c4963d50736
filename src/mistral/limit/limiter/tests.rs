use futures::join;
use tokio::time::sleep;

use super::*;
use crate::mistral::rate_limit_headers::{AnnouncedLimit, Quantity};

const POLICY: RetryPolicy =
    RetryPolicy { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(30) };

fn limits(requests: Option<&str>) -> Limits {
    Limits::new(requests.map(|rate| rate.parse().unwrap()), None)
}

fn announced(limit: f64, remaining: f64, account: bool) -> RateLimitHeaders {
    let (limit, remaining) = (Some(limit), Some(remaining));
    let limit = AnnouncedLimit { quantity: Quantity::Requests, span: 60, account, limit, remaining };
    RateLimitHeaders { limits: vec![limit], query_cost: None }
}

async fn accepted(limiter: &Limiter, gauge: &Gauge) {
    limiter.acquire(0, 0, gauge).await.unwrap().accepted(None, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_is_an_upper_bound_over_what_is_announced() {
    let (started, gauge) = (Instant::now(), Gauge::default());
    let limits = limits(Some("1/s"));
    let limiter = limits.of("m");
    let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
    permit.apply_headers(&announced(600.0, 599.0, false), "m", true).unwrap();
    permit.accepted(None, None);
    for _ in 0..9 {
        accepted(&limiter, &gauge).await;
    }
    assert_eq!(started.elapsed().as_secs(), 9, "600 a minute are announced, one a second is configured");
    assert_eq!(gauge.lost(WaitCause::Configured).as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn an_announced_limit_is_kept_to_and_below_zero_is_none() {
    let (started, gauge) = (Instant::now(), Gauge::default());
    let limits = limits(None);
    let limiter = limits.of("m");
    for left in (0..5).rev() {
        let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
        permit.apply_headers(&announced(5.0, f64::from(left), false), "m", true).unwrap();
        permit.accepted(None, None);
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 60, "the first has left the window");
    let mut none = announced(0.0, 0.0, false);
    none.limits[0].limit = None;
    permit.apply_headers(&none, "m", true).unwrap();
    permit.accepted(None, None);
    for _ in 0..50 {
        accepted(&limiter, &gauge).await;
    }
    assert_eq!(started.elapsed().as_secs(), 60, "there is no limit any more");
    assert_eq!(gauge.lost(WaitCause::AccountLimit).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_account_counts_what_all_models_use() {
    let (started, gauge) = (Instant::now(), Gauge::default());
    let limits = limits(None);
    let (small, large) = (limits.of("small"), limits.of("large"));
    let permit = small.acquire(0, 0, &gauge).await.unwrap();
    permit.apply_headers(&announced(4.0, 3.0, true), "small", true).unwrap();
    permit.accepted(None, None);
    accepted(&large, &gauge).await;
    accepted(&small, &gauge).await;
    accepted(&large, &gauge).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    accepted(&large, &gauge).await;
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_ends_it_for_all_who_wait() {
    let gauge = Gauge::default();
    let limits = limits(None);
    let limiter = limits.of("m");
    let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
    let error = permit.apply_headers(&announced(0.0, 0.0, false), "m", false).unwrap_err();
    assert_eq!(error.to_string(), "the limit of `m` is 0 requests a minute: this account may not use it");
    drop(permit);
    let ends = join!(limiter.acquire(0, 0, &gauge), limiter.acquire(0, 0, &gauge));
    assert!(ends.0.is_err() && ends.1.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_refusal_holds_up_nobody_else() {
    let gauge = Gauge::default();
    let limits = limits(None);
    let limiter = limits.of("m");
    let mut error = ApiError::read(429, "");
    error.retry_after = Some(Duration::from_secs(7));
    let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
    let (wait, cause) = permit.rate_limited(&error, &RateLimitHeaders::default(), 0, POLICY);
    assert!((7.0..=7.7).contains(&wait.as_secs_f64()) && cause == WaitCause::Sporadic);
    let started = Instant::now();
    accepted(&limiter, &gauge).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    error.retry_after = Some(Duration::from_secs(3600));
    let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
    let (wait, _) = permit.rate_limited(&error, &RateLimitHeaders::default(), 0, POLICY);
    assert_eq!(wait, POLICY.max_wait, "up to the longest wait");
}

#[tokio::test(start_paused = true)]
async fn when_nothing_is_accepted_one_probe_at_a_time_is_sent() {
    let gauge = Gauge::default();
    let limits = limits(None);
    let limiter = limits.of("m");
    let error = ApiError::read(429, "");
    let refused = async || {
        let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
        sleep(Duration::from_millis(5)).await;
        permit.rate_limited(&error, &RateLimitHeaders::default(), 0, POLICY).1
    };
    let mut sent = 0;
    while refused().await != WaitCause::Outage {
        sent += 1;
        assert!(sent < 40, "it never closes");
    }
    let probe = limiter.acquire(0, 0, &gauge).await.unwrap();
    let answer = async {
        sleep(Duration::from_secs(3)).await;
        assert_eq!(gauge.waits_for(), Some(WaitCause::Outage));
        probe.accepted(None, None);
    };
    let started = Instant::now();
    let next = async {
        accepted(&limiter, &gauge).await;
        started.elapsed().as_secs_f64()
    };
    let (next, ()) = join!(next, answer);
    assert!((3.0..3.1).contains(&next), "{next}");
    assert!(gauge.lost(WaitCause::Outage) >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_is_followed_by_another() {
    let gauge = Gauge::default();
    let limits = limits(None);
    let limiter = limits.of("m");
    let error = ApiError::read(429, "");
    loop {
        let permit = limiter.acquire(0, 0, &gauge).await.unwrap();
        if permit.rate_limited(&error, &RateLimitHeaders::default(), 0, POLICY).1 == WaitCause::Outage {
            break;
        }
    }
    drop(limiter.acquire(0, 0, &gauge).await.unwrap());
    let started = Instant::now();
    accepted(&limiter, &gauge).await;
    assert!(started.elapsed() <= Duration::from_secs(1), "{:?}", started.elapsed());
}
