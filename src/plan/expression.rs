//! Expressions of the spec: bound by DuckDB against the fields of a stage, with the place of each mistake.

use std::ops::Range;

use crate::{
    diagnostic::{Fault, Place, Warning, nearest},
    record::{ETL, LogicalType, Schema, same_name, unquoted_names},
    spec::{Form, StageSpec, Text},
    sql::{self, ExpressionError, QueryFacts},
};

use super::{compiler::Compiler, shape::Shape};

impl Compiler<'_> {
    /// The type of an expression over the fields of a shape; `None` if it has a mistake or the shape is
    /// unknown.
    pub(super) fn expression(&mut self, text: &Text, shape: Option<&Shape>) -> Option<LogicalType> {
        let schema = shape?.record_type().relation();
        self.failure_in(&text.value, shape, &|span| text.place_of(span));
        match sql::bind(&self.engine, &schema, &text.value) {
            Ok(of) => {
                self.quoted_field(text, &schema);
                self.compared_texts(text, &schema);
                Some(of)
            }
            Err(error) => {
                self.expression_error(text, &schema, error);
                None
            }
        }
    }

    /// Reports `kind: 'web'`, which is the field `web` because YAML removes the quotes.
    fn quoted_field(&mut self, text: &Text, schema: &Schema) {
        let written = &text.place.source.text;
        let before = text.place.span.start.checked_sub(1).and_then(|at| written.as_bytes().get(at));
        let first = written.as_bytes().get(text.place.span.start);
        let is_quoted = [before, first].contains(&Some(&b'\''));
        if is_quoted && schema.get(text.value.trim()).is_some() {
            self.warn(Warning::QuotedField(text.value.trim().to_owned()), text.place.clone());
        }
    }

    /// Warns about a volatile expression whose value may end up in a request.
    pub(super) fn stable(&mut self, text: &Text, shape: Option<&Shape>) {
        let Some(shape) = shape.filter(|_| self.asks()) else { return };
        let schema = shape.record_type().relation();
        if let Some((name, span)) = sql::volatile(&self.engine, &text.value, &schema) {
            self.warn(Warning::Volatile(name), text.place_of(span));
        }
    }

    /// The same for a query; also warns about a file whose types DuckDB guesses.
    pub(super) fn stable_query(&mut self, text: &Text, facts: &QueryFacts) {
        if let Some(file) = &facts.guessed {
            let part = file.trim_end_matches("(…)");
            let at = text.value.find(part).map_or(0..text.value.len(), |at| at..at + part.len());
            self.warn(Warning::Guessed(file.clone()), text.place_of(at));
        }
        if !self.asks() {
            return;
        }
        if let Some((name, at)) = &facts.volatile {
            let span = *at..at + name.len();
            self.warn(Warning::Volatile(name.clone()), text.place_of(span));
        }
    }

    /// Whether the pipeline calls a model.
    pub(super) fn asks(&self) -> bool {
        let asks = |stage: &StageSpec| matches!(stage.form, Some(Form::Ask(_) | Form::Submit(_)));
        self.spec.stages.iter().any(asks)
    }

    /// Checks a condition.
    pub(super) fn condition(&mut self, text: &Text, shape: Option<&Shape>) {
        self.failure_in(&text.value, shape, &|span| text.place_of(span));
        let Some(shape) = shape else { return };
        self.condition_over(text, &shape.record_type().relation());
    }

    /// Checks a condition over fields other than a record's.
    pub(super) fn condition_over(&mut self, text: &Text, schema: &Schema) {
        match sql::condition(&self.engine, schema, &text.value) {
            Ok(()) => self.compared_texts(text, schema),
            Err(error) => self.expression_error(text, schema, error),
        }
    }

    /// Warns about `etl.failure` in a text about records that have not failed.
    pub(super) fn failure_in(
        &mut self,
        text: &str,
        shape: Option<&Shape>,
        place: &dyn Fn(Range<usize>) -> Place,
    ) {
        const PATH: &str = "etl.failure";
        let found = text.find(PATH).filter(|_| shape.is_some_and(|shape| !shape.failed));
        if let Some(at) = found {
            self.warn(Warning::NoFailure, place(at..at + PATH.len()));
        }
    }

    /// Warns about `price > '10'` for texts.
    fn compared_texts(&mut self, text: &Text, schema: &Schema) {
        let found = sql::number_compared_as_text(&self.engine, &text.value, schema);
        if let Some((field, number)) = found {
            self.warn(Warning::ComparedTexts { field, number }, text.place.clone());
        }
    }

    /// Advice for a field whose name is an SQL keyword.
    fn reserved(&self, message: &str, schema: &Schema) -> Option<String> {
        let word = message.strip_prefix("syntax error at or near \"")?.split('"').next()?;
        let field = schema.get(word).filter(|_| sql::is_keyword(&self.engine, word))?;
        Some(format!("`{word}` is an SQL keyword: write the field as `\"{}\"` in double quotes", field.name))
    }

    fn expression_error(&mut self, text: &Text, schema: &Schema, error: ExpressionError) {
        if let Some((name, span)) = unquoted_names(&text.value, schema).into_iter().next() {
            let what = format!("the name `{name}` needs double quotes in an expression");
            let help = format!("write `\"{name}\"`, and the whole value in single quotes or after `|-`");
            return self.report(Fault::Expression { what, help }, text.place_of(span));
        }
        let place = error.span.clone().map_or_else(|| text.place.clone(), |span| text.place_of(span));
        let known: Vec<String> = schema.names().filter(|name| *name != ETL).map(str::to_owned).collect();
        if let Some(name) = &error.unknown {
            let quoted = format!("\"{name}\"");
            let is_sibling = self.siblings.iter().any(|sibling| same_name(sibling, name));
            let sibling = is_sibling.then(|| {
                format!("`{name}` is set by this same map, and its expressions see the fields before it: set it in a map above")
            });
            let help = match sibling.or_else(|| old_spelling(name, &text.value)) {
                Some(help) => Some(help),
                None if text.value.contains(&quoted)
                    && nearest(name, known.iter().map(String::as_str)).is_none() =>
                {
                    Some(format!("a string is in single quotes: `'{name}'`"))
                }
                None => None,
            };
            let fault = match help {
                Some(help) => Fault::Expression { what: format!("unknown field `{name}`"), help },
                None => {
                    let known = known.into_iter().chain(schema.paths_to(name)).collect();
                    Fault::UnknownField { name: name.clone(), known }
                }
            };
            return self.report(fault, place);
        }
        if let Some(item) = old_item(&error.message, &text.value, schema) {
            let (what, help) = item;
            return self.report(Fault::Expression { what, help }, place);
        }
        if let Some((name, span, known)) = missing_part(&error.message, &text.value, schema) {
            return self.report(Fault::UnknownField { name, known }, text.place_of(span));
        }
        let help = cut_at_comment(text, &error.message)
            .or(error.help)
            .or_else(|| self.reserved(&error.message, schema))
            .or_else(|| needs_cast(&error.message, &text.value));
        let fault = match help {
            Some(help) => match arithmetic(&error.message) {
                Some(operator) => {
                    Fault::Expression { what: format!("`{operator}` is used with a text"), help }
                }
                None => Fault::Expression { what: error.message, help },
            },
            None if error.message.starts_with("syntax error") => Fault::Expression {
                what: error.message,
                help: "expected one SQL expression over the fields".to_owned(),
            },
            None if is_of_types(&error.message) => Fault::Expression {
                what: error.message,
                help: "this does not fit the types of the fields".to_owned(),
            },
            None => Fault::Expression {
                what: format!("DuckDB rejects this expression: {}", error.message),
                help: "expected an expression that DuckDB can evaluate".to_owned(),
            },
        };
        self.report(fault, place);
    }
}

