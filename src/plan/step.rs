//! What each stage of a plan does, as data. Main type: [`Step`].

use std::{path::PathBuf, sync::Arc};

use crate::{
    files::FileFormat,
    record::{self, LogicalType},
    spec::{Duplicates, Mode, Needs, PollSchedule, SplitWhat, Stale},
    units::Rate,
};

use super::{Ask, NodeId, Prompt, Source};

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Reads records.
    Source(Source),
    /// Looks up requests of the given stage in the ledger, so that cache hits are not paced.
    Lookup(NodeId),
    /// Calls a model, one request per record.
    Ask(Box<Ask>),
    /// Groups requests into batch jobs: many records in, one job out.
    Submit(Box<Ask>),
    /// Checks jobs until they end, and outputs their last state.
    Poll(Poll),
    /// Reads the answers of jobs submitted by the given stage, and outputs its records.
    Collect(NodeId),
    /// Reshapes records.
    Fields(Reshape),
    /// Keeps the records for which a condition is true.
    Filter(String),
    /// One to many.
    Split(Split),
    /// Many to one: the records of a split, with their pieces.
    Gather(Gather),
    /// Limits the rate.
    Throttle(Throttle),
    /// Holds everything below until everything above has ended.
    Wave(Wave),
    /// Writes rows.
    Sink(Sink),
}

/// How jobs are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// When to check.
    pub schedule: PollSchedule,
    /// The condition that ends it; by default a final status of the service.
    pub until: Option<String>,
}

/// What a wave does besides waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wave {
    /// How it transforms its records.
    pub set: Option<Set>,
    /// The condition on its counts under which the run stops.
    pub stop_if: Option<String>,
    /// Sinks that must end before its query reads their tables.
    pub waits: Vec<NodeId>,
}

/// How a wave transforms its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// The rows of a query over them.
    Query(WaveQuery),
    /// That many records, chosen by a hash of their keys.
    Sample(u64),
    /// The first by key for each value of the expressions, and all for which one is NULL.
    Unique {
        /// The expressions.
        of: Vec<String>,
        /// The fields of the key.
        key: Vec<String>,
    },
}

/// A query over the records of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveQuery {
    /// The query.
    pub text: String,
    /// The names of its records in the query: the wave's, and that of its input stage.
    pub names: Vec<String>,
    /// The records of other stages that it also reads.
    pub relations: Vec<Relation>,
    /// A query whose last column has the source records of each row. Without it, a row comes from all of them.
    pub origins: Option<String>,
    /// The fields of its result.
    pub output: Arc<record::Schema>,
    /// The fields of the result that identify a record; if empty, its number does.
    pub key: Vec<String>,
}

/// The records of a stage that are only read by a wave's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The stage's name.
    pub name: String,
    /// The index of the input.
    pub input: usize,
    /// The fields of its records.
    pub schema: Arc<record::Schema>,
}

/// The value of a new field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewField {
    /// An expression.
    Expression(String),
    /// A template, rendered to a text.
    Template(Prompt),
}

/// A reshaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reshape {
    /// New fields, with their values and types.
    pub set: Vec<(String, NewField, LogicalType)>,
    /// The only input fields to keep.
    pub keep: Option<Vec<String>>,
    /// The input fields to drop.
    pub drop: Vec<String>,
    /// New name, old name.
    pub rename: Vec<(String, String)>,
}

/// A split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The expression for the list or the text.
    pub of: String,
    /// How it is split.
    pub what: SplitWhat,
    /// The field for the part; its number is in `NAME_index`.
    pub into: String,
    /// The type of a part.
    pub item: LogicalType,
}

/// The end of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// The node of the split to undo.
    pub split: NodeId,
    /// That split's name.
    pub stage: String,
    /// The field for the list.
    pub into: String,
    /// Which pieces a record needs.
    pub needs: Needs,
    /// The fields of the records before the split.
    pub parent: Arc<record::Schema>,
    /// The fields of a piece.
    pub fields: Vec<(String, LogicalType)>,
}

/// A rate limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    /// The record rate.
    pub rate: Rate,
    /// How many may pass at once after a pause.
    pub burst: u32,
    /// Throttles of one group share one rate.
    pub group: Arc<str>,
    /// What it paces.
    pub paces: Paces,
}

/// What a throttle paces, depending on its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paces {
    /// Records.
    Records,
    /// Records looked up in the ledger for the given stage: only requests that will be sent wait.
    Lookups(NodeId),
    /// Batch jobs.
    Jobs,
}

/// A sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// The target.
    pub target: Target,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// What happens to rows of earlier runs that a run does not write; `None` if they stay.
    pub owned: Option<Owned>,
    /// How new rows are combined with existing ones.
    pub mode: Mode,
    /// What happens to a duplicate key within a run.
    pub duplicates: Duplicates,
}

/// What happens to rows of earlier runs that a run does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// What happens to rows whose record failed.
    pub stale: Stale,
    /// Whether to remove rows whose record is no longer in its source.
    pub gone: bool,
}

/// Where a sink writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says it")]
pub enum Target {
    Table(String),
    File { format: &'static FileFormat, path: PathBuf, shown: String },
}

/// A column and where its values come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub datatype: LogicalType,
    /// Where its values come from.
    pub value: ColumnValue,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnValue {
    /// A field, or a part of one.
    Field(Vec<String>),
    /// The model of the record's last answer.
    Model,
    /// The request of the record's last answer.
    Request,
    /// An expression over the record, and `etl`.
    Expression(String),
}
