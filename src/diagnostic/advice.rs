//! The texts beside a fault: the label at its place, and what to try. Called when a mistake is drawn. Headlines are in
//! [`fault`](super::fault), the nearest names in [`words`](super::words).

use super::{
    fault::Fault,
    words::{did_you_mean, listed, nearest, one_of},
};

impl Fault {
    /// The label under the place: what was expected there.
    pub fn label(&self) -> String {
        match self {
            Self::UnknownKey { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownKey { key, below: Some(below), .. } => format!("`{key}` is a key of `{below}:`"),
            Self::UnknownKey { .. } => "not a key of it".to_owned(),
            Self::NoServer(_) => "expected `eu`, `us`, `global` or a URL with `https://`".to_owned(),
            Self::NoUse { why, .. } => (*why).to_owned(),
            Self::UnknownWord { found, known, .. } => {
                match nearest(found, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected {}", one_of(known)),
                }
            }
            Self::UnknownStage { name, .. } if name.contains(',') => {
                format!("several stages are a list: `[{name}]`")
            }
            Self::UnknownStage { name, known } => did_you_mean(name, known, "no stage of that name"),
            Self::UnknownParam { name, known } => did_you_mean(name, known, "not among `params:`"),
            Self::UnknownField { name, known } => did_you_mean(name, known, "no stage above has this"),
            Self::KeyNotAColumn { key, known, .. } => did_you_mean(key, known, "no such column"),
            Self::UnknownPort { port, known, .. } => match nearest(port, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "no such port".to_owned(),
            },
            Self::MissingKey { key, .. } => format!("expected `{key}:` here"),
            Self::WrongShape { wanted, .. } | Self::OutOfBounds { wanted, .. } => {
                format!("expected {wanted}")
            }
            Self::Unit { error, .. } => error.to_string(),
            Self::RepeatedKey { first: Some(first), .. } => {
                let (line, column) = first.line_column();
                format!("again here; the first is at line {line}, column {column}")
            }
            Self::Forms { count: 0, .. } => "expected one of its tasks here".to_owned(),
            Self::Forms { .. } => "only one of them is allowed".to_owned(),
            Self::DuplicateName { first_line, .. } => format!("the first is at line {first_line}"),
            Self::PastWave { .. } => "the wave neither waits for these failures nor counts them".to_owned(),
            Self::Cycle(_) => "reads its own output".to_owned(),
            Self::Unread(_) => "its records are not used".to_owned(),
            Self::UnsetEnv(_) => "not set".to_owned(),
            Self::Expression { help, .. } | Self::ShortSchema { help, .. } => help.clone(),
            Self::FieldTaken { .. } => "expected a name that no field has".to_owned(),
            Self::NoKey { .. } => "expected a key".to_owned(),
            Self::Warning(warning) => warning.label(),
            Self::TableKey { has, .. } => format!("expected the key `{has}`"),
            Self::TableColumn { column, has, .. } => format!("expected a type of `{column}` that fits {has}"),
            Self::Query(fault) => fault.label(),
            Self::Schema(fault) => fault.label(),
            Self::Rows(fault) => fault.label(),
            Self::Unquoted { write, .. } => format!("write `{write}`"),
            Self::BadFieldName(_) => "expected a name without control characters".to_owned(),
            Self::BadName(_) => "expected letters, digits and `_`, a letter first".to_owned(),
            Self::EmptyGlob { why, .. } => why.clone().unwrap_or_else(|| "matches nothing".to_owned()),
            Self::NoTemplate => "would be used literally".to_owned(),
            _ => "here".to_owned(),
        }
    }

    /// What to try, if there is more to say than the label.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownKey { near: None, below: Some(below), .. } => {
                Some(format!("indent it below `{below}:`"))
            }
            Self::UnknownKey { known, .. } => Some(format!("its keys are {}", listed(known))),
            Self::NoTemplate => Some(
                "the texts of a request are templates (`prompt`, `system`, `input`, `images`, `documents`, `document`, `model`, \
                 `metadata`, `stop`, `random_seed`, `prompt_cache_key`); `${params.name}` is put into every value"
                    .to_owned(),
            ),
            Self::Forms { known, .. } => Some(format!("expected exactly one of {}", listed(known))),
            Self::MissingKey { example, .. } => Some(format!("for example `{example}`")),
            Self::UnknownStage { known, .. } if !known.is_empty() => {
                Some(format!("the stages are {}", listed(known)))
            }
            Self::UnknownParam { known, .. } if !known.is_empty() => {
                Some(format!("the parameters are {}", listed(known)))
            }
            Self::UnknownPort { known, .. } if !known.is_empty() => {
                Some(format!("its ports are {}", listed(known)))
            }
            Self::UnknownField { known, .. } | Self::KeyNotAColumn { known, .. } if !known.is_empty() => {
                let is_plain = |name: &String| {
                    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
                        && !name.starts_with(|c: char| c.is_numeric())
                        || name.starts_with("etl.")
                };
                let quoted = match known.iter().find(|name| !is_plain(name)) {
                    Some(name) => format!(
                        "; a name that is not an identifier is written `etl.fields[\"{name}\"]` in a template and `\"{name}\"` in an expression"
                    ),
                    None => String::new(),
                };
                Some(format!("the available names are {}{quoted}", listed(known)))
            }
            Self::PastWave { wave, .. } => {
                Some(format!("read `{wave}.failed`: what failed above the wave, once it has closed"))
            }
            Self::NothingAbove { .. } => Some("start with a source, or set `from:`".to_owned()),
            Self::SourceWithInput(_) => Some("remove `from:`: a source starts a stream".to_owned()),
            Self::Unread(name) => Some(format!("add a sink with `from: {name}`, or remove the stage")),
            Self::ReadsSink(_) => Some("read from the stage that the sink reads from".to_owned()),
            Self::UnsetEnv(name) => {
                Some(format!("set it (`export {name}=…`), or give a default: `${{env.{name}:-…}}`"))
            }
            Self::BadVariable(_) => Some(
                "write `${env.NAME}`, `${env.NAME:-default}` or `${params.name}`; `$${` is a literal `${`"
                    .to_owned(),
            ),
            Self::ReservedName(_) => Some(
                "`etl`, `key`, `source`, `origin`, `failure` and `fields` are names of the program; choose another"
                    .to_owned(),
            ),
            Self::FieldTypes { field, .. } => {
                Some(format!("cast it in one of them: `fields: {{ {field}: CAST({field} AS …) }}`"))
            }
            Self::FieldTaken { .. } => Some("choose another name for the stage, or set `into:`".to_owned()),
            Self::CircularTypes(_) => Some("set the types of the columns with `types:` on the sink".to_owned()),
            Self::NoKey { .. } => Some(
                "set `key:` on the source, on the wave with a query or the gather that made these records, or on the sink; or \
                 `mode: replace` or `mode: append` on the sink"
                    .to_owned(),
            ),
            Self::Warning(warning) => Some(warning.help()),
            Self::Query(fault) => fault.help(),
            Self::Schema(fault) => fault.help(),
            Self::Rows(fault) => Some(fault.help()),
            Self::Unquoted { .. } => Some(
                "a value is written in quotes if it has `: `, ` #` or a comma in it, or begins with a bracket, a quote, `*` or \
                 `@`"
                    .to_owned(),
            ),
            Self::TableKey { .. } => {
                Some("use that key, write to another table, or set `mode: replace` on the sink".to_owned())
            }
            Self::TableColumn { column, has, .. } => Some(format!(
                "set `types: {{ {column}: {has} }}` on the sink, write to another table, or set `mode: replace`"
            )),
            Self::SchemaTwins { .. } => {
                Some("column names are case-insensitive: rename one of them in the schema".to_owned())
            }
            Self::SharedTarget { .. } => Some(
                "write to another table or file, or use one sink for several stages (`from: [a, b]`); two sinks can write to one \
                 table if `key:`, `mode:`, `duplicates:`, `stale:` and `gone:` are the same, and `mode:` is not `replace`"
                    .to_owned(),
            ),
            Self::SchemaWithoutObject(_) => {
                Some("wrap it: `schema: { answer: integer }`, or set `\"type\": \"object\"` with `\"properties\"` at its top".to_owned())
            }
            Self::EmptyGlob { .. } => Some(
                "a path in the spec starts at the spec's folder, one from `--set` at the working folder"
                    .to_owned(),
            ),
            Self::Uncollected(_) => Some(
                "below it: `- poll: finished` with `job: mistral`, then `- map: extract` with `collect: {}`; \
                 or set `batch:` beside `chat:` instead, which is short for all three"
                    .to_owned(),
            ),
            Self::Unpolled(_) => Some("put `- poll: finished` with `job: mistral` above it".to_owned()),
            Self::CollectsNothing(_) => Some(
                "between a map with `submit:` and its `collect:` only polls and throttles are allowed".to_owned(),
            ),
            Self::SharedJobs { collect, .. } => Some(format!(
                "read from `{collect}`; the state of the jobs is in `etl.jobs`, and `etl jobs` shows it"
            )),
            Self::PollsNoJob(_) => Some("place it below a map with `submit:`".to_owned()),
            Self::NoPrice(model) => Some(format!(
                "add `prices: {{ {model}: {{ prompt: 0.15 USD, completion: 0.60 USD }} }}` with what it costs, or remove `budget:`"
            )),
            Self::LeavesFolder { .. } => {
                Some("a template can include files in its own folder or below".to_owned())
            }
            _ => None,
        }
    }
}
