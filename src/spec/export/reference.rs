//! The language as the page `docs/reference.md`.

use std::fmt::Write;

use super::{
    super::describe::{Choice, Key, Shape},
    walk::shapes,
};

const HEAD: &str = "\
# Reference of the pipeline language

Every key of a pipeline file. This page is generated from the description that the program itself reads
specs by (`etl schema --reference`); [language.md](language.md) explains how the parts work together, and
`etl explain map.chat` prints an entry in the terminal.

`${params.name}`, `${env.NAME}` and `${env.NAME:-default}` may be used in every value, also where a number,
a word or a quantity is expected; in `params` only `${env.…}`. A template is text with Jinja in it; an
expression or a condition is an SQL expression over the fields. Bounds are included unless they say otherwise.
";

/// The page, as Markdown.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for shape in shapes() {
        section(shape, &mut page);
    }
    page
}

fn section(shape: &Shape, page: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {}\n\n{}\n", title(shape), shape.about);
    if let Some(sentence) = choice(shape) {
        let _ = write!(page, "\n{sentence}\n");
    }
    if shape.keys().next().is_none() {
        return;
    }
    page.push_str("\n| key | value | default | |\n|---|---|---|---|\n");
    shape.keys().for_each(|key| row(key, page));
    page.push_str("\n```yaml\n");
    for key in shape.keys() {
        let _ = writeln!(page, "{}", key.example);
    }
    page.push_str("```\n");
    for (key, why) in shape.refused {
        let _ = write!(page, "\n`{key}` is refused, as {why}.\n");
    }
}

fn row(key: &Key, page: &mut String) {
    let default = match key.default.written() {
        Some(default) => default,
        None if key.required => "required".to_owned(),
        None => String::new(),
    };
    let mut about = key.about.to_owned();
    for word in key.holds.words().iter().filter(|word| !word.1.is_empty()) {
        let _ = write!(about, " `{}`: {}.", word.0, word.1);
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let (holds, default, about) = (cell(&key.holds.called(link)), cell(&default), cell(&about));
    let _ = writeln!(page, "| `{}` | {holds} | {default} | {about} |", key.name);
}

/// A link to the section of a mapping, whose anchor is its title without punctuation.
fn link(shape: &Shape) -> String {
    let anchor = title(shape).to_lowercase().replace(' ', "-");
    let anchor: String = anchor.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
    format!("[mapping](#{anchor})")
}

/// The name of a mapping, capitalised.
pub(super) fn title(shape: &Shape) -> String {
    let bare = shape.within.strip_prefix("a ").unwrap_or(shape.within);
    let mut chars = bare.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Which keys exclude each other, in words.
pub(super) fn choice(shape: &Shape) -> Option<String> {
    let named: Vec<String> = shape.choice.forms().iter().map(|form| format!("`{form}`")).collect();
    match shape.choice {
        Choice::One(_, [_]) | Choice::Free => None,
        Choice::One(..) => Some(format!("Exactly one of {}.", named.join(", "))),
        Choice::Optional(..) => Some(format!("At most one of {}.", named.join(", "))),
        Choice::Some(_) => Some(format!("At least one of {}.", named.join(", "))),
    }
}
