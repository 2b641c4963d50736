//! Answers for the simulator: `mock:` of a map, and the `--answers` file. Main type: [`Mocks`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value as Json};

use crate::{
    expressions::{Expressions, Unusable, When},
    mistral::unpoisoned,
    plan::{Ask, Mock, Node, Plan, Step, answer_text},
    record::{LogicalType, Record, Value, json_text},
    sim::SuppliedAnswers,
    sql::{self, Engine},
};

use super::error::SetupError;

/// The `--answers` file.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// Its name, for messages.
    name: String,
    /// Answers by stage.
    stages: Map<String, Json>,
}

impl Answers {
    /// Parses such a file: for each stage a mapping from key to answer, or a list of `when:` and `answer:`, in
    /// YAML or JSON.
    ///
    /// # Errors
    /// The invalid part.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut options = serde_yaml::Options::default();
        // As in a spec: `no` and `on` are texts.
        options.strict_booleans = true;
        let stages: Json =
            serde_yaml::from_str_with_options(text, options).map_err(|error| match error.to_string() {
                text if text.contains("null into string") => {
                    format!("`{name}`: a key is `null` or `~`, which is no text in YAML: write it in quotes")
                }
                text => format!("`{name}`: {text}"),
            })?;
        match stages {
            Json::Object(stages) => Ok(Self { name: name.to_owned(), stages }),
            _ => Err(format!("`{name}`: expected a mapping, `stage: {{ key: answer }}`")),
        }
    }

    /// The rules of a stage.
    fn rules(&self, stage: &str) -> Result<Vec<Written>, SetupError> {
        let wrong = |what: String| SetupError::Answers(format!("`{}`, stage `{stage}`: {what}", self.name));
        match self.stages.get(stage) {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(Json::Object(answers)) => Ok(vec![Written::ByKey(
                answers
                    .iter()
                    .filter(|(_, answer)| !answer.is_null())
                    .map(|(key, answer)| (key.clone(), answer_text(answer)))
                    .collect(),
            )]),
            Some(Json::Array(rules)) => {
                let rule = |rule: &Json| match (&rule["when"], rule.get("answer")) {
                    (Json::String(when), Some(answer)) => Ok(Written::When(when.clone(), answer.clone())),
                    (Json::Bool(true), Some(answer)) => Ok(Written::When("true".to_owned(), answer.clone())),
                    _ => Err(wrong(format!("expected `when:` with a condition and `answer:`, found {rule}"))),
                };
                rules.iter().map(rule).collect()
            }
            Some(other) => Err(wrong(format!(
                "expected `key: answer` or a list of `when:` and `answer:`, found {other}"
            ))),
        }
    }
}

/// Keys of answers that no record has matched so far, by stage: usually misspelt.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnusedAnswers(Arc<Mutex<BTreeMap<String, UnusedKeys>>>);

#[derive(Debug, Default)]
struct UnusedKeys {
    keys: BTreeSet<String>,
    /// The key of a record without an answer.
    other: Option<String>,
}

/// A stage, its unused keys, and the key of a record for which there was none.
pub(crate) type UnusedIn = (String, Vec<String>, Option<String>);

impl UnusedAnswers {
    fn add<'a>(&self, stage: &str, keys: impl Iterator<Item = &'a String>) {
        unpoisoned(&self.0).entry(stage.to_owned()).or_default().keys.extend(keys.cloned());
    }

    fn remove(&self, stage: &str, key: &str) {
        if let Some(unused) = unpoisoned(&self.0).get_mut(stage)
            && !unused.keys.remove(key)
        {
            unused.other.get_or_insert_with(|| key.to_owned());
        }
    }

    /// The unused keys of each stage that has any.
    pub(crate) fn by_stage(&self) -> Vec<UnusedIn> {
        let all = unpoisoned(&self.0);
        let any = all.iter().filter(|(_, unused)| !unused.keys.is_empty());
        any.map(|(stage, unused)| {
            (stage.clone(), unused.keys.iter().cloned().collect(), unused.other.clone())
        })
        .collect()
    }
}

/// The settings of an offline run's simulator.
#[derive(Debug, Clone)]
pub(crate) struct Offline {
    /// The `--answers` file, if any.
    pub(crate) answers: Option<Answers>,
    /// Where the simulator looks up its answers.
    pub(crate) supplied: SuppliedAnswers,
    /// The answers that no record has matched.
    pub(crate) unused: UnusedAnswers,
}

/// A rule as written in the file.
enum Written {
    ByKey(BTreeMap<String, String>),
    When(String, Json),
}

/// The simulator's answers for a stage; the first rule with an answer wins.
pub(crate) struct Mocks {
    rules: Vec<Rule>,
    supplied: SuppliedAnswers,
    stage: String,
    unused: UnusedAnswers,
}

enum Rule {
    ByKey(BTreeMap<String, String>),
    When(When, Json),
    Expression(Expressions, LogicalType),
}

