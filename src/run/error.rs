//! What ends a run, or keeps it from beginning.

use crate::{
    mistral::{ClientError, StopCause},
    sim::SimError,
    store::StoreError,
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
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The simulator cannot start.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// A plan that was compiled does not work out: a mistake of this program.
    #[error("`{0}` was checked, and cannot be used: this is a mistake in etl, please report it")]
    Plan(String),
}

/// What to do about it, in the words of the one who has to do it.
fn stopped(cause: &StopCause) -> String {
    let kept = "what was answered is kept, and the same command goes on from there";
    match cause {
        StopCause::Refused(error) => {
            let advice = match error.status {
                400 | 404 => "check the `model:` of the stage",
                401 => "check the API key",
                _ => "the account may not do this",
            };
            format!("Mistral refuses every request: {advice} ({error})")
        }
        StopCause::Unpaid(error) => {
            format!("the account has no credit or no payment method ({error}): add credit; {kept}")
        }
        StopCause::NoLimit { .. } => format!("{cause}; choose another `model:`, or another plan"),
        StopCause::Broken { .. } => format!("{cause}; once the cause is mended, {kept}"),
    }
}