/// The operator of an expression that calculates with a text.
fn arithmetic(message: &str) -> Option<char> {
    let operator = message.split("argument types '").nth(1)?.chars().next()?;
    "+-*/%".contains(operator).then_some(operator)
}

/// Advice for a text compared with a number, where DuckDB requires a CAST.
fn needs_cast(message: &str, expression: &str) -> Option<String> {
    let is_text = message.contains("VARCHAR") || message.contains("STRING_LITERAL");
    let needed = message.contains("explicit cast is required") || arithmetic(message).is_some();
    (is_text && needed).then(|| sql::cast_advice("…", "BIGINT", expression))
}

/// Whether DuckDB's message is about types.
fn is_of_types(message: &str) -> bool {
    ["No function matches", "type", "cast", "Cannot compare"].iter().any(|part| message.contains(part))
}

/// Advice for an expression cut off by ` #`, which begins a YAML comment.
fn cut_at_comment(text: &Text, message: &str) -> Option<String> {
    let rest = text.place.source.text.get(text.place.span.end..)?.lines().next()?;
    let is_open =
        ["is not closed", "ends too early", "without a `)`"].iter().any(|part| message.contains(part));
    (is_open && rest.trim_start().starts_with('#'))
        .then(|| "YAML reads ` #` as a comment: write the expression in double quotes".to_owned())
}

