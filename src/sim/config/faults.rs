//! Faults between a client and the service.

use std::time::Duration;

use serde::Deserialize;

use crate::sim::dice::Dice;

/// A fault, occasional or for a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The requests it may affect.
    pub on: FaultOn,
    /// The share of these that it affects, 0 to 1.
    pub share: f64,
    /// When it begins, after the start.
    pub from: Duration,
    /// Its duration; `None` for no end.
    pub lasting: Option<Duration>,
    /// The period at which it repeats, if it does.
    pub every: Option<Duration>,
    /// Whether and how an answer says when to retry.
    pub retry_after: Option<RetryAfter>,
}

/// The kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 429 with code 3505: the service lacks capacity.
    Capacity,
    /// 429 with code 1300 or with only a message: as if a limit were exceeded.
    Limit,
    /// This status with a JSON error.
    Status(u16),
    /// This status with a gateway's HTML page.
    Html(u16),
    /// The connection is closed without an answer; the request was not processed.
    Cut,
    /// The connection is closed without an answer, but the request was processed.
    Lost,
    /// The connection is closed in the middle of the answer.
    CutBody,
    /// The answer is shorter than its headers claim.
    WrongLength,
    /// No answer arrives, and the connection stays open.
    Hang,
    /// The answer arrives in chunks over this duration.
    SlowBody(Duration),
}

/// The requests that a fault may affect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultOn {
    /// All of them.
    #[default]
    All,
    /// Requests for a single answer.
    Answers,
    /// Requests about files and jobs.
    Batch,
}

/// How a refusal says when to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// `Retry-After` with a number of seconds.
    Seconds(Duration),
    /// `Retry-After` with a date this far ahead.
    Date(Duration),
    /// `retry-after-ms`.
    Millis(Duration),
}

impl Fault {
    /// Whether it is active at this time after the start.
    fn is_on(&self, at: Duration) -> bool {
        let Some(since) = at.checked_sub(self.from) else { return false };
        let since = match self.every {
            Some(every) if !every.is_zero() => {
                Duration::from_nanos((since.as_nanos() % every.as_nanos()).try_into().unwrap_or(u64::MAX))
            }
            _ => since,
        };
        self.lasting.is_none_or(|lasting| since < lasting)
    }
}

/// The first fault that affects a request at this time, if any.
pub(crate) fn draw<'a>(faults: &'a [Fault], on: FaultOn, at: Duration, dice: &mut Dice) -> Option<&'a Fault> {
    let mut drawn = faults.iter().filter(|fault| {
        // Drawn for all, active or not, so that the timing of one fault does not change the chances of others.
        let chance = dice.unit();
        (fault.on == FaultOn::All || fault.on == on) && fault.is_on(at) && chance < fault.share
    });
    drawn.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_on_from_its_beginning_for_its_time_and_again() {
        let seconds = Duration::from_secs;
        let mut fault = Fault {
            kind: FaultKind::Capacity,
            on: FaultOn::All,
            share: 1.0,
            from: seconds(10),
            lasting: Some(seconds(5)),
            every: None,
            retry_after: None,
        };
        let on = |fault: &Fault| (0..40).filter(|at| fault.is_on(seconds(*at))).collect::<Vec<_>>();
        assert_eq!(on(&fault), [10, 11, 12, 13, 14]);
        fault.every = Some(seconds(20));
        assert_eq!(on(&fault), [10, 11, 12, 13, 14, 30, 31, 32, 33, 34]);
        fault.lasting = None;
        assert_eq!(on(&fault).len(), 30);
    }
}
