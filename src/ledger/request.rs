//! Requests: their steps, answers and states.

use crate::{record::FailureKind, units::Usd};

use super::{IllegalTransition, RequestId};

/// A series of attempts at a request. A `--fresh` run starts a new one, and only the newest
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub i64);

/// The answer of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The model that answered.
    pub model: String,
    /// The text of the answer.
    pub reply: String,
    /// Why it ended.
    pub finish_reason: Option<String>,
    /// Input tokens.
    pub prompt_tokens: u64,
    /// Of these, tokens billed at a lower price because the service had cached them.
    pub cached_tokens: u64,
    /// Output tokens.
    pub completion_tokens: u64,
    /// Its cost, if the price is known.
    pub cost: Option<Usd>,
    /// From sending to the last byte, in milliseconds; `None` for a line of a job.
    pub latency_ms: Option<u64>,
    /// The id to quote to the service's support.
    pub correlation_id: Option<String>,
    /// Repairs made to parse it; kept with a valid answer.
    pub note: Option<String>,
    /// Why it is unusable, if so; then `reply` is the raw response.
    pub unusable: Option<String>,
}

/// Why an answer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of failure.
    pub kind: FailureKind,
    /// What is wrong with it, and why.
    pub reason: String,
}

/// What happened to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It will be sent as a line of a job: recorded before the job is created.
    Placed,
    /// A valid answer.
    Answered(Answer),
    /// An invalid answer.
    Refused(Answer, Refusal),
    /// The service refused the request itself, for this reason.
    Invalid(String),
    /// Its job has ended without an answer to it, for this reason.
    Missing(String),
}

impl Step {
    /// The word stored in the journal.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Answered(_) => "answered",
            Self::Refused(..) => "refused",
            Self::Invalid(_) => "invalid",
            Self::Missing(_) => "missing",
        }
    }

    /// The answer, if any.
    pub const fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) | Self::Refused(answer, _) => Some(answer),
            Self::Placed | Self::Invalid(_) | Self::Missing(_) => None,
        }
    }
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The request.
    pub request: RequestId,
    /// Its generation.
    pub generation: Generation,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The stage that sends it.
    pub stage: String,
    /// The key of its record.
    pub key: String,
    /// The requested model.
    pub asked_model: String,
    /// The token of its job, if it is a line of one.
    pub job: Option<String>,
    /// What happened.
    pub step: Step,
}

/// The state of a request after its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestState {
    /// It has no steps.
    #[default]
    New,
    /// It is a line of a job that has not been collected.
    Placed {
        /// The attempt.
        attempt: u32,
    },
    /// There is a valid answer.
    Answered {
        /// The attempt.
        attempt: u32,
    },
    /// The last answer is invalid.
    Refused {
        /// The attempt.
        attempt: u32,
    },
    /// The service refused it.
    Invalid {
        /// The attempt.
        attempt: u32,
    },
    /// The last job had no answer for it.
    Missing {
        /// The attempt.
        attempt: u32,
    },
}

impl RequestState {
    /// The state after a step.
    ///
    /// # Errors
    /// An illegal step. Above all, nothing may follow a valid answer, or it would be paid for twice.
    /// (When validated again, by changed rules, it may become invalid.)
    pub fn next(self, attempt: u32, step: &Step) -> Result<Self, IllegalTransition> {
        let may = match (self, step) {
            // The next attempt may follow, in a job or as a single request.
            (Self::New, Step::Placed | Step::Answered(_) | Step::Refused(..) | Step::Invalid(_)) => {
                attempt == 1
            }
            (
                Self::Refused { attempt: last }
                | Self::Invalid { attempt: last }
                | Self::Missing { attempt: last },
                Step::Placed | Step::Invalid(_),
            )
            | (
                Self::Invalid { attempt: last } | Self::Missing { attempt: last },
                Step::Answered(_) | Step::Refused(..),
            ) => attempt == last + 1,
            // The next attempt, or the same answer validated again.
            (Self::Refused { attempt: last }, Step::Answered(_) | Step::Refused(..)) => {
                attempt == last + 1 || (attempt == last && matches!(step, Step::Answered(_)))
            }
            (Self::Answered { attempt: last }, Step::Refused(..)) => attempt == last,
            // A line of a job has one result.
            (
                Self::Placed { attempt: last },
                Step::Answered(_) | Step::Refused(..) | Step::Invalid(_) | Step::Missing(_),
            ) => attempt == last,
            (
                Self::New | Self::Refused { .. } | Self::Invalid { .. } | Self::Missing { .. },
                Step::Missing(_),
            )
            | (Self::Placed { .. }, Step::Placed)
            | (
                Self::Answered { .. },
                Step::Placed | Step::Answered(_) | Step::Invalid(_) | Step::Missing(_),
            ) => false,
        };
        if !may {
            let from = format!("{self:?}");
            return Err(IllegalTransition { from, step: format!("{} (attempt {attempt})", step.word()) });
        }
        Ok(match step {
            Step::Placed => Self::Placed { attempt },
            Step::Answered(_) => Self::Answered { attempt },
            Step::Refused(..) => Self::Refused { attempt },
            Step::Invalid(_) => Self::Invalid { attempt },
            Step::Missing(_) => Self::Missing { attempt },
        })
    }

