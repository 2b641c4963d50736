//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

pub mod wire;
