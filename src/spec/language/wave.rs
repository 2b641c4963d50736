//! `wave:` waits for everything above it: its keys and what they are read into.

use super::common::{FROM, stage_name};
use crate::spec::{
    describe::{Shape, Type, Written, key},
    text::Text,
    value::Checked,
};

/// `wave:`
#[derive(Debug, Clone, PartialEq)]
pub struct WaveSpec {
    /// A query over all of its records.
    pub sql: Option<Text>,
    /// The condition on its counts under which the run stops.
    pub stop_if: Option<Text>,
}

pub(crate) static SHAPE: Shape = Shape::new(
    "wave",
    "a wave",
    "Holds everything below it until everything above it has ended and is on disk.",
    &[&[
        stage_name("wave", "wave: extracted"),
        FROM,
        key(
            "sql",
            Type::Text(Written::Query),
            "sql: SELECT * FROM extracted ORDER BY path",
            "A query over all records, in which the wave's own name is the table; its rows are the records below.",
        ),
        key(
            "stop_if",
            Type::Text(Written::Condition),
            "stop_if: failed > 0.2 * total",
            "A condition on `total`, `ok` and `failed` under which the run stops here.",
        ),
    ]],
);

pub(super) fn build(mut map: Checked) -> WaveSpec {
    WaveSpec { sql: map.get("sql"), stop_if: map.get("stop_if") }
}
