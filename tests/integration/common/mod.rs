//! A folder with a pipeline, run by the library.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

mod dice;
mod process;
mod schema;
pub mod script;

use std::{
    fs,
    path::{Path, PathBuf},
};

use etl::{
    event::{Conservation, Event, EventKind, Progress, RunEnd},
    run::{Options, Pipeline, RunError},
    store,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use dice::Dice;
pub use process::{ETL, SimProcess};
pub use schema::{CLOSED_SCHEMA, SCHEMA};

/// A number from the environment, to run a test longer or with another seed.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub end: RunEnd,
    pub sum: Conservation,
    pub progress: Progress,
    pub events: Vec<Event>,
}

/// Records in = rows + failures + skipped; nothing is pending after an uninterrupted run.
pub fn conserved(ended: &Ended) {
    assert!(!matches!(ended.end, RunEnd::Fatal(_) | RunEnd::Interrupted), "{:?}", ended.end);
    assert_eq!(ended.sum.pending(), ended.sum.unanswered as i64, "{:?}", ended.sum);
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with `schema.json`.
    pub fn with_schema(schema: &str) -> Self {
        let folder = Self::new();
        folder.write("schema.json", schema.as_bytes());
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn pipeline(&self, spec: &str, set: &[(&str, &str)]) -> Pipeline {
        let set: Vec<(String, String)> =
            set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Pipeline::from_text(&self.path("spec.yaml"), spec, &set)
            .unwrap_or_else(|m| panic!("{}", m.render(false)))
    }

    /// The mistakes of a spec, as shown to a user.
    pub fn mistakes(&self, spec: &str) -> String {
        let path = self.path("spec.yaml");
        Pipeline::from_text(&path, spec, &[]).expect_err("a spec with a mistake").render(false)
    }

    pub fn try_run(&self, spec: &str) -> Result<Ended, RunError> {
        run(&self.pipeline(spec, &[]), &Options::default(), CancellationToken::new())
    }

    pub fn run(&self, spec: &str) -> Ended {
        self.try_run(spec).unwrap()
    }

    /// The result of a query, one row per line.
    pub fn sql(&self, query: &str) -> String {
        sql(&self.path("out.duckdb"), query)
    }
}

pub fn run(pipeline: &Pipeline, options: &Options, stop: CancellationToken) -> Result<Ended, RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run_in(pipeline, options, stop))
}

pub async fn run_in(
    pipeline: &Pipeline,
    options: &Options,
    stop: CancellationToken,
) -> Result<Ended, RunError> {
    run_watched(pipeline, options, stop, |_: &EventKind| ()).await
}

/// Runs a pipeline, and passes each event to `watch`.
pub async fn run_watched(
    pipeline: &Pipeline,
    options: &Options,
    stop: CancellationToken,
    mut watch: impl FnMut(&EventKind),
) -> Result<Ended, RunError> {
    let (sender, mut events) = mpsc::channel::<Event>(64);
    let listen = async {
        let mut seen = Vec::new();
        while let Some(event) = events.recv().await {
            watch(&event.kind);
            seen.push(event);
        }
        seen
    };
    let (end, events) = tokio::join!(pipeline.run(options, sender, stop), listen);
    let end = end?;
    let last = events.last().map(|event| event.kind.clone());
    let Some(EventKind::RunEnded { sum, progress, .. }) = last else {
        panic!("the last event is the run's end")
    };
    Ok(Ended { end, sum, progress, events })
}

pub fn sql(database: &Path, query: &str) -> String {
    let (_, rows) = store::show(database, query).unwrap();
    let rows = rows.into_iter().map(|row| {
        row.into_iter()
            .map(|value| value.unwrap_or_else(|| "NULL".to_owned()))
            .collect::<Vec<_>>()
            .join(" | ")
    });
    rows.collect::<Vec<_>>().join("\n")
}
