//! The specifics of an endpoint that answers requests. Main type: [`Endpoint`], one for each.

use axum::body::Bytes;
use serde_json::{Map, Value};

use crate::sim::{
    answer::Generated,
    config::SimConfig,
    dice::Dice,
    models::{Model, Skill},
    reply::Refusal,
    state::identity::Asked,
};

/// Finds an uploaded file by id.
pub(crate) type Stored<'a> = &'a dyn Fn(&str) -> Option<Bytes>;

/// A request to be answered.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Value,
    pub(crate) asked: &'a Asked,
    /// How often it was answered before.
    pub(crate) answered: u64,
    pub(crate) config: &'a SimConfig,
    pub(crate) stored: Stored<'a>,
}

/// The specifics of an endpoint.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    /// Whether jobs support it.
    pub(crate) in_jobs: bool,
    /// The skills of the models it accepts.
    pub(crate) skills: &'static [Skill],
    /// Models that only this endpoint accepts, in addition to those with its skills.
    pub(crate) models: &'static [Model],
    /// The default model.
    pub(crate) usual: &'static str,
    /// Validates a request.
    pub(crate) complaints: fn(&str, &Map<String, Value>) -> Vec<Value>,
    /// Whether the model can answer: refuses requests that are too long or need a skill it lacks.
    pub(crate) within: fn(&Value, &Model) -> Result<(), Refusal>,
    /// Generates an answer.
    pub(crate) answer: fn(Call<'_>, &mut Dice) -> Generated,
    /// Builds the answer from a supplied text, or from a result in JSON.
    pub(crate) written: fn(&str) -> Value,
}
