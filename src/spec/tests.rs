//! Checks the language description against the reader: every described key is read, with the described
//! default, and every example is valid.

use super::{
    Spec, Variables,
    describe::{Choice, Key, Shape, Type},
    export::shapes,
    parse,
};

/// Keys without a direct effect: their value is used elsewhere, or has only one valid value.
const WITHOUT_EFFECT: &[(&str, &str)] = &[("pipeline", "params"), ("prediction", "type")];

/// The value in an example.
fn value(key: &Key) -> &'static str {
    key.example.strip_prefix(key.name).and_then(|rest| rest.strip_prefix(": ")).unwrap()
}

/// A flow mapping with the required keys of a shape, one form of it, and one more key.
fn body(shape: &Shape, form: Option<&str>, more: Option<(&str, &str)>) -> String {
    let more_is_form = more.is_some_and(|(name, _)| shape.choice.forms().contains(&name));
    let form = if more_is_form { None } else { form };
    let entries = shape.keys().filter_map(|key| match more {
        Some((name, value)) if name == key.name => Some(format!("{name}: {value}")),
        _ => (key.required || form == Some(key.name)).then(|| key.example.to_owned()),
    });
    // The examples are in block style, where commas and brackets need no quotes.
    let quoted = entries.map(|entry| {
        let (name, value) = entry.split_once(": ").unwrap();
        let is_flow = value.starts_with(['{', '[', '"', '\'']) || !value.contains([',', '[', ']', '{', '}']);
        if is_flow { entry } else { format!("{name}: '{}'", value.replace('\'', "''")) }
    });
    format!("{{ {} }}", quoted.collect::<Vec<_>>().join(", "))
}

/// A pipeline with a mapping of this shape in its usual place.
fn pipeline(shape: &'static Shape, body_of_it: &str) -> String {
    if shape.name == "pipeline" {
        return body_of_it.to_owned();
    }
    let holds = |key: &&'static Key| key.holds.shapes().iter().any(|inner| inner.name == shape.name);
    let (parent, key) =
        shapes().into_iter().find_map(|parent| Some((parent, parent.keys().find(holds)?))).unwrap();
    let value = within(&key.holds, body_of_it);
    pipeline(parent, &body(parent, parent.choice.forms().first().copied(), Some((key.name, &value))))
}

fn within(holds: &Type, body: &str) -> String {
    match holds {
        Type::List(of, _) => format!("[{}]", within(of, body)),
        Type::Own(_, of, _) => format!("{{ one: {} }}", within(of, body)),
        _ => body.to_owned(),
    }
}

fn read(text: &str) -> Spec {
    let spec = parse("spec.yaml", text, &Variables { set: &[], env: &|_| Some("value".to_owned()) }).unwrap();
    assert!(spec.mistakes.is_empty(), "{text}\n{:#?}", spec.mistakes);
    spec
}

/// The parsed spec, without the places.
fn meaning(text: &str) -> String {
    let spec = read(text);
    let source = format!("{:?}", spec.source);
    let parts = (&spec.name, &spec.description, &spec.mistral, &spec.duckdb, &spec.budget);
    let whole = format!("{parts:?} {:?} {:?}", spec.prices, spec.stages).replace(&source, "");
    let mut spans = whole.split("span: ");
    let first = spans.next().unwrap().to_owned();
    spans.fold(first, |out, rest| out + rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// The forms of a shape; `None` for shapes without.
fn forms(shape: &Shape) -> Vec<Option<&'static str>> {
    match shape.choice {
        Choice::Free => vec![None],
        Choice::Optional(_, forms) => std::iter::once(None).chain(forms.iter().copied().map(Some)).collect(),
        _ => shape.choice.forms().iter().copied().map(Some).collect(),
    }
}

#[test]
fn every_described_key_is_read() {
    for shape in shapes() {
        for key in shape.keys() {
            let changes = forms(shape).into_iter().any(|form| {
                let with = pipeline(shape, &body(shape, form, Some((key.name, value(key)))));
                if key.required || form == Some(key.name) {
                    read(&with);
                    return true;
                }
                meaning(&with) != meaning(&pipeline(shape, &body(shape, form, None)))
            });
            let is_exempt = WITHOUT_EFFECT.contains(&(shape.name, key.name));
            assert!(changes != is_exempt, "`{}` of {}", key.name, shape.within);
        }
    }
}

#[test]
fn every_described_default_is_what_holds() {
    let mut compared = 0;
    for shape in shapes() {
        for key in shape.keys() {
            let Some(default) = key.default.written() else { continue };
            let Some(default) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
                continue;
            };
            // The address of the service is filled in by the compiler.
            if default.contains('`') || key.name == "base_url" {
                continue;
            }
            for form in forms(shape) {
                let with = pipeline(shape, &body(shape, form, Some((key.name, default))));
                let without = pipeline(shape, &body(shape, form, None));
                assert_eq!(meaning(&with), meaning(&without), "`{}` of {}", key.name, shape.within);
            }
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn every_word_has_a_meaning_of_its_own() {
    for shape in shapes() {
        for key in shape.keys() {
            let form = shape.choice.forms().first().copied();
            let meanings: std::collections::HashSet<String> = (key.holds.words().iter())
                .map(|word| meaning(&pipeline(shape, &body(shape, form, Some((key.name, word.0))))))
                .collect();
            assert_eq!(meanings.len(), key.holds.words().len(), "`{}` of {}", key.name, shape.within);
        }
    }
}

#[test]
fn descriptions_are_complete() {
    let all = shapes();
    for (at, shape) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|earlier| earlier.name != shape.name), "{}", shape.name);
        assert!(shape.about.ends_with('.'), "{}", shape.name);
        for key in shape.keys() {
            assert!(key.about.ends_with('.'), "`{}` of {}", key.name, shape.within);
            assert!(!value(key).is_empty());
        }
        for form in shape.choice.forms() {
            assert!(shape.keys().any(|key| key.name == *form), "`{form}` of {}", shape.within);
        }
    }
}
