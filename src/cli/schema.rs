//! `etl schema`

use crate::spec::{json_schema, reference};

use super::show;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print the reference of the language as Markdown instead (`docs/reference.md`).
    #[arg(long)]
    reference: bool,
}

pub(super) fn schema(arguments: &Arguments) -> u8 {
    match arguments.reference {
        true => show(&reference()),
        false => show(&format!("{:#}\n", json_schema())),
    }
    0
}
