//! A valid JSON Schema that is probably a mistake. Main type: [`SchemaFault`].

/// A fault of a valid JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// A property that is both required and forbidden.
    #[error("no answer fits this schema: `{0}` is required, and is not among its properties")]
    MissingProperty(String),
    /// A misspelt keyword, which a validator ignores.
    #[error("unknown keyword `{found}` in a JSON Schema")]
    Keyword {
        /// The keyword.
        found: String,
        /// The keyword that was most likely meant.
        near: &'static str,
    },
}

impl SchemaFault {
    /// The label at its place.
    pub(super) fn label(&self) -> String {
        match self {
            Self::MissingProperty(_) => "has `additionalProperties: false`".to_owned(),
            Self::Keyword { near, .. } => format!("did you mean `{near}`?"),
        }
    }

    /// What to write instead, if there is more to say.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::MissingProperty(name) => {
                Some(format!("add `{name}` to `properties`, or remove it from `required`"))
            }
            Self::Keyword { .. } => None,
        }
    }
}
