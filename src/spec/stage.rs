//! The shapes of the stages, as they are written.

use std::time::Duration;

use serde_json::Value;

use crate::{
    event::StageKind,
    units::{Rate, Size},
};

use super::{Name, Text, bounds::Concurrency, settings::Settings};

/// One stage as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: StageKind,
    /// What it reads; `None` for the stage above.
    pub from: Option<Vec<From>>,
    /// The condition under which it does its work.
    pub when: Option<Text>,
    /// What it does; `None` if that could not be read, which has been reported.
    pub form: Option<Form>,
}

/// One entry of `from:`.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// The stage and, behind a dot, its port.
    pub text: Text,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is documented by what it holds")]
pub enum Form {
    Source(SourceSpec),
    Ask(Box<AskSpec>),
    Submit(Box<AskSpec>),
    Poll(PollSpec),
    Collect(CollectSpec),
    Fields(FieldsSpec),
    Split(SplitSpec),
    Throttle(ThrottleSpec),
    Wave(WaveSpec),
    Sink(SinkSpec),
}

/// `source:`
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// Where the records come from.
    pub form: SourceForm,
    /// The field that identifies a record.
    pub key: Option<Text>,
    /// Stop reading after so many.
    pub limit: Option<u64>,
    /// A larger file is a failure, not a record.
    pub max_bytes: Size,
    /// Whether the text of files is read.
    pub content: bool,
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceForm {
    /// A glob over text files.
    Files(Text),
    /// Records written in the spec.
    Rows(Vec<(super::Place, Value)>),
    /// A query.
    Sql(Text),
    /// JSON, one record a line.
    Jsonl(Text),
    /// CSV.
    Csv(Text),
    /// Parquet.
    Parquet(Text),
}

/// Text in the spec, or in a file of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Here.
    Inline(Text),
    /// There.
    File(Text),
}

/// `map:` with `chat:`, `embed:`, `ocr:`, `moderate:`, `classify:`, or `submit:` round one of them
#[derive(Debug, Clone, PartialEq)]
pub struct AskSpec {
    /// The model to ask.
    pub model: Text,
    /// What it is asked.
    pub task: TaskSpec,
    /// Requests under way at once.
    pub concurrency: Concurrency,
    /// How often a refused answer is asked for in all.
    pub attempts: u32,
    /// What happens when there is no answer.
    pub retry: Retry,
    /// Where the result is put; the stage's name unless said.
    pub into: Option<Name>,
    /// How requests are grouped into jobs, if they are.
    pub batch: Option<BatchSpec>,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSpec {
    /// `chat:`
    Chat(Box<ChatSpec>),
    /// `embed:`
    Embed {
        /// The text.
        input: Prompt,
        /// Numbers in the vector; the model's own unless said.
        dimension: Option<u64>,
    },
    /// `ocr:`
    Ocr {
        /// The address or the path of the document.
        document: Text,
        /// Pages, counted from 0: `0,2-5`.
        pages: Option<Text>,
    },
    /// `moderate:`
    Moderate {
        /// The text.
        input: Prompt,
    },
    /// `classify:`
    Classify {
        /// The text.
        input: Prompt,
    },
}

/// `chat:`
#[derive(Debug, Clone, PartialEq)]
pub struct ChatSpec {
    /// Instructions.
    pub system: Option<Prompt>,
    /// The question.
    pub prompt: Prompt,
    /// Addresses or paths of pictures that go with it.
    pub images: Vec<Text>,
    /// Addresses or paths of documents that go with it.
    pub documents: Vec<Text>,
    /// What the answer must look like.
    pub schema: Option<Text>,
    /// Fields of the request that are sent as they stand.
    pub settings: Settings,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it must: a word, or the name of a tool.
    pub tool_choice: Option<Text>,
}

/// One of `tools:`
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// What the model calls it by.
    pub name: Name,
    /// What the model is told of it.
    pub description: Option<Text>,
    /// Whether the service should hold the model to the schema.
    pub strict: Option<bool>,
    /// What it is called with.
    pub parameters: Parameters,
}

/// The JSON Schema of a tool's arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameters {
    /// In a file of its own.
    File(Text),
    /// Here.
    Inline(super::Place, Value),
}

/// `submit:`, and `batch:` of the short form
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchSpec {
    /// Requests in a job at most.
    pub max_requests: usize,
    /// Bytes in a job at most.
    pub max_bytes: Size,
    /// How long a job that is not full waits for more records.
    pub wait: Duration,
    /// How long the service may take over a job.
    pub timeout_hours: u32,
    /// How the jobs are polled; in the long form a stage of its own says so.
    pub poll: PollSchedule,
}