/// The path in an expression whose last part is missing in a struct, its place, and the existing parts.
/// DuckDB names the part, but not its place.
fn missing_part(message: &str, text: &str, schema: &Schema) -> Option<(String, Range<usize>, Vec<String>)> {
    let part = message.strip_prefix("Could not find key \"")?.split('"').next()?;
    let end = text.find(&format!(".{part}"))? + 1 + part.len();
    let start = start_of(&text[..end], |c| c.is_alphanumeric() || c == '_' || c == '.');
    let path: Vec<&str> = text[start..end].split('.').collect();
    let (first, rest) = path[..path.len() - 1].split_first()?;
    let mut of = &schema.get(first)?.datatype;
    for name in rest {
        let LogicalType::Struct(fields) = of else { return None };
        of = &fields.iter().find(|(field, _)| same_name(field, name))?.1;
    }
    let LogicalType::Struct(fields) = of else { return None };
    let prefix = path[..path.len() - 1].join(".");
    let known = fields.iter().map(|(name, _)| format!("{prefix}.{name}")).collect();
    Some((path.join("."), start..end, known))
}

/// Where the word at the end of a text begins.
fn start_of(text: &str, is_word: impl Fn(char) -> bool) -> usize {
    text.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(text.len(), |(at, _)| at)
}

/// `topic.item` and similar fields, which splits created in old versions.
fn old_item(message: &str, text: &str, schema: &Schema) -> Option<(String, String)> {
    let part = ["item", "index", "of"]
        .into_iter()
        .find(|part| message.contains(&format!("'{part}'")) || message.contains(&format!("\"{part}\"")))?;
    let end = text.find(&format!(".{part}"))?;
    let start = start_of(&text[..end], |c| c.is_alphanumeric() || c == '_');
    let field = &text[start..end];
    schema.get(&super::index_of(field))?;
    let help = match part {
        "item" => format!("the field is the item itself: write `{field}`"),
        "index" => format!("write `{field}_index`, which counts from 1"),
        _ => format!("count the items above the split: `fields: {{ {field}s: len(…) }}`"),
    };
    Some((format!("`{field}.{part}` is not a part of `{field}`"), help))
}

/// The new spelling of a name from an old version of the language.
fn old_spelling(name: &str, text: &str) -> Option<String> {
    match name {
        "answer" if text.contains("answer.") => {
            Some("the model that answered is in `etl`: `etl.MAP.model`".to_owned())
        }
        "failure" if text.contains("failure.") => {
            Some("why it failed is in `etl`: `etl.failure.reason`".to_owned())
        }
        _ => None,
    }
}
