//! The attempts of the last minute in sending order, and their outcomes.
//!
//! Refusals arrive within milliseconds, answers within seconds. Evidence is therefore counted in sending order,
//! and an attempt in flight for longer than refusals take counts as accepted. Main type: [`History`]; the
//! [`Controller`](super::controller::Controller) writes and reads it.

use std::collections::VecDeque;

/// How long an attempt is kept if a pace or an announced limit needs it, in seconds.
const MINUTE: f64 = 61.0;

/// How long it is kept otherwise, in seconds.
const BRIEF: f64 = 3.0;

/// The minimum number kept, so that there is evidence at any pace.
const LEAST: usize = 120;

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// No answer yet.
    Pending,
    /// Accepted by the service.
    Accepted,
    /// Refused with 429.
    Refused,
    /// Refused because the service lacks capacity: says nothing about the pace.
    Overloaded,
    /// Says nothing about limits: a cut connection, a server error.
    Failed,
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// When it was sent, in seconds.
    pub(super) sent: f64,
    /// The pace when it was sent, in starts per second; 0 without one.
    pub(super) pace: f64,
    pub(super) response: Response,
}

/// Attempts sent, how many were refused, and how many of the newest were refused in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u32,
    pub(super) refused: u32,
    pub(super) row: u32,
}

impl Counts {
    /// Without the newest row of refusals: it may be the start of an outage, which says nothing about a limit.
    pub(super) fn without_row(self) -> Self {
        Self { sent: self.sent - self.row, refused: self.refused - self.row, row: 0 }
    }
}

/// The attempts, oldest first; numbered from 0.
#[derive(Debug)]
pub(super) struct History {
    attempts: VecDeque<Attempt>,
    first: u64,
    /// How long refusals take, in seconds: the slowest recent one.
    refusal_delay: f64,
}

impl Default for History {
    fn default() -> Self {
        Self { attempts: VecDeque::new(), first: 0, refusal_delay: 0.1 }
    }
}

impl History {
    /// Adds an attempt and returns its number. `long` is whether a whole minute must be kept.
    pub(super) fn push(&mut self, sent: f64, pace: f64, long: bool) -> u64 {
        self.attempts.push_back(Attempt { sent, pace, response: Response::Pending });
        let oldest = sent - if long { MINUTE } else { BRIEF };
        while self.attempts.len() > LEAST && self.attempts.front().is_some_and(|first| first.sent < oldest) {
            self.attempts.pop_front();
            self.first += 1;
        }
        self.first + self.attempts.len() as u64 - 1
    }

    /// Sets the outcome of an attempt; ignored if it is no longer kept.
    pub(super) fn set(&mut self, id: u64, response: Response) {
        let at = id.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(attempt) = at.and_then(|at| self.attempts.get_mut(at)) {
            attempt.response = response;
        }
    }

    /// Records how long a refusal took.
    pub(super) fn refusal_took(&mut self, seconds: f64) {
        self.refusal_delay = (0.9 * self.refusal_delay).max(seconds);
    }

    /// How long a refusal may still arrive.
    fn patience(&self) -> f64 {
        2.0 * self.refusal_delay + 0.2
    }

    /// Attempts sent since a time and decided by now, newest first, and whether each counts as accepted.
    fn decided(&self, now: f64, since: f64) -> impl Iterator<Item = (&Attempt, bool)> {
        let patience = self.patience();
        let mut refusal_seen = false;
        let recent = self.attempts.iter().rev().take_while(move |attempt| attempt.sent >= since);
        recent.filter_map(move |attempt| match attempt.response {
            Response::Failed => None,
            Response::Overloaded => {
                refusal_seen = true;
                None
            }
            // Anything sent before a refused attempt would have been refused by now.
            Response::Pending if !refusal_seen && now - attempt.sent < patience => None,
            Response::Pending | Response::Accepted => Some((attempt, true)),
            Response::Refused => {
                refusal_seen = true;
                Some((attempt, false))
            }
        })
    }

