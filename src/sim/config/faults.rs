//! What goes wrong between a client and the service, and when.

use std::time::Duration;

use serde::Deserialize;

use crate::sim::dice::Dice;

/// Something that goes wrong, now and then or for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Which requests it can befall.
    pub on: FaultOn,
    /// For which share of them, 0 to 1.
    pub share: f64,
    /// When it begins, counted from the start.
    pub from: Duration,
    /// How long it lasts; without an end if there is none.
    pub lasting: Option<Duration>,
    /// From one beginning to the next, if it comes again.
    pub every: Option<Duration>,
    /// Whether an answer says when to come back, and how.
    pub retry_after: Option<RetryAfter>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 429 with the code 3505: the service has no room.
    Capacity,
    /// 429 with the code 1300 or with a message alone: as if a limit had been passed.
    Limit,
    /// This status, with an error as JSON.
    Status(u16),
    /// This status, with a page of HTML from a gateway.
    Html(u16),
    /// The connection ends without an answer; nothing was done.
    Cut,
    /// The connection ends without an answer, but what was asked was done.
    Lost,
    /// The connection ends in the middle of the answer.
    CutBody,
    /// The answer is shorter than its headers say.
    WrongLength,
    /// No answer comes, and the connection stays.
    Hang,
    /// The answer comes in pieces, over this long.
    SlowBody(Duration),
}

/// Which requests a fault can befall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultOn {
    /// All of them.
    #[default]
    All,
    /// Those for a single answer.
    Answers,
    /// Those about files and jobs.
    Batch,
}

/// How a refusal says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// `Retry-After` with a number of seconds.
    Seconds(Duration),
    /// `Retry-After` with the date that lies so far ahead.
    Date(Duration),
    /// `retry-after-ms`.
    Millis(Duration),
}

impl Fault {
    /// Whether it is on at this time after the start.
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

/// What befalls a request that comes at this time, if anything does: the first that does.
pub(crate) fn draw<'a>(faults: &'a [Fault], on: FaultOn, at: Duration, dice: &mut Dice) -> Option<&'a Fault> {
    let mut drawn = faults.iter().filter(|fault| {
        // Drawn for all, on or not, so that one fault's times do not move another's chances.
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
