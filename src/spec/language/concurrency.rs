//! `concurrency:`, the number of requests in flight at once: a number, `auto`, or `auto` within bounds.

use std::fmt;

use crate::diagnostic::Fault;

use crate::spec::{
    describe::{Broken, Preset, Shape, Type, Word, key},
    value::{Checked, FromValue, Value},
};

/// Requests in flight at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// A fixed number.
    Fixed(usize),
    /// The number with the best throughput, found during the run.
    Auto {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
}

impl Concurrency {
    /// The default.
    pub const DEFAULT: Self = Self::Fixed(4);
    /// The bounds of a bare `auto`.
    pub const AUTO: Self = Self::Auto { min: 1, max: 64 };

    /// The lower bound.
    const fn least(self) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::Auto { min, .. } => min,
        }
    }

    /// The upper bound.
    pub const fn most(self) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::Auto { max, .. } => max,
        }
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(count) => write!(f, "{count} at a time"),
            Self::Auto { min, max } => write!(f, "{min} to {max} at a time, tuned for throughput"),
        }
    }
}

/// A fixed number, where `auto` is not supported.
pub(super) const FIXED: Type = Type::Count("slots", 1, 4096);

/// A number, `auto`, or `auto` within bounds.
pub(super) const ANY: Type = Type::Either(&[
    FIXED,
    Type::Word("concurrency", &[Word("auto", "looks for the number that gives the most throughput")]),
    Type::Map(&CONCURRENCY),
]);

pub(super) const PRESET: Preset = Preset::Count(Concurrency::DEFAULT.most() as u64);

static CONCURRENCY: Shape = Shape::new(
    "concurrency",
    "`concurrency:`",
    "`auto` within bounds.",
    &[&[key(
        "auto",
        Type::Map(&AUTO),
        "auto: { min: 2, max: 16 }",
        "Raises the number while that helps, and lowers it when answers slow down or a limit is hit.",
    )
    .required()]],
);

static AUTO: Shape = Shape::new(
    "auto",
    "`auto:`",
    "The bounds of `auto`.",
    &[&[
        key("min", FIXED, "min: 2", "At least this many.")
            .or(Preset::Count(Concurrency::AUTO.least() as u64)),
        key("max", FIXED, "max: 16", "At most this many.").or(Preset::Count(Concurrency::AUTO.most() as u64)),
    ]],
)
.rule(|auto| {
    let (min, max) = (auto.count("min"), auto.count("max"));
    let least = min.unwrap_or(Concurrency::AUTO.least() as u64);
    let most = max.unwrap_or(Concurrency::AUTO.most() as u64);
    let (key, found, wanted) = match max {
        Some(max) => ("max", max, format!("a `max` that is not below `min`, which is {least}")),
        None => ("min", least, format!("a `min` that is not above `max`, which is {most}")),
    };
    let fault = Fault::OutOfBounds { found: format!("{key}: {found}"), wanted: wanted.into() };
    (least > most).then_some(Broken { key, fault })
});

impl FromValue for Concurrency {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Count(count) => Some(Self::Fixed(count as usize)),
            Value::Word(_) => Some(Self::AUTO),
            Value::Map(mut map) => {
                let mut auto: Checked = map.get("auto")?;
                let min = auto.or("min", Self::AUTO.least());
                Some(Self::Auto { min, max: auto.or("max", Self::AUTO.most()) })
            }
            _ => None,
        }
    }
}
