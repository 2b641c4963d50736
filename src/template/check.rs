//! Checks of a template that need no record: syntax, names, filters.

use std::{ops::Range, sync::LazyLock};

use minijinja::{Environment, ErrorKind, machinery::Token};

use crate::{
    diagnostic::char_start,
    record::{ETL, LogicalType, Schema, occurrences, same_name},
};

use super::{
    depth,
    environment::{MAIN, environment, syntax},
    items,
    mistake::{TemplateFault, TemplateMistake},
    tokens::tokens,
};

static PROBES: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Checks a template without a record: syntax, names missing in `schema`, unknown filters.
pub fn check(text: &str, schema: &Schema) -> Vec<TemplateMistake> {
    if let Some(mistake) = depth::too_deep(text, false) {
        return vec![mistake];
    }
    let bare = bare_names(text, schema);
    if !bare.is_empty() {
        // Replaced by a number of the same length, so that the other mistakes are found as well.
        let mut rest = text.to_owned();
        for mistake in &bare {
            let name = format!("{:<1$}", 0, mistake.span.len());
            rest.replace_range(mistake.span.clone(), &name);
        }
        let mut mistakes: Vec<TemplateMistake> = bare.into_iter().chain(check(&rest, schema)).collect();
        mistakes.sort_by_key(|mistake| mistake.span.start);
        return mistakes;
    }
    let mut env = environment();
    // Included files are checked separately.
    env.set_loader(|_| Ok(Some(String::new())));
    let parsed = env
        .add_template_owned(MAIN, text.to_owned())
        .and_then(|()| env.get_template(MAIN).map(|t| t.undeclared_variables(true)));
    let mut mistakes = match parsed {
        Err(error) => vec![syntax(&error, text)],
        Ok(names) => {
            let tokens = tokens(text);
            let mut mistakes = Vec::new();
            for name in names {
                if let Some(fault) = unknown(&name, schema) {
                    let places = places_of(&name, &tokens);
                    mistakes.extend(places.into_iter().map(|span| {
                        let fault = called(&name, &span, &tokens).unwrap_or_else(|| fault.clone());
                        TemplateMistake { fault, span }
                    }));
                }
            }
            mistakes.extend(items::unknown_parts(text, schema).into_iter().map(|(name, known, span)| {
                TemplateMistake { fault: TemplateFault::UnknownField { name, known }, span }
            }));
            mistakes.extend(items::exact_numbers(text, schema).into_iter().map(|(name, of, span)| {
                let what = format!(
                    "`{name}` is {}: a template prints all its digits, but cannot compare it or calculate with it; write \
                     `{name} | float`, or use an expression in a map with `fields:` above",
                    of.sql()
                );
                TemplateMistake { fault: TemplateFault::Syntax(what), span }
            }));
            mistakes.extend(callables(&tokens));
            mistakes
        }
    };
    for mistake in &mut mistakes {
        mistake.span.start = char_start(text, mistake.span.start);
        mistake.span.end = char_start(text, mistake.span.end).max(mistake.span.start);
    }
    mistakes.sort_by_key(|mistake| mistake.span.start);
    mistakes
}

/// Names that are not identifiers, where a tag uses them like one.
fn bare_names(text: &str, schema: &Schema) -> Vec<TemplateMistake> {
    let found = occurrences(text, schema);
    if found.is_empty() {
        return Vec::new();
    }
    // Text, comments and quoted parts have no identifiers.
    let tokens = tokens(text);
    let is_used = |start: usize| {
        tokens.iter().any(|(token, span)| matches!(token, Token::Ident(_)) && span.start == start)
    };
    let used = found.into_iter().filter(|(_, span)| is_used(span.start));
    used.map(|(name, span)| {
        let what = format!("`{name}` is not an identifier: write `etl.fields[\"{name}\"]`");
        TemplateMistake { fault: TemplateFault::Syntax(what), span }
    })
    .collect()
}

/// The files that a template includes by a literal name, and where.
pub fn includes(text: &str) -> Vec<(String, Range<usize>)> {
    let tokens = tokens(text);
    let named = tokens.windows(3).filter_map(|window| {
        let [
            (Token::BlockStart, _),
            (Token::Ident("include" | "import" | "from" | "extends"), _),
            (name, span),
        ] = window
        else {
            return None;
        };
        match name {
            Token::Str(name) => Some(((*name).to_owned(), span.clone())),
            Token::String(name) => Some((name.to_string(), span.clone())),
            _ => None,
        }
    });
    named.collect()
}

/// Built-in names of the template language.
const GLOBALS: &[&str] = &["range", "dict", "namespace", "debug", "loop", "self", "super", "caller"];

fn unknown(name: &str, schema: &Schema) -> Option<TemplateFault> {
    let mut parts = name.split('.');
    let first = parts.next()?;
    if GLOBALS.contains(&first) {
        return None;
    }
    let unknown = |known: Vec<String>| Some(TemplateFault::UnknownField { name: name.to_owned(), known });
    let Some(field) = schema.get(first) else {
        return unknown(schema.names().map(str::to_owned).chain(schema.paths_to(name)).collect());
    };
    let mut of = &field.datatype;
    let mut prefix = format!("{first}.");
    for part in parts {
        match of {
            LogicalType::Struct(fields) => match fields.iter().find(|(field, _)| same_name(field, part)) {
                Some((_, inner)) => of = inner,
                // All fields by name, for names that are not identifiers.
                None if first == ETL && part == "fields" => return None,
                None => return unknown(fields.iter().map(|(field, _)| format!("{prefix}{field}")).collect()),
            },
            LogicalType::List(_) | LogicalType::Array(..) => return None,
            _ => return unknown(Vec::new()),
        }
        prefix.push_str(part);
        prefix.push('.');
    }
    None
}

