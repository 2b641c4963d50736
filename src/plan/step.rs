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
    /// Looks into the ledger for the stage named, so that what is answered is not paced.
    Lookup(NodeId),
    /// Asks a model, request by request.
    Ask(Box<Ask>),
    /// Groups requests into batch jobs; one job out for many records in.
    Submit(Box<Ask>),
    /// Checks jobs until they end; the last state flows on.
    Poll(Poll),
    /// Reads the answers of jobs that the stage named has submitted; its records out.
    Collect(NodeId),
    /// Reshapes.
    Fields(Reshape),
    /// Keeps the records for which a condition is true.
    Filter(String),
    /// One to many.
    Split(Split),
    /// Many to one: the records of a split, with their pieces.
    Gather(Gather),
    /// Paces.
    Throttle(Throttle),
    /// Holds everything below until everything above has ended.
    Wave(Wave),
    /// Writes.
    Sink(Sink),
}

/// How jobs are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// When.
    pub schedule: PollSchedule,
    /// The condition that ends it; the service's last statuses by default.
    pub until: Option<String>,
}

/// What a wave does beside holding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wave {
    /// What it makes of its records.
    pub set: Option<Set>,
    /// The condition on its counts under which the run stops.
    pub stop_if: Option<String>,
    /// Sinks that end before its query reads their tables.
    pub waits: Vec<NodeId>,
}

/// What a wave makes of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// The rows of a query over them.
    Query(WaveQuery),
    /// This many of them, by a hash of their keys.
    Sample(u64),
    /// The first by key for each value of an expression, and all for which it is NULL.
    Unique(String),
}

/// A query over the records of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveQuery {
    /// The query.
    pub text: String,
    /// The names that its records have in the query: the wave's, and the stage's that it reads.
    pub names: Vec<String>,
    /// The records of other stages, which it reads as well.
    pub relations: Vec<Relation>,
    /// A query whose last column has the source records of each row; without it, a row comes from all of them.
    pub origins: Option<String>,
    /// The fields of its result.
    pub output: Arc<record::Schema>,
    /// The fields of the result that identify a record; its number if there are none.
    pub key: Vec<String>,
}

/// The records of a stage that only the query of a wave reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The stage's name.
    pub name: String,
    /// The index of the input.
    pub input: usize,
    /// The fields of its records.
    pub schema: Arc<record::Schema>,
}

/// What gives a new field its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewField {
    /// An expression.
    Expression(String),
    /// A template, which gives a text.
    Template(Prompt),
}

/// A reshaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reshape {
    /// New fields, what gives them, and their types.
    pub set: Vec<(String, NewField, LogicalType)>,
    /// Of the fields from above only these.
    pub keep: Option<Vec<String>>,
    /// Without these.
    pub drop: Vec<String>,
    /// New name, old name.
    pub rename: Vec<(String, String)>,
}

/// A split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The expression that gives the list or the text.
    pub of: String,
    /// Into what.
    pub what: SplitWhat,
    /// Where the part is put; its number is beside it, as `NAME_index`.
    pub into: String,
    /// The type of a part.
    pub item: LogicalType,
}

/// The end of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// The node of the split that it undoes.
    pub split: NodeId,
    /// That split's name.
    pub stage: String,
    /// Where the list is put.
    pub into: String,
    /// Which pieces a record needs.
    pub needs: Needs,
    /// The fields of the records before the split.
    pub parent: Arc<record::Schema>,
    /// The fields of a piece.
    pub fields: Vec<(String, LogicalType)>,
}

/// A pace.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    /// Records in time.
    pub rate: Rate,
    /// How many may pass at once after a pause.
    pub burst: u32,
    /// Throttles of one group share one rate.
    pub group: Arc<str>,
    /// What it paces.
    pub paces: Paces,
}

/// What a throttle paces: it depends on what flows where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paces {
    /// Records.
    Records,
    /// Records that were looked up in the ledger for the stage named: only requests that will be sent wait.
    Lookups(NodeId),
    /// Batch jobs.
    Jobs,
}

/// A sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Where to.
    pub target: Target,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// What happens to rows of earlier runs that a run does not write; `None` where rows stay.
    pub owned: Option<Owned>,
    /// How new rows are combined with existing ones.
    pub mode: Mode,
    /// What becomes of a second row with the same key in one run.
    pub duplicates: Duplicates,
}

/// What happens to rows of earlier runs that a run does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// To those whose record failed.
    pub stale: Stale,
    /// Whether rows are removed whose record is no longer in its source.
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
