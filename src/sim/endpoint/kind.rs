//! What is particular to an endpoint that answers requests. Main type: [`Endpoint`], of which each has one.

use axum::body::Bytes;
use serde_json::{Map, Value};

use crate::sim::{
    answer::Given,
    config::SimConfig,
    dice::Dice,
    models::{Model, Skill},
    reply::Refusal,
    state::identity::Asked,
};

/// Finds what was uploaded under an id.
pub(crate) type Stored<'a> = &'a dyn Fn(&str) -> Option<Bytes>;

/// A request that is to be answered.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Value,
    pub(crate) asked: &'a Asked,
    /// How often it was answered before.
    pub(crate) answered: u64,
    pub(crate) config: &'a SimConfig,
    pub(crate) stored: Stored<'a>,
}

/// What is particular to an endpoint.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    /// Whether a job may be for it.
    pub(crate) in_jobs: bool,
    /// What the models can do that it takes.
    pub(crate) skills: &'static [Skill],
    /// Models that only this endpoint takes, beside those of its skills.
    pub(crate) models: &'static [Model],
    /// The model of a request that names none.
    pub(crate) usual: &'static str,
    /// What is wrong with a request.
    pub(crate) complaints: fn(&str, &Map<String, Value>) -> Vec<Value>,
    /// Whether the model can answer: what is too long for it, or not in its power, is refused in time.
    pub(crate) within: fn(&Value, &Model) -> Result<(), Refusal>,
    /// The answer that is made up.
    pub(crate) answer: fn(Call<'_>, &mut Dice) -> Given,
    /// The answer with a text, or a result as JSON, that is written out.
    pub(crate) written: fn(&str) -> Value,
}