/// A name that is used as a function: the functions of SQL are filters here, if there are any.
fn called(name: &str, span: &Range<usize>, tokens: &[(Token<'_>, Range<usize>)]) -> Option<TemplateFault> {
    let at = tokens.iter().position(|(_, other)| other == span)?;
    let [(Token::ParenOpen, _), rest @ ..] = tokens.get(at + 1..)? else { return None };
    let value = match rest {
        [(Token::Ident(value), _), (Token::ParenClose, _), ..] => *value,
        _ => "…",
    };
    Some(TemplateFault::Syntax(match is_missing(&format!("''|{name}")) {
        false => format!("`{name}` is a template filter: write `{{{{ {value} | {name} }}}}`"),
        true => format!("templates have no function `{name}`: call it in a map with `fields:` above"),
    }))
}

/// Whether a filter or a test of a probe is unknown. The only way to ask is to use it.
fn is_missing(probe: &str) -> bool {
    PROBES
        .compile_expression(probe)
        .and_then(|expression| expression.eval(()))
        .is_err_and(|error| matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest))
}

fn places_of(name: &str, tokens: &[(Token<'_>, Range<usize>)]) -> Vec<Range<usize>> {
    let parts: Vec<&str> = name.split('.').collect();
    let mut found = Vec::new();
    for (at, (token, span)) in tokens.iter().enumerate() {
        let starts = matches!(token, Token::Ident(ident) if *ident == parts[0])
            && (at == 0 || !matches!(tokens[at - 1].0, Token::Dot));
        let rest = parts[1..].iter().enumerate().all(|(i, part)| {
            matches!(tokens.get(at + 2 * i + 1), Some((Token::Dot, _)))
                && matches!(tokens.get(at + 2 * i + 2), Some((Token::Ident(ident), _)) if ident == part)
        });
        if starts && rest {
            let end = tokens[at + 2 * (parts.len() - 1)].1.end;
            found.push(span.start..end);
        }
    }
    // A name without a place, such as one after brackets, is still a mistake.
    if found.is_empty() {
        found.push(0..0);
    }
    found
}

fn callables(tokens: &[(Token<'_>, Range<usize>)]) -> Vec<TemplateMistake> {
    let mut mistakes = Vec::new();
    for window in tokens.windows(2) {
        let ((before, _), (Token::Ident(name), span)) = (&window[0], &window[1]) else { continue };
        let (what, probe) = match before {
            Token::Pipe => ("filter", format!("''|{name}")),
            Token::Ident("is") if *name != "not" => ("test", format!("'' is {name}")),
            _ => continue,
        };
        if is_missing(&probe) {
            let fault = TemplateFault::UnknownCallable { what, name: (*name).to_owned() };
            mistakes.push(TemplateMistake { fault, span: span.clone() });
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse_type;

    fn said(text: &str) -> Vec<(String, String)> {
        let schema = Schema::new([
            ("text", LogicalType::Varchar),
            ("bytes", LogicalType::BigInt),
            ("extract", parse_type("STRUCT(title VARCHAR, year BIGINT)")),
        ]);
        let name = |fault| match fault {
            TemplateFault::Syntax(what) => what,
            TemplateFault::UnknownField { name, .. } | TemplateFault::UnknownCallable { name, .. } => name,
        };
        check(text, &schema).into_iter().map(|m| (text[m.span].to_owned(), name(m.fault))).collect()
    }

    #[test]
    fn a_good_template_has_no_mistakes() {
        let text = "{% for w in text|upper %}{{ loop.index }}{{ w }}{% endfor %}{% set x = bytes %}{{ x }}{{ extract.title }}";
        assert_eq!(said(text), []);
    }

    #[test]
    fn every_unknown_name_is_reported_at_its_place() {
        let both = said("{{ txet }} and {{ extract.titel|upper }}, {{ txet }}");
        let expected = [("txet", "txet"), ("extract.titel", "extract.titel"), ("txet", "txet")];
        assert_eq!(both, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(said("{{ text.title }}").len(), 1);
        assert_eq!(said("{{ text|uper }}"), [("uper".to_owned(), "uper".to_owned())]);
        assert_eq!(said("{{ text ").len(), 1);
    }

    #[test]
    fn a_name_with_a_space_is_shown_in_its_other_form_beside_all_other_mistakes() {
        let schema = Schema::new([("Ticket No", LogicalType::Varchar), ("text", LogicalType::Varchar)]);
        let text = "{{ Ticket No }}: {{ txet }} Ticket No";
        let found: Vec<String> = check(text, &schema).into_iter().map(|m| text[m.span].to_owned()).collect();
        assert_eq!(found, ["Ticket No", "txet"]);
        for good in
            ["{# {{ Ticket No }} #}", "{% raw %}{{ Ticket No }}{% endraw %}", "{{ \"Ticket No\" ~ text }}"]
        {
            assert_eq!(check(good, &schema), [], "{good}");
        }
        assert_eq!(check("it's {% if Ticket No %}x{% endif %}", &schema).len(), 1);
    }

    #[test]
    fn includes_are_found() {
        let found = includes("{% include 'a.md' %}{% from \"b.j2\" import x %}");
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.md", "b.j2"]);
    }
}
