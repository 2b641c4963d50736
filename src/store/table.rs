//! A sink's target in the database. Main type: [`Table`], created by the sinks of a run.

use std::path::PathBuf;

use crate::{
    files::FileFormat,
    record::{LogicalType, quote, same_name},
};

/// A sink's target in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The stage's name.
    pub stage: String,
    /// The target of its rows.
    pub target: SinkTarget,
    /// Its columns.
    pub columns: Vec<(String, LogicalType)>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// Whether rows that a run no longer writes are removed, and how; `None` where rows stay.
    pub owned: Option<Owned>,
    /// How new rows are combined with existing ones.
    pub mode: SinkMode,
    /// How a second row with the same key in one run is handled.
    pub duplicates: Duplicates,
}

/// The target of a sink's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkTarget {
    /// A table.
    Table(String),
    /// A file, written by DuckDB.
    File {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: &'static FileFormat,
    },
}

/// How rows of earlier runs are handled if a run does not write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// How rows whose record failed are handled.
    pub stale: Stale,
    /// Whether rows are removed if their record is no longer in its source.
    pub gone: bool,
}

/// How an older row is handled if its record failed.
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

/// How a second row with the same key in one run is handled.
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
    /// The name of the target in the ledger: the table's name or the file's path.
    pub(super) fn name(&self) -> String {
        match &self.target {
            SinkTarget::Table(table) => table.clone(),
            SinkTarget::File { path, .. } => path.display().to_string(),
        }
    }

    /// Whether a key identifies its rows, and is unique within a run.
    pub(super) fn is_keyed(&self) -> bool {
        !self.key.is_empty() && self.mode != SinkMode::Append
    }

    /// The table that rows are written to during the run. What will be replaced stays unchanged until the run has
    /// ended, so that an interrupted run replaces nothing.
    pub(super) fn working(&self) -> String {
        match (&self.target, self.mode) {
            (SinkTarget::Table(table), SinkMode::Upsert | SinkMode::Append) => {
                format!("main.{}", quote(table))
            }
            // In the schema of the table to be replaced, because DuckDB can rename a table but not move it, and
            // under a name that needs quotes in SQL.
            (SinkTarget::Table(_), SinkMode::Replace) => {
                format!("main.{}", quote(&format!("etl.next.{}", self.stage)))
            }
            (SinkTarget::File { .. }, _) => format!("etl.{}", quote(&format!("next.{}", self.stage))),
        }
    }

    /// The keys written in this run.
    pub(super) fn written(&self) -> String {
        self.temporary("written")
    }

    /// The rows written in this run, with their owners.
    pub(super) fn owned_rows(&self) -> String {
        self.temporary("owned")
    }

    /// The rows of other pipelines.
    pub(super) fn foreign_rows(&self) -> String {
        self.temporary("foreign")
    }

    /// A temporary table of the run, shared by all sinks with the same target.
    pub(super) fn temporary(&self, what: &str) -> String {
        format!("temp.{}", quote(&format!("{what}_{}", self.name().to_lowercase())))
    }

    /// The key columns of a relation.
    pub(super) fn key_columns(&self, relation: &str) -> Vec<String> {
        let places = self.key_places().into_iter();
        places.map(|at| format!("{relation}.{}", quote(&self.columns[at].0))).collect()
    }

    /// The key columns of `staged`, whose alias is `relation`.
    pub(super) fn staged_key(&self, relation: &str) -> Vec<String> {
        self.key_places().into_iter().map(|at| format!("{relation}.v{at}")).collect()
    }

    pub(super) fn definitions(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, of)| format!("{} {}", quote(name), of.sql())).collect();
        columns.join(", ")
    }

    /// The indices of the key columns.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |name: &String| self.columns.iter().position(|(column, _)| same_name(column, name));
        self.key.iter().filter_map(place).collect()
    }
}
