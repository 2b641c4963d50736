//! `etl plan SPEC`

use super::{SpecArguments, load, show};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
}

pub(super) fn plan(arguments: &Arguments) -> u8 {
    match load(&arguments.spec) {
        Err(code) => code,
        Ok(pipeline) => {
            show(&pipeline.plan().to_string());
            0
        }
    }
}
