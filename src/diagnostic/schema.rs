//! A valid JSON Schema that is probably a mistake. Main type: [`SchemaFault`].

/// A fault of a valid JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// A property that is both required and forbidden.
    #[error("no answer fits this schema: `{0}` is required, and is not among its properties")]
    MissingProperty(String),
    /// Bounds between which there is no value.
    #[error("no answer fits this schema: `{low}` is greater than `{high}`")]
    EmptyRange {
        /// The keyword of the lower bound.
        low: &'static str,
        /// The keyword of the upper bound.
        high: &'static str,
    },
    /// A key that looks like a property and is beside `type: object`.
    #[error("`{0}` is not a keyword of JSON Schema, and is ignored")]
    Stray(String),
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
            Self::EmptyRange { low, high } => format!("expected a smaller `{low}`, or a greater `{high}`"),
            Self::Stray(_) => "expected below `properties:`".to_owned(),
            Self::Keyword { near, .. } => format!("did you mean `{near}`?"),
        }
    }

    /// What to write instead, if there is more to say.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::MissingProperty(name) => {
                Some(format!("add `{name}` to `properties`, or remove it from `required`"))
            }
            Self::Stray(name) => Some(format!(
                "write `properties: {{ {name}: {{ type: string }} }}`; or, in the short form, `{{ {name}: text }}` without \
                 `type: object`"
            )),
            Self::Keyword { .. } | Self::EmptyRange { .. } => None,
        }
    }
}
