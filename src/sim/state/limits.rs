//! The limits of a key: the requests, tokens and pages a model accepts in any window of time.
//!
//! Main type: [`Limits`]; the endpoints check it before they answer, and report the use of an answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{
    sim::config::{Announce, SimConfig},
    units::Rate,
};

/// A key and a model, which have separate limits.
pub(crate) type Asker<'a> = (&'a str, &'a str);

fn owned((key, model): Asker<'_>) -> (String, String) {
    (key.to_owned(), model.to_owned())
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    Requests,
    Tokens,
    Pages,
}

impl Quantity {
    /// The word in header names.
    const fn word(self) -> &'static str {
        match self {
            Self::Requests => "req",
            Self::Tokens => "tokens",
            Self::Pages => "pages",
        }
    }
}

/// The use of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Use {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) pages: u64,
}

impl Use {
    const fn of(self, quantity: Quantity) -> u64 {
        match quantity {
            Quantity::Requests => self.requests,
            Quantity::Tokens => self.tokens,
            Quantity::Pages => self.pages,
        }
    }
}

/// The limits, and the recent use by key and model.
pub(crate) struct Limits {
    limits: Vec<(Quantity, Rate)>,
    announce: Announce,
    /// When and by what factor the limits change.
    change: Option<(Instant, f64)>,
    used: Mutex<HashMap<(String, String), Vec<Window>>>,
}

/// The use within a window that ends now.
#[derive(Default)]
struct Window {
    uses: VecDeque<(Instant, u64)>,
    sum: u64,
}

impl Window {
    /// The use that counts at this time.
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

/// A limit as announced in headers, and its remainder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// The suffix of the header names: `req-minute`.
    pub(crate) name: String,
    pub(crate) limit: u64,
    pub(crate) left: u64,
}

/// The amount and its span; a rate below one per span is one in a longer span.
fn quota(rate: Rate) -> (u64, Duration) {
    let span = rate.per().max(rate.period());
    ((rate.per_second() * span.as_secs_f64()).round().max(1.0) as u64, span)
}

impl Limits {
    pub(crate) fn new(config: &SimConfig, started: Instant) -> Self {
        let limits = [
            (Quantity::Requests, config.requests),
            (Quantity::Requests, config.burst),
            (Quantity::Tokens, config.tokens),
            (Quantity::Pages, config.pages),
        ];
        Self {
            limits: limits.into_iter().filter_map(|(quantity, rate)| Some((quantity, rate?))).collect(),
            announce: config.announce,
            change: config.limit_change.map(|change| (started + change.at, change.times)),
            used: Mutex::default(),
        }
    }

    /// The amount and its span at this time.
    fn quota(&self, rate: Rate, now: Instant) -> (u64, Duration) {
        let (most, span) = quota(rate);
        match self.change {
            Some((at, times)) if now >= at => ((most as f64 * times).round().max(1.0) as u64, span),
            _ => (most, span),
        }
    }

    /// Whether a request that uses at least this much is admitted; if so, counts it.
    pub(crate) fn admit(&self, asker: Asker<'_>, least: Use, now: Instant) -> bool {
        let Ok(mut used) = self.used.lock() else { return true };
        let windows = used.entry(owned(asker)).or_default();
        windows.resize_with(self.limits.len(), Window::default);
        let fits = self.limits.iter().zip(windows.iter_mut()).all(|((quantity, rate), window)| {
            let (most, span) = self.quota(*rate, now);
            window.sum(now, span) + least.of(*quantity) <= most
        });
        if fits {
            for ((quantity, _), window) in self.limits.iter().zip(windows.iter_mut()) {
                window.add(now, least.of(*quantity));
            }
        }
        fits
    }

    /// Counts the further use by an answer.
    pub(crate) fn spend(&self, asker: Asker<'_>, more: Use, now: Instant) {
        let Ok(mut used) = self.used.lock() else { return };
        let windows = used.entry(owned(asker)).or_default();
        windows.resize_with(self.limits.len(), Window::default);
        for ((quantity, _), window) in self.limits.iter().zip(windows) {
            window.add(now, more.of(*quantity));
        }
    }

