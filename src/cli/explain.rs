//! `etl explain`

use crate::spec::explain;

use super::{WRONG, show, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A stage, a key of it, or a key of the file: `map.chat`, `sink.mode`, `mistral.limits`.
    #[arg(value_name = "STAGE[.KEY]", default_value = "")]
    path: String,
}

pub(super) fn explain_path(arguments: &Arguments) -> u8 {
    match explain(&arguments.path) {
        Ok(text) => {
            show(&text);
            0
        }
        Err(error) => {
            tell(&error);
            WRONG
        }
    }
}
