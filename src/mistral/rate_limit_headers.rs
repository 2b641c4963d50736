//! Rate-limit headers: the limits that the service announces with answers and refusals.
//!
//! Main type: [`RateLimitHeaders`], parsed by the HTTP edge and applied by the `Limiter` of the model.

use reqwest::header::HeaderMap;

/// The quantity that a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Requests sent.
    Requests,
    /// Tokens read and written.
    Tokens,
    /// Pages of documents.
    Pages,
}

/// One announced limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AnnouncedLimit {
    pub(super) quantity: Quantity,
    /// The period, in seconds.
    pub(super) span: u64,
    /// Whether all models of the account share it.
    pub(super) account: bool,
    /// The limit; `None` if the service announces that there is none (a negative number).
    pub(super) limit: Option<f64>,
    /// The remaining amount.
    pub(super) remaining: Option<f64>,
}

/// The limits announced by one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RateLimitHeaders {
    pub(super) limits: Vec<AnnouncedLimit>,
    /// What this request counts for, in tokens.
    pub(super) query_cost: Option<u64>,
}

/// Older header names for the same quantities, per minute.
const OLDER: &[(&str, &str)] = &[
    ("x-ratelimitbysize-limit-minute", "x-ratelimitbysize-remaining-minute"),
    ("ratelimitbysize-limit", "ratelimitbysize-remaining"),
];

/// Header names for what this request counts for.
const QUERY_COST: &[&str] = &["x-ratelimit-tokens-query-cost", "ratelimitbysize-query-cost"];

impl RateLimitHeaders {
    /// Reads `x-ratelimit-limit-…` and `x-ratelimit-remaining-…`, or older names if these are absent.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        if !headers.keys().any(|name| name.as_str().contains("ratelimit")) {
            return Self::default();
        }
        let mut limits = Vec::new();
        for name in headers.keys() {
            let Some(rest) = name.as_str().strip_prefix("x-ratelimit-limit-") else { continue };
            let (Some((account, quantity, span)), Some(limit)) =
                (subject(rest), number(headers, name.as_str()))
            else {
                continue;
            };
            let remaining = number(headers, &format!("x-ratelimit-remaining-{rest}"));
            limits.push(AnnouncedLimit { quantity, span, account, limit: exists(limit), remaining });
        }
        if !limits.iter().any(|limit| limit.quantity == Quantity::Tokens)
            && let Some((remaining, limit)) =
                OLDER.iter().find_map(|(name, remaining)| Some((remaining, number(headers, name)?)))
        {
            let (quantity, span, account) = (Quantity::Tokens, 60, false);
            let remaining = number(headers, remaining);
            limits.push(AnnouncedLimit { quantity, span, account, limit: exists(limit), remaining });
        }
        let query_cost = QUERY_COST.iter().find_map(|name| number(headers, name));
        Self { limits, query_cost: query_cost.filter(|cost| *cost >= 0.0).map(|cost| cost as u64) }
    }

    /// The quantity, if any, whose limit is 0: `requests a minute`.
    pub(super) fn forbidden(&self) -> Option<String> {
        let none = self.limits.iter().find(|limit| limit.limit == Some(0.0))?;
        let what = match none.quantity {
            Quantity::Requests => "requests",
            Quantity::Tokens => "tokens",
            Quantity::Pages => "pages",
        };
        Some(format!("{what} a {}", if none.span == 1 { "second" } else { "minute" }))
    }
}

/// A negative limit means none.
fn exists(limit: f64) -> Option<f64> {
    (limit >= 0.0).then_some(limit)
}

/// Parses the end of a header name: `account-tokens-minute`. Periods longer than a minute are ignored.
fn subject(name: &str) -> Option<(bool, Quantity, u64)> {
    let scopes = ["account-", "organization-", "workspace-"];
    let shared = scopes.iter().find_map(|scope| name.strip_prefix(scope));
    let (quantity, span) = shared.unwrap_or(name).split_once('-')?;
    let quantity = match quantity {
        "req" | "requests" => Quantity::Requests,
        "tokens" => Quantity::Tokens,
        "pages" => Quantity::Pages,
        _ => return None,
    };
    let span = match span {
        "second" => 1,
        "minute" => 60,
        _ => return None,
    };
    Some((shared.is_some(), quantity, span))
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    let number: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> RateLimitHeaders {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        RateLimitHeaders::read(&headers.collect())
    }

    fn limit(quantity: Quantity, span: u64, limit: f64, remaining: f64) -> AnnouncedLimit {
        let (limit, remaining) = (Some(limit), Some(remaining));
        AnnouncedLimit { quantity, span, account: false, limit, remaining }
    }

    #[test]
    fn newer_names_count_before_older_ones() {
        let headers = read(&[
            ("x-ratelimit-limit-req-minute", "50"),
            ("x-ratelimit-remaining-req-minute", "49"),
            ("x-ratelimit-limit-tokens-minute", "50000"),
            ("x-ratelimit-remaining-tokens-minute", "49000"),
            ("ratelimitbysize-limit", "7"),
            ("ratelimitbysize-query-cost", "32003"),
            ("x-ratelimitbysize-limit-month", "0"),
        ]);
        let mut limits = headers.limits.clone();
        limits.sort_by(|a, b| a.limit.partial_cmp(&b.limit).unwrap());
        let expected =
            [limit(Quantity::Requests, 60, 50.0, 49.0), limit(Quantity::Tokens, 60, 50_000.0, 49_000.0)];
        assert_eq!(limits, expected);
        assert_eq!((headers.query_cost, headers.forbidden()), (Some(32_003), None));
        let older = read(&[("ratelimitbysize-limit", "7"), ("ratelimitbysize-remaining", "3")]);
        assert_eq!(older.limits, [limit(Quantity::Tokens, 60, 7.0, 3.0)]);
    }

    #[test]
    fn seconds_pages_and_accounts_are_told_apart() {
        let headers = read(&[
            ("x-ratelimit-limit-account-pages-second", "5"),
            ("x-ratelimit-remaining-account-pages-second", "2"),
            ("x-ratelimit-limit-req-month", "9"),
        ]);
        let expected = AnnouncedLimit { account: true, ..limit(Quantity::Pages, 1, 5.0, 2.0) };
        assert_eq!(headers.limits, [expected]);
    }

    #[test]
    fn below_zero_is_no_limit_and_zero_is_never() {
        let none = read(&[("x-ratelimit-limit-req-minute", "-1")]);
        assert_eq!((none.limits[0].limit, none.forbidden()), (None, None));
        assert_eq!(read(&[("x-ratelimit-limit-req-minute", "many")]), RateLimitHeaders::default());
        let never = |name| read(&[(name, "0")]).forbidden();
        assert_eq!(never("x-ratelimit-limit-req-minute").as_deref(), Some("requests a minute"));
        assert_eq!(never("x-ratelimit-limit-tokens-second").as_deref(), Some("tokens a second"));
    }
}
