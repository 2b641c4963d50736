//! The top of a pipeline file: its keys, and the struct they are read into.

use std::{path::PathBuf, sync::Arc};

use crate::{
    diagnostic::{Mistake, Place, Source},
    record::same_name,
    units::Usd,
};

use super::{
    database::{self, DuckdbSpec},
    mistral::{self, MistralSpec},
    split::SplitWhat,
    stage::{Form, STAGE, StageSpec},
};
use crate::spec::{
    describe::{Preset, Shape, Type, Written, key},
    text::{Name, Text},
    tree::Origin,
    value::{Checked, Own},
};

/// A pipeline file, parsed but not compiled.
#[derive(Debug)]
pub struct Spec {
    /// The file.
    pub source: Arc<Source>,
    /// Its folder, the base of its relative paths.
    pub folder: PathBuf,
    /// The pipeline's name.
    pub name: Name,
    /// Its description.
    pub description: Option<Text>,
    /// How to reach Mistral.
    pub mistral: MistralSpec,
    /// The database for rows and the ledger.
    pub duckdb: DuckdbSpec,
    /// The budget of a run and the runs that resume it.
    pub budget: Option<Usd>,
    /// Prices that override the built-in ones.
    pub prices: Vec<ModelPrice>,
    /// The stages, in the order of the file.
    pub stages: Vec<StageSpec>,
    /// Shape mistakes. Compilation continues and reports all mistakes together.
    pub(crate) mistakes: Vec<Mistake>,
    /// Names of stages that could not be read.
    pub(crate) lost: Vec<String>,
}

/// The prices of a model: `mistral-small: { prompt: 0.15 USD, completion: 0.60 USD }` per million tokens,
/// `pages:` per thousand pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// The name of a model, or of all its versions.
    pub model: String,
    /// Price per million input tokens.
    pub prompt: Usd,
    /// Price per million output tokens.
    pub completion: Usd,
    /// Price per thousand pages.
    pub pages: Usd,
}

/// Top-level keys with this prefix are ignored: a place for anchors.
pub(crate) const IGNORED: &str = "x-";

pub(crate) static PIPELINE: Shape = Shape {
    ignored: Some(IGNORED),
    ..Shape::new(
        "pipeline",
        "a pipeline",
        "A pipeline file: what it is, where things are, and what happens. Keys that begin with `x-` are \
         ignored: a place for YAML anchors.",
        &[&[
            key("pipeline", Type::Name, "pipeline: extract", "The pipeline's name.")
                .or(Preset::Says("the name of the file")),
            key(
                "description",
                Type::Text(Written::Plain),
                "description: Metadata of texts.",
                "A description for readers; it has no effect.",
            ),
            key(
                "params",
                Type::Json("a mapping, `name: value`"),
                "params: { model: mistral-small-latest }",
                "Values that `--set name=value` can change, used as `${params.name}`.",
            ),
            key(
                "mistral",
                Type::Map(&mistral::SHAPE),
                "mistral: { api_key: \"${env.MISTRAL_API_KEY}\" }",
                "How to reach Mistral.",
            )
            .or(Preset::Says("the key in the environment variable `MISTRAL_API_KEY`")),
            key(
                "duckdb",
                Type::Either(&[Type::Text(Written::Path), Type::Map(&database::SHAPE)]),
                "duckdb: results.duckdb",
                "The database for the results, and for the ledger that makes a rerun free: a path, or \
                 `duckdb: { path: results.duckdb, … }`.",
            )
            .or(Preset::Says("beside the spec, with its name: `extract.duckdb` for `extract.yaml`")),
            key(
                "budget",
                Type::Money,
                "budget: 5.00 USD",
                "What this run, and the runs that resume it, may cost. A request that the rest does not \
                 cover is not sent, and the run stops.",
            ),
            key(
                "prices",
                Type::Own(false, &Type::Map(&PRICE), "model: { prompt: 0.15 USD, completion: 0.60 USD }"),
                "prices: { mistral-small: { prompt: 0.15 USD, completion: 0.60 USD } }",
                "Prices by a model's name, without `-latest` or a date for all its versions; they take \
                 precedence over the program's own. Under a `budget:` every model needs a price.",
            ),
            key(
                "stages",
                Type::List(&STAGE, "stages, each `- kind: name`"),
                "stages: [{ source: documents, files: '*.txt' }, { sink: texts, table: texts }]",
                "What happens, in reading order. A stage reads the nearest one above that is not a sink, unless it has `from:`.",
            )
            .required(),
        ]],
    )
};

static PRICE: Shape = Shape::new(
    "price",
    "a price",
    "What a model costs.",
    &[&[
        key("prompt", Type::Money, "prompt: 0.15 USD", "Price of a million input tokens."),
        key("completion", Type::Money, "completion: 0.60 USD", "Price of a million output tokens."),
        key("pages", Type::Money, "pages: 2.00 USD", "Price of a thousand pages."),
    ]],
);

/// The default name of a pipeline, from the file's stem.
fn name_of(stem: &str) -> String {
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("p{name}") }
}

impl Spec {
    /// All models that a template can name, if the spec lists them: `{{ writer }}` below `split: { values: … }`
    /// into `writer`.
    pub fn models(&self, template: &str) -> Vec<String> {
        let inside = template.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        let Some(field) = inside.map(str::trim) else { return Vec::new() };
        let values = self.stages.iter().filter_map(|stage| match &stage.form {
            Some(Form::Split(split)) => {
                let into = split.into.as_ref().unwrap_or(&stage.name);
                match &split.what {
                    SplitWhat::Values(values) if same_name(&into.value, field) => Some(values.clone()),
                    _ => None,
                }
            }
            _ => None,
        });
        values.flatten().collect()
    }
}

/// Builds the spec; `key` is the API key from the environment, for a file without `mistral:`.
pub(crate) fn build(
    mut map: Checked,
    source: Arc<Source>,
    mistakes: Vec<Mistake>,
    lost: Vec<String>,
    key: Option<String>,
) -> Spec {
    let start = Place::start_of(&source);
    let stem =
        std::path::Path::new(&source.name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = name_of(&stem);
    let Own(prices) = map.or("prices", Own(Vec::<(Name, Checked)>::new()));
    let price = |(model, mut price): (Name, Checked)| ModelPrice {
        model: model.value.to_string(),
        prompt: price.get("prompt").unwrap_or_default(),
        completion: price.get("completion").unwrap_or_default(),
        pages: price.get("pages").unwrap_or_default(),
    };
    Spec {
        folder: std::path::Path::new(&source.name).parent().map(PathBuf::from).unwrap_or_default(),
        source,
        name: map.get("pipeline").unwrap_or_else(|| Name { value: name.into(), place: start.clone() }),
        description: map.get("description"),
        mistral: map.get("mistral").unwrap_or_else(|| MistralSpec::from_environment(key, start.clone())),
        duckdb: map.get("duckdb").unwrap_or_else(|| {
            DuckdbSpec::at(Text {
                value: format!("{stem}.duckdb"),
                raw: String::new(),
                place: start.clone(),
                origin: Origin::Spec,
                secret: false,
            })
        }),
        budget: map.get("budget"),
        prices: prices.into_iter().map(price).collect(),
        stages: map.get("stages").unwrap_or_default(),
        mistakes,
        lost,
    }
}
