//! `${env.NAME}`, `${env.NAME:-default}` and `${params.name}`: substituted after parsing, in values only.
//!
//! After parsing, because a value must not change the shape of the file; in values only, because keys
//! and comments that depend on the environment are hard to read.

use crate::diagnostic::{Fault, Mistake};

use super::{
    language::IGNORED,
    reader::Reader,
    tree::{Key, Kind, Node, Origin},
};

/// The variables passed by the caller: `--set` values, and the environment.
pub struct Variables<'a> {
    /// `--set name=value`, in order; the last one for a name wins.
    pub set: &'a [(String, String)],
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Substitutes variables, except parameters within `params:` (whose values may use the environment).
pub(super) fn substitute(
    root: &mut Node,
    variables: &Variables<'_>,
    reader: &mut Reader<'_>,
) -> Vec<(Key, Node)> {
    let Kind::Map(entries) = &mut root.kind else { return Vec::new() };
    let mut params = match entries.iter_mut().find(|(key, _)| key.name == "params") {
        Some((_, Node { kind: Kind::Map(params), .. })) => std::mem::take(params),
        _ => Vec::new(),
    };
    let place = entries
        .iter()
        .find(|(key, _)| key.name == "params")
        .map_or(root.span.start..root.span.start, |e| e.0.span.clone());
    for (_, value) in &mut params {
        resolve(value, &[], variables, reader);
    }
    for (name, value) in variables.set {
        match params.iter_mut().find(|(key, _)| key.name == *name) {
            Some((_, node)) => {
                node.kind = scalar(value);
                node.origin = Origin::Caller;
                node.secret = false;
            }
            None => {
                let known = params.iter().map(|(key, _)| key.name.clone()).collect();
                reader.report(place.clone(), Fault::UnknownParam { name: name.clone(), known });
            }
        }
    }
    for (key, value) in entries.iter_mut() {
        if key.name != "params" && !key.name.starts_with(IGNORED) {
            resolve(value, &params, variables, reader);
        }
    }
    params
}

/// A value from the command line, parsed like a plain YAML scalar.
fn scalar(value: &str) -> Kind {
    match value {
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        _ => value
            .parse()
            .map(Kind::Int)
            .or_else(|_| value.parse().map(Kind::Float))
            .unwrap_or_else(|_| Kind::Text(value.to_owned())),
    }
}

fn resolve(node: &mut Node, params: &[(Key, Node)], variables: &Variables<'_>, reader: &mut Reader<'_>) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| resolve(item, params, variables, reader)),
        Kind::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| resolve(value, params, variables, reader));
        }
        Kind::Text(text) if text.contains("${") => {
            let text = std::mem::take(text);
            resolve_text(node, &text, params, variables, reader);
        }
        _ => {}
    }
}

fn resolve_text(
    node: &mut Node,
    text: &str,
    params: &[(Key, Node)],
    variables: &Variables<'_>,
    reader: &mut Reader<'_>,
) {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        let Some(len) = rest[at..].find('}') else { break };
        let name = &rest[at + 2..at + len];
        let first = out.is_empty() && at == 0;
        out.push_str(&rest[..at]);
        rest = &rest[at + len + 1..];
        match look_up(name, params, variables) {
            Ok(Found::Param(param)) => {
                node.secret |= param.secret;
                if first {
                    node.origin = param.origin;
                    // A value that is a single parameter keeps the parameter's type.
                    if rest.is_empty() {
                        node.kind = param.kind.clone();
                        return;
                    }
                }
                match &param.kind {
                    Kind::Text(value) => out.push_str(value),
                    Kind::Int(value) => out.push_str(&value.to_string()),
                    Kind::Float(value) => out.push_str(&value.to_string()),
                    Kind::Bool(value) => out.push_str(&value.to_string()),
                    Kind::Unset(name) => {
                        node.kind = Kind::Unset(name.clone());
                        return;
                    }
                    Kind::Null | Kind::List(_) | Kind::Map(_) => {
                        let found = format!("{} in `${{{name}}}`", param.describe());
                        reader.report(
                            node.span.clone(),
                            Fault::WrongShape { found, wanted: "a parameter that is a single value".into() },
                        );
                    }
                }
            }
            Ok(Found::Env(value)) => {
                node.secret = true;
                if first {
                    node.origin = Origin::Caller;
                }
                out.push_str(&value);
            }
            Ok(Found::Default(value)) => out.push_str(value),
            Ok(Found::Unset(name)) => {
                node.kind = Kind::Unset(name.to_owned());
                return;
            }
            Err(fault) => reader.mistakes.push(Mistake { fault, place: reader.place(node.span.clone()) }),
        }
    }
    out.push_str(rest);
    node.kind = Kind::Text(out);
}

enum Found<'a> {
    Param(&'a Node),
    Env(String),
    Default(&'a str),
    Unset(&'a str),
}

fn look_up<'a>(
    name: &'a str,
    params: &'a [(Key, Node)],
    variables: &Variables<'_>,
) -> Result<Found<'a>, Fault> {
    if let Some(name) = name.strip_prefix("params.") {
        let found = params.iter().find(|(key, _)| key.name == name);
        return found.map(|(_, node)| Found::Param(node)).ok_or_else(|| Fault::UnknownParam {
            name: name.to_owned(),
            known: params.iter().map(|(key, _)| key.name.clone()).collect(),
        });
    }
    let Some(name) = name.strip_prefix("env.") else { return Err(Fault::BadVariable(name.to_owned())) };
    let (name, default) = name.split_once(":-").map_or((name, None), |(name, default)| (name, Some(default)));
    // As in a shell, `:-` also applies to an empty variable.
    match ((variables.env)(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok(Found::Env(value)),
        (None, Some(default)) => Ok(Found::Default(default)),
        (None, None) => Ok(Found::Unset(name)),
    }
}
