//! Faults of the rows of a source or a sink, beyond a key of the spec. Main type: [`RowsFault`].

/// A fault of rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsFault {
    /// An input column has the name of the built-in field.
    #[error("a column is called `etl`, as the program's own field")]
    OwnField,
    /// A sink replaces a file that the pipeline reads.
    #[error("`{file}` is a file that the source `{source_name}` reads")]
    OverwritesSource {
        /// The file.
        file: String,
        /// The source.
        source_name: String,
    },
    /// Two sinks write the same records to one table.
    #[error("`{second}` writes the same records to {target} as `{first}`, with the same key")]
    SameRecords {
        /// One sink.
        first: String,
        /// The other.
        second: String,
        /// Where to.
        target: String,
    },
    /// `columns:` sets the key to another value.
    #[error("the column `{0}` is the key of the rows, but holds another value")]
    AnotherKey(String),
    /// A duplicate column.
    #[error("duplicate column `{column}`: {first} and {second}")]
    Clash {
        /// The column.
        column: String,
        /// Its first origin.
        first: String,
        /// Its second origin.
        second: String,
    },
}

impl RowsFault {
    /// The label at its place.
    pub(super) fn label(&self) -> String {
        match self {
            Self::OwnField => "read here".to_owned(),
            Self::OverwritesSource { .. } => "the run would replace its own input".to_owned(),
            Self::SameRecords { .. } => "each of its rows would be a duplicate key".to_owned(),
            Self::AnotherKey(_) => "expected the key unchanged".to_owned(),
            Self::Clash { .. } => "two columns have this name".to_owned(),
        }
    }

    /// What to write instead.
    pub(super) fn help(&self) -> String {
        match self {
            Self::OwnField => {
                "give it another name in a query: `sql: SELECT * RENAME (etl AS etl_column) FROM …`; for a CSV file `FROM \
                 read_csv('…', all_varchar = true)`, so that DuckDB changes no value"
                    .to_owned()
            }
            Self::OverwritesSource { .. } => "write to a file that no source reads".to_owned(),
            Self::SameRecords { .. } => {
                "write all columns by one sink, or give the sinks conditions that exclude each other (`when:`) or another \
                 `table:`"
                    .to_owned()
            }
            Self::AnotherKey(name) => {
                format!(
                    "give the column another name, or set `key: {name}` on the sink if it identifies the rows"
                )
            }
            Self::Clash { .. } => {
                "leave one of them out with `except:`, or list `columns:` on the sink".to_owned()
            }
        }
    }
}
