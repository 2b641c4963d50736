//! Query errors with their place and suggested names. Called where a query is described.

use std::ops::Range;

use crate::{
    diagnostic::{Fault, QueryFault, Warning},
    event::StageKind,
    record::{ETL, LogicalType, Schema, same_name},
    spec::{Form, StageSpec, Text},
    sql::{self, QueryFacts},
};

use super::compiler::Compiler;

/// A relation readable by a query, and its columns.
pub(super) type Readable<'a> = (&'a str, &'a Schema);

impl Compiler<'_> {
    /// Reports why DuckDB refuses a query.
    pub(super) fn query_error(&mut self, why: &str, readable: &[Readable<'_>], text: &Text) {
        let column = between(why, "Referenced column \"", "\" not found")
            .or_else(|| between(why, "does not have a column named \"", "\""));
        let relation = between(why, "Table with name ", " does not exist");
        let no_table = between(why, "Referenced table \"", "\" not found");
        if no_table.as_deref().is_some_and(|name| same_name(name, ETL)) {
            let place = word_in(&text.value, ETL).map_or_else(|| text.place.clone(), |at| text.place_of(at));
            return self.report(Fault::Query(QueryFault::Etl), place);
        }
        if let Some(name) = between(why, "Could not find key \"", "\" in struct") {
            let known = why.split("Candidate Entries: ").nth(1).unwrap_or_default();
            let known = known.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            let place =
                word_in(&text.value, &name).map_or_else(|| text.place.clone(), |at| text.place_of(at));
            let fault = QueryFault::UnknownName { what: "part", name, known, readable: shown(readable) };
            return self.report(Fault::Query(fault), place);
        }
        let is_syntax = why.contains("syntax error") || why.contains("unterminated");
        if let (true, Some(error)) = (is_syntax, sql::unfinished(&self.engine, "", &text.value)) {
            let place = error.span.clone().map_or_else(|| text.place.clone(), |span| text.place_of(span));
            let what = format!("DuckDB rejects this query: {}", error.message);
            return self.report(Fault::Expression { what, help: error.help.unwrap_or_default() }, place);
        }
        let fault = match (column, relation.or(no_table)) {
            (Some(name), _) => {
                let known =
                    readable.iter().flat_map(|(_, schema)| schema.names()).map(str::to_owned).collect();
                QueryFault::UnknownName { what: "column", name, known, readable: shown(readable) }
            }
            (None, Some(name)) => {
                let mut known: Vec<String> = readable.iter().map(|(name, _)| (*name).to_owned()).collect();
                // The query of a source reads tables only.
                let is_wave = !readable.is_empty();
                let mut readable = shown(readable);
                let is_own = |stage: &StageSpec| stage.query().is_some_and(|query| query.place == text.place);
                let own = self.spec.stages.iter().position(is_own).unwrap_or(0);
                for (at, stage) in self.spec.stages.iter().enumerate() {
                    let is_above = is_wave && at < own && has_records(stage);
                    let Some(other) = stage.table().or_else(|| is_above.then_some(&*stage.name.value)) else {
                        continue;
                    };
                    if !known.iter().any(|known| same_name(known, other)) {
                        readable.push(format!("`{other}`"));
                        known.push(other.to_owned());
                    }
                }
                QueryFault::UnknownName { what: "relation", name, known, readable }
            }
            (None, None) => QueryFault::Refused(why.to_owned()),
        };
        let word = match &fault {
            QueryFault::UnknownName { name, .. } => Some(name.clone()),
            _ => between(why, " near \"", "\"").or_else(|| between(why, "at `", "`")),
        };
        let at = word.and_then(|word| word_in(&text.value, &word));
        self.report(Fault::Query(fault), at.map_or_else(|| text.place.clone(), |at| text.place_of(at)));
    }

    /// Reports names in a query that do not mean what they seem to.
    pub(super) fn ambiguous_names(&mut self, readable: &[Readable<'_>], text: &Text, facts: &QueryFacts) {
        for path in &facts.paths {
            let [first, second, ..] = &path[..] else { continue };
            let is_both =
                |(name, schema): &Readable<'_>| same_name(name, first) && schema.get(second).is_some();
            let in_struct = |(_, schema): &Readable<'_>| {
                schema.get(first).is_some_and(|field| match &field.datatype {
                    LogicalType::Struct(fields) => fields.iter().any(|(name, _)| same_name(name, second)),
                    _ => false,
                })
            };
            let is_visible = facts.visible.iter().any(|name| same_name(name, first));
            if is_visible && readable.iter().any(is_both) && readable.iter().any(in_struct) {
                let path = format!("{first}.{second}");
                let at = text.value.find(&path).map(|at| at..at + path.len());
                let place = at.map_or_else(|| text.place.clone(), |at| text.place_of(at));
                let (relation, field) = (first.clone(), second.clone());
                self.report(Fault::Query(QueryFault::AmbiguousPath { relation, field }), place);
            }
        }
        let is_column = |name: &&String| readable.iter().any(|(_, schema)| schema.get(name).is_some());
        for name in facts.regrouped.iter().filter(is_column) {
            let at = word_in(&text.value, name);
            let place = at.map_or_else(|| text.place.clone(), |at| text.place_of(at));
            self.warn(Warning::Regrouped(name.clone()), place);
        }
    }
}

/// Whether a query can read what a stage outputs: it outputs records, not jobs.
fn has_records(stage: &StageSpec) -> bool {
    stage.kind != StageKind::Sink && !matches!(stage.form, Some(Form::Submit(_) | Form::Poll(_)))
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(rest[..rest.find(after)?].to_owned())
}

/// The relations with their columns, for display.
fn shown(readable: &[Readable<'_>]) -> Vec<String> {
    let columns = |schema: &Schema| {
        let columns = schema.fields().iter().map(|field| format!("{} {}", field.name, field.datatype.sql()));
        columns.collect::<Vec<_>>().join(", ")
    };
    readable.iter().map(|(name, schema)| format!("`{name}` ({})", columns(schema))).collect()
}

/// The range of a word in a query, outside of quotes.
fn word_in(query: &str, word: &str) -> Option<Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let lower = query.to_lowercase();
    let word = word.to_lowercase();
    let found = lower.match_indices(&word).map(|(at, found)| at..at + found.len());
    let mut whole = found.filter(|at| {
        let before = lower[..at.start].chars().next_back().is_none_or(|c| !is_part(c));
        let after = lower[at.end..].chars().next().is_none_or(|c| !is_part(c));
        before && after && lower[..at.start].matches('\'').count().is_multiple_of(2)
    });
    whole.next().filter(|at| query.get(at.clone()).is_some())
}