impl Mocks {
    /// The rules of a stage; none unless the run is offline.
    pub(crate) fn new(
        node: &Node,
        ask: &Ask,
        engine: &Mutex<Engine>,
        offline: Option<&Offline>,
    ) -> Result<Self, SetupError> {
        let Some(offline) = offline else {
            return Ok(Self {
                rules: Vec::new(),
                supplied: SuppliedAnswers::default(),
                stage: String::new(),
                unused: UnusedAnswers::default(),
            });
        };
        let mut mocks = Self {
            rules: Vec::new(),
            supplied: offline.supplied.clone(),
            stage: node.name.to_string(),
            unused: offline.unused.clone(),
        };
        let written = offline.answers.as_ref().map(|answers| answers.rules(&node.name)).transpose()?;
        for rule in written.unwrap_or_default() {
            mocks.rules.push(match rule {
                Written::ByKey(answers) => Rule::ByKey(answers),
                Written::When(condition, answer) => {
                    Rule::When(When::new(engine, &node.input, Some(&condition))?, answer)
                }
            });
        }
        match &ask.mock {
            None => {}
            Some(Mock::ByKey(answers)) => mocks.rules.push(Rule::ByKey(answers.clone())),
            Some(Mock::Expression(text, of)) => {
                let expression = [(text.clone(), of.clone())];
                let expressions = Expressions::new(engine, &node.input, &expression)?;
                mocks.rules.push(Rule::Expression(expressions, of.clone()));
            }
        }
        for rule in &mocks.rules {
            if let Rule::ByKey(answers) = rule {
                mocks.unused.add(&mocks.stage, answers.keys());
            }
        }
        Ok(mocks)
    }

    /// Notes that a record has reached the map, whether or not a request is sent for it.
    pub(crate) fn saw(&self, record: &Record) {
        if !self.rules.is_empty() {
            self.unused.remove(&self.stage, &record.key);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Sets the simulator's answer to a body sent for a record.
    ///
    /// # Errors
    /// An expression that fails for this record.
    pub(crate) fn give(&self, record: &Record, endpoint: &str, body: &[u8]) -> Result<(), String> {
        for rule in &self.rules {
            let answer = match rule {
                Rule::ByKey(answers) => answers.get(&*record.key).cloned(),
                Rule::When(when, answer) => when.holds(record)?.then(|| answer_text(answer)),
                Rule::Expression(expressions, of) => {
                    let values = expressions.evaluate(&[record]).pop().unwrap_or(Ok(Vec::new()))?;
                    match (values.into_iter().next(), of) {
                        (None | Some(Value::Null), _) => None,
                        (Some(Value::Text(text)), LogicalType::Varchar) => Some(text.to_string()),
                        (Some(value), of) => Some(json_text(&value, of)),
                    }
                }
            };
            if let Some(answer) = answer {
                self.supplied.set(endpoint, body, answer);
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Checks the `--answers` file against the plan: its stages and its conditions.
///
/// # Errors
/// The first mistake.
pub(crate) fn check(answers: &Answers, plan: &Plan) -> Result<(), SetupError> {
    let asks = |node: &&Node| matches!(node.step, Step::Ask(_) | Step::Submit(_));
    let known: Vec<(&str, &Node)> = plan
        .nodes
        .iter()
        .filter(asks)
        .map(|node| {
            let collects =
                plan.nodes.iter().find(|other| matches!(other.step, Step::Collect(id) if id == node.id));
            (&*collects.unwrap_or(node).name, node)
        })
        .collect();
    let engine = Engine::start().map_err(|error| Unusable(error.to_string()))?;
    for stage in answers.stages.keys() {
        let Some((_, node)) = known.iter().find(|(name, _)| name == stage) else {
            let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
            let what = format!(
                "`{}`: no stage `{stage}` calls a model (those that do: {})",
                answers.name,
                names.join(", ")
            );
            return Err(SetupError::Answers(what));
        };
        for rule in answers.rules(stage)? {
            if let Written::When(condition, _) = rule {
                sql::condition(&engine, &node.input.relation(), &condition).map_err(|error| {
                    SetupError::Answers(format!(
                        "`{}`, stage `{stage}`: `when: {condition}`: {error}",
                        answers.name
                    ))
                })?;
            }
        }
    }
    Ok(())
}

/// A hash of the supplied answers: an edited answer changes it.
pub(crate) fn fingerprint(plan: &Plan, answers: Option<&Answers>) -> Option<String> {
    let mocks: Vec<String> = plan
        .nodes
        .iter()
        .filter_map(|node| match &node.step {
            Step::Ask(ask) | Step::Submit(ask) => {
                // `batch:` sends the same requests, which are answered already.
                let name = node.name.strip_suffix(".submit").unwrap_or(&node.name);
                ask.mock.as_ref().map(|mock| format!("{name} {mock:?}"))
            }
            _ => None,
        })
        .collect();
    let answers = answers.map(|answers| Json::Object(answers.stages.clone()).to_string());
    if mocks.is_empty() && answers.is_none() {
        return None;
    }
    let hash = blake3::hash(format!("{mocks:?} {answers:?}").as_bytes());
    Some(hash.to_hex()[..8].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_boolean_only_as_in_a_spec() {
        let text = "ask: { a: no, b: on, c: y, d: true }";
        let answers = Answers::parse("answers.yaml", text).unwrap();
        let expected = serde_json::json!({ "ask": { "a": "no", "b": "on", "c": "y", "d": true } });
        assert_eq!(Json::Object(answers.stages), expected);
    }
}
