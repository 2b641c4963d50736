//! The language: each kind of mapping in a spec is described here once, beside the type it is read into.
//!
//! A file has the typed shape, its description as data (keys, types, defaults, one sentence and one example
//! each), and a function that builds the typed shape from checked values. To add a kind of stage: a file like
//! `throttle.rs`, and its lines in `stage.rs`.

mod ask;
mod batch;
mod chat;
mod common;
mod concurrency;
mod database;
mod filter;
mod gather;
mod mistral;
mod pipeline;
mod poll;
mod prompt;
mod reshape;
mod retry;
mod schema;
mod settings;
mod sink;
mod source;
mod split;
mod stage;
mod submit;
mod task;
mod throttle;
mod wave;

pub use ask::{AskSpec, MockSpec};
pub use batch::BatchSpec;
pub use chat::{ChatSpec, ToolSpec};
pub use concurrency::Concurrency;
pub use database::DuckdbSpec;
pub use filter::FilterSpec;
pub use gather::{GatherSpec, Needs};
pub(crate) use mistral::KEY_VARIABLE;
pub use mistral::{MistralSpec, Timeouts};
pub use pipeline::{ModelPrice, Spec};
pub use poll::{OnTimeout, PollSchedule, PollSpec};
pub use prompt::Prompt;
pub use reshape::{FieldsSpec, NewField};
pub use retry::Retry;
pub use settings::{Setting, Settings};
pub use sink::{Duplicates, Mode, SinkSpec, Stale, Target};
pub(crate) use source::LARGEST_FILE;
pub use source::{CsvSpec, SourceForm, SourceSpec, TypesSpec};
pub use split::{Boundary, SplitSpec, SplitWhat};
pub use stage::{Form, From, StageSpec};
pub use submit::CollectSpec;
pub use task::{CallKind, CallSpec, FieldSpec, TaskSpec};
pub use throttle::ThrottleSpec;
pub use wave::{WaveSet, WaveSpec};

pub(crate) use pipeline::{IGNORED, PIPELINE, build};
