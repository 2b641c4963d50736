//! A node → the value of its column.

use std::sync::Arc;

use crate::record::{LogicalType, Value, same_name};

use super::{
    super::proof::is_double,
    node::{self, Kind, Node},
    number::{decimal, huge},
};

/// Casts a text to a type; `None` if it does not fit.
pub(crate) type Cast<'a> = dyn Fn(&str, &LogicalType) -> Option<Value> + 'a;

/// The value of a node whose column has a proven type; `None` if it does not fit.
pub(super) fn proven(node: &Node<'_>, of: &LogicalType) -> Option<Value> {
    value(node, of, &|node, of| match (&node.kind, of) {
        (Kind::Text(text), LogicalType::Varchar) => Some((&**text).into()),
        (Kind::Number, LogicalType::BigInt) => node.raw.parse().ok().map(Value::Integer),
        (Kind::Number, LogicalType::HugeInt) => huge(node.raw).map(|value| value.to_string().into()),
        (Kind::Number, LogicalType::Double) => {
            is_double(node.raw).then(|| node.raw.parse().ok().map(Value::Double)).flatten()
        }
        (Kind::Number, LogicalType::Decimal { width, scale }) => {
            decimal(node.raw, *width, *scale).map(Value::from)
        }
        _ => None,
    })
}

/// The value of a node whose column has a declared type.
pub(super) fn declared(node: &Node<'_>, of: &LogicalType, cast: &Cast<'_>) -> Option<Value> {
    value(node, of, &|node, of| match (&node.kind, of) {
        (Kind::Text(text), of) => cast(text, of),
        (_, LogicalType::Varchar) => Some(node.raw.into()),
        (Kind::Number, of) if of.is_number() => {
            // `5.0` and `1e3` are also integers.
            match of.is_small_integer() || *of == LogicalType::HugeInt {
                true => cast(&decimal(node.raw, 38, 0)?, of),
                false => cast(node.raw, of),
            }
        }
        (Kind::Number, of) => cast(node.raw, of),
        _ => None,
    })
}

/// A list or a struct written as JSON text.
pub(crate) fn nested(text: &str, of: &LogicalType, cast: &Cast<'_>) -> Option<Value> {
    declared(&node::value(text).ok()?, of, cast)
}

/// Whether a text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    node::value(text).is_ok()
}

type Leaf<'a> = &'a dyn Fn(&Node<'_>, &LogicalType) -> Option<Value>;

fn value(node: &Node<'_>, of: &LogicalType, leaf: Leaf<'_>) -> Option<Value> {
    match (&node.kind, of) {
        (Kind::Null, _) => Some(Value::Null),
        (_, LogicalType::Json) => Some(node.raw.into()),
        (Kind::Boolean(value), LogicalType::Boolean) => Some(Value::Boolean(*value)),
        (Kind::List(items), LogicalType::List(of)) => list(items, of, leaf),
        (Kind::List(items), LogicalType::Array(of, length)) if items.len() == *length as usize => {
            list(items, of, leaf)
        }
        (Kind::Object(members), LogicalType::Struct(fields)) => {
            let mut values = vec![Value::Null; fields.len()];
            for (guess, member) in members.iter().enumerate() {
                // A member without a field would be lost.
                let at = match fields.get(guess) {
                    Some((name, _)) if *name == member.key => guess,
                    _ => fields.iter().position(|(name, _)| same_name(name, &member.key))?,
                };
                values[at] = value(&member.node, &fields[at].1, leaf)?;
            }
            Some(Value::Struct(values.into()))
        }
        (_, of) => leaf(node, of),
    }
}

fn list(items: &[Node<'_>], of: &LogicalType, leaf: Leaf<'_>) -> Option<Value> {
    let items: Option<Arc<[Value]>> = items.iter().map(|item| value(item, of, leaf)).collect();
    items.map(Value::List)
}
