//! The list of models.

use serde::{Deserialize, Serialize};

use super::or_default;

/// The path of the list of models.
pub const MODELS_PATH: &str = "/v1/models";

/// The owner of the simulator's models.
pub const SIMULATOR_OWNER: &str = "etl-simulator";

/// The response to `GET /v1/models`.
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
    /// Its id, or one of its aliases listed as a separate model.
    pub id: String,
    /// `model`.
    #[serde(default)]
    pub object: String,
    /// Its owner.
    #[serde(default, deserialize_with = "or_default")]
    pub owned_by: String,
    /// Other names for it.
    #[serde(default, deserialize_with = "or_default")]
    pub aliases: Vec<String>,
    /// The most tokens of a request and its answer together.
    #[serde(default)]
    pub max_context_length: Option<u64>,
    /// When it was or will be retired.
    #[serde(default)]
    pub deprecation: Option<String>,
    /// Its replacement.
    #[serde(default)]
    pub deprecation_replacement_model: Option<String>,
}
