//! Why a run ends early, or cannot start.

use crate::{
    expressions::Unusable,
    mistral::{CallError, ClientError, StopCause},
    request::error::SetupError,
    sim::SimError,
    store::StoreError,
    units::Usd,
};

/// An error that affects all records.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no API key.
    #[error(
        "there is no API key: set it with `export {variable}=…`, or try the pipeline with `--offline`, which uses a simulator and costs nothing"
    )]
    NoKey {
        /// The environment variable expected to hold it.
        variable: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No request can succeed.
    #[error("{}", stopped(.0))]
    Api(#[from] StopCause),
    /// The server does not have the model of a stage.
    #[error(
        "`{stage}` uses `{model}`, but there is no such model; {}",
        .near.as_ref().map_or("check the `model:` of the stage".to_owned(), |near| format!("did you mean `{near}`?"))
    )]
    NoModel {
        /// The stage.
        stage: String,
        /// The model.
        model: String,
        /// The most similar model available.
        near: Option<String>,
    },
    /// The model of a stage is retired.
    #[error(
        "`{stage}` uses `{model}`, which is retired{}",
        .instead.as_ref().map(|model| format!(": use `{model}`")).unwrap_or_default()
    )]
    Retired {
        /// The stage.
        stage: String,
        /// The model.
        model: String,
        /// Its replacement.
        instead: Option<String>,
    },
    /// The answer limit of a stage exceeds the model's context.
    #[error(
        "`{stage}` allows answers of {most} tokens, but the context of `{model}` is limited to {context}: lower `max_tokens:`"
    )]
    Context {
        /// The stage.
        stage: String,
        /// The model.
        model: String,
        /// The context of the model, in tokens.
        context: u64,
        /// The answer limit, in tokens.
        most: u64,
    },
    /// The budget does not cover the next request.
    #[error(
        "the budget of {budget} does not cover the next request or job, which may cost {next}: {spent} spent, {reserved} in flight; raise `budget:` or lower `max_tokens:`, and rerun the same command to resume"
    )]
    Budget {
        /// The budget.
        budget: Usd,
        /// The cost so far, including the runs that it resumes.
        spent: Usd,
        /// The cost in flight when the budget was reached.
        reserved: Usd,
        /// The maximum cost of the next request or job.
        next: Usd,
    },
    /// The condition of a wave stopped the run.
    #[error(
        "wave `{wave}` stopped the run because of `{condition}`: {failed} of {total} failed; no requests were sent below it, and answers are kept"
    )]
    WaveStopped {
        /// The wave.
        wave: String,
        /// Its condition.
        condition: String,
        /// Failed records above it.
        failed: u64,
        /// All records above it.
        total: u64,
    },
    /// The condition of a wave cannot be evaluated.
    #[error("the condition of wave `{wave}` cannot be evaluated: {why}")]
    Condition {
        /// The wave.
        wave: String,
        /// The cause.
        why: String,
    },
    /// The `--answers` file does not match the pipeline.
    #[error("the answers cannot be used: {0}")]
    Answers(String),
    /// A call outside of a run failed.
    #[error("the request to the service failed: {0}")]
    Call(#[from] CallError),
    /// A file cannot be read completely.
    #[error(transparent)]
    Read(#[from] crate::read::ReadError),
    /// The types of a large file differ from those of its beginning.
    #[error(
        "column `{column}` is {checked} in what `check` read of the file, and {found} in the whole file{place}: write `types: {{ {column}: {found} }}` on the source"
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type at the beginning.
        checked: String,
        /// Its type in the whole file.
        found: String,
        /// The place of the value that shows it.
        place: String,
    },
    /// The client cannot be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The simulator cannot start.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// A stage of the run panicked.
    #[error("a bug in etl ended the run: {0}; answers are kept; please report it")]
    Panic(String),
    /// An injected fault.
    #[error(transparent)]
    Injected(#[from] crate::fault_injection::Injected),
    /// A compiled plan fails: a bug in this program.
    #[error("`{0}` passed the check and cannot be used: this is a bug in etl, please report it")]
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
    /// Whether money is the problem.
    pub fn is_about_money(&self) -> bool {
        matches!(self, Self::Budget { .. } | Self::Api(StopCause::Unpaid(_)))
    }
}

/// What to do about it, in the user's terms.
fn stopped(cause: &StopCause) -> String {
    let kept = "answers are kept, and the same command resumes";
    match cause {
        StopCause::Refused(error) if (300..400).contains(&error.status) => error.to_string(),
        StopCause::Refused(error) => {
            let advice = match error.status {
                400 | 404 => "check the `model:` of the stage",
                401 => "check the API key",
                _ => "the account lacks permission",
            };
            format!("Mistral refuses every request: {advice} ({error})")
        }
        StopCause::Unpaid(error) if error.is_about_the_quota() => {
            format!(
                "the quota of the account is exhausted ({error}): raise it, or wait until it resets; {kept}"
            )
        }
        StopCause::Unpaid(error) => {
            format!("the account has no credit or no payment method ({error}): add credit; {kept}")
        }
        StopCause::Unreachable { advice, .. } => format!("{cause}; {advice}"),
        StopCause::NoLimit { .. } => format!("{cause}; choose another `model:`, or another plan"),
        StopCause::Broken { .. } => format!("{cause}; once the cause is fixed, {kept}"),
    }
}
