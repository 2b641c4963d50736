//! Dataflows over documents: a YAML file becomes a graph of streams, and the graph becomes rows in DuckDB.
//!
//! The program `etl` is the usual way to run one; the crate runs the same pipelines within another program. Everything
//! for that is in the [`prelude`]: a [`Pipeline`](run::Pipeline) is loaded and checked, its
//! [`builder`](run::Pipeline::builder) runs it and reports [events](event::EventKind), and a [simulator](sim::Sim)
//! of the service replaces Mistral in tests.
//!
//! ```
//! use etl::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("etl-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let spec = "
//! stages:
//!   - source: texts
//!     rows: [{ id: 1, text: The river rose. }, { id: 2, text: A promise to a friend. }]
//!     key: id
//!   - map: summary
//!     chat: { model: mistral-small-latest, prompt: 'Summarise: {{ text }}' }
//!   - sink: summaries
//! ";
//! let pipeline = Pipeline::from_text(&folder.join("summaries.yaml"), spec, &[])?;
//! let runtime = tokio::runtime::Runtime::new()?;
//! // `offline` asks the simulator: without it, the key of the environment is used.
//! let end = runtime.block_on(pipeline.builder().offline().run())?;
//! assert_eq!(end, RunEnd::Complete);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! A spec with mistakes does not load; all of them are reported at once, each with its place:
//!
//! ```
//! use etl::prelude::*;
//!
//! let spec = "stages:\n  - sorce: texts\n    rows: []\n";
//! let mistakes = Pipeline::from_text("wrong.yaml".as_ref(), spec, &[]).unwrap_err();
//! assert!(mistakes.to_string().contains("sorce"));
//! ```
//!
//! Modules not listed on this page are internal: they are public for tests and benchmarks, and change without
//! notice.

pub mod diagnostic;
pub mod escape;
pub mod event;
pub mod prelude;
pub mod run;
pub mod sim;

#[doc(hidden)]
pub mod cli;
mod expressions;
#[doc(hidden)]
pub mod fault_injection;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod ledger;
#[doc(hidden)]
pub mod mistral;
#[doc(hidden)]
pub mod pages;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod read;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod region;
#[doc(hidden)]
pub mod report;
mod request;
#[doc(hidden)]
pub mod spec;
#[doc(hidden)]
pub mod sql;
#[doc(hidden)]
pub mod stage;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod task;
#[doc(hidden)]
pub mod template;
#[doc(hidden)]
pub mod units;
