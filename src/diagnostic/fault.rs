//! The closed list of faults, with their headlines.

use std::borrow::Cow;

use crate::units::UnitError;

use super::{QueryFault, RowsFault, SchemaFault, place::Place, warning::Warning};

/// A fault. `Display` is the headline; [`Fault::label`] is shown under the place with what was
/// expected; [`Fault::help`] is what to try.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The text is not valid YAML, or too large.
    #[error("{0}")]
    Yaml(String),
    /// A value that YAML misreads because it is not in quotes.
    #[error("{what}")]
    Unquoted {
        /// How YAML reads it.
        what: String,
        /// The entry in quotes.
        write: String,
    },
    /// A key that is unknown here.
    #[error("unknown key `{key}` in {within}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The mapping that contains it.
        within: &'static str,
        /// The key that was most likely meant.
        near: Option<&'static str>,
        /// A neighbouring key whose mapping it belongs to.
        below: Option<&'static str>,
        /// The valid keys.
        known: Vec<&'static str>,
    },
    /// A key known to the service that would do harm here.
    #[error("`{key}` is not supported in {within}")]
    NoUse {
        /// The key.
        key: String,
        /// The mapping that contains it.
        within: &'static str,
        /// Why it is not supported.
        why: &'static str,
    },
    /// A missing key.
    #[error("{within} lacks `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The mapping that lacks it.
        within: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// A duplicate key.
    #[error("duplicate key `{key}`")]
    RepeatedKey {
        /// The key.
        key: String,
        /// Its first occurrence, in the same source.
        first: Option<Place>,
    },
    /// A value of the wrong shape.
    #[error("found {found}")]
    WrongShape {
        /// What was found.
        found: String,
        /// What was expected.
        wanted: Cow<'static, str>,
    },
    /// A quantity without its unit, or with a wrong one.
    #[error("found `{found}`")]
    Unit {
        /// What was found.
        found: String,
        /// What was expected.
        error: UnitError,
    },
    /// A number outside its bounds.
    #[error("`{found}` is out of bounds")]
    OutOfBounds {
        /// What was found.
        found: String,
        /// The bounds, in words.
        wanted: Cow<'static, str>,
    },
    /// An unknown word where one of a list is expected.
    #[error("unknown {what} `{found}`")]
    UnknownWord {
        /// The kind of word.
        what: &'static str,
        /// What was found.
        found: String,
        /// The valid words.
        known: Vec<String>,
    },
    /// A stage with no form, or several.
    #[error("{kind} `{name}` {}", if *.count == 0 { "has no task".to_owned() } else { format!("has {count} tasks") })]
    Forms {
        /// The stage's kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The number of its forms.
        count: usize,
        /// The valid forms.
        known: Vec<&'static str>,
    },
    /// An invalid name.
    #[error("`{0}` cannot be a name")]
    BadName(String),
    /// A field or column name that is empty or not printable.
    #[error("`{}` cannot be the name of a field", .0.escape_debug())]
    BadFieldName(String),
    /// A reserved name.
    #[error("the name `{0}` is reserved")]
    ReservedName(String),
    /// Two stages with the same name.
    #[error("two stages are called `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
        /// The line of the first.
        first_line: usize,
    },
    /// An unknown stage.
    #[error("unknown stage `{name}`")]
    UnknownStage {
        /// The name.
        name: String,
        /// The existing stages.
        known: Vec<String>,
    },
    /// An unknown port of a stage.
    #[error("`{stage}` has no port `{port}`")]
    UnknownPort {
        /// The stage.
        stage: String,
        /// The port.
        port: String,
        /// Its ports.
        known: &'static [&'static str],
    },
    /// Failures that are read past a wave in between.
    #[error("`{port}` is read past the wave `{wave}`")]
    PastWave {
        /// The port.
        port: String,
        /// The wave.
        wave: String,
    },
    /// Stages that wait for each other.
    #[error("a cycle: {}", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → "))]
    Cycle(Vec<String>),
    /// The first stage reads the stage above, which does not exist.
    #[error("{kind} `{name}` is the first stage and has nothing to read")]
    NothingAbove {
        /// The stage's kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A source that reads from a stage.
    #[error("source `{0}` cannot read from a stage")]
    SourceWithInput(String),
    /// Nothing reads the records of a stage.
    #[error("nothing reads `{0}`")]
    Unread(String),
    /// A sink has no output records.
    #[error("`{0}` is a sink and has no output")]
    ReadsSink(String),
    /// An environment variable that is not set.
    #[error("the environment variable `{0}` is not set")]
    UnsetEnv(String),
    /// An undeclared parameter.
    #[error("unknown parameter `{name}`")]
    UnknownParam {
        /// The name.
        name: String,
        /// The declared parameters.
        known: Vec<String>,
    },
    /// Something in `${…}` that is neither `env.NAME` nor `params.name`.
    #[error("cannot read `${{{0}}}`")]
    BadVariable(String),
    /// A named file that cannot be read.
    #[error("cannot read {what} `{path}`: {why}")]
    Unreadable {
        /// Its purpose.
        what: &'static str,
        /// Its path.
        path: String,
        /// The system's error message.
        why: String,
    },
    /// A path that leaves the folder it must stay in.
    #[error("`{path}` is outside of `{folder}`")]
    LeavesFolder {
        /// The path.
        path: String,
        /// The folder.
        folder: String,
    },
    /// A template in a key that does not support templates.
    #[error("this key is not a template")]
    NoTemplate,
    /// A syntax error in a template.
    #[error("{0}")]
    TemplateSyntax(String),
    /// An unknown field in a template or an expression.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The name, with dots.
        name: String,
        /// The known names.
        known: Vec<String>,
    },
    /// A filter, test or function that does not exist.
    #[error("unknown {what} `{name}`")]
    UnknownCallable {
        /// Filter, test or function.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// An expression that is invalid over the available fields.
    #[error("{what}")]
    Expression {
        /// What is wrong.
        what: String,
        /// What to write.
        help: String,
    },
    /// Two inputs of a stage without a common type for a field.
    #[error(
        "field `{field}` is {first} in one input and {second} in another, and no type holds both without loss"
    )]
    FieldTypes {
        /// The field.
        field: String,
        /// Its type in one.
        first: String,
        /// Its type in another.
        second: String,
    },
    /// A map or a new name that would hide a field.
    #[error("field `{field}` is there already")]
    FieldTaken {
        /// The field.
        field: String,
    },
    /// A table without a key.
    #[error("sink `{sink}` has no key to identify its rows by")]
    NoKey {
        /// The sink.
        sink: String,
    },
    /// Two properties of a schema that differ only in case, or one without a name.
    #[error("{}", if .twin.is_empty() || .name.is_empty() { "the schema has a property without a name".to_owned() } else { format!("the schema's properties `{twin}` and `{name}` differ in case only") })]
    SchemaTwins {
        /// The second.
        name: String,
        /// The first.
        twin: String,
    },
    /// A schema file that is not JSON.
    #[error("this is not JSON: {0}")]
    NotJson(String),
    /// A schema that is not a JSON Schema.
    #[error("this is not a JSON Schema: {why}")]
    BadSchema {
        /// Why.
        why: String,
    },
    /// An invalid schema in the short form.
    #[error("{what}")]
    ShortSchema {
        /// What is wrong.
        what: String,
        /// What to write.
        help: String,
    },
    /// A schema whose answers would have no fields.
    #[error("the schema `{0}` describes neither an object nor a list")]
    SchemaWithoutObject(String),
    /// A sink whose key is not one of its columns.
    #[error("the key `{key}` is not a column of `{sink}`")]
    KeyNotAColumn {
        /// The key.
        key: String,
        /// The sink.
        sink: String,
        /// Its columns.
        known: Vec<String>,
    },
    /// An existing table whose rows have another key.
    #[error("the rows of the table `{table}` have the key `{has}`, and `{sink}` writes them by `{writes}`")]
    TableKey {
        /// The table.
        table: String,
        /// The key of its rows.
        has: String,
        /// The sink.
        sink: String,
        /// The key of the sink.
        writes: String,
    },
    /// An existing table with a column that cannot hold the values to be written.
    #[error("the column `{column}` of the table `{table}` is {has}, and `{sink}` writes {writes}")]
    TableColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        has: String,
        /// The sink.
        sink: String,
        /// The type of the values to be written.
        writes: String,
    },
    /// A fault of a query.
    #[error(transparent)]
    Query(QueryFault),
    /// A valid JSON Schema that is probably a mistake.
    #[error(transparent)]
    Schema(SchemaFault),
    /// A fault of the rows of a source or a sink.
    #[error(transparent)]
    Rows(RowsFault),
    /// A valid part that is probably a mistake.
    #[error(transparent)]
    Warning(Warning),
    /// Two sinks that write to the same place.
    #[error("`{first}` and `{second}` both write to {target}")]
    SharedTarget {
        /// One sink.
        first: String,
        /// The other.
        second: String,
        /// The target.
        target: String,
    },
    /// Tables whose columns depend on themselves and never settle.
    #[error("the types of {} depend on themselves through a query", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))]
    CircularTypes(Vec<String>),
    /// A file of rows that cannot be used.
    #[error("{0}")]
    BadFile(String),
    /// An invalid glob pattern.
    #[error("`{pattern}` is not a valid file pattern: {why}")]
    BadGlob {
        /// The pattern.
        pattern: String,
        /// Why.
        why: String,
    },
    /// A file pattern that matches nothing.
    #[error("no file matches `{pattern}`")]
    EmptyGlob {
        /// The pattern with its folder.
        pattern: String,
        /// The reason, if it is not that the folder has no such file.
        why: Option<String>,
    },
    /// Submitted jobs that are never collected, or collected twice.
    #[error("nothing collects what `{0}` submits, or more than one stage does")]
    Uncollected(String),
    /// A stage that collects jobs without a poll.
    #[error("`{0}` would collect jobs that have not ended")]
    Unpolled(String),
    /// Jobs with another reader between submit and collect.
    #[error("`{stage}` reads `{jobs}`, whose jobs are on their way to `{collect}`")]
    SharedJobs {
        /// The other reader.
        stage: String,
        /// The stage that outputs them.
        jobs: String,
        /// The stage that collects them.
        collect: String,
    },
    /// A collect stage that does not read jobs.
    #[error("`{0}` collects, but no stage above it submits")]
    CollectsNothing(String),
    /// A poll over records that are not jobs.
    #[error("poll `{0}` reads records that are not jobs")]
    PollsNoJob(String),
    /// Neither a region nor a URL.
    #[error("`{0}` is not a server")]
    NoServer(String),
    /// A model without a price although there is a budget.
    #[error("the price of `{0}` is unknown, but there is a budget")]
    NoPrice(String),
}
