//! text → [`Spec`]: the shape of a pipeline file, every value with its place.
//!
//! Knows which keys stand where and how quantities are written. Looks nothing up: no file is
//! opened, no stage is resolved, and the environment is a function that the caller passes.

mod bounds;
mod export;
mod read_ask;
mod read_chat;
mod read_stage;
mod reader;
mod settings;
mod stage;
mod tree;
mod variables;

use std::{path::PathBuf, sync::Arc};

use crate::{
    diagnostic::{Fault, Mistake, Mistakes, Place, Source},
    units::{Rate, Usd},
};

pub use bounds::{Concurrency, Timeouts};
pub use export::json_schema;
pub(crate) use read_stage::LARGEST_FILE;
pub use settings::{Setting, Settings};
pub use stage::{
    AskSpec, BatchSpec, ChatSpec, CollectSpec, FieldsSpec, Form, From, Mode, OnTimeout, Parameters,
    PollSchedule, PollSpec, Prompt, Retry, SinkSpec, SourceForm, SourceSpec, SplitSpec, SplitWhat, StageSpec,
    Target, TaskSpec, ThrottleSpec, ToolSpec, WaveSpec,
};
pub use tree::Origin;
pub use variables::Variables;

use reader::Reader;
use tree::{Kind, Node};

/// A text value of the spec.
#[derive(Clone, PartialEq)]
pub struct Text {
    /// The text, variables put in.
    pub value: String,
    /// As it is written in the file.
    pub(crate) raw: String,
    /// Where it stands.
    pub place: Place,
    /// Who wrote its beginning.
    pub origin: Origin,
    /// Whether it must not be shown.
    pub secret: bool,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl Text {
    /// The value, or what is written in the file if the value is a secret.
    pub fn shown(&self) -> &str {
        if self.secret { &self.raw } else { &self.value }
    }

    /// The place in the file of a stretch of the value.
    ///
    /// A block scalar (`|`) is indented in the file and not in the value; where the two cannot be
    /// matched (folded or escaped texts, variables put in), the whole value is the place.
    pub fn place_of(&self, span: std::ops::Range<usize>) -> Place {
        let source = Arc::clone(&self.place.source);
        let start = self.place.span.start;
        let rest = &source.text[start.min(source.text.len())..];
        let line = self.value[..span.start.min(self.value.len())].matches('\n').count();
        let line_start = self.value[..span.start.min(self.value.len())].rfind('\n').map_or(0, |at| at + 1);
        let text_line = self.value[line_start..].lines().next().unwrap_or_default();
        let header = usize::from(rest.starts_with('|'));
        let mut offset = 0;
        for (at, raw) in rest.split_inclusive('\n').enumerate() {
            if at == line + header {
                let Some(found) = raw.find(text_line).filter(|_| !text_line.is_empty()) else { break };
                let begin = start + offset + found + (span.start - line_start);
                return Place { source, span: begin..begin + span.len() };
            }
            offset += raw.len();
        }
        self.place.clone()
    }
}

/// A name that a person gave to something.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name.
    pub value: Arc<str>,
    /// Where it is given.
    pub place: Place,
}

/// How to reach Mistral.
#[derive(Debug, Clone, PartialEq)]
pub struct MistralSpec {
    /// The key; `None` if its variable is not set, which only matters when something is asked.
    pub api_key: Option<Text>,
    /// The variable that the key was to come from.
    pub key_variable: Option<String>,
    /// Another server than the service's own.
    pub base_url: Option<Text>,
    /// Requests in time, counted per request sent.
    pub requests: Option<Rate>,
    /// Tokens in time, read and written.
    pub tokens: Option<Rate>,
    /// How long to wait for it.
    pub timeouts: Timeouts,
}

/// A pipeline file, read but not understood.
#[derive(Debug)]
pub struct Spec {
    /// The file.
    pub source: Arc<Source>,
    /// Its folder: where its paths start.
    pub folder: PathBuf,
    /// The pipeline's name.
    pub name: Option<Name>,
    /// What it says of itself.
    pub description: Option<Text>,
    /// How to reach Mistral.
    pub mistral: Option<MistralSpec>,
    /// The database for rows and ledger.
    pub duckdb: Option<Text>,
    /// What a run, and those that go on from it, may cost.
    pub budget: Option<Usd>,
    /// Prices that count before the program's own.
    pub prices: Vec<ModelPrice>,
    /// The stages, in the order of the file.
    pub stages: Vec<StageSpec>,
    /// What was wrong with the shape. Compiling goes on beside it, and reports everything together.
    pub(crate) mistakes: Vec<Mistake>,
    /// Names of stages that could not be read at all.
    pub(crate) lost: Vec<String>,
}

