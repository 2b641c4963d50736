//! The Jinja environment of all templates: strict, with its own output format and NULL handling.

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value as Jinja,
    escape_formatter, value::ValueKind,
};

use crate::record::double;

use super::{
    mistake::{TemplateFault, TemplateMistake},
    parts,
    value::Container,
};

pub(super) const MAIN: &str = "prompt";

pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    // NULL is an undefined value: it may be tested but not used.
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // Prompts are not HTML, whatever the name of their file.
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(print);
    env.add_test("none", |value: &Jinja| value.is_none() || value.is_undefined());
    env.add_function(parts::FUNCTION, parts::part);
    env.add_filter("join", join);
    env.add_filter("tojson", to_json);
    env
}

fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Seq | ValueKind::Map if value.downcast_object_ref::<Container>().is_none() => {
            Some(to_json(value)?)
        }
        _ => leaf(value),
    };
    match text {
        Some(text) => out.write_str(&text).map_err(Error::from),
        None => escape_formatter(out, state, value),
    }
}

/// A number or a boolean as DuckDB prints it.
fn leaf(value: &Jinja) -> Option<String> {
    match value.kind() {
        ValueKind::Number if !value.is_integer() => f64::try_from(value.clone()).ok().map(double),
        ValueKind::Bool => Some(value.is_true().to_string()),
        _ => None,
    }
}

fn undefined() -> Error {
    Error::from(ErrorKind::UndefinedError)
}

fn join(list: &Jinja, separator: Option<String>) -> Result<String, Error> {
    let separator = separator.unwrap_or_default();
    if list.is_undefined() {
        return Err(undefined());
    }
    let mut parts = Vec::new();
    for item in list.try_iter()? {
        if item.is_undefined() {
            return Err(undefined());
        }
        parts.push(leaf(&item).unwrap_or_else(|| item.to_string()));
    }
    Ok(parts.join(&separator))
}

fn to_json(value: &Jinja) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(undefined());
    }
    if let Some(container) = value.downcast_object_ref::<Container>() {
        return Ok(container.json());
    }
    serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

pub(super) fn syntax(error: &Error, text: &str) -> TemplateMistake {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let span = error.range().unwrap_or_else(|| {
        let line = error.line().unwrap_or(1).saturating_sub(1);
        let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>().min(text.len());
        start..start
    });
    TemplateMistake { fault: TemplateFault::Syntax(what), span }
}
