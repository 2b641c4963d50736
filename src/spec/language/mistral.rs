//! `mistral:`, how to reach the service: its keys, and the struct they are read into.

use crate::{diagnostic::Place, region::BASE_URL, units::Rate};

pub use crate::policy::Timeouts;
use crate::spec::{
    describe::{Preset, Shape, Type, Written, key},
    text::Text,
    tree::Origin,
    value::{Checked, FromValue, Value},
};

/// How to reach Mistral.
#[derive(Debug, Clone, PartialEq)]
pub struct MistralSpec {
    /// The API key; `None` if its variable is not set, which only matters when a request is sent.
    pub api_key: Option<Text>,
    /// The unset variable of the key.
    pub key_variable: Option<String>,
    /// A server other than the service's own.
    pub base_url: Option<Text>,
    /// The request rate limit; every attempt counts.
    pub requests: Option<Rate>,
    /// The token rate limit, input and output.
    pub tokens: Option<Rate>,
    /// The timeouts.
    pub timeouts: Timeouts,
}

pub(super) static SHAPE: Shape = Shape::new(
    "mistral",
    "`mistral:`",
    "How every stage of this pipeline reaches Mistral, or a server that is compatible with it.",
    &[&[
        key(
            "api_key",
            Type::Secret,
            "api_key: ${env.MISTRAL_API_KEY}",
            "The API key. A run with `--offline` and a check need none.",
        ),
        key(
            "base_url",
            Type::Text(Written::Server),
            "base_url: eu",
            "`eu` or `us` for a region, `global` for the default, or the URL of another server.",
        )
        .or(Preset::Made(|| format!("`{BASE_URL}`"))),
        key(
            "limits",
            Type::Map(&LIMITS),
            "limits: { requests: 5/s, tokens: 500k/min }",
            "What the account allows. Limits that the service reports count as well.",
        ),
        key(
            "timeouts",
            Type::Map(&TIMEOUTS),
            "timeouts: { first_byte: 10min, whole: 10min }",
            "How long to wait for the server.",
        ),
    ]],
);

static LIMITS: Shape = Shape::new(
    "limits",
    "`limits:`",
    "What the account allows, counted for each request sent, retries included.",
    &[&[
        key("requests", Type::Rate, "requests: 5/s", "Requests per unit of time."),
        key("tokens", Type::Rate, "tokens: 500k/min", "Tokens per unit of time, input and output."),
    ]],
);

static TIMEOUTS: Shape = Shape::new(
    "timeouts",
    "`timeouts:`",
    "How long to wait for the server; files have at least half an hour.",
    &[&[
        key("connect", Type::Duration, "connect: 5s", "Until there is a connection.")
            .or(Preset::Duration(Timeouts::DEFAULT.connect)),
        key(
            "first_byte",
            Type::Duration,
            "first_byte: 10min",
            "Until the answer begins; a long answer of a busy model begins late.",
        )
        .or(Preset::Duration(Timeouts::DEFAULT.first_byte)),
        key("whole", Type::Duration, "whole: 10min", "Until the answer is complete.")
            .or(Preset::Duration(Timeouts::DEFAULT.whole)),
    ]],
);

/// The environment variable of the key, for a file without `mistral:`.
pub(crate) const KEY_VARIABLE: &str = "MISTRAL_API_KEY";

impl MistralSpec {
    /// The settings of a file without `mistral:`.
    pub(super) fn from_environment(key: Option<String>, place: Place) -> Self {
        let key_variable = key.is_none().then(|| KEY_VARIABLE.to_owned());
        let text = |value| Text {
            value,
            raw: format!("${{env.{KEY_VARIABLE}}}"),
            place,
            origin: Origin::Caller,
            secret: true,
        };
        Self {
            api_key: key.map(text),
            key_variable,
            base_url: None,
            requests: None,
            tokens: None,
            timeouts: Timeouts::DEFAULT,
        }
    }
}

impl FromValue for MistralSpec {
    fn from_value(value: Value) -> Option<Self> {
        let mut map = Checked::from_value(value)?;
        let (api_key, key_variable) = match map.take("api_key").map(|entry| entry.value) {
            Some(Value::Text(key)) => (Some(key), None),
            Some(Value::Unset(variable)) => (None, Some(variable)),
            _ => (None, None),
        };
        let mut limits: Option<Checked> = map.get("limits");
        let mut limit = |key| limits.as_mut().and_then(|limits| limits.get(key));
        let (requests, tokens) = (limit("requests"), limit("tokens"));
        let timeouts = map.or("timeouts", Timeouts::DEFAULT);
        Some(Self { api_key, key_variable, base_url: map.get("base_url"), requests, tokens, timeouts })
    }
}

impl FromValue for Timeouts {
    fn from_value(value: Value) -> Option<Self> {
        let mut map = Checked::from_value(value)?;
        Some(Self {
            connect: map.or("connect", Self::DEFAULT.connect),
            first_byte: map.or("first_byte", Self::DEFAULT.first_byte),
            whole: map.or("whole", Self::DEFAULT.whole),
        })
    }
}
