//! `retry:`, what happens when a request fails: a number, or a mapping.

pub use crate::policy::Retry;
use crate::spec::{
    describe::{Preset, Shape, Type, key},
    value::{FromValue, Value},
};

const TIMES: Type = Type::Count("retries", 0, 100);

/// A number of retries, or a mapping with all settings.
pub(super) const RETRY: Type = Type::Either(&[TIMES, Type::Map(&SHAPE)]);

static SHAPE: Shape = Shape::new(
    "retry",
    "`retry:`",
    "What happens when a request gets no answer (429, 5xx, a cut connection).",
    &[&[
        key("times", TIMES, "times: 3", "How often a request is sent again.")
            .or(Preset::Count(Retry::DEFAULT.times as u64)),
        key(
            "wait",
            Type::Wait,
            "wait: 2s",
            "The backoff before the first retry; it doubles with each, with jitter.",
        )
        .or(Preset::Duration(Retry::DEFAULT.wait)),
        key(
            "max_wait",
            Type::Wait,
            "max_wait: 5min",
            "The longest backoff, also where the service asks for a longer one.",
        )
        .or(Preset::Duration(Retry::DEFAULT.max_wait)),
    ]],
);

impl FromValue for Retry {
    fn from_value(value: Value) -> Option<Self> {
        let usual = Self::DEFAULT;
        match value {
            Value::Count(times) => Some(Self { times: times as u32, ..usual }),
            Value::Map(mut map) => Some(Self {
                times: map.or("times", usual.times),
                wait: map.or("wait", usual.wait),
                max_wait: map.or("max_wait", usual.max_wait),
            }),
            _ => None,
        }
    }
}
