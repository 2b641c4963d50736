//! `etl run SPEC`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}
pub(super) fn run(_: &Arguments) -> u8 {
    0
}
