//! text → [`Spec`]: the shape of a pipeline file, every value with its place.
//!
//! `language` describes the file once, as data; the reader (`check`) and `export` (JSON Schema, reference,
//! `etl explain`) are folds over it. Parsing opens no files and resolves no stages, and the caller passes the
//! environment as a function.

mod check;
mod describe;
mod export;
mod indentation;
mod json_schema_habits;
mod keys;
mod language;
mod reader;
mod scalar;
mod schema;
mod short_schema;
mod text;
mod tree;
mod unquoted;
mod value;
mod variables;
mod wanted;
mod yaml;
mod yaml_error;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::diagnostic::{Fault, Mistake, Mistakes, Source};

pub use export::{explain, json_schema, reference};
pub(crate) use language::LARGEST_FILE;
pub use language::{
    AskSpec, BatchSpec, Boundary, CallKind, CallSpec, ChatSpec, CollectSpec, Concurrency, CsvSpec,
    DuckdbSpec, Duplicates, FieldSpec, FieldsSpec, FilterSpec, Form, From, GatherSpec, MistralSpec, MockSpec,
    Mode, ModelPrice, Needs, NewField, OnTimeout, PollSchedule, PollSpec, Prompt, Retry, Setting, Settings,
    SinkSpec, SourceForm, SourceSpec, Spec, SplitSpec, SplitWhat, StageSpec, Stale, Target, TaskSpec,
    ThrottleSpec, Timeouts, ToolSpec, TypesSpec, WaveSet, WaveSpec,
};
pub use schema::SchemaSpec;
pub(crate) use schema::flaw as schema_flaw;
pub use text::{Name, Text, is_template};
pub use tree::Origin;
pub use value::JsonText;
pub use variables::Variables;

use reader::Reader;
use tree::Kind;

/// Reads a pipeline file. `name` is its path as typed by the user.
///
/// # Errors
/// A text that is not a YAML mapping. Smaller mistakes are kept in the spec, for the compiler to report
/// with the rest.
pub fn parse(name: &str, text: &str, variables: &Variables<'_>) -> Result<Spec, Mistakes> {
    let source = Source::new(name, text);
    let mut reader = Reader { source: &source, mistakes: Vec::new(), lost: Vec::new() };
    let fatal = |span, fault| Mistakes(vec![Mistake { fault, place: Reader::at(&source, span) }]);
    let mut root = yaml::read(text).map_err(|(span, message)| {
        let fault = unquoted::yaml_fault(text, span.start, message);
        fatal(span, fault)
    })?;
    reader.duplicates(&root);
    variables::substitute(&mut root, variables, &mut reader);
    let key = (variables.env)(language::KEY_VARIABLE);
    source.hide(root.secrets().into_iter().chain(key.clone()));
    let Kind::Map(entries) = &mut root.kind else {
        let wanted = "a pipeline: `pipeline: name`, then `stages:`".into();
        return Err(fatal(0..0, Fault::WrongShape { found: root.describe(), wanted }));
    };
    entries.retain(|(key, node)| !(key.name == "params" && node.kind == Kind::Null));
    let checked = check::mapping(entries, &root.span, &language::PIPELINE, None, &mut reader);
    let Reader { mistakes, lost, .. } = reader;
    Ok(language::build(checked, Arc::clone(&source), mistakes, lost, key))
}
