//! `map:` with `where:` keeps the records for which a condition is true: its keys, and the struct they are read into.

use super::common::{FROM, stage_name};
use crate::spec::{
    describe::{Choice, Shape, Type, Written, key},
    text::Text,
    value::Checked,
};

/// `map:` with `where:`
#[derive(Debug, Clone, PartialEq)]
pub struct FilterSpec {
    /// The condition.
    pub condition: Text,
}

pub(crate) static SHAPE: Shape = Shape {
    family: "a map",
    ..Shape::new(
        "filters",
        "a map with `where:`",
        "Keeps the records for which a condition is true; the others end here, counted as skipped.",
        &[&[
            stage_name("map", "map: long"),
            FROM,
            key(
                "where",
                Type::Text(Written::Condition),
                "where: length(text) > 100",
                "The condition. NULL is false.",
            )
            .required(),
        ]],
    )
    .choice(Choice::One("map", &["where"]))
};

pub(super) fn build(mut map: Checked) -> Option<FilterSpec> {
    Some(FilterSpec { condition: map.get("where")? })
}
