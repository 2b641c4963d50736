//! The name of a type, in messages about the expected value and in the reference.

use super::describe::{Shape, Type, Written};

/// Bounds of at least this count as unlimited.
const UNBOUNDED: u64 = i64::MAX as u64;

impl Type {
    /// The expected type, with an article.
    pub(crate) fn wanted(&self) -> String {
        match self {
            Self::Text(written) => written.called().to_owned(),
            Self::Secret => "a text".to_owned(),
            Self::Name => "a name".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Count(of, least, most) => {
                let of =
                    if of.is_empty() { "a whole number".to_owned() } else { format!("a number of {of}") };
                match *most >= UNBOUNDED {
                    true => format!("{of}, {least} or more"),
                    false => format!("{of}, {least} to {most}"),
                }
            }
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Share => "a number greater than 0 and at most 1".to_owned(),
            Self::Word(_, words) => either(words.iter().map(|word| format!("`{}`", word.0)).collect()),
            Self::Rate => "a rate, such as `5/s`".to_owned(),
            Self::Wait => "a duration, such as `30s`".to_owned(),
            Self::Duration => "a duration greater than zero, such as `30s`".to_owned(),
            Self::Size(most) if most.0 >= UNBOUNDED => "a size, such as `100MB`".to_owned(),
            Self::Size(most) => format!("at most {most}"),
            Self::Money => "an amount, such as `5.00 USD`".to_owned(),
            Self::List(_, what) => format!("a list of {what}"),
            Self::Many(of) => format!("{} or a list of them", of.wanted()),
            Self::Map(shape) if shape.may_be_empty() => {
                "a mapping, `key: value` (`{}` for the defaults)".to_owned()
            }
            Self::Map(_) => "a mapping, `key: value`".to_owned(),
            Self::Own(_, _, form) => format!("a mapping, `{form}`"),
            Self::Json(what) => (*what).to_owned(),
            Self::Schema => "a path, a JSON Schema or the short form `{ title: text }`".to_owned(),
            Self::Either(types) => {
                let types = types.iter().map(|holds| match holds {
                    Self::Map(_) => "a mapping".to_owned(),
                    _ => holds.wanted(),
                });
                types.collect::<Vec<_>>().join(", or ")
            }
            Self::Tagged(_, form, _) => (*form).to_owned(),
        }
    }

    /// The type in the reference and in `etl explain`: without an article, and with mappings shown by `link`.
    pub(crate) fn called(&self, link: fn(&Shape) -> String) -> String {
        match self {
            Self::Size(most) if most.0 < UNBOUNDED => format!("size, at most `{most}`"),
            Self::Secret => "text that is never shown".to_owned(),
            Self::Many(of) => format!("{} or a list of them", of.called(link)),
            Self::Own(_, of, _) if !of.shapes().is_empty() => {
                format!("{}, {}", bare(&self.wanted()), of.called(link))
            }
            Self::Either(types) => {
                types.iter().map(|holds| holds.called(link)).collect::<Vec<_>>().join("; or ")
            }
            Self::Map(shape) => link(shape),
            _ => bare(&self.wanted()).to_owned(),
        }
    }
}

/// Without its article.
fn bare(text: &str) -> &str {
    text.strip_prefix("a ")
        .or_else(|| text.strip_prefix("an "))
        .or_else(|| text.strip_prefix("the "))
        .unwrap_or(text)
}

impl Written {
    const fn called(self) -> &'static str {
        match self {
            Self::Plain => "a text",
            Self::Field => "the name of a field",
            Self::Port => "a stage or `stage.port`",
            Self::Path => "a path",
            Self::Pattern => "a pattern of paths, such as `{a,b}/*.txt`",
            Self::Server => "a region or a URL",
            Self::Template => "a template",
            Self::Expression => "an expression",
            Self::Condition => "a condition",
            Self::Query => "an SQL query",
        }
    }
}

fn either(mut names: Vec<String>) -> String {
    match names.pop() {
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} or {last}", names.join(", ")),
        None => String::new(),
    }
}
