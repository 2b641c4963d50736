//! Batch jobs: from the plan to create one to its last answer.

use std::fmt;

use super::IllegalTransition;

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStep {
    /// Its requests are chosen and recorded; nothing has been sent.
    Planned,
    /// Its input file has been uploaded.
    Uploaded,
    /// The service has created it.
    Created,
    /// A check found a new status.
    Seen,
    /// All its requests are accounted for.
    Collected,
    /// The service does not have it, or never had it: there will be no answers.
    Lost,
}

/// The state of a job after its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JobState {
    /// It has no steps.
    #[default]
    New,
    /// See [`JobStep::Planned`].
    Planned,
    /// See [`JobStep::Uploaded`].
    Uploaded,
    /// It exists at the service.
    Created,
    /// Its answers are in the ledger.
    Collected,
    /// See [`JobStep::Lost`].
    Lost,
}

impl JobStep {
    /// The word stored in the ledger.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Uploaded => "uploaded",
            Self::Created => "created",
            Self::Seen => "seen",
            Self::Collected => "collected",
            Self::Lost => "lost",
        }
    }

    /// The step for a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Planned, Self::Uploaded, Self::Created, Self::Seen, Self::Collected, Self::Lost]
            .into_iter()
            .find(|step| step.word() == word)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Planned => "planned",
            Self::Uploaded => "uploaded",
            Self::Created => "created",
            Self::Collected => "collected",
            Self::Lost => "lost",
        })
    }
}

impl JobState {
    /// The state after a step.
    ///
    /// # Errors
    /// An illegal step. Above all, a job is created only once.
    pub fn next(self, step: &JobStep) -> Result<Self, IllegalTransition> {
        match (self, step) {
            (Self::New, JobStep::Planned) => Ok(Self::Planned),
            // A small job contains its requests and is never uploaded. An interrupted upload is
            // repeated.
            (Self::Planned | Self::Uploaded, JobStep::Uploaded) => Ok(Self::Uploaded),
            (Self::Planned | Self::Uploaded, JobStep::Created) => Ok(Self::Created),
            (Self::Created, JobStep::Seen) => Ok(Self::Created),
            (Self::Created, JobStep::Collected) => Ok(Self::Collected),
            (Self::Planned | Self::Uploaded | Self::Created, JobStep::Lost) => Ok(Self::Lost),
            (
                Self::New,
                JobStep::Uploaded | JobStep::Created | JobStep::Seen | JobStep::Collected | JobStep::Lost,
            )
            | (Self::Planned | Self::Uploaded, JobStep::Planned | JobStep::Seen | JobStep::Collected)
            | (Self::Created, JobStep::Planned | JobStep::Uploaded | JobStep::Created)
            | (Self::Collected | Self::Lost, _) => {
                Err(IllegalTransition { from: self.to_string(), step: step.word().to_owned() })
            }
        }
    }

    /// Whether it may still get answers.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::Uploaded | Self::Created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [JobStep; 6] = [
        JobStep::Planned,
        JobStep::Uploaded,
        JobStep::Created,
        JobStep::Seen,
        JobStep::Collected,
        JobStep::Lost,
    ];

    #[test]
    fn every_step_has_its_place() {
        let states = [
            JobState::New,
            JobState::Planned,
            JobState::Uploaded,
            JobState::Created,
            JobState::Collected,
            JobState::Lost,
        ];
        let reported: Vec<String> = states
            .iter()
            .map(|state| {
                let next = ALL
                    .iter()
                    .filter_map(|step| Some(format!("{} → {}", step.word(), state.next(step).ok()?)));
                format!("{state}: {}", next.collect::<Vec<_>>().join(", "))
            })
            .collect();
        insta::assert_snapshot!(reported.join("\n"), @r"
        new: planned → planned
        planned: uploaded → uploaded, created → created, lost → lost
        uploaded: uploaded → uploaded, created → created, lost → lost
        created: seen → created, collected → collected, lost → lost
        collected: 
        lost: 
        ");
    }
}
