//! The course of a job, and its progress at a given age: pure.

use std::time::Duration;

use crate::{
    mistral::wire::JobStatus,
    sim::{config::BatchConfig, dice::Dice},
};

/// The time from the request to the end of a cancelled job.
const CANCELLING: Duration = Duration::from_secs(60);

/// The course of a job that is not cancelled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) queue: Duration,
    /// From the first line to the last.
    pub(crate) run: Duration,
    /// The timeout it was created with.
    pub(crate) timeout: Duration,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    Success,
    /// After this share of its lines.
    Failed {
        part: f64,
    },
    /// Before its first line.
    FailedBare,
}

/// The progress of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    pub(crate) status: JobStatus,
    /// Whether the service has counted the lines.
    pub(crate) counted: bool,
    /// The number of lines that have ended, successfully or not.
    pub(crate) ended: usize,
    pub(crate) started_at: Option<Duration>,
    pub(crate) completed_at: Option<Duration>,
}

impl Plan {
    pub(crate) fn draw(config: &BatchConfig, lines: usize, timeout: Duration, dice: &mut Dice) -> Self {
        let mut queue = config.queue.draw(dice);
        let mut run = config.run + config.line.mul_f64(lines as f64);
        let weights = &config.endings;
        let weights = [weights.success, weights.failed, weights.failed_bare, weights.timeout];
        let part = 0.2 + 0.6 * dice.unit();
        let ending = match dice.weighed(&weights) {
            1 => Ending::Failed { part },
            2 => Ending::FailedBare,
            3 => {
                // So slow that the timeout occurs after that share of the lines.
                queue = queue.min(timeout / 2);
                run = (timeout - queue).div_f64(part);
                Ending::Success
            }
            _ => Ending::Success,
        };
        Self { queue, run, timeout, ending }
    }

    /// The job's progress at an age; `cancelled` is the age at which cancellation was requested.
    pub(crate) fn moment(&self, lines: usize, age: Duration, cancelled: Option<Duration>) -> Moment {
        let (natural, status) = match self.ending {
            Ending::Success => (self.queue + self.run, JobStatus::Success),
            Ending::Failed { part } => (self.queue + self.run.mul_f64(part), JobStatus::Failed),
            Ending::FailedBare => (self.queue, JobStatus::Failed),
        };
        let (mut end, mut last) = match natural > self.timeout {
            true => (self.timeout, JobStatus::TimeoutExceeded),
            false => (natural, status),
        };
        let cancelled = cancelled.filter(|at| *at < end);
        if let Some(at) = cancelled {
            end = end.min(at + CANCELLING);
            last = JobStatus::Cancelled;
        }
        let until = age.min(end);
        let status = if age >= end {
            last
        } else if cancelled.is_some_and(|at| age >= at) {
            JobStatus::CancellationRequested
        } else if age < self.queue {
            JobStatus::Queued
        } else {
            JobStatus::Running
        };
        let part = match until.checked_sub(self.queue) {
            None => 0.0,
            Some(ran) if ran >= self.run => 1.0,
            Some(ran) => ran.as_secs_f64() / self.run.as_secs_f64(),
        };
        Moment {
            counted: age > self.queue / 4 || status.is_terminal(),
            ended: (part * lines as f64) as usize,
            started_at: (until >= self.queue).then_some(self.queue),
            completed_at: status.is_terminal().then_some(end),
            status,
        }
    }
}

impl Moment {
    /// The same moment, for a job with lines that are due but not answered yet.
    pub(crate) fn unfinished(self, cancelled: bool) -> Self {
        let status = if cancelled { JobStatus::CancellationRequested } else { JobStatus::Running };
        Self { status, completed_at: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn plan(ending: Ending) -> Plan {
        Plan { queue: at(100), run: at(1000), timeout: at(10_000), ending }
    }

    #[test]
    fn a_job_goes_from_the_queue_to_its_end() {
        let plan = plan(Ending::Success);
        let reported = |age| {
            let moment = plan.moment(10, at(age), None);
            (moment.status.to_string(), moment.counted, moment.ended)
        };
        assert_eq!(reported(0), ("QUEUED".to_owned(), false, 0));
        assert_eq!(reported(50), ("QUEUED".to_owned(), true, 0));
        assert_eq!(reported(100), ("RUNNING".to_owned(), true, 0));
        assert_eq!(reported(650), ("RUNNING".to_owned(), true, 5));
        assert_eq!(reported(1100), ("SUCCESS".to_owned(), true, 10));
        assert_eq!(plan.moment(10, at(99_999), None).completed_at, Some(at(1100)));
    }

    #[test]
    fn a_failure_a_timeout_and_a_cancellation_keep_what_was_done() {
        let failed = plan(Ending::Failed { part: 0.5 }).moment(10, at(5000), None);
        assert_eq!((failed.status, failed.ended, failed.completed_at), (JobStatus::Failed, 5, Some(at(600))));
        let bare = plan(Ending::FailedBare).moment(10, at(5000), None);
        assert_eq!((bare.status, bare.ended), (JobStatus::Failed, 0));
        let slow = Plan { timeout: at(800), ..plan(Ending::Success) }.moment(10, at(5000), None);
        assert_eq!((slow.status, slow.ended), (JobStatus::TimeoutExceeded, 7));
        let plan = plan(Ending::Success);
        let asked = plan.moment(10, at(430), Some(at(400)));
        assert_eq!((asked.status, asked.ended), (JobStatus::CancellationRequested, 3));
        let gone = plan.moment(10, at(5000), Some(at(400)));
        assert_eq!((gone.status, gone.ended), (JobStatus::Cancelled, 3));
        let queued = plan.moment(10, at(5000), Some(at(20)));
        assert_eq!((queued.status, queued.ended, queued.started_at), (JobStatus::Cancelled, 0, None));
        assert_eq!(plan.moment(10, at(5000), Some(at(1200))).status, JobStatus::Success, "too late");
    }
}