/// What a model costs: `mistral-small: { prompt: 0.15 USD, completion: 0.60 USD }` for a million tokens,
/// `pages:` for a thousand pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// The beginning of the model's name.
    pub model: String,
    /// A million tokens read.
    pub prompt: Usd,
    /// A million tokens written.
    pub completion: Usd,
    /// A thousand pages.
    pub pages: Usd,
}

const PRICE: &[&str] = &["prompt", "completion", "pages"];
const PIPELINE: &[&str] =
    &["pipeline", "description", "params", "mistral", "duckdb", "budget", "prices", "stages"];
const MISTRAL: &[&str] = &["api_key", "base_url", "limits", "timeouts"];
const LIMITS: &[&str] = &["requests", "tokens"];

/// Reads a pipeline file. `name` is its path as the person typed it.
///
/// # Errors
/// A text that is no YAML mapping at all. Everything smaller is kept in the spec, for the compiler
/// to report with the rest.
pub fn parse(name: &str, text: &str, variables: &Variables<'_>) -> Result<Spec, Mistakes> {
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let mut reader = Reader { source: &source, mistakes: Vec::new(), lost: Vec::new() };
    let fatal =
        |span, fault| Mistakes(vec![Mistake { fault, place: Place { source: Arc::clone(&source), span } }]);
    let mut root = tree::read(text).map_err(|(span, message)| fatal(span, Fault::Yaml(message)))?;
    if !matches!(root.kind, Kind::Map(_)) {
        let fault = Fault::WrongShape {
            found: root.describe(),
            wanted: "a pipeline: `pipeline: name`, then `stages:`",
        };
        return Err(fatal(0..0, fault));
    }
    variables::substitute(&mut root, variables, &mut reader);
    let Some(mut top) = reader.mapping(root, "a pipeline", PIPELINE) else {
        return Err(Mistakes(reader.mistakes));
    };

    let name_node = reader.need(&mut top, "pipeline", "pipeline: extract");
    let pipeline = name_node.and_then(|node| reader.name(node));
    let description = top.take("description").and_then(|node| reader.text(node));
    top.take("params");
    let mistral = top.take("mistral").and_then(|node| mistral(node, &mut reader));
    let duckdb = reader.need(&mut top, "duckdb", "duckdb: results.duckdb").and_then(|node| reader.text(node));
    let budget = top.take("budget").and_then(|node| reader.unit(node));
    let prices = top.take("prices").map(|node| prices(node, &mut reader)).unwrap_or_default();
    let stages =
        reader.need(&mut top, "stages", "stages: [ … ]").map(|node| read_stage::read_all(node, &mut reader));
    reader.finish(top);

    let folder = std::path::Path::new(name).parent().map(PathBuf::from).unwrap_or_default();
    let Reader { mistakes, lost, .. } = reader;
    Ok(Spec {
        source,
        folder,
        name: pipeline,
        description,
        mistral,
        duckdb,
        budget,
        prices,
        stages: stages.unwrap_or_default(),
        mistakes,
        lost,
    })
}

fn prices(node: Node, reader: &mut Reader<'_>) -> Vec<ModelPrice> {
    let Kind::Map(entries) = node.kind else {
        reader.wrong(&node, "a mapping, `model: { prompt: 0.15 USD, completion: 0.60 USD }`");
        return Vec::new();
    };
    let mut prices = Vec::new();
    for (key, node) in entries {
        let Some(mut mapping) = reader.mapping(node, "a price", PRICE) else { continue };
        let mut amount =
            |name: &str| mapping.take(name).and_then(|node| reader.unit(node)).unwrap_or_default();
        let (prompt, completion, pages) = (amount("prompt"), amount("completion"), amount("pages"));
        reader.finish(mapping);
        prices.push(ModelPrice { model: key.name, prompt, completion, pages });
    }
    prices
}

fn mistral(node: Node, reader: &mut Reader<'_>) -> Option<MistralSpec> {
    let mut mapping = reader.mapping(node, "`mistral:`", MISTRAL)?;
    let mut key_variable = None;
    let api_key = mapping.take("api_key").and_then(|node| match &node.kind {
        // A run with `--offline` and a check need no key; the run that does says so itself.
        Kind::Unset(name) => {
            key_variable = Some(name.clone());
            None
        }
        _ => reader.text(node),
    });
    let base_url = mapping.take("base_url").and_then(|node| reader.text(node));
    let (mut requests, mut tokens) = (None, None);
    if let Some(node) = mapping.take("limits")
        && let Some(mut limits) = reader.mapping(node, "`limits:`", LIMITS)
    {
        requests = limits.take("requests").and_then(|node| reader.unit(node));
        tokens = limits.take("tokens").and_then(|node| reader.unit(node));
        reader.finish(limits);
    }
    let timeouts = mapping.take("timeouts").map(|node| bounds::timeouts(node, reader));
    reader.finish(mapping);
    let timeouts = timeouts.unwrap_or(Timeouts::DEFAULT);
    Some(MistralSpec { api_key, key_variable, base_url, requests, tokens, timeouts })
}
