//! `etl explain`: one entry of the description, for the terminal.

use std::fmt::Write;

use crate::diagnostic::meant;

use super::{
    super::{
        describe::{Key, Shape},
        language::PIPELINE,
    },
    reference::{choice, title},
    walk::{about, shapes},
};

/// Explains a path into the language: a stage, one of its keys, a nested key, … (`map.chat.prompt`); a key of
/// the file (`mistral.limits`); without a path, the file.
///
/// # Errors
/// The first unknown name of the path, with the nearest known name and all valid ones.
pub fn explain(path: &str) -> Result<String, String> {
    let mut names = path.split('.').filter(|name| !name.is_empty());
    let Some(first) = names.next() else { return Ok(overview()) };
    let all = shapes();
    let stages: Vec<&'static Shape> = all.iter().copied().filter(|shape| is_stage(shape, first)).collect();
    let named = || all.iter().copied().find(|shape| shape.name == first);
    let (mut within, mut key) = match PIPELINE.keys().find(|key| key.name == first) {
        _ if !stages.is_empty() => (stages, None),
        Some(key) => (key.holds.shapes(), Some(key)),
        None => match named() {
            Some(shape) => (vec![shape], None),
            None => return Err(unknown(first, "the language", roots())),
        },
    };
    let mut so_far = first.to_owned();
    for name in names {
        let Some(found) = within.iter().flat_map(|shape| shape.keys()).find(|key| key.name == name) else {
            let known = within.iter().flat_map(|shape| shape.keys()).map(|key| key.name).collect();
            return Err(unknown(name, &format!("`{so_far}`"), known));
        };
        let _ = write!(so_far, ".{name}");
        (within, key) = (found.holds.shapes(), Some(found));
    }
    let mut out = String::new();
    let _ = writeln!(out, "{so_far}");
    if let Some(key) = key {
        entry(key, &mut out);
    }
    // The overview lists the content of `stages`.
    if first != "stages" {
        within.iter().for_each(|shape| mapping(shape, &mut out));
    }
    Ok(out)
}

fn is_stage(shape: &Shape, kind: &str) -> bool {
    shape.tag() == kind && stage_kinds().contains(&kind)
}

fn stage_kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = stages().iter().map(|shape| shape.tag()).collect();
    kinds.dedup();
    kinds
}

fn stages() -> Vec<&'static Shape> {
    let stages = PIPELINE.keys().find(|key| key.name == "stages");
    stages.map(|key| key.holds.shapes()).unwrap_or_default()
}

fn roots() -> Vec<&'static str> {
    stage_kinds().into_iter().chain(PIPELINE.keys().map(|key| key.name)).collect()
}

fn unknown(name: &str, within: &str, mut known: Vec<&str>) -> String {
    let mut seen = std::collections::HashSet::new();
    known.retain(|name| seen.insert(*name));
    let near = meant(name, &known).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = match known.is_empty() {
        true => "it has no keys of its own".to_owned(),
        false => wrapped(&format!("known names: {}", known.join(", ")), 0),
    };
    format!("unknown name `{name}` in {within}{near}\n{known}")
}

fn overview() -> String {
    let mut out = format!("{}\n\nKeys of a file:\n", wrapped(PIPELINE.about, 0));
    PIPELINE.keys().for_each(|key| line(key.name, &about(key), &mut out));
    out.push_str("\nStages:\n");
    for shape in stages() {
        let forms: Vec<String> = match shape.tag() {
            "map" => shape.choice.forms().iter().map(|form| (*form).to_owned()).collect(),
            _ => Vec::new(),
        };
        let forms = if forms.is_empty() { String::new() } else { format!(" Keys: {}.", forms.join(", ")) };
        line(shape.tag(), &format!("{}{forms}", shape.about), &mut out);
    }
    let variables = "`${params.name}`, `${env.NAME}` and `${env.NAME:-default}` may be used in every value, the \
                     last two also in `params`.";
    let _ = write!(out, "\n{}\n", wrapped(variables, 0));
    out.push_str("\nMore: `etl explain map.chat`, `etl explain sink.mode`\n");
    out
}

fn entry(key: &Key, out: &mut String) {
    let _ = write!(out, "\n  {}\n\n", wrapped(key.about, 2));
    let _ = writeln!(out, "  value     {}", key.holds.called(|_| "mapping".to_owned()));
    match key.default.written() {
        Some(default) => drop(writeln!(out, "  default   {default}")),
        None if key.required => out.push_str("  required\n"),
        None => {}
    }
    let _ = writeln!(out, "  example   {}", key.example);
    if key.holds.words().iter().any(|word| !word.1.is_empty()) {
        out.push('\n');
    }
    for word in key.holds.words().iter().filter(|word| !word.1.is_empty()) {
        let _ = writeln!(out, "  `{}`: {}", word.0, wrapped(word.1, 4));
    }
}

fn mapping(shape: &Shape, out: &mut String) {
    let _ = write!(out, "\n{}\n", wrapped(&format!("{} {}", heading(shape), shape.about), 0));
    if let Some(sentence) = choice(shape) {
        let _ = writeln!(out, "{sentence}");
    }
    shape.keys().for_each(|key| line(key.name, &about(key), out));
}

fn line(name: &str, text: &str, out: &mut String) {
    let _ = writeln!(out, "  {name:<20} {}", wrapped(text, 23));
}

fn heading(shape: &Shape) -> String {
    let title = title(shape);
    if title.contains(':') { title } else { format!("{title}:") }
}

/// A text wrapped to a maximum width, all lines but the first indented.
fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 100;
    let mut lines = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > WIDTH {
            let _ = write!(lines, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}
