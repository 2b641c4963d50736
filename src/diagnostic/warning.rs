//! Valid parts of a spec that are probably mistakes. A spec with warnings runs. Main type: [`Warning`], shown by
//! `check`, `plan` and `run`.

/// A warning about a spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// An expression or query whose result differs from run to run.
    #[error("`{0}` gives a different value on each run")]
    Volatile(String),
    /// A text that uses a value that may be NULL.
    #[error("`{name}` may be NULL here: {why}")]
    MaybeNull {
        /// The path in the text.
        name: String,
        /// Why it may be NULL.
        why: String,
    },
    /// A query function whose result depends on the order of tied rows.
    #[error("`{column}` is used in a text, but `{function}` does not determine which row it is from")]
    Ties {
        /// The column of the query.
        column: String,
        /// The function.
        function: String,
    },
    /// Samples that may all get the same answer.
    #[error("the samples of `{map}` may all be the same: {why}")]
    EqualSamples {
        /// The map.
        map: String,
        /// Why.
        why: &'static str,
    },
    /// Two conditions that exclude each other, and of which neither is true for NULL.
    #[error("`{0}` may be NULL here, and then neither this condition nor its opposite is true")]
    NoRoute(String),
    /// A request that no field is part of.
    #[error("`{0}` sends the same request for every record: its texts use no field")]
    SameRequest(String),
    /// A GROUP BY of a name that is both an input column and another result column.
    #[error("GROUP BY `{0}` groups by the input column, not by the `{0}` of the result")]
    Regrouped(String),
    /// A built-in column replaced by a field of the same name.
    #[error("the column `{column}` holds the field of that name, not {what}")]
    Hidden {
        /// The column.
        column: String,
        /// The built-in value.
        what: &'static str,
        /// The expression for it.
        value: String,
    },
    /// A sink's key that all pieces of a record share.
    #[error("all pieces of a record have the same `{key}`: only one of them is written")]
    CoarseKey {
        /// The key of the sink.
        key: String,
        /// The key of the pieces.
        pieces: String,
    },
    /// A source's key that does not identify every row.
    #[error("the key `{key}` does not identify every row: {}", counted(*.repeated, *.missing, *.rows))]
    WeakKey {
        /// The key.
        key: String,
        /// Rows with the key of an earlier row.
        repeated: u64,
        /// Rows without a key.
        missing: u64,
        /// All rows.
        rows: u64,
    },
    /// A column that is JSON because its values are of several kinds.
    #[error(
        "`{0}` has texts beside numbers or booleans, so it is JSON, in which a text has quotes (`\"a\"`)"
    )]
    Mixed(String),
    /// `etl.failure` where no record has failed.
    #[error("`etl.failure` is always NULL here: no `failed` port is read")]
    NoFailure,
    /// Texts compared with a number in quotes.
    #[error("`{field}` is text, and texts are compared letter by letter: `'9'` is greater than `'10'`")]
    ComparedTexts {
        /// The field.
        field: String,
        /// The number.
        number: String,
    },
    /// A query over a file whose types DuckDB guesses.
    #[error(
        "DuckDB guesses the types of `{0}` from a sample, which may change values: `00123` becomes 123, `F` false"
    )]
    Guessed(String),
    /// A column with a declared type that no line of a file has.
    #[error("no line that was read has `{column}`: it is NULL everywhere")]
    NoSuchColumn {
        /// The column.
        column: String,
        /// The column that was most likely meant.
        near: Option<String>,
    },
    /// An unknown model with a name similar to that of a known one.
    #[error("the model `{name}` is unknown")]
    UnknownModel {
        /// The name.
        name: String,
        /// The known model.
        near: String,
    },
    /// A quoted value that is the name of a field.
    #[error("`{0}` is the field, not a text: YAML removes the quotes")]
    QuotedField(String),
}

/// The rows that a key does not identify, in words.
fn counted(repeated: u64, missing: u64, rows: u64) -> String {
    let repeats = if repeated == 1 { "repeats" } else { "repeat" };
    let have = if missing == 1 { "has" } else { "have" };
    match (repeated, missing) {
        (0, _) => format!("{missing} of {rows} rows {have} none"),
        (_, 0) => format!("{repeated} of {rows} rows {repeats} the one of another row"),
        _ => format!("{repeated} of {rows} rows {repeats} the one of another row, {missing} {have} none"),
    }
}

