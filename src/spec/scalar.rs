//! One scalar + its type → a checked value, or a mistake.

use std::{str::FromStr, time::Duration};

use crate::{
    diagnostic::Fault,
    units::{Size, Span, UnitError},
};

use super::{
    describe::{Type, Written},
    reader::Reader,
    tree::{Kind, Node},
    value::Value,
};

/// The value of a node, if it fits; otherwise its mistake is reported, with the type `whole` as expected: `holds`
/// is one of its alternatives. Types written as mappings or lists never fit here.
pub(crate) fn scalar(node: &Node, holds: &Type, whole: &Type, reader: &mut Reader<'_>) -> Option<Value> {
    let wanted = || whole.wanted();
    match holds {
        Type::Text(written) => {
            let text = reader.text(node, wanted)?;
            reader.no_template(&text, *written);
            Some(Value::Text(text))
        }
        Type::Schema => {
            let text = reader.text(node, wanted)?;
            reader.no_template(&text, Written::Path);
            Some(Value::Text(text))
        }
        Type::Secret => match &node.kind {
            Kind::Unset(name) => Some(Value::Unset(name.clone())),
            _ => reader.text(node, wanted).map(Value::Text),
        },
        Type::Name => reader.name(node, wanted).map(Value::Name),
        Type::Flag => match node.kind {
            Kind::Bool(value) => Some(Value::Flag(value)),
            _ => wrong(node, whole, reader),
        },
        Type::Count(_, least, most) => match node.kind {
            Kind::Int(value) => match u64::try_from(value) {
                Ok(value) if (*least..=*most).contains(&value) => Some(Value::Count(value)),
                _ => out_of_bounds(node, value.to_string(), whole, reader),
            },
            _ => wrong(node, whole, reader),
        },
        Type::Number(least, most) => number(node, whole, |value| (*least..=*most).contains(&value), reader),
        Type::Share => number(node, whole, |value| value > 0.0 && value <= 1.0, reader),
        Type::Word(what, words) => {
            let text = reader.text(node, wanted)?;
            let word = words.iter().find(|word| word.0 == text.value);
            if word.is_none() {
                let known = words.iter().map(|word| word.0.to_owned()).collect();
                let fault = Fault::UnknownWord { what, found: text.shown().to_owned(), known };
                reader.report(node.span.clone(), fault);
            }
            word.map(|word| Value::Word(word.0))
        }
        Type::Rate => unit(node, whole, reader).map(Value::Rate),
        Type::Wait => unit(node, whole, reader).map(|Span(time)| Value::Duration(time)),
        Type::Duration => match unit(node, whole, reader)? {
            Span(Duration::ZERO) => out_of_bounds(node, "0".to_owned(), whole, reader),
            Span(time) => Some(Value::Duration(time)),
        },
        Type::Size(most) => match unit::<Size>(node, whole, reader)? {
            size if size > *most => out_of_bounds(node, size.to_string(), whole, reader),
            size => Some(Value::Size(size)),
        },
        Type::Money => unit(node, whole, reader).map(Value::Money),
        Type::List(..)
        | Type::Many(_)
        | Type::Map(_)
        | Type::Own(..)
        | Type::Json(_)
        | Type::Either(_)
        | Type::Tagged(..) => wrong(node, whole, reader),
    }
}

/// Whether a node has the kind of YAML value that a type requires.
pub(crate) fn fits(kind: &Kind, holds: &Type) -> bool {
    match holds {
        Type::Map(_) | Type::Own(..) | Type::Json(_) | Type::Tagged(..) => matches!(kind, Kind::Map(_)),
        Type::List(..) => matches!(kind, Kind::List(_)),
        Type::Schema => matches!(kind, Kind::Text(_) | Kind::Map(_) | Kind::List(_)),
        Type::Many(of) => matches!(kind, Kind::List(_)) || fits(kind, of),
        Type::Flag => matches!(kind, Kind::Bool(_)),
        Type::Count(..) => matches!(kind, Kind::Int(_)),
        Type::Number(..) | Type::Share => matches!(kind, Kind::Int(_) | Kind::Float(_)),
        Type::Word(_, words) => {
            matches!(kind, Kind::Text(text) if words.iter().any(|word| word.0 == text.as_str()))
        }
        Type::Either(types) => types.iter().any(|holds| fits(kind, holds)),
        Type::Text(_)
        | Type::Secret
        | Type::Name
        | Type::Rate
        | Type::Wait
        | Type::Duration
        | Type::Size(_)
        | Type::Money => matches!(kind, Kind::Text(_) | Kind::Int(_) | Kind::Float(_) | Kind::Bool(_)),
    }
}

/// Reports a value of the wrong shape.
pub(crate) fn wrong<T>(node: &Node, holds: &Type, reader: &mut Reader<'_>) -> Option<T> {
    reader.wrong(node, holds.wanted());
    None
}

fn out_of_bounds<T>(node: &Node, found: String, holds: &Type, reader: &mut Reader<'_>) -> Option<T> {
    reader.report(node.span.clone(), Fault::OutOfBounds { found, wanted: holds.wanted().into() });
    None
}

fn number(node: &Node, holds: &Type, good: impl Fn(f64) -> bool, reader: &mut Reader<'_>) -> Option<Value> {
    let value = match node.kind {
        Kind::Int(value) => value as f64,
        Kind::Float(value) => value,
        _ => return wrong(node, holds, reader),
    };
    match good(value) {
        true => Some(Value::Number(value)),
        false => out_of_bounds(node, value.to_string(), holds, reader),
    }
}

/// A quantity with its unit.
fn unit<T: FromStr<Err = UnitError>>(node: &Node, holds: &Type, reader: &mut Reader<'_>) -> Option<T> {
    let text = reader.text(node, || holds.wanted())?;
    text.value
        .parse()
        .map_err(|error| {
            reader.report(node.span.clone(), Fault::Unit { found: text.shown().to_owned(), error });
        })
        .ok()
}
