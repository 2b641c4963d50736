//! What ends a run, or keeps it from beginning.

use crate::{
    expressions::Unusable,
    mistral::{CallError, ClientError, StopCause},
    request::error::SetupError,
    sim::SimError,
    store::StoreError,
    units::Usd,
};

/// An error that no record can get past.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no key to ask with.
    #[error(
        "there is no API key: set it with `export {variable}=…`, or try the pipeline with `--offline`, which asks a simulator and costs nothing"
    )]
    NoKey {
        /// The variable that the key was to come from.
        variable: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No request can succeed.
    #[error("{}", stopped(.0))]
    Api(#[from] StopCause),
    /// A stage asks a model that the server does not have.
    #[error(
        "`{stage}` asks `{model}`, and there is no such model{}: check the `model:` of the stage",
        .near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
    )]
    NoModel {
        /// The stage.
        stage: String,
        /// The model.
        model: String,
        /// The nearest one that is there.
        near: Option<String>,
    },
    /// A stage asks a model that is no more.
    #[error(
        "`{stage}` asks `{model}`, which is retired{}",
        .instead.as_ref().map(|model| format!(": use `{model}`")).unwrap_or_default()
    )]
    Retired {
        /// The stage.
        stage: String,
        /// The model.
        model: String,
        /// What to use instead.
        instead: Option<String>,
    },
    /// An answer may be longer than the model's context.
    #[error(
        "`{stage}` allows answers of {most} tokens, and the context of `{model}` has {context}: lower `max_tokens:`"
    )]
    Context {
        /// The stage.
        stage: String,
        /// The model.
        model: String,
        /// Tokens of its context.
        context: u64,
        /// Tokens that an answer may have.
        most: u64,
    },
    /// The budget does not have the next request.
    #[error(
        "the budget of {budget} is reached: {spent} are spent, {reserved} were under way, and what comes next may cost {next}; raise `budget:` and run it again to resume"
    )]
    Budget {
        /// What may be spent.
        budget: Usd,
        /// What was, by this run and those that it continues from.
        spent: Usd,
        /// What was under way when it was reached.
        reserved: Usd,
        /// What the request, or the job, that was to come next may cost.
        next: Usd,
    },
    /// A wave went wrong.
    #[error(
        "wave `{wave}` stops the run, for `{condition}`: {failed} of {total} failed; nothing below it was asked, and what was answered is kept"
    )]
    WaveStopped {
        /// The wave.
        wave: String,
        /// Its condition.
        condition: String,
        /// Records that failed above it.
        failed: u64,
        /// Records in all.
        total: u64,
    },
    /// The condition of a wave does not work out.
    #[error("the condition of wave `{wave}` does not work out: {why}")]
    Condition {
        /// The wave.
        wave: String,
        /// Why.
        why: String,
    },
    /// The file of `--answers` does not fit the pipeline.
    #[error("the answers cannot be used: {0}")]
    Answers(String),
    /// The service did not answer what was asked of it beside a run.
    #[error("the service cannot be asked: {0}")]
    Call(#[from] CallError),
    /// A file cannot be read to its end.
    #[error(transparent)]
    Read(#[from] crate::read::ReadError),
    /// A large file has other types than its beginning.
    #[error(
        "column `{column}` is {checked} in what `check` read of the file, and {found} in all of it{place}: write `types: {{ {column}: {found} }}` on the source"
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type in the beginning.
        checked: String,
        /// Its type in the whole file.
        found: String,
        /// Where the value is that shows it.
        place: String,
    },
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The simulator cannot start.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// A stage of the run panicked.
    #[error("a bug in etl ended the run: {0}; what was answered is kept; please report it")]
    Panic(String),
    /// A fault on purpose.
    #[error(transparent)]
    Injected(#[from] crate::fault::Injected),
    /// A plan that was compiled does not work out: a mistake of this program.
    #[error("`{0}` passed the check and cannot be used: this is a mistake in etl, please report it")]
    Plan(String),
}

impl From<Unusable> for RunError {
    fn from(Unusable(what): Unusable) -> Self {
        Self::Plan(what)
    }
}

impl From<SetupError> for RunError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Unusable(what) => what.into(),
            SetupError::Answers(what) => Self::Answers(what),
        }
    }
}

impl RunError {
    /// Whether money is what is missing.
    pub fn is_about_money(&self) -> bool {
        matches!(self, Self::Budget { .. } | Self::Api(StopCause::Unpaid(_)))
    }
}

/// What to do about it, in the words of the one who has to do it.
fn stopped(cause: &StopCause) -> String {
    let kept = "answers are kept, and the same command resumes";
    match cause {
        StopCause::Refused(error) if (300..400).contains(&error.status) => error.to_string(),
        StopCause::Refused(error) => {
            let advice = match error.status {
                400 | 404 => "check the `model:` of the stage",
                401 => "check the API key",
                _ => "the account may not do this",
            };
            format!("Mistral refuses every request: {advice} ({error})")
        }
        StopCause::Unpaid(error) if error.is_about_the_quota() => {
            format!(
                "the quota of the account is used up ({error}): raise it, or wait until it is renewed; {kept}"
            )
        }
        StopCause::Unpaid(error) => {
            format!("the account has no credit or no payment method ({error}): add credit; {kept}")
        }
        StopCause::Unreachable { advice, .. } => format!("{cause}; {advice}"),
        StopCause::NoLimit { .. } => format!("{cause}; choose another `model:`, or another plan"),
        StopCause::Broken { .. } => format!("{cause}; once the cause is mended, {kept}"),
    }
}
