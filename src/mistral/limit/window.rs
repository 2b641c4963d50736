//! One announced limit as a window that slides over what was sent. Main type: [`SlidingWindow`];
//! [`Windows`](super::announced::Windows) holds one for each limit.
//!
//! The use by others on the account is read from the headers of accepted answers: the least of the last five,
//! because requests in flight elsewhere may still be refused.

use std::collections::VecDeque;

/// The margin added to an announced window: requests arrive at the server with other gaps than they were sent.
/// Half a second for a minute, less for a second.
fn margin(span: f64) -> f64 {
    (span / 40.0).min(0.5)
}

/// The largest margin of a short window, in seconds, if refusals show that requests arrive less evenly.
const WIDEST: f64 = 0.1;

/// Samples of the use by others.
const SAMPLES: usize = 5;

/// The share of a limit that must be used from here for the limit to explain a refusal.
const OWN_PART: f64 = 0.2;

/// Whether there is room, and why not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Room {
    /// There is room.
    Free,
    /// There is room if others are assumed to use less than the headers report.
    Doubtful,
    /// There would be room without the use by others.
    UsedByOthers,
    /// There is no room before this time.
    FullUntil(f64),
}

/// A limit on the use within any span of time.
#[derive(Debug)]
pub(super) struct SlidingWindow {
    span: f64,
    margin: f64,
    pub(super) limit: f64,
    /// The time and amount of each use, oldest first.
    uses: VecDeque<(f64, f64)>,
    /// The number of the oldest use.
    first: u64,
    used: f64,
    /// The use by others when an attempt was sent, from the newest answers.
    others: VecDeque<(f64, f64)>,
}

impl SlidingWindow {
    /// An empty window; the first use will have the number `first`.
    pub(super) fn new(span: f64, limit: f64, first: u64) -> Self {
        let (uses, others) = (VecDeque::new(), VecDeque::new());
        Self { span, margin: margin(span), limit, uses, first, used: 0.0, others }
    }

    /// Records a use; uses are numbered without gaps.
    pub(super) fn push(&mut self, now: f64, amount: f64) {
        self.uses.push_back((now, amount));
        self.used += amount;
    }

    /// Corrects an estimated use; 0 if it was refused.
    pub(super) fn correct(&mut self, id: u64, amount: f64) {
        let at = id.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some((_, known)) = at.and_then(|at| self.uses.get_mut(at)) {
            self.used += amount - *known;
            *known = amount;
        }
    }

    /// Records the remainder reported by an accepted answer to a request sent at `sent`.
    pub(super) fn remaining(&mut self, sent: f64, remaining: f64) {
        let own = self.own(sent);
        if self.others.len() == SAMPLES {
            self.others.pop_front();
        }
        self.others.push_back((sent, (self.limit - remaining - own).max(0.0)));
    }

    /// Whether the limit explains the refusal of a request sent at `sent`: nothing remained, and a good part of
    /// the limit was used from here. Otherwise the headers may describe another window than they claim.
    pub(super) fn explains_refusal(&mut self, sent: f64, remaining: f64, amount: f64) -> bool {
        let explained = remaining < amount && self.own(sent) >= OWN_PART * self.limit;
        if explained {
            self.remaining(sent, remaining);
            self.margin = (1.5 * self.margin).min(margin(self.span).max(WIDEST));
        }
        explained
    }

    /// The use from here within the span up to this time.
    fn own(&self, sent: f64) -> f64 {
        let later = self.uses.iter().rev().take_while(|(at, _)| *at > sent);
        let earlier = self.uses.iter().take_while(|(at, _)| *at <= sent - self.span);
        self.used - later.chain(earlier).map(|(_, amount)| amount).sum::<f64>()
    }

    /// Whether there is room for an amount; only the share `trust` of the use by others is believed.
    pub(super) fn room(&mut self, now: f64, amount: f64, trust: f64) -> Room {
        let kept = self.span + self.margin;
        while let Some((at, used)) = self.uses.front().copied() {
            if at > now - kept {
                break;
            }
            self.uses.pop_front();
            self.used -= used;
            self.first += 1;
        }
        if self.uses.is_empty() {
            self.used = 0.0;
        }
        // An amount above the limit would wait forever: it is left to the service to refuse it.
        let mut room = self.limit - self.used - amount.min(self.limit);
        if room >= 0.0 {
            // Older use by others has left the window by now.
            let recent = self.others.iter().filter(|(sent, _)| *sent > now - kept);
            let others = recent.map(|(_, used)| *used).reduce(f64::min).unwrap_or(0.0);
            return match others {
                others if room < trust * others => Room::UsedByOthers,
                others if room < others => Room::Doubtful,
                _ => Room::Free,
            };
        }
        for (at, amount) in &self.uses {
            room += amount;
            if room >= 0.0 {
                return Room::FullUntil(at + kept + 1e-6);
            }
        }
        Room::FullUntil(now + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_use_leaves_after_the_span_and_its_margin() {
        let mut window = SlidingWindow::new(60.0, 3.0, 0);
        for at in [0.0, 10.0, 20.0] {
            assert_eq!(window.room(at, 1.0, 1.0), Room::Free);
            window.push(at, 1.0);
        }
        let Room::FullUntil(until) = window.room(20.0, 1.0, 1.0) else { panic!("it is full") };
        assert!((until - 60.5).abs() < 0.01, "{until}");
        assert_eq!(window.room(until, 1.0, 1.0), Room::Free);
        window.correct(1, 0.0);
        assert_eq!(window.room(until, 2.0, 1.0), Room::Free, "a refused request uses nothing");
        assert_eq!(window.room(until, 99.0, 1.0), Room::FullUntil(20.0 + 60.5 + 1e-6));
        assert_eq!(window.room(99.0, 99.0, 1.0), Room::Free, "larger than the limit: as much as there is");
    }

    #[test]
    fn what_others_use_is_left_to_them() {
        let mut window = SlidingWindow::new(1.0, 10.0, 0);
        window.push(0.0, 1.0);
        window.remaining(0.0, 2.0);
        assert_eq!(window.room(0.1, 3.0, 1.0), Room::UsedByOthers, "seven of ten are used elsewhere");
        assert_eq!(window.room(0.1, 3.0, 0.5), Room::Doubtful, "half of that is believed");
        assert_eq!(window.room(0.1, 2.0, 1.0), Room::Free);
    }
    #[test]
    fn a_short_window_is_taken_to_be_longer_where_its_refusals_show_it() {
        for (span, shortest, longest) in [(1.0, 1.025, 1.1), (60.0, 60.5, 60.5)] {
            let mut window = SlidingWindow::new(span, 1.0, 0);
            window.push(0.0, 1.0);
            let mut until = || {
                let Room::FullUntil(until) = window.room(0.5, 1.0, 1.0) else { panic!("it is full") };
                let explained = window.explains_refusal(0.5, 0.0, 1.0);
                assert!(explained);
                until
            };
            assert!((until() - shortest).abs() < 1e-3);
            let last = (0..9).map(|_| until()).last().unwrap();
            assert!((last - longest).abs() < 1e-3, "{last}");
        }
    }
}
