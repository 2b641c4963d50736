//! `duckdb:`, the database: its keys, and the struct they are read into.

use crate::{
    diagnostic::Fault,
    sql::{Resources, resources},
    units::Size,
};

use crate::spec::{
    describe::{Broken, Preset, Shape, Type, Written, key},
    text::Text,
    value::{Checked, FromValue, Value},
};

/// The database of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct DuckdbSpec {
    /// The file.
    pub path: Text,
    /// The memory limit.
    pub memory: Option<Size>,
    /// The number of threads per query.
    pub threads: Option<u32>,
    /// The spill folder.
    pub temp: Option<Text>,
}

pub(super) static SHAPE: Shape = Shape::new(
    "duckdb",
    "`duckdb:`",
    "The database for the results and the ledger, and the resources that DuckDB may use.",
    &[&[
        key("path", Type::Text(Written::Path), "path: results.duckdb", "The file.").required(),
        key(
            "memory",
            Type::Size(Size(u64::MAX)),
            "memory: 1GB",
            "What the results, and a query of a source or a wave, may each hold in memory before they use the disk.",
        )
        .or(Preset::Made(|| {
            format!(
                "1/{} of the machine's, from `{}` to `{}`, and `{}` for each column beyond {} that the sinks and \
                 waves write, up to half of the machine's",
                resources::SHARE,
                resources::LEAST,
                resources::MOST,
                resources::EACH,
                resources::NARROW
            )
        })),
        key("threads", Type::Count("threads", 1, 1024), "threads: 2", "Threads of a query.").or(Preset::Made(
            || format!("those of the machine, {} at most", resources::MOST_THREADS),
        )),
        key(
            "temp",
            Type::Text(Written::Path),
            "temp: /scratch",
            "The folder for what does not fit into memory.",
        )
        .or(Preset::Says("beside the file, with `.tmp` at its end")),
    ]],
)
.rule(enough);

/// With less memory DuckDB cannot hold a single write.
const FEWEST: Size = Size(64_000_000);

fn enough(map: &Checked) -> Option<Broken> {
    let memory = map.size("memory").filter(|memory| *memory < FEWEST)?;
    let fault = Fault::OutOfBounds { found: memory.to_string(), wanted: format!("at least {FEWEST}").into() };
    Some(Broken { key: "memory", fault })
}

impl DuckdbSpec {
    /// A file, without limits.
    pub(super) const fn at(path: Text) -> Self {
        Self { path, memory: None, threads: None, temp: None }
    }
}

impl FromValue for DuckdbSpec {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(path) => Some(Self::at(path)),
            value => {
                let mut map = Checked::from_value(value)?;
                Some(Self {
                    path: map.get("path")?,
                    memory: map.get("memory"),
                    threads: map.get("threads"),
                    temp: map.get("temp"),
                })
            }
        }
    }
}

impl DuckdbSpec {
    /// The resource limits of DuckDB; `resolve` turns a text into a path.
    pub fn resources(&self, resolve: impl Fn(&Text) -> std::path::PathBuf) -> Resources {
        Resources {
            memory: self.memory,
            threads: self.threads,
            temp: self.temp.as_ref().map(resolve),
            columns: 0,
        }
    }
}
