//! One HTTP exchange: a request is sent once, and yields an answer or a fault.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, RequestBuilder, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use tokio::time::{Instant, timeout_at};

use super::{
    ApiError, ClientError, Connection, Timeouts,
    attempt_error::AttemptError,
    connection::trimmed,
    decode,
    key_mask::KeyMask,
    rate_limit_headers::RateLimitHeaders,
    reach::{Blocked, PAUSE, Reach},
    redirect,
};

/// The largest file read, in bytes: a result file may be as large as an upload.
const LARGEST_FILE: usize = 2 << 30;

/// The largest answer about files, jobs and models, in bytes.
const LARGEST: usize = 32_000_000;

/// The largest error body, in bytes.
const LARGEST_ERROR: usize = 1 << 20;

/// A connection to a server; clones share the pool.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    base: Url,
    timeouts: Timeouts,
    key: KeyMask,
    reach: Reach,
}

/// A 2xx response.
pub(super) struct Answer {
    pub(super) bytes: Bytes,
    /// Why the body is incomplete, worded to follow "the answer …".
    pub(super) unusable: Option<String>,
    pub(super) limits: RateLimitHeaders,
    pub(super) correlation_id: Option<String>,
}

impl Http {
    pub(super) fn new(connection: &Connection) -> Result<Self, ClientError> {
        // A provider that is already installed will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut key = HeaderValue::from_str(&format!("Bearer {}", connection.api_key))
            .map_err(|_| ClientError::BadKey)?;
        key.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, key);
        let base = Url::parse(trimmed(&connection.base_url)).ok();
        let base = base.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| ClientError::BadUrl(connection.base_url.clone()))?;
        // By default, the library takes proxies from the environment, uses HTTP/2 where offered, and keeps
        // connections alive.
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("etl/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .connect_timeout(connection.timeouts.connect);
        if is_loopback(&base) {
            // A local server cannot be reached through a proxy.
            client = client.no_proxy();
        }
        let client = client.build().map_err(ClientError::Http)?;
        let key = KeyMask::new(connection.api_key.as_str());
        Ok(Self { client, base, timeouts: connection.timeouts, key, reach: Reach::default() })
    }

    /// A request to a path, with ids appended to it and a query.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        below: &[&str],
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty())).extend(below);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.client.request(method, url)
    }

    /// Sends a request and reads its answer within the default timeout.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Answer, AttemptError> {
        whole_answer(self.exchange_up_to(request, LARGEST).await)
    }

    /// The same for an answer of at most `most` bytes; a larger one is truncated.
    pub(super) async fn exchange_up_to(
        &self,
        request: RequestBuilder,
        most: usize,
    ) -> Result<Answer, AttemptError> {
        self.within(request, self.timeouts.first_byte, self.timeouts.whole, most).await
    }

    /// Sends a request that uploads or downloads a file.
    pub(super) async fn exchange_file(&self, request: RequestBuilder) -> Result<Answer, AttemptError> {
        let whole = self.timeouts.whole.max(Timeouts::FILE);
        whole_answer(self.within(request, whole, whole, LARGEST_FILE).await)
    }

    async fn within(
        &self,
        request: RequestBuilder,
        first_byte: Duration,
        whole: Duration,
        most: usize,
    ) -> Result<Answer, AttemptError> {
        let late = |what: &str, limit: Duration| AttemptError::Network {
            reported: format!("{what} within {}s", limit.as_secs_f64()),
            sent: true,
            retry_after: None,
        };
        self.reach.asked();
        let started = Instant::now();
        let response = match timeout_at(started + first_byte.min(whole), request.send()).await {
            Ok(response) => response.map_err(|error| self.network(error))?,
            Err(_) => return Err(late("the answer did not start", first_byte.min(whole))),
        };
        let read = timeout_at(started + whole, self.read(response, most)).await;
        read.unwrap_or_else(|_| Err(late("the answer was not complete", whole)))
    }

    async fn read(&self, mut response: reqwest::Response, most: usize) -> Result<Answer, AttemptError> {
        self.reach.reached();
        let status = response.status();
        let asked = response.url().clone();
        let headers = std::mem::take(response.headers_mut());
        let limits = RateLimitHeaders::read(&headers);
        let correlation_id =
            text(&headers, "mistral-correlation-id").map(|id| self.key.text(id).into_owned());
        let most = if status.is_success() { most } else { LARGEST_ERROR };
        let mut bytes = bytes::BytesMut::new();
        let mut unusable = None;
        while let Some(part) = response.chunk().await.map_err(|error| self.network(error))? {
            if bytes.len() + part.len() > most {
                unusable = Some(decode::too_large(most));
                break;
            }
            bytes.extend_from_slice(&part);
        }
        let mut bytes = bytes.freeze();
        if unusable.is_none() {
            match decode::inflated(bytes.clone(), text(&headers, CONTENT_ENCODING.as_str()), most) {
                Ok(inflated) => bytes = inflated,
                Err(why) => unusable = Some(why),
            }
        }
        if status.is_success() {
            return Ok(Answer { bytes: self.key.body(bytes), unusable, limits, correlation_id });
        }
        let mut error = if status.is_redirection() {
            let reported = redirect::message(&asked, text(&headers, LOCATION.as_str()));
            ApiError::of(status.as_u16(), &self.key.text(&reported).into())
        } else {
            ApiError::read(status.as_u16(), &self.key.text(&String::from_utf8_lossy(&bytes)))
        };
        error.correlation_id = correlation_id;
        error.retry_after = retry_after(&headers, jiff::Timestamp::now());
        Err(AttemptError::Api(error, Box::new(limits)))
    }

    fn network(&self, error: reqwest::Error) -> AttemptError {
        let sent = !(error.is_connect() || error.is_builder());
        let error = error.without_url();
        let reported = self.key.text(&chain(&error)).into_owned();
        let blocked = if sent { None } else { self.reach.failed(&error, &reported, &self.host()) };
        match blocked {
            Some(Blocked::ForGood(cause)) => AttemptError::Unreachable(cause),
            Some(Blocked::Maybe) => AttemptError::Network { reported, sent, retry_after: Some(PAUSE) },
            None => AttemptError::Network { reported, sent, retry_after: None },
        }
    }

    /// Host and port of the server.
    fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// Fails if the body is incomplete.
