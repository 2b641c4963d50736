//! Checked values: built by the reader from a tree and a description, and the input for typed shapes.
//!
//! A checked value has the type in its key's description, so building a typed shape never reports mistakes.

use std::{ops::Range, time::Duration};

use serde_json::Value as Json;

use crate::{
    diagnostic::Place,
    units::{Rate, Size, Usd},
};

use super::{
    schema::SchemaSpec,
    text::{Name, Text},
};

/// A value that fits its [`Type`](super::describe::Type).
#[derive(Debug)]
pub(crate) enum Value {
    Text(Text),
    Name(Name),
    Flag(bool),
    Count(u64),
    Number(f64),
    Word(&'static str),
    Rate(Rate),
    Duration(Duration),
    Size(Size),
    Money(Usd),
    List(Vec<Value>),
    Map(Checked),
    Own(Vec<(Name, Value)>),
    /// A mapping as JSON, and as a JSON text with its numbers as written.
    Json(Place, Json, String),
    Schema(SchemaSpec),
    /// A secret whose variable is not set.
    Unset(String),
}

/// A mapping with known keys and valid values; others have been reported and left out.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The name of its shape.
    pub(crate) shape: &'static str,
    /// The key of its choice, if exactly one was present.
    pub(crate) form: Option<&'static str>,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) span: Range<usize>,
    /// Whether any of it came from the environment.
    pub(crate) secret: bool,
    pub(crate) value: Value,
}

impl Checked {
    /// Takes the value of a key; `None` if it is absent or has been reported.
    pub(crate) fn get<T: FromValue>(&mut self, key: &str) -> Option<T> {
        T::from_value(self.take(key)?.value)
    }

    /// Takes the value of a key, or its default.
    pub(crate) fn or<T: FromValue>(&mut self, key: &str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// A size, for rules.
    pub(crate) fn size(&self, key: &str) -> Option<Size> {
        match self.entries.iter().find(|entry| entry.name == key)?.value {
            Value::Size(size) => Some(size),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.name == key)?;
        Some(self.entries.remove(at))
    }

    /// A number, for rules.
    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        match self.entries.iter().find(|entry| entry.name == key)?.value {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }
}

/// A type built from a checked value; `None` only if a part of it has been reported.
pub(crate) trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($variant:ident => $type:ty;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}

from_value! {
    Text => Text;
    Name => Name;
    Flag => bool;
    Count => u64;
    Number => f64;
    Word => &'static str;
    Rate => Rate;
    Duration => Duration;
    Size => Size;
    Money => Usd;
    Map => Checked;
}

impl FromValue for u32 {
    fn from_value(value: Value) -> Option<Self> {
        u64::from_value(value)?.try_into().ok()
    }
}

impl FromValue for usize {
    fn from_value(value: Value) -> Option<Self> {
        u64::from_value(value)?.try_into().ok()
    }
}

impl FromValue for (Place, Json) {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Json(place, json, _) => Some((place, json)),
            _ => None,
        }
    }
}

/// A mapping as a JSON text, with its numbers as written.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonText {
    /// Its place.
    pub place: Place,
    /// The text.
    pub text: String,
}

impl FromValue for JsonText {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Json(place, _, text) => Some(Self { place, text }),
            _ => None,
        }
    }
}

/// A single value counts as a list of one.
impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => Some(items.into_iter().filter_map(T::from_value).collect()),
            one => T::from_value(one).map(|one| vec![one]),
        }
    }
}

/// The user's own keys, in file order.
pub(crate) struct Own<T>(pub(crate) Vec<(Name, T)>);

impl<T: FromValue> FromValue for Own<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Own(entries) => Some(Self(
                entries.into_iter().filter_map(|(name, value)| Some((name, T::from_value(value)?))).collect(),
            )),
            _ => None,
        }
    }
}

impl Value {
    /// All texts in it.
    pub(crate) fn texts(&self) -> Vec<&Text> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Own(entries) => entries.iter().flat_map(|(_, value)| value.texts()).collect(),
            Self::Map(map) => map.entries.iter().flat_map(|entry| entry.value.texts()).collect(),
            _ => Vec::new(),
        }
    }

    /// The value as a field of a request.
    pub(crate) fn into_json(self) -> Option<Json> {
        Some(match self {
            Self::Text(text) => text.value.into(),
            Self::Name(name) => name.value.as_ref().into(),
            Self::Flag(value) => value.into(),
            Self::Count(value) => value.into(),
            Self::Number(value) => value.into(),
            Self::Word(word) => word.into(),
            Self::List(items) => items.into_iter().filter_map(Self::into_json).collect(),
            Self::Own(entries) => Json::Object(
                entries
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.value.to_string(), value.into_json()?)))
                    .collect(),
            ),
            Self::Map(map) => Json::Object(
                map.entries
                    .into_iter()
                    .filter_map(|entry| Some((entry.name.to_owned(), entry.value.into_json()?)))
                    .collect(),
            ),
            Self::Json(_, json, _) => json,
            Self::Schema(_)
            | Self::Rate(_)
            | Self::Duration(_)
            | Self::Size(_)
            | Self::Money(_)
            | Self::Unset(_) => {
                return None;
            }
        })
    }
}
