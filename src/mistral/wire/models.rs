//! The list of models.

use serde::{Deserialize, Serialize};

use super::or_default;

/// The path of the list of models.
pub const MODELS_PATH: &str = "/v1/models";

/// Who owns the models of the simulator.
pub const SIMULATOR_OWNER: &str = "etl-simulator";

/// The answer of `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// `list`.
    #[serde(default)]
    pub object: String,
    /// The models.
    pub data: Vec<Model>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its id, or one of its aliases listed as a model of its own.
    pub id: String,
    /// `model`.
    #[serde(default)]
    pub object: String,
    /// Who owns it.
    #[serde(default, deserialize_with = "or_default")]
    pub owned_by: String,
    /// Other names for it.
    #[serde(default, deserialize_with = "or_default")]
    pub aliases: Vec<String>,
    /// How many tokens a request and its answer may have together.
    #[serde(default)]
    pub max_context_length: Option<u64>,
    /// When it was or will be retired.
    #[serde(default)]
    pub deprecation: Option<String>,
    /// What to use instead.
    #[serde(default)]
    pub deprecation_replacement_model: Option<String>,
}