fn whole_answer(answer: Result<Answer, AttemptError>) -> Result<Answer, AttemptError> {
    answer.and_then(|answer| match &answer.unusable {
        Some(why) => Err(AttemptError::unreadable(format!("the answer {why}"))),
        None => Ok(answer),
    })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The value of a header as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The requested wait: in milliseconds, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    if let Some(ms) = text(headers, "retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1e3).ok();
    }
    let text = text(headers, RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let wait = date.timestamp().as_second() - now.as_second();
    Some(Duration::from_secs(wait.max(0) as u64))
}

/// An error with its causes: the HTTP library's outermost error is uninformative.
fn chain(error: &dyn std::error::Error) -> String {
    let mut reported = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reported.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    reported
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_asked_for_is_milliseconds_seconds_or_a_date() {
        let now: jiff::Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let asked = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            });
            retry_after(&headers.collect(), now).map(|wait| wait.as_millis())
        };
        assert_eq!(asked(&[("retry-after", "7")]), Some(7000));
        assert_eq!(asked(&[("retry-after", " 1.5 ")]), Some(1500));
        assert_eq!(asked(&[("retry-after", "Mon, 23 Nov 2026 10:00:30 GMT")]), Some(30_000));
        assert_eq!(asked(&[("retry-after", "Mon, 23 Nov 2026 09:00:00 GMT")]), Some(0));
        assert_eq!(asked(&[("retry-after", "9"), ("retry-after-ms", "250")]), Some(250));
        assert_eq!(asked(&[("retry-after", "soon")]), None);
        assert_eq!(asked(&[("retry-after", "-3")]), None);
        assert_eq!(asked(&[("retry-after", "NaN")]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn this_machine_is_asked_without_a_proxy() {
        for (url, loopback) in [
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("http://[::1]:1", true),
            ("https://api.mistral.ai", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }

    #[test]
    fn an_address_may_have_a_path_and_a_version_at_its_end() {
        let url = |base: &str| {
            let http = Http::new(&Connection::new(base, "none")).unwrap_or_else(|error| panic!("{error}"));
            let request =
                http.request(Method::GET, "/v1/files", &["a b/c", "content"], &[("metadata", "{\"a\":1}")]);
            request.build().unwrap().url().to_string()
        };
        let rest = "v1/files/a%20b%2Fc/content?metadata=%7B%22a%22%3A1%7D";
        assert_eq!(url("https://api.mistral.ai"), format!("https://api.mistral.ai/{rest}"));
        assert_eq!(url("http://127.0.0.1:1/v1/"), format!("http://127.0.0.1:1/{rest}"));
        assert_eq!(url("https://gateway.test/mistral"), format!("https://gateway.test/mistral/{rest}"));
        for wrong in ["api.mistral.ai", "file:///etc", ""] {
            assert!(Http::new(&Connection::new(wrong, "none")).is_err(), "{wrong}");
        }
    }
}
