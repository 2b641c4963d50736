//! The closed list of everything that can be wrong, and its words.

use std::borrow::Cow;

use crate::units::UnitError;

use super::{QueryFault, RowsFault, SchemaFault, place::Place, warning::Warning};

/// What can be wrong. `Display` is the headline; [`Fault::label`] stands under the place and says
/// what was wanted; [`Fault::help`] says what to try.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The text is no YAML, or too much of it.
    #[error("{0}")]
    Yaml(String),
    /// A value that YAML takes apart because it is not in quotes.
    #[error("{what}")]
    Unquoted {
        /// What YAML makes of it.
        what: String,
        /// The entry in quotes.
        write: String,
    },
    /// A key that nothing here reads.
    #[error("unknown key `{key}` in {within}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The thing it stands in.
        within: &'static str,
        /// The key that was most likely meant.
        near: Option<&'static str>,
        /// The key beside it whose mapping it belongs to.
        below: Option<&'static str>,
        /// The keys that could stand there.
        known: Vec<&'static str>,
    },
    /// A key that the service knows and that would do harm here.
    #[error("`{key}` is not supported in {within}")]
    NoUse {
        /// The key.
        key: String,
        /// The thing it stands in.
        within: &'static str,
        /// Why it has none.
        why: &'static str,
    },
    /// A key that has to be there.
    #[error("{within} lacks `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The thing that lacks it.
        within: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// The same key twice.
    #[error("duplicate key `{key}`")]
    RepeatedKey {
        /// The key.
        key: String,
        /// Where it is for the first time, in the same source.
        first: Option<Place>,
    },
    /// A value of another shape.
    #[error("found {found}")]
    WrongShape {
        /// What is there.
        found: String,
        /// What should be.
        wanted: Cow<'static, str>,
    },
    /// A quantity without its unit, or with a wrong one.
    #[error("found `{found}`")]
    Unit {
        /// What is there.
        found: String,
        /// What should be.
        error: UnitError,
    },
    /// A number outside its bounds.
    #[error("`{found}` is out of bounds")]
    OutOfBounds {
        /// What is there.
        found: String,
        /// The bounds, in words.
        wanted: Cow<'static, str>,
    },
    /// An unknown word where one of a list is expected.
    #[error("unknown {what} `{found}`")]
    UnknownWord {
        /// What the words are.
        what: &'static str,
        /// What is there.
        found: String,
        /// The words that may stand here.
        known: Vec<String>,
    },
    /// A stage that does nothing, or two things.
    #[error("{kind} `{name}` {}", if *.count == 0 { "has no task".to_owned() } else { format!("has {count} tasks") })]
    Forms {
        /// The stage's kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// How many forms it has.
        count: usize,
        /// The forms it could have.
        known: Vec<&'static str>,
    },
    /// A name that cannot be a name.
    #[error("`{0}` cannot be a name")]
    BadName(String),
    /// A name of a field or column that is empty or cannot be shown.
    #[error("`{}` cannot be the name of a field", .0.escape_debug())]
    BadFieldName(String),
    /// A name that the program uses itself.
    #[error("the name `{0}` is reserved")]
    ReservedName(String),
    /// Two stages of one name.
    #[error("two stages are called `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
        /// Line of the first.
        first_line: usize,
    },
    /// A stage that is not there.
    #[error("unknown stage `{name}`")]
    UnknownStage {
        /// The name.
        name: String,
        /// The stages that are.
        known: Vec<String>,
    },
    /// A port that the stage does not have.
    #[error("`{stage}` has no port `{port}`")]
    UnknownPort {
        /// The stage.
        stage: String,
        /// The port.
        port: String,
        /// The ports it has.
        known: &'static [&'static str],
    },
    /// Failures that are read past a wave that stands between.
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
    /// The first stage reads from the stage above it, and there is none.
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
    /// The records of a stage go nowhere.
    #[error("nothing reads `{0}`")]
    Unread(String),
    /// A sink has no records to hand on.
    #[error("`{0}` is a sink and has no output")]
    ReadsSink(String),
    /// A variable of the environment that is not set.
    #[error("the environment variable `{0}` is not set")]
    UnsetEnv(String),
    /// A parameter that is not declared.
    #[error("unknown parameter `{name}`")]
    UnknownParam {
        /// The name.
        name: String,
        /// The parameters that are declared.
        known: Vec<String>,
    },
    /// Something in `${…}` that is neither `env.NAME` nor `params.name`.
    #[error("cannot read `${{{0}}}`")]
    BadVariable(String),
    /// A file that is named and cannot be read.
    #[error("cannot read {what} `{path}`: {why}")]
    Unreadable {
        /// What it would be.
        what: &'static str,
        /// Its path.
        path: String,
        /// Why, as the system says it.
        why: String,
    },
    /// A path that leads out of the folder that it must stay in.
    #[error("`{path}` is outside of `{folder}`")]
    LeavesFolder {
        /// The path.
        path: String,
        /// The folder.
        folder: String,
    },
    /// A template where a text is taken as it is.
    #[error("this key is not a template")]
    NoTemplate,
    /// A template that does not parse.
    #[error("{0}")]
    TemplateSyntax(String),
    /// A name in a template or an expression that no stage above gives.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The name, with dots.
        name: String,
        /// The names that are there.
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
    /// An expression that is invalid over the fields at hand.
    #[error("{what}")]
    Expression {
        /// What is wrong.
        what: String,
        /// What to write.
        help: String,
    },
    /// Two inputs of a stage whose types of a field have no common one.
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
    /// Two properties of a schema that differ in case only, or one without a name.
    #[error("{}", if .twin.is_empty() || .name.is_empty() { "the schema has a property without a name".to_owned() } else { format!("the schema's properties `{twin}` and `{name}` differ in case only") })]
    SchemaTwins {
        /// The second.
        name: String,
        /// The first.
        twin: String,
    },
    /// A schema file that is no JSON.
    #[error("this is not JSON: {0}")]
    NotJson(String),
    /// A schema that is no JSON Schema.
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
    /// A sink that upserts and has no key to do it by.
    #[error("the key `{key}` is not a column of `{sink}`")]
    KeyNotAColumn {
        /// The key.
        key: String,
        /// The sink.
        sink: String,
        /// Its columns.
        known: Vec<String>,
    },
    /// A table that is there, whose rows have another key.
    #[error("the rows of the table `{table}` have the key `{has}`, and `{sink}` writes them by `{writes}`")]
    TableKey {
        /// The table.
        table: String,
        /// The key that its rows have.
        has: String,
        /// The sink.
        sink: String,
        /// The key that would be written.
        writes: String,
    },
    /// A table that is there, with a column that cannot hold what would be written.
    #[error("the column `{column}` of the table `{table}` is {has}, and `{sink}` writes {writes}")]
    TableColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The type that it has.
        has: String,
        /// The sink.
        sink: String,
        /// The type that would be written.
        writes: String,
    },
    /// What is wrong with a query.
    #[error(transparent)]
    Query(QueryFault),
    /// A valid JSON Schema that cannot be meant.
    #[error(transparent)]
    Schema(SchemaFault),
    /// What is wrong with the rows of a source or a sink.
    #[error(transparent)]
    Rows(RowsFault),
    /// What is valid and probably not meant.
    #[error(transparent)]
    Warning(Warning),
    /// Two sinks that write to the same place.
    #[error("`{second}` writes to {target}, and so does `{first}`")]
    SharedTarget {
        /// One sink.
        first: String,
        /// The other.
        second: String,
        /// Where to.
        target: String,
    },
    /// Tables whose columns depend on themselves, in another way each time.
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
        /// The folder that is not there, where that is the reason.
        missing: Option<String>,
    },
    /// Jobs that are submitted and never collected, or collected twice.
    #[error("nothing collects what `{0}` submits, or more than one stage does")]
    Uncollected(String),
    /// A stage that collects jobs that nobody has waited for.
    #[error("`{0}` would collect jobs that have not ended")]
    Unpolled(String),
    /// Jobs on their way that somebody else reads.
    #[error("`{stage}` reads `{jobs}`, whose jobs are on their way to `{collect}`")]
    SharedJobs {
        /// Who reads them as well.
        stage: String,
        /// The stage that they come from.
        jobs: String,
        /// The stage that collects them.
        collect: String,
    },
    /// A stage that collects and reads no jobs.
    #[error("`{0}` collects, and there is no stage that submits above it")]
    CollectsNothing(String),
    /// A poll over something that is no job.
    #[error("poll `{0}` reads records that are not jobs")]
    PollsNoJob(String),
    /// Neither a region nor an address.
    #[error("`{0}` is not a server")]
    NoServer(String),
    /// A model under a budget that does not count against it.
    #[error("the price of `{0}` is not known, and there is a budget")]
    NoPrice(String),
}
