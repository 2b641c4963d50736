//! `etl check SPEC`

use super::{SpecArguments, load, show};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
}

pub(super) fn check(arguments: &Arguments) -> u8 {
    match load(&arguments.spec) {
        Err(code) => code,
        Ok(pipeline) => {
            let plan = pipeline.plan();
            show(&format!(
                "{} is valid: {} stages, into {}\n",
                plan.name,
                plan.stages(),
                plan.database_shown
            ));
            0
        }
    }
}
