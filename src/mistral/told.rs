//! What the service tells of its limits in the headers of answers and refusals.

use reqwest::header::HeaderMap;

use super::http::text;

/// Limits as they are told: for one model, in a minute that slides. What is not told is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) requests: Dimension,
    pub(super) tokens: Dimension,
    /// What this request counts as, in tokens.
    pub(super) cost: Option<u64>,
}

/// One dimension of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dimension {
    /// How many there may be in a minute.
    pub(super) limit: Option<u64>,
    /// How many of these are left.
    pub(super) remaining: Option<u64>,
}

impl Told {
    /// Reads the headers, newer names before older ones.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let number = |names: &[&str]| {
            names.iter().find_map(|name| text(headers, name)?.parse::<f64>().ok()).map(|number| number as u64)
        };
        Self {
            requests: Dimension {
                limit: number(&["x-ratelimit-limit-req-minute"]),
                remaining: number(&["x-ratelimit-remaining-req-minute"]),
            },
            tokens: Dimension {
                limit: number(&[
                    "x-ratelimit-limit-tokens-minute",
                    "x-ratelimitbysize-limit-minute",
                    "ratelimitbysize-limit",
                ]),
                remaining: number(&[
                    "x-ratelimit-remaining-tokens-minute",
                    "x-ratelimitbysize-remaining-minute",
                    "ratelimitbysize-remaining",
                ]),
            },
            cost: number(&["x-ratelimit-tokens-query-cost", "ratelimitbysize-query-cost"]),
        }
    }

    /// The dimension, if any, of which there may be none at all.
    pub(super) fn never(&self) -> Option<&'static str> {
        match (self.requests.limit, self.tokens.limit) {
            (Some(0), _) => Some("requests"),
            (_, Some(0)) => Some("tokens"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn told(headers: &[(&'static str, &'static str)]) -> Told {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Told::read(&headers.collect())
    }

    #[test]
    fn newer_names_count_before_older_ones() {
        let told = told(&[
            ("x-ratelimit-limit-req-minute", "50"),
            ("x-ratelimit-remaining-req-minute", "49"),
            ("x-ratelimit-limit-tokens-minute", "50000"),
            ("ratelimitbysize-limit", "7"),
            ("ratelimitbysize-remaining", "468000"),
            ("ratelimitbysize-query-cost", "32003"),
            ("x-ratelimitbysize-limit-month", "0"),
        ]);
        assert_eq!(told.requests, Dimension { limit: Some(50), remaining: Some(49) });
        assert_eq!(told.tokens, Dimension { limit: Some(50_000), remaining: Some(468_000) });
        assert_eq!((told.cost, told.never()), (Some(32_003), None));
    }

    #[test]
    fn what_is_not_told_is_not_there_and_a_limit_of_nothing_is_never() {
        assert_eq!(told(&[("x-ratelimit-limit-req-minute", "many")]), Told::default());
        assert_eq!(told(&[("x-ratelimit-limit-req-minute", "0")]).never(), Some("requests"));
        assert_eq!(told(&[("x-ratelimit-limit-tokens-minute", "0")]).never(), Some("tokens"));
    }
}
