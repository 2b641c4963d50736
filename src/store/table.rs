//! A sink as the database knows it. Main type: [`Table`], made by the sinks of a run.

use std::path::PathBuf;

use crate::{
    files::FileFormat,
    record::{LogicalType, quote, same_name},
};

/// A sink as the database knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The stage's name.
    pub stage: String,
    /// Where its rows end up.
    pub target: SinkTarget,
    /// Its columns.
    pub columns: Vec<(String, LogicalType)>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// Whether rows that a run no longer writes are removed, and how; `None` where rows stay.
    pub owned: Option<Owned>,
    /// How new rows are combined with existing ones.
    pub mode: SinkMode,
    /// What becomes of a second row with the same key in one run.
    pub duplicates: Duplicates,
}

/// Where the rows of a sink end up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkTarget {
    /// In a table.
    Table(String),
    /// In a file, written by DuckDB.
    File {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: &'static FileFormat,
    },
}

/// What happens to rows of earlier runs that a run does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// To those whose record failed.
    pub stale: Stale,
    /// Whether rows are removed whose record is no longer in its source.
    pub gone: bool,
}

/// What happens to an older row whose record failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the language")]
pub enum Stale {
    Keep,
    Delete,
    Mark,
}

/// How new rows are combined with existing ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the language")]
pub enum SinkMode {
    Upsert,
    Append,
    Replace,
}

/// What becomes of a second row with the same key in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It is not written, and its record fails.
    Fail,
    /// It is not written, and counted.
    First,
    /// It replaces the first one, which is counted.
    Last,
}

impl Table {
    /// What its rows are known by in the ledger: the table's name or the file's path.
    pub(super) fn name(&self) -> String {
        match &self.target {
            SinkTarget::Table(table) => table.clone(),
            SinkTarget::File { path, .. } => path.display().to_string(),
        }
    }

    /// Whether a key identifies its rows: then it comes once in a run.
    pub(super) fn is_keyed(&self) -> bool {
        !self.key.is_empty() && self.mode != SinkMode::Append
    }

    /// The table that rows are written to while the run continues. What is to be replaced stays as it is
    /// until the run has ended, so that a run that is cut off replaces nothing.
    pub(super) fn working(&self) -> String {
        match (&self.target, self.mode) {
            (SinkTarget::Table(table), SinkMode::Upsert | SinkMode::Append) => {
                format!("main.{}", quote(table))
            }
            // In the schema of the table that it replaces, because DuckDB renames a table and does not move it; under
            // a name that needs quotes in SQL.
            (SinkTarget::Table(_), SinkMode::Replace) => {
                format!("main.{}", quote(&format!("etl.next_{}", self.stage)))
            }
            (SinkTarget::File { .. }, _) => format!("etl.{}", quote(&format!("next_{}", self.stage))),
        }
    }

    /// The keys that this run has written.
    pub(super) fn written(&self) -> String {
        self.temporary("written")
    }

    /// The rows that this run has written, with their owners.
    pub(super) fn owned_rows(&self) -> String {
        self.temporary("owned")
    }

    /// The rows of other pipelines.
    pub(super) fn foreign_rows(&self) -> String {
        self.temporary("foreign")
    }

    /// A table of the run's own, shared by all sinks of one target.
    pub(super) fn temporary(&self, what: &str) -> String {
        format!("temp.{}", quote(&format!("{what}_{}", self.name().to_lowercase())))
    }

    /// The columns of the key, of a relation of this name.
    pub(super) fn key_columns(&self, relation: &str) -> Vec<String> {
        let places = self.key_places().into_iter();
        places.map(|at| format!("{relation}.{}", quote(&self.columns[at].0))).collect()
    }

    /// The same in `staged`, of which `relation` is the alias.
    pub(super) fn staged_key(&self, relation: &str) -> Vec<String> {
        self.key_places().into_iter().map(|at| format!("{relation}.v{at}")).collect()
    }

    pub(super) fn definitions(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, of)| format!("{} {}", quote(name), of.sql())).collect();
        columns.join(", ")
    }

    /// The places of the key's columns.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |name: &String| self.columns.iter().position(|(column, _)| same_name(column, name));
        self.key.iter().filter_map(place).collect()
    }
}
