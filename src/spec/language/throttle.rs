//! `throttle:` limits the rate of records: its keys, and the struct they are read into.

use crate::units::Rate;

use super::common::{FROM, stage_name};
use crate::spec::{
    describe::{Preset, Shape, Type, key},
    text::Name,
    value::Checked,
};

/// `throttle:`
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottleSpec {
    /// The record rate.
    pub rate: Rate,
    /// How many records may pass at once after a pause.
    pub burst: u32,
    /// Throttles with the same name share one rate.
    pub shared: Option<Name>,
}

/// The default of `burst`.
const BURST: u32 = 1;

pub(crate) static SHAPE: Shape = Shape::new(
    "throttle",
    "a throttle",
    "Lets records through evenly spaced; it keeps their order and drops none.",
    &[&[
        stage_name("throttle", "throttle: pace"),
        FROM,
        key("rate", Type::Rate, "rate: 5/s", "Records per unit of time.").required(),
        key(
            "burst",
            Type::Count("records", 1, 1_000_000),
            "burst: 3",
            "How many records may pass at once after a pause.",
        )
        .or(Preset::Count(BURST as u64)),
        key("shared", Type::Name, "shared: account", "Throttles with the same name here share one rate."),
    ]],
);

pub(super) fn build(mut map: Checked) -> Option<ThrottleSpec> {
    Some(ThrottleSpec { rate: map.get("rate")?, burst: map.or("burst", BURST), shared: map.get("shared") })
}
