//! Requests: what was asked, what came of it, and what may come next.

use crate::{record::FailureKind, units::Usd};

use super::{IllegalTransition, RequestId};

/// Answers to the same request that were asked for together. A `--fresh` run starts a new one, and
/// only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub i64);

/// What a model said.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The model that answered.
    pub model: String,
    /// The text of the answer.
    pub reply: String,
    /// Why it ended.
    pub finish_reason: Option<String>,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Of these, tokens that cost less because the service had read them before.
    pub cached_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Its price, where that is known.
    pub cost: Option<Usd>,
    /// From sending to the last byte, in milliseconds; nothing for a row of a job.
    pub latency_ms: Option<u64>,
    /// What to name when asking the service about it.
    pub correlation_id: Option<String>,
    /// What was repaired in it to read it; kept with an answer that fits.
    pub note: Option<String>,
    /// Why it is of no use to any program, where that is so; then `reply` is what came.
    pub unusable: Option<String>,
}

/// Why an answer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// Which part of it is wrong, and why.
    pub reason: String,
}

/// What happened to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It is to be sent as a line of a job: written before the job is created.
    Placed,
    /// An answer came and fits.
    Answered(Answer),
    /// An answer came and does not fit.
    Refused(Answer, Refusal),
    /// The service refused the request itself, for this reason.
    Invalid(String),
    /// The job it was placed in has ended without an answer to it, for this reason.
    Missing(String),
}

impl Step {
    /// The word that the journal keeps.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Answered(_) => "answered",
            Self::Refused(..) => "refused",
            Self::Invalid(_) => "invalid",
            Self::Missing(_) => "missing",
        }
    }

    /// The answer that came, if one did.
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
    /// Which time it is asked, from 1.
    pub attempt: u32,
    /// The stage that asks.
    pub stage: String,
    /// The key of the record that it is asked for.
    pub key: String,
    /// The model asked for.
    pub asked_model: String,
    /// The job that it is a line of, by its token.
    pub job: Option<String>,
    /// What happened.
    pub step: Step,
}

/// What the steps of a request come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestState {
    /// Nothing was done about it.
    #[default]
    New,
    /// It is a line of a job that has not been read.
    Placed {
        /// Which time it is asked.
        attempt: u32,
    },
    /// There is an answer that fits.
    Answered {
        /// Which time it was asked.
        attempt: u32,
    },
    /// The last answer does not fit.
    Refused {
        /// Which time it was asked.
        attempt: u32,
    },
    /// The service refused it.
    Invalid {
        /// Which time it was asked.
        attempt: u32,
    },
    /// The last job had no answer to it.
    Missing {
        /// Which time it was asked.
        attempt: u32,
    },
}

impl RequestState {
    /// The state after a step.
    ///
    /// # Errors
    /// A step that cannot follow. The one that this is all about: nothing follows on an answer that fits,
    /// or it would be paid twice. (Judged again by another program it may become one that does not fit.)
    pub fn next(self, attempt: u32, step: &Step) -> Result<Self, IllegalTransition> {
        let may = match (self, step) {
            // From here the next attempt may be made, in a job or by itself.
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
            // The next attempt, or the same answer judged again.
            (Self::Refused { attempt: last }, Step::Answered(_) | Step::Refused(..)) => {
                attempt == last + 1 || (attempt == last && matches!(step, Step::Answered(_)))
            }
            (Self::Answered { attempt: last }, Step::Refused(..)) => attempt == last,
            // A line of a job comes to one end.
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

    /// How often it has been asked.
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

/// The steps of one generation of a request, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The generation.
    pub generation: Generation,
    /// The steps.
    pub entries: Vec<Entry>,
}

impl History {
    /// One without a step.
    pub const fn new(generation: Generation) -> Self {
        Self { generation, entries: Vec::new() }
    }

    /// What the steps come to.
    ///
    /// # Errors
    /// Steps that cannot follow on each other.
    pub fn state(&self) -> Result<RequestState, IllegalTransition> {
        self.entries.iter().try_fold(RequestState::New, |state, entry| state.next(entry.attempt, &entry.step))
    }

    /// Which time it would be asked next.
    pub fn next_attempt(&self) -> u32 {
        self.entries.last().map_or(0, |entry| entry.attempt) + 1
    }

    /// The last step of each attempt that has an answer: an answer that was judged again counts once.
    pub fn answers(&self) -> impl Iterator<Item = (&Entry, &Answer)> {
        let is_last =
            |at: usize| self.entries.get(at + 1).is_none_or(|next| next.attempt != self.entries[at].attempt);
        let answers = self.entries.iter().enumerate().filter(move |(at, _)| is_last(*at));
        answers.filter_map(|(_, entry)| Some((entry, entry.step.answer()?)))
    }

    /// How many answers did not fit.
    pub fn refusals(&self) -> u32 {
        self.answers().filter(|(entry, _)| matches!(entry.step, Step::Refused(..))).count() as u32
    }

    /// The job that it is a line of, if that job has not been read.
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
        /// Whatever is thrown at it: an attempt is never skipped, and only one answer fits at a time.
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
