//! Why there is no request: for a stage, or for one record. Main types: [`SetupError`], [`WriteError`].

use crate::{expressions::Unusable, record::FailureKind, template::RenderError};

use super::attachment::AttachmentError;

/// Why a stage cannot write requests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The `--answers` file does not match the pipeline.
    #[error("{0}")]
    Answers(String),
}

/// Why there is no request for a record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Template(#[from] RenderError),
    #[error("{0}")]
    Expression(String),
    #[error("{0}")]
    Model(String),
    #[error(
        "the request has at least {least} tokens, but the context of `{model}` is limited to {context}: it was not sent"
    )]
    Context { model: String, least: u64, context: u64 },
    #[error(transparent)]
    Attachment(AttachmentError),
}

impl From<AttachmentError> for WriteError {
    fn from(error: AttachmentError) -> Self {
        match error {
            AttachmentError::Template(error) => Self::Template(error),
            error => Self::Attachment(error),
        }
    }
}

impl WriteError {
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Template(RenderError::Null(_) | RenderError::Missing(_)) => FailureKind::Null,
            Self::Template(RenderError::Other(_)) => FailureKind::Template,
            Self::Expression(_) => FailureKind::Expression,
            Self::Model(_) => FailureKind::Model,
            Self::Context { .. } => FailureKind::Context,
            Self::Attachment(_) => FailureKind::Unreadable,
        }
    }
}
