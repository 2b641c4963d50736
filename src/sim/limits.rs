//! The limits of a key: so many requests and tokens to a model in any window of time.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::units::Rate;

/// A key and a model: each has its own limits.
pub(super) type Asker<'a> = (&'a str, &'a str);

fn owned((key, model): Asker<'_>) -> (String, String) {
    (key.to_owned(), model.to_owned())
}

/// What came lately, by key and model.
#[derive(Default)]
pub(super) struct Limits {
    pub(super) requests: Option<Rate>,
    pub(super) tokens: Option<Rate>,
    windows: Mutex<HashMap<(String, String), [Window; 2]>>,
}

/// What was used in a stretch of time that ends now.
#[derive(Default)]
struct Window {
    uses: VecDeque<(Instant, u64)>,
    sum: u64,
}

impl Window {
    /// What counts at this time.
    fn sum(&mut self, now: Instant, span: Duration) -> u64 {
        while let Some((at, used)) = self.uses.front().copied() {
            if now.duration_since(at) < span {
                break;
            }
            self.sum -= used;
            self.uses.pop_front();
        }
        self.sum
    }

    fn add(&mut self, now: Instant, used: u64) {
        self.uses.push_back((now, used));
        self.sum += used;
    }
}

/// A limit a minute, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u64,
    pub(super) left: u64,
}

/// How much in which time; a rate below one is one in a longer time.
fn quota(rate: Rate) -> (u64, Duration) {
    let span = rate.per().max(rate.period());
    ((rate.per_second() * span.as_secs_f64()).round().max(1.0) as u64, span)
}

impl Limits {
    pub(super) fn new(requests: Option<Rate>, tokens: Option<Rate>) -> Self {
        Self { requests, tokens, windows: Mutex::default() }
    }

    /// Lets a request of so many tokens in, or not.
    pub(super) fn admit(&self, asker: Asker<'_>, tokens: u64, now: Instant) -> bool {
        let Ok(mut windows) = self.windows.lock() else { return true };
        let windows = windows.entry(owned(asker)).or_default();
        let wanted = [(self.requests, 1), (self.tokens, tokens)];
        let fits = wanted.iter().zip(windows.iter_mut()).all(|((rate, used), window)| {
            rate.map(quota).is_none_or(|(most, span)| window.sum(now, span) + used <= most)
        });
        if fits {
            for ((_, used), window) in wanted.iter().zip(windows.iter_mut()) {
                window.add(now, *used);
            }
        }
        fits
    }

    /// The tokens of an answer count as well.
    pub(super) fn spend(&self, asker: Asker<'_>, tokens: u64, now: Instant) {
        if let Ok(mut windows) = self.windows.lock() {
            windows.entry(owned(asker)).or_default()[1].add(now, tokens);
        }
    }

    /// What is left of the requests and of the tokens, where there is a limit.
    pub(super) fn left(&self, asker: Asker<'_>, now: Instant) -> [Option<Left>; 2] {
        let Ok(mut windows) = self.windows.lock() else { return [None; 2] };
        let [requests, tokens] = windows.entry(owned(asker)).or_default();
        let left = |rate: Option<Rate>, window: &mut Window| {
            let (most, span) = quota(rate?);
            // The service tells of minutes, whatever the window here is.
            let a_minute = |count: u64| (count as f64 * 60.0 / span.as_secs_f64()).round() as u64;
            Some(Left { limit: a_minute(most), left: a_minute(most.saturating_sub(window.sum(now, span))) })
        };
        [left(self.requests, requests), left(self.tokens, tokens)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides_and_each_model_has_its_own() {
        const A: Asker<'_> = ("key", "a");
        const B: Asker<'_> = ("key", "b");
        let limits = Limits::new("3/min".parse().ok(), "100/min".parse().ok());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(limits.admit(A, 10, at(0)) && limits.admit(A, 10, at(10)) && limits.admit(A, 10, at(59)));
        assert!(!limits.admit(A, 10, at(59)), "a fourth in the minute");
        assert!(limits.admit(B, 10, at(59)) && limits.admit(("another", "a"), 10, at(59)));
        assert!(limits.admit(A, 10, at(60)), "the first is a minute ago");
        limits.spend(B, 85, at(60));
        assert!(!limits.admit(B, 10, at(61)), "tokens count too");
        assert_eq!(
            limits.left(B, at(61)),
            [Some(Left { limit: 3, left: 2 }), Some(Left { limit: 100, left: 5 })]
        );
        assert!(limits.admit(B, 10, at(120)));
        let slow = Limits::new("0.5/s".parse().ok(), None);
        assert!(slow.admit(A, 1, at(0)) && !slow.admit(A, 1, at(1)) && slow.admit(A, 1, at(2)));
    }
}