    /// Counts the newest attempts since a time, at most `most`, sent at this pace or below.
    pub(super) fn counts(&self, now: f64, since: f64, most: u32, pace: f64) -> Counts {
        let mut counts = Counts::default();
        for (_, accepted) in self.decided(now, since).filter(|(attempt, _)| attempt.pace <= pace) {
            counts.row += u32::from(!accepted && counts.row == counts.sent);
            counts.sent += 1;
            counts.refused += u32::from(!accepted);
            if counts.sent >= most {
                break;
            }
        }
        counts
    }

    /// How many of the newest attempts since a time were refused in a row, for any reason.
    pub(super) fn refused_in_a_row(&self, now: f64, since: f64) -> u32 {
        let patience = self.patience();
        let recent = self.attempts.iter().rev().take_while(|attempt| attempt.sent >= since);
        let mut row = 0;
        for attempt in recent {
            match attempt.response {
                Response::Refused | Response::Overloaded => row += 1,
                Response::Failed => {}
                Response::Pending if now - attempt.sent < patience => {}
                Response::Pending | Response::Accepted => break,
            }
        }
        row
    }

    /// How many attempts sent after one time and up to another were not refused.
    pub(super) fn accepted(&self, after: f64, to: f64) -> usize {
        let recent = self.attempts.iter().rev().take_while(|attempt| attempt.sent > after);
        let refused =
            |attempt: &Attempt| matches!(attempt.response, Response::Refused | Response::Overloaded);
        recent.filter(|attempt| attempt.sent <= to && !refused(attempt)).count()
    }

    /// The pace of the first refused attempt since a time.
    pub(super) fn first_refused_pace(&self, since: f64) -> Option<f64> {
        let recent = self.attempts.iter().rev().take_while(|attempt| attempt.sent >= since);
        recent.filter(|attempt| attempt.response == Response::Refused).last().map(|attempt| attempt.pace)
    }

    /// When the first attempt after a time was sent.
    pub(super) fn first_after(&self, time: f64) -> Option<f64> {
        self.attempts
            .iter()
            .rev()
            .take_while(|attempt| attempt.sent > time)
            .last()
            .map(|attempt| attempt.sent)
    }

    /// Attempts since a time with their numbers, oldest first.
    pub(super) fn since(&self, time: f64) -> impl Iterator<Item = (u64, &Attempt)> {
        let from = self.attempts.partition_point(|attempt| attempt.sent < time);
        self.attempts.iter().enumerate().skip(from).map(|(at, attempt)| (self.first + at as u64, attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_counted_in_the_order_of_sending() {
        let mut history = History::default();
        let ids: Vec<u64> = (0..6).map(|at| history.push(f64::from(at) * 0.01, 0.0, false)).collect();
        let counts = |history: &History, now| history.counts(now, 0.0, 40, f64::INFINITY);
        assert_eq!(counts(&history, 0.06), Counts::default(), "nothing is known yet");
        history.set(ids[3], Response::Refused);
        let expected = Counts { sent: 4, refused: 1, row: 1 };
        assert_eq!(counts(&history, 0.06), expected, "what was sent before it was accepted");
        history.set(ids[5], Response::Failed);
        assert_eq!(counts(&history, 9.0), Counts { sent: 5, refused: 1, row: 0 });
        assert_eq!(history.counts(9.0, 0.0, 2, f64::INFINITY), Counts { sent: 2, refused: 1, row: 0 });
        assert_eq!(history.accepted(0.0, 0.04), 3);
        assert_eq!(history.first_after(0.015), Some(0.02));
    }

    #[test]
    fn old_attempts_are_forgotten_and_their_numbers_stay() {
        let mut history = History::default();
        for at in 0..1000 {
            assert_eq!(history.push(f64::from(at) * 0.1, 0.0, false), u64::from(at as u32));
        }
        assert_eq!(history.attempts.len(), LEAST);
        history.set(3, Response::Refused);
        history.set(999, Response::Refused);
        assert_eq!(history.counts(100.0, 0.0, 500, f64::INFINITY).refused, 1);
    }
}