    /// The limits as announced in headers, and the remainder of each.
    pub(crate) fn left(&self, asker: Asker<'_>, now: Instant) -> Vec<Left> {
        let Ok(mut used) = self.used.lock() else { return Vec::new() };
        let windows = used.entry(owned(asker)).or_default();
        windows.resize_with(self.limits.len(), Window::default);
        let left = self.limits.iter().zip(windows).filter_map(|((quantity, rate), window)| {
            let (most, span) = self.quota(*rate, now);
            let (times, period) = match self.announce {
                Announce::Never => return None,
                Announce::Minute => (60.0 / span.as_secs_f64(), "minute"),
                Announce::Window if span <= Duration::from_secs(1) => (1.0, "second"),
                Announce::Window => (60.0 / span.as_secs_f64(), "minute"),
            };
            let announced = |count: u64| (count as f64 * times).round() as u64;
            let left = most.saturating_sub(window.sum(now, span));
            let name = format!("{}-{period}", quantity.word());
            Some(Left { name, limit: announced(most), left: announced(left) })
        });
        let mut announced: Vec<Left> = Vec::new();
        for left in left {
            // Of two limits with the same name, the service announces the closer one.
            match announced.iter_mut().find(|known| known.name == left.name) {
                Some(known) if left.left < known.left => *known = left,
                Some(_) => {}
                None => announced.push(left),
            }
        }
        announced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Asker<'_> = ("key", "a");
    const B: Asker<'_> = ("key", "b");

    fn limits(config: &SimConfig) -> (Limits, Instant) {
        let start = Instant::now();
        (Limits::new(config, start), start)
    }

    fn tokens(tokens: u64) -> Use {
        Use { requests: 1, tokens, pages: 1 }
    }

    fn left(name: &str, limit: u64, left: u64) -> Left {
        Left { name: name.to_owned(), limit, left }
    }

    #[test]
    fn a_window_slides_and_each_model_has_its_own() {
        let (requests, of_tokens) = ("3/min".parse().ok(), "100/min".parse().ok());
        let (limits, start) = limits(&SimConfig { requests, tokens: of_tokens, ..SimConfig::default() });
        let at = |seconds| start + Duration::from_secs(seconds);
        let admit = |asker, used, seconds| limits.admit(asker, tokens(used), at(seconds));
        assert!(admit(A, 10, 0) && admit(A, 10, 10) && admit(A, 10, 59));
        assert!(!admit(A, 10, 59), "a fourth in the minute");
        assert!(admit(B, 10, 59) && admit(("another", "a"), 10, 59));
        assert!(admit(A, 10, 60), "the first is a minute ago");
        limits.spend(B, Use { tokens: 85, ..Use::default() }, at(60));
        assert!(!admit(B, 10, 61), "tokens count too");
        assert_eq!(limits.left(B, at(61)), [left("req-minute", 3, 2), left("tokens-minute", 100, 5)]);
        assert!(admit(B, 10, 120));
    }

    #[test]
    fn a_rate_below_one_is_one_in_a_longer_time() {
        let (slow, start) = limits(&SimConfig { requests: "0.5/s".parse().ok(), ..SimConfig::default() });
        let admit = |seconds| slow.admit(A, tokens(1), start + Duration::from_secs(seconds));
        assert!(admit(0) && !admit(1) && admit(2));
    }

    #[test]
    fn a_second_and_a_minute_are_both_enforced_and_announced_as_what_they_are() {
        let (requests, burst, pages) = ("5/min".parse().ok(), "2/s".parse().ok(), "4/min".parse().ok());
        let config = SimConfig { requests, burst, pages, announce: Announce::Window, ..SimConfig::default() };
        let (limits, start) = limits(&config);
        let at = |seconds| start + Duration::from_secs(seconds);
        let admit = |seconds| limits.admit(A, tokens(0), at(seconds));
        assert!(admit(0) && admit(0) && !admit(0), "two in a second");
        let expected = [left("req-minute", 5, 3), left("req-second", 2, 0), left("pages-minute", 4, 2)];
        assert_eq!(limits.left(A, at(0)), expected);
        assert!(admit(1) && admit(1) && !admit(2), "four pages in a minute");
    }

    #[test]
    fn a_limit_may_change_and_need_not_be_announced() {
        let limit_change = Some(crate::sim::config::LimitChange { at: Duration::from_secs(10), times: 0.5 });
        let (requests, announce) = ("4/s".parse().ok(), Announce::Never);
        let (limits, start) = limits(&SimConfig { requests, announce, limit_change, ..SimConfig::default() });
        let admitted = |seconds| {
            (0..9).filter(|_| limits.admit(A, tokens(0), start + Duration::from_secs(seconds))).count()
        };
        assert_eq!((admitted(0), admitted(10)), (4, 2));
        assert_eq!(limits.left(A, start), []);
    }
}
