//! `wave:` waits for everything above it: its keys, and the struct they are read into.

use super::common::{FROM, stage_name};
use crate::spec::{
    describe::{Choice, Preset, Shape, Type, Written, key},
    text::Text,
    value::Checked,
};

/// `wave:`
#[derive(Debug, Clone, PartialEq)]
pub struct WaveSpec {
    /// How it transforms its records; without it they pass unchanged.
    pub set: Option<WaveSet>,
    /// The columns of the query result that identify a record.
    pub key: Vec<Text>,
    /// The condition on its counts under which the run stops.
    pub stop_if: Option<Text>,
}

/// How a wave transforms its records.
#[derive(Debug, Clone, PartialEq)]
pub enum WaveSet {
    /// The rows of a query over them.
    Query(Text),
    /// That many records, the same ones in every run.
    Sample(u64),
    /// The first by key for each value of the expressions, and all for which one is NULL.
    Unique(Vec<Text>),
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
            "key",
            Type::Many(&Type::Text(Written::Field)),
            "key: [id, topic]",
            "The column of the query's result that identifies a record, or a list of columns that do so together.",
        )
        .or(Preset::Says(
            "the columns of GROUP BY or DISTINCT; over one relation, the key of its records",
        )),
        key(
            "sample",
            Type::Count("records", 1, u64::MAX),
            "sample: 200",
            "Lets this many records through, chosen by a hash of their keys: the same in every run.",
        ),
        key(
            "unique",
            Type::Many(&Type::Text(Written::Expression)),
            "unique: [lower(title), year]",
            "Lets one record through for each value of the expression or the list of expressions, the first by key; and \
             all for which one is NULL.",
        ),
        key(
            "stop_if",
            Type::Text(Written::Condition),
            "stop_if: failed > 0.2 * total",
            "A condition on `total`, `ok` and `failed` under which the run stops here.",
        ),
    ]],
)
.choice(Choice::Optional("wave", &["sql", "sample", "unique"]));

pub(super) fn build(mut map: Checked) -> WaveSpec {
    let query = map.get("sql").map(WaveSet::Query);
    let sample = map.get("sample").map(WaveSet::Sample);
    let unique = map.get("unique").map(WaveSet::Unique);
    WaveSpec {
        set: query.or(sample).or(unique),
        key: map.get("key").unwrap_or_default(),
        stop_if: map.get("stop_if"),
    }
}
