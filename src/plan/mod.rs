//! [`Spec`](crate::spec::Spec) → [`Plan`]: what the spec means.
//!
//! Names are resolved to ids, defaults are applied, templates and fields are checked against the
//! upstream stages, all named files are read, and short forms are expanded. Every plan can run.
//! It is plain data: it can be printed and compared.

mod ask;
mod attachment;
mod batch;
mod cast;
mod caveat;
mod chat;
mod columns;
mod compile;
mod compiler;
mod draw;
mod expression;
mod fold;
mod gather;
mod graph;
mod inputs;
mod line;
mod model_call;
mod nodes;
mod query_error;
mod routes;
mod shape;
mod sink;
mod source;
mod step;
mod tables;
mod targets;
mod transform;
mod wave;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use crate::{
    diagnostic::Mistake,
    event::StageKind,
    record::{self, ETL, etl_type},
    spec::{ModelPrice, Timeouts},
    sql::Resources,
    units::{Rate, Usd},
};

pub(crate) use ask::answer_text;
pub use compile::{compile, database, resources};
pub use compiler::CompileContext;
pub use model_call::{Ask, Attachment, Call, Chat, Field, Mock, Model, Prompt, Schema, Task};
pub use source::{Origin, ReadFiles, Source};
pub use step::{
    Column, ColumnValue, Gather, NewField, Owned, Paces, Poll, Relation, Reshape, Set, Sink, Split, Step,
    Target, Throttle, Wave, WaveQuery,
};
pub(crate) use transform::index_of;
pub(crate) use wave::counts;

/// A pipeline that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// The spec's folder, the base of relative paths in queries.
    pub folder: PathBuf,
    /// The database for rows and the ledger.
    pub database: PathBuf,
    /// The database as it may be shown.
    pub database_shown: String,
    /// The resource limits of DuckDB.
    pub resources: Resources,
    /// How to reach Mistral, if the pipeline calls it.
    pub mistral: Option<Mistral>,
    /// The budget of a run and the runs that resume it.
    pub budget: Option<Usd>,
    /// Prices that override the built-in ones.
    pub prices: Vec<ModelPrice>,
    /// The stages, upstream before downstream.
    pub nodes: Vec<Node>,
    /// Valid parts of the spec that are probably mistakes.
    pub warnings: Vec<Mistake>,
}

/// A node's place in [`Plan::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its place in the plan.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: StageKind,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// The union type of its input records.
    pub input: RecordType,
    /// The records that leave it; `None` for a sink and for a stage that only passes jobs on.
    pub output: Option<Output>,
    /// The condition under which it processes a record.
    pub when: Option<String>,
    /// What it does.
    pub step: Step,
}

/// The records that leave a stage, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Their fields.
    pub schema: record::Schema,
    /// The fields that identify a record, in order; may be empty.
    pub key: Vec<String>,
}

/// The type of the records on an edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordType {
    /// Their fields.
    pub schema: Arc<record::Schema>,
    /// The maps above that called a model, for `etl`.
    pub maps: Arc<[Arc<str>]>,
}

impl RecordType {
    /// The columns of an expression: the fields, and `etl`.
    pub fn relation(&self) -> record::Schema {
        let mut schema = (*self.schema).clone();
        schema.set(ETL, etl_type(&self.maps));
        schema
    }
}

/// One end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input {
    /// The stage upstream.
    pub node: NodeId,
    /// Which of its ports.
    pub port: Port,
}

/// Where records leave a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// Its output records.
    Out,
    /// The records that failed in it (for a wave: above it).
    Failed,
}

/// How to reach Mistral.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistral {
    /// The API key, if there is one.
    pub api_key: Option<Secret>,
    /// The unset environment variable of the key.
    pub key_variable: Option<String>,
    /// The server, without `/v1`.
    pub base_url: String,
    /// The request rate limit.
    pub requests: Option<Rate>,
    /// The token rate limit.
    pub tokens: Option<Rate>,
    /// The timeouts.
    pub timeouts: Timeouts,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for sending only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

/// A URL without the user name and password, so that it may be shown and stored.
pub(crate) fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

impl Plan {
    /// Limits each source to this many records.
    pub fn limit(&mut self, limit: Option<u64>) {
        for node in &mut self.nodes {
            if let Step::Source(source) = &mut node.step {
                source.limit = [source.limit, limit].into_iter().flatten().min();
            }
        }
    }

    /// The number of stages in the spec.
    pub fn stages(&self) -> usize {
        self.nodes.iter().filter(|node| !matches!(node.step, Step::Lookup(_))).count()
    }

    /// The stages that collect batch jobs, by name.
    pub fn batches(&self) -> Vec<Arc<str>> {
        let collects = self.nodes.iter().filter(|node| matches!(node.step, Step::Collect(_)));
        collects.map(|node| Arc::clone(&node.name)).collect()
    }

    /// Whether rows of earlier runs may be removed.
    pub fn removes_rows(&self) -> bool {
        self.nodes.iter().any(|node| matches!(&node.step, Step::Sink(sink) if sink.owned.is_some()))
    }

    /// Whether any stage calls a model.
    pub fn asks(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.step, Step::Ask(_) | Step::Submit(_)))
    }

    /// A fingerprint of a stage and everything above it: with the same fingerprint and the same source records,
    /// the output of the stage is the same.
    pub fn fingerprint(&self, id: NodeId) -> String {
        let above = self.above(id);
        let mut hasher = blake3::Hasher::new();
        for node in self.nodes.iter().filter(|node| node.id == id || above.contains(&node.id)) {
            hasher.update(format!("{node:?}").as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// All stages above one.
    pub fn above(&self, id: NodeId) -> HashSet<NodeId> {
        let mut above = HashSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            for input in &self.node(at).inputs {
                if above.insert(input.node) {
                    open.push(input.node);
                }
            }
        }
        above
    }

    /// The node with an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The nodes that read a port, each with the index of that input.
    pub fn readers(&self, node: NodeId, port: Port) -> impl Iterator<Item = (NodeId, usize)> + '_ {
        let wanted = Input { node, port };
        self.nodes.iter().flat_map(move |reader| {
            let at = reader.inputs.iter().enumerate().filter(move |(_, input)| **input == wanted);
            at.map(|(index, _)| (reader.id, index))
        })
    }
}
