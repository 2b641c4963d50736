//! A line as a tree with raw text leaves. Main type: [`Node`].

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::line_error::LineError;

/// Deeper values are JSON and not parsed.
const DEEPEST: usize = 32;

/// A value.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The raw text.
    pub(super) raw: &'a str,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Null,
    Boolean(bool),
    Number,
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
    /// A list or an object below [`DEEPEST`].
    Deep,
}

/// A member of an object.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) node: Node<'a>,
    /// Where the value starts in the line.
    pub(super) at: usize,
}

/// The members of the object on a line.
pub(super) fn object(line: &str) -> Result<Vec<Member<'_>>, LineError> {
    if line.trim_start().starts_with('{') {
        return members(line, line, 0);
    }
    let value: &RawValue = serde_json::from_str(line).map_err(|error| LineError::of(&error, line, 0))?;
    let what = match value.get().as_bytes() {
        [b'[', ..] => "a list",
        [b'"', ..] => "a text",
        [b'n', ..] => "null",
        [b't' | b'f', ..] => "true or false",
        _ => "a number",
    };
    Err(LineError::new(0, format!("the line is {what}; expected an object (`{{…}}`)")))
}

/// A single value.
pub(super) fn value(text: &str) -> Result<Node<'_>, LineError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| LineError::of(&error, text, 0))?;
    node(raw.get(), text, 1)
}

fn node<'a>(raw: &'a str, line: &str, depth: usize) -> Result<Node<'a>, LineError> {
    let kind = match raw.as_bytes() {
        [b'{' | b'[', ..] if depth > DEEPEST => Kind::Deep,
        [b'{', ..] => Kind::Object(members(raw, line, depth)?),
        [b'[', ..] => {
            let items: Vec<&RawValue> =
                serde_json::from_str(raw).map_err(|error| LineError::of(&error, raw, place(raw, line)))?;
            let items = items.into_iter().map(|item| node(item.get(), line, depth + 1));
            Kind::List(items.collect::<Result<_, _>>()?)
        }
        [b'"', inside @ .., b'"'] => Kind::Text(match memchr::memchr(b'\\', inside) {
            None => Cow::Borrowed(&raw[1..raw.len() - 1]),
            Some(_) => {
                let text = serde_json::from_str::<String>(raw);
                Cow::Owned(text.map_err(|error| LineError::of(&error, raw, place(raw, line)))?)
            }
        }),
        [b'n', ..] => Kind::Null,
        [b't', ..] => Kind::Boolean(true),
        [b'f', ..] => Kind::Boolean(false),
        _ => Kind::Number,
    };
    Ok(Node { raw, kind })
}

fn members<'a>(raw: &'a str, line: &str, depth: usize) -> Result<Vec<Member<'a>>, LineError> {
    let Pairs(pairs) =
        serde_json::from_str(raw).map_err(|error| LineError::of(&error, raw, place(raw, line)))?;
    let mut members: Vec<Member<'_>> = Vec::with_capacity(pairs.len());
    let mut keys = HashSet::new();
    let many = pairs.len() > 16;
    for (key, value) in pairs {
        let at = place(value.get(), line);
        let is_new = match many {
            true => keys.insert(key.clone()),
            false => members.iter().all(|member| member.key != key),
        };
        if !is_new {
            return Err(LineError::new(at, format!("duplicate key `{key}`")));
        }
        members.push(Member { key, node: node(value.get(), line, depth + 1)?, at });
    }
    Ok(members)
}

/// The byte offset of a part in its line.
fn place(part: &str, line: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize)
}

struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some(Key(key)) = map.next_key()? {
                    pairs.push((key, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// A key, borrowed if it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
