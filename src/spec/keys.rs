//! Compares the keys of a mapping with the expected ones: unknown, misspelt, missing and excluded keys.

use std::ops::Range;

use crate::diagnostic::{Fault, meant};

use super::{
    describe::{self, Choice, Shape, Type},
    reader::Reader,
    text::Name,
    tree::{Key, Node},
};

pub(crate) type Entries = [(Key, Node)];

/// The keys expected in a mapping.
pub(crate) struct Expected {
    /// The name of the mapping in messages.
    pub(crate) within: &'static str,
    pub(crate) known: Vec<&'static describe::Key>,
    pub(crate) required: Vec<&'static describe::Key>,
    pub(crate) choice: Choice,
    pub(crate) refused: &'static [(&'static str, &'static str)],
    pub(crate) ignored: Option<&'static str>,
}

impl Expected {
    pub(crate) fn of(shape: &'static Shape) -> Self {
        Self {
            within: shape.within,
            known: shape.keys().collect(),
            required: shape.keys().filter(|key| key.required).collect(),
            choice: shape.choice,
            refused: shape.refused,
            ignored: shape.ignored,
        }
    }

    /// The expected keys while the mapping could be any of several shapes.
    pub(crate) fn any_of(shapes: &[&'static Shape]) -> Self {
        let mut known: Vec<&'static describe::Key> = Vec::new();
        for key in shapes.iter().flat_map(|shape| shape.keys()) {
            if !known.iter().any(|earlier| earlier.name == key.name) {
                known.push(key);
            }
        }
        let within = shapes.first().map_or("", |shape| shape.family);
        Self { within, known, required: Vec::new(), choice: Choice::Free, refused: &[], ignored: None }
    }
}

/// Reports unexpected and missing keys; returns the form, if there is exactly one.
pub(crate) fn review(
    entries: &Entries,
    at: &Range<usize>,
    expected: &Expected,
    stage: Option<&Name>,
    reader: &mut Reader<'_>,
) -> Option<&'static str> {
    let misspelt = strays(entries, expected, reader);
    let is_there = |name: &str| has(entries, name) || misspelt.contains(&name);
    for key in expected.required.iter().filter(|key| !is_there(key.name)) {
        let fault = Fault::MissingKey { key: key.name, within: expected.within, example: key.example };
        reader.report(at.start..at.start, fault);
    }
    let (Choice::One(kind, forms) | Choice::Optional(kind, forms)) = expected.choice else { return None };
    let is_optional = matches!(expected.choice, Choice::Optional(..));
    // The message for a refused key already names the alternative.
    let is_refused = expected.refused.iter().any(|(name, _)| has(entries, name));
    match forms.iter().filter(|form| has(entries, form)).collect::<Vec<_>>()[..] {
        [form] => return Some(form),
        [] if is_optional || is_refused || forms.iter().any(|form| misspelt.contains(form)) => {}
        ref present => forms_fault(kind, present.len(), forms.to_vec(), stage, reader),
    }
    None
}

/// Reports that a stage has no form, or several.
pub(crate) fn forms_fault(
    kind: &'static str,
    count: usize,
    known: Vec<&'static str>,
    stage: Option<&Name>,
    reader: &mut Reader<'_>,
) {
    if let Some(name) = stage {
        let fault = Fault::Forms { kind, name: name.value.to_string(), count, known };
        reader.report(name.place.span.clone(), fault);
    }
}

/// Reports unknown and refused keys; returns the absent keys that they most likely misspell.
fn strays(entries: &Entries, expected: &Expected, reader: &mut Reader<'_>) -> Vec<&'static str> {
    let known: Vec<&'static str> = expected.known.iter().map(|key| key.name).collect();
    let absent: Vec<&'static str> = known.iter().copied().filter(|name| !has(entries, name)).collect();
    let mut misspelt = Vec::new();
    for (key, _) in entries {
        let name = key.name.as_str();
        let is_ignored = expected.ignored.is_some_and(|prefix| name.starts_with(prefix));
        if is_ignored || known.contains(&name) {
            continue;
        }
        if let Some((_, why)) = expected.refused.iter().find(|(refused, _)| *refused == name) {
            reader.report(
                key.span.clone(),
                Fault::NoUse { key: name.to_owned(), within: expected.within, why },
            );
            continue;
        }
        let near = meant(name, &absent);
        misspelt.extend(near);
        let near = near.or_else(|| meant(name, &known));
        let below =
            expected.known.iter().find(|beside| has(entries, beside.name) && holds(&beside.holds, name));
        let fault = Fault::UnknownKey {
            key: name.to_owned(),
            within: expected.within,
            near,
            below: below.map(|beside| beside.name),
            known: known.clone(),
        };
        reader.report(key.span.clone(), fault);
    }
    misspelt
}

/// Whether a mapping of this type has a key.
fn holds(holds_what: &Type, name: &str) -> bool {
    match holds_what {
        Type::Map(shape) => shape.keys().any(|key| key.name == name),
        Type::Either(types) => types.iter().any(|holds_what| holds(holds_what, name)),
        _ => false,
    }
}

/// Selects one of several shapes with the same first key by the key of its form, even if misspelt.
/// Otherwise the number of such keys.
pub(crate) fn select(entries: &Entries, shapes: &[&'static Shape]) -> Result<&'static Shape, usize> {
    if let [only] = shapes {
        return Ok(only);
    }
    let present = |forms: &[&str]| forms.iter().filter(|form| has(entries, form)).count();
    let hits: Vec<&'static Shape> =
        shapes.iter().copied().filter(|shape| present(shape.choice.exclusive()) > 0).collect();
    match hits[..] {
        [only] => return Ok(only),
        [] => {}
        _ => return Err(hits.iter().map(|shape| present(shape.choice.exclusive())).sum()),
    }
    if let Some(shape) = shapes.iter().find(|shape| present(shape.choice.forms()) > 0) {
        return Ok(shape);
    }
    let known: Vec<&str> = shapes.iter().flat_map(|shape| shape.keys()).map(|key| key.name).collect();
    let forms: Vec<&'static str> = shapes.iter().flat_map(|shape| shape.choice.forms()).copied().collect();
    let strays = entries.iter().map(|(key, _)| key.name.as_str()).filter(|name| !known.contains(name));
    let form = strays.into_iter().find_map(|name| meant(name, &forms));
    form.and_then(|form| shapes.iter().copied().find(|shape| shape.choice.forms().contains(&form))).ok_or(0)
}

pub(crate) fn has(entries: &Entries, name: &str) -> bool {
    entries.iter().any(|(key, _)| key.name == name)
}
