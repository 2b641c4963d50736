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
            for (model, context) in pipeline.contexts() {
                show(&format!(
                    "\ncontext  {model} reads {context} tokens: a request that is longer fails without being sent, kind `context`\n"
                ));
            }
            0
        }
    }
}