impl BatchSpec {
    /// What holds unless said.
    pub const DEFAULT: Self = Self {
        max_requests: 1000,
        max_bytes: Size(100_000_000),
        wait: Duration::from_secs(10),
        timeout_hours: 24,
        poll: PollSchedule::DEFAULT,
    };
}

/// `poll:`
#[derive(Debug, Clone, PartialEq)]
pub struct PollSpec {
    /// When to ask.
    pub schedule: PollSchedule,
    /// The condition that ends it; the service's last statuses unless said.
    pub until: Option<Text>,
}

/// When a poll asks, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PollSchedule {
    /// From the first check to the second.
    pub every: Duration,
    /// Each pause is so many times as long as the one before.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
    /// How long to go on in all.
    pub timeout: Duration,
    /// What happens then.
    pub on_timeout: OnTimeout,
}

impl PollSchedule {
    /// What holds unless said.
    pub const DEFAULT: Self = Self {
        every: Duration::from_secs(30),
        factor: 1.5,
        max: Duration::from_secs(120),
        timeout: Duration::from_secs(24 * 3600),
        on_timeout: OnTimeout::Fail,
    };
}

/// What happens to a job when the time of its poll is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Its records are pending; the job goes on, and the next run comes back to it.
    Fail,
    /// It is cancelled, and what it has answered is collected.
    Cancel,
}

/// `map:` with `collect:`
#[derive(Debug, Clone, PartialEq)]
pub struct CollectSpec {
    /// Where the result is put; the stage's name unless said.
    pub into: Option<Name>,
}

/// `wave:`
#[derive(Debug, Clone, PartialEq)]
pub struct WaveSpec {
    /// A query over all of its records.
    pub sql: Option<Text>,
    /// The condition on its counts under which the run stops.
    pub stop_if: Option<Text>,
}

/// What happens when a request gets no answer (429, 5xx, a cut connection).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// How often it is sent again.
    pub times: u32,
    /// The first wait; it doubles, and a random part of it is waited.
    pub wait: Duration,
    /// The longest wait, also where the service asks for a longer one.
    pub max_wait: Duration,
}

/// `map:` with `fields:`, `keep:`, `drop:`, `rename:`
#[derive(Debug, Clone, PartialEq)]
pub struct FieldsSpec {
    /// New fields and the expressions that give them.
    pub set: Vec<(Name, Text)>,
    /// Of the fields from above only these.
    pub keep: Option<Vec<Text>>,
    /// Without these.
    pub drop: Vec<Text>,
    /// New name, old name.
    pub rename: Vec<(Name, Text)>,
}

/// `map:` with `split:`
#[derive(Debug, Clone, PartialEq)]
pub struct SplitSpec {
    /// The expression that gives the list or the text.
    pub of: Text,
    /// Into what.
    pub what: SplitWhat,
    /// Where the part is put; the stage's name unless said.
    pub into: Option<Name>,
}

/// What a split makes parts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitWhat {
    /// One record for each item of a list.
    Items,
    /// One record for each chunk of a text.
    Chunks {
        /// Characters in a chunk at most.
        max_chars: usize,
        /// Characters that a chunk repeats of the one before.
        overlap: usize,
    },
}

/// `throttle:`
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottleSpec {
    /// Records in time.
    pub rate: Rate,
    /// How many may pass at once after a pause.
    pub burst: u32,
    /// One rate for all throttles of this name.
    pub shared: Option<Name>,
}

/// `sink:`
#[derive(Debug, Clone, PartialEq)]
pub struct SinkSpec {
    /// Where to.
    pub target: Target,
    /// The column that identifies a row.
    pub key: Option<Text>,
    /// Columns and the expressions that give them; what the record holds unless said.
    pub columns: Option<Vec<(Name, Text)>>,
    /// How rows meet the rows that are there.
    pub mode: Option<Mode>,
}

/// Where a sink writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A table of the pipeline's database.
    Table(Name),
    /// JSON, one row a line.
    Jsonl(Text),
    /// CSV.
    Csv(Text),
    /// Parquet.
    Parquet(Text),
}

/// How a sink's rows meet the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A row takes the place of the row with its key.
    Upsert,
    /// A row is added.
    Append,
    /// The rows of this run take the place of all that was there, when the run has ended.
    Replace,
}

impl Retry {
    /// Five times over about half a minute, then the record stays pending.
    pub const DEFAULT: Self =
        Self { times: 5, wait: Duration::from_secs(1), max_wait: Duration::from_secs(60) };
}