    /// The number of attempts.
    pub const fn attempts(self) -> u32 {
        match self {
            Self::New => 0,
            Self::Placed { attempt }
            | Self::Answered { attempt }
            | Self::Refused { attempt }
            | Self::Invalid { attempt }
            | Self::Missing { attempt } => attempt,
        }
    }
}

/// The steps of one generation of a request, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The generation.
    pub generation: Generation,
    /// The steps.
    pub entries: Vec<Entry>,
}

impl History {
    /// A history without steps.
    pub const fn new(generation: Generation) -> Self {
        Self { generation, entries: Vec::new() }
    }

    /// The state after the steps.
    ///
    /// # Errors
    /// An illegal step.
    pub fn state(&self) -> Result<RequestState, IllegalTransition> {
        self.entries.iter().try_fold(RequestState::New, |state, entry| state.next(entry.attempt, &entry.step))
    }

    /// The number of the next attempt.
    pub fn next_attempt(&self) -> u32 {
        self.entries.last().map_or(0, |entry| entry.attempt) + 1
    }

    /// The last step of each attempt with an answer: an answer validated again counts once.
    pub fn answers(&self) -> impl Iterator<Item = (&Entry, &Answer)> {
        let is_last =
            |at: usize| self.entries.get(at + 1).is_none_or(|next| next.attempt != self.entries[at].attempt);
        let answers = self.entries.iter().enumerate().filter(move |(at, _)| is_last(*at));
        answers.filter_map(|(_, entry)| Some((entry, entry.step.answer()?)))
    }

    /// The number of invalid answers.
    pub fn refusals(&self) -> u32 {
        self.answers().filter(|(entry, _)| matches!(entry.step, Step::Refused(..))).count() as u32
    }

    /// Its job, if that has not been collected.
    pub fn placed_in(&self) -> Option<&str> {
        let last = self.entries.last()?;
        if last.step == Step::Placed { last.job.as_deref() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer() -> Answer {
        Answer {
            model: "m".into(),
            reply: "{}".into(),
            finish_reason: Some("stop".into()),
            prompt_tokens: 1,
            cached_tokens: 0,
            completion_tokens: 1,
            cost: None,
            latency_ms: None,
            correlation_id: None,
            note: None,
            unusable: None,
        }
    }

    fn refused() -> Step {
        Step::Refused(answer(), Refusal { kind: FailureKind::Refused, reason: "no".into() })
    }

    fn step(at: usize) -> Step {
        [
            Step::Placed,
            Step::Answered(answer()),
            refused(),
            Step::Invalid("no".into()),
            Step::Missing("no".into()),
        ][at]
            .clone()
    }

    fn come_to(steps: &[(u32, Step)]) -> Result<RequestState, IllegalTransition> {
        steps.iter().try_fold(RequestState::New, |state, (attempt, step)| state.next(*attempt, step))
    }

    #[test]
    fn an_answer_that_fits_is_never_asked_for_again() {
        for at in [0, 1, 3, 4] {
            for attempt in 1..3 {
                assert!(
                    come_to(&[(1, Step::Answered(answer())), (attempt, step(at))]).is_err(),
                    "{at} {attempt}"
                );
            }
        }
        let judged_anew = come_to(&[(1, Step::Answered(answer())), (1, refused()), (2, Step::Placed)]);
        assert_eq!(judged_anew, Ok(RequestState::Placed { attempt: 2 }));
    }

    #[test]
    fn a_line_of_a_job_comes_to_one_end_before_it_is_placed_again() {
        let placed = (1, Step::Placed);
        assert!(come_to(&[placed.clone(), (2, Step::Placed)]).is_err());
        assert!(come_to(&[placed.clone(), (2, Step::Answered(answer()))]).is_err());
        let again = come_to(&[placed, (1, Step::Missing("gone".into())), (2, Step::Placed), (2, refused())]);
        assert_eq!(again, Ok(RequestState::Refused { attempt: 2 }));
    }

    proptest! {
        /// For any steps, an attempt is never skipped, and only one answer is valid at a time.
        #[test]
        fn attempts_go_up_one_by_one(steps in proptest::collection::vec((1u32..6, 0usize..5), 0..40)) {
            let mut state = RequestState::New;
            for (attempt, at) in steps {
                let before = state.attempts();
                if let Ok(next) = state.next(attempt, &step(at)) {
                    prop_assert!(next.attempts() == before || next.attempts() == before + 1);
                    let paid = matches!(state, RequestState::Answered { .. });
                    let judged_anew = matches!(next, RequestState::Refused { .. });
                    prop_assert!(!paid || judged_anew);
                    state = next;
                }
            }
        }
    }
}