impl Warning {
    /// The label at its place.
    pub fn label(&self) -> String {
        match self {
            Self::Volatile(_) => "changes with each run".to_owned(),
            Self::MaybeNull { .. } => "a record without it fails before it is sent".to_owned(),
            Self::Ties { .. } => "arbitrary where rows are equal".to_owned(),
            Self::EqualSamples { .. } => "has samples".to_owned(),
            Self::NoRoute(_) => "such a record takes neither route".to_owned(),
            Self::SameRequest(_) => "uses no field".to_owned(),
            Self::CoarseKey { .. } => "the others fail as duplicate keys".to_owned(),
            Self::WeakKey { .. } => "a table takes one row for each key".to_owned(),
            Self::UnknownModel { near, .. } | Self::NoSuchColumn { near: Some(near), .. } => {
                format!("did you mean `{near}`?")
            }
            Self::NoSuchColumn { .. } => "not in the files".to_owned(),
            Self::NoFailure => "a failed record leaves by a port: `from: MAP.failed`".to_owned(),
            Self::ComparedTexts { .. } => "not compared as numbers".to_owned(),
            Self::Guessed(_) => "types are guessed".to_owned(),
            Self::Mixed(_) => "the quotes would be in requests, conditions and tables".to_owned(),
            Self::QuotedField(_) => "the field is used".to_owned(),
            Self::Hidden { .. } => "has such a field".to_owned(),
            Self::Regrouped(_) => "two columns have this name".to_owned(),
        }
    }

    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Volatile(_) => {
                "a prompt that contains it is a new request on each run, and is paid for again: use a \
                 parameter (`${params.day}`), or put the value into a sink's `columns:`"
                    .to_owned()
            }
            Self::MaybeNull { name, .. } => {
                format!(
                    "write `{{{{ {name} | default('') }}}}`, `{{% if {name} %}}` or `when: {name} IS NOT NULL`"
                )
            }
            Self::Ties { .. } => {
                "add an ORDER BY that no two rows share, or another column to the comparison".to_owned()
            }
            Self::EqualSamples { .. } => "leave it out, or leave `samples:` out".to_owned(),
            Self::NoRoute(name) => format!("add `OR {name} IS NULL` to one of them"),
            Self::SameRequest(_) => {
                "a field is written in double braces: `prompt: \"Summarise: {{ text }}\"`".to_owned()
            }
            Self::Regrouped(_) => {
                "give the column of the result another name, or group by its expression or number".to_owned()
            }
            Self::Hidden { column, value, .. } => {
                format!("for both, list `columns:` on the sink, with `etl_{column}: {value}` among them")
            }
            Self::CoarseKey { pieces, .. } => {
                format!(
                    "set `key: [{pieces}]`, or leave `key:` out for the same; `duplicates:` keeps one of them"
                )
            }
            Self::WeakKey { key, repeated, .. } => match repeated {
                0 => "leave those rows out above the map: `where: … IS NOT NULL`".to_owned(),
                _ => format!(
                    "each of them is sent to the model, and all but one fail at the sink: keep one above the map by a wave \
                     with `unique: {key}`, or add a column to the key"
                ),
            },
            Self::NoFailure => {
                "read that port, or leave it out; a map below the port makes the record a valid one again".to_owned()
            }
            Self::ComparedTexts { field, number } => {
                format!("for numbers write `TRY_CAST({field} AS DOUBLE)` and `{number}` without quotes")
            }
            Self::Guessed(_) => "read it by a source with `csv:` or `jsonl:`, which proves types over the whole file; or set them \
                 in the call: `read_csv('…', all_varchar = true)`"
                .to_owned(),
            Self::Mixed(column) => format!("write `types: {{ {column}: text }}` on the source"),
            Self::NoSuchColumn { column, .. } if column.contains('.') => format!(
                "a type is declared for a whole column: `types: {{ {}: \"STRUCT(…)\" }}`",
                column.split('.').next().unwrap_or_default()
            ),
            Self::NoSuchColumn { .. } => {
                "correct the name, or leave it if later files have the column".to_owned()
            }
            Self::UnknownModel { .. } => {
                "a stage asks the server for its models before its first request, and ends the run if it has no such model"
                    .to_owned()
            }
            Self::QuotedField(name) => format!("for the text write `\"'{name}'\"`, for the field `{name}`"),
        }
    }
}
