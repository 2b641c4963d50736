//! Judges answers: whether one counts, and how its request continues. Main type: [`Judge`].

use std::{sync::Arc, time::Duration};

use crate::{
    expressions::Unusable,
    ledger::{Answer, Entry, History, Refusal, Step},
    mistral::{Accepted, Ending, Expected, Reply, accept, without_thinking},
    plan::{Ask, Node, Task},
    record::{Answered, Failure, FailureKind, Record, Schema, Value, from_json, left_out},
};

use super::{cost::Costs, expectation::Expectations, setup::Setup};

/// The final outcome of a request.
#[derive(Debug, Clone)]
pub(crate) enum Resolution {
    /// A valid answer.
    Answered { value: Value, by: Answered },
    /// No valid answer, and no attempts left.
    Failed { kind: FailureKind, reason: String, attempts: u32, reply: Option<String> },
}

/// A valid answer.
struct Judged {
    value: Value,
    /// What was repaired to parse it.
    note: Option<String>,
}

/// How a request continues.
#[derive(Debug, Clone)]
pub(crate) enum NextAction {
    /// It is decided.
    Resolution(Resolution),
    /// More attempts follow, up to and including this number.
    Ask { until: u32 },
    /// It is a line of a job whose results have not been read.
    Placed(String),
}

/// Whether the service refuses a request because it exceeds the model's context.
fn is_too_long(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["maximum context length", "context_length_exceeded", "exceeds the context"]
        .iter()
        .any(|words| reason.contains(words))
}

/// Judges the answers of a stage.
pub(crate) struct Judge {
    stage: Arc<str>,
    ask: Ask,
    expected: Option<Expected>,
    costs: Arc<Costs>,
    expectations: Expectations,
    /// The fields of a record including its answer.
    output: Arc<Schema>,
}

impl Judge {
    pub(super) fn new(
        node: &Node,
        ask: &Ask,
        costs: &Arc<Costs>,
        setup: &Setup<'_>,
    ) -> Result<Self, Unusable> {
        let mut output = (*node.input.schema).clone();
        output.set(ask.into.as_str(), ask.result.clone());
        let schema = match &ask.task {
            Task::Chat(chat) => chat.schema.as_ref(),
            Task::Call(_) => None,
        };
        let expected = schema.map(|schema| Expected::new(&schema.json)).transpose();
        Ok(Self {
            stage: Arc::clone(&node.name),
            expected: expected.map_err(|_| Unusable(node.name.to_string()))?,
            costs: Arc::clone(costs),
            expectations: Expectations::new(setup.engine, node, &ask.expect, &output)?,
            output: Arc::new(output),
            ask: ask.clone(),
        })
    }

    /// A model's answer for the ledger, judged.
    pub(crate) fn judged(
        &self,
        asked: &str,
        reply: Reply,
        latency: Option<Duration>,
        correlation_id: Option<String>,
    ) -> Step {
        let cost = self.costs.actual(asked, &reply);
        let Reply { model, text, finish_reason, usage, cached_tokens, note, unusable, .. } = reply;
        // If the server does not report a model, the requested one.
        let model = if model.is_empty() { asked.to_owned() } else { model };
        let mut answer = Answer {
            model,
            reply: text,
            finish_reason,
            prompt_tokens: usage.prompt_tokens,
            cached_tokens,
            completion_tokens: usage.completion_tokens,
            cost,
            latency_ms: latency.map(|latency| latency.as_millis() as u64),
            correlation_id,
            note,
            unusable,
        };
        match self.judge(&answer) {
            Ok(Judged { note, .. }) => {
                let notes: Vec<String> = [answer.note.take(), note].into_iter().flatten().collect();
                answer.note = (!notes.is_empty()).then(|| notes.join("; "));
                Step::Answered(answer)
            }
            Err(refusal) => Step::Refused(answer, refusal),
        }
    }

    /// The value of an answer, or why it is refused.
    fn judge(&self, answer: &Answer) -> Result<Judged, Refusal> {
        let refused = |reason: String| Refusal { kind: FailureKind::Refused, reason };
        if let Some(reason) = &answer.unusable {
            return Err(refused(reason.clone()));
        }
        let Answer { reply, finish_reason, .. } = answer;
        let judged = |value| Judged { value, note: None };
        let typed =
            |json: &str| from_json(json, &self.ask.result).map_err(|misfit| refused(misfit.to_string()));
        let Task::Chat(chat) = &self.ask.task else { return typed(reply).map(judged) };
        match Ending::of(finish_reason.as_deref()) {
            Ending::Whole => {}
            Ending::Cut => {
                let limit = match (finish_reason.as_deref(), chat.settings.max_tokens()) {
                    (Some("model_length"), _) => "the length of the model's context".to_owned(),
                    (_, Some(max)) => format!("`max_tokens: {max}`"),
                    (_, None) => "the model's own limit on answers".to_owned(),
                };
                let reason = format!("the answer was cut off at {limit}");
                return Err(Refusal { kind: FailureKind::Length, reason });
            }
            Ending::Refused(why) => {
                let word = finish_reason.as_deref().unwrap_or_default();
                return Err(refused(format!("{why} (`finish_reason: {word}`)")));
            }
        }
        match &self.expected {
            Some(expected) => {
                let Accepted { json, note } = accept(reply, expected).map_err(refused)?;
                let value = typed(&json)?;
                let left_out = left_out(&json, &self.ask.result);
                let left_out = (!left_out.is_empty())
                    .then(|| format!("ignored, not in the schema: `{}`", left_out.join("`, `")));
                let notes: Vec<String> = [note, left_out].into_iter().flatten().collect();
                Ok(Judged { value, note: (!notes.is_empty()).then(|| notes.join("; ")) })
            }
            None if reply.trim().is_empty() => Err(refused("the answer is empty".to_owned())),
            None => without_thinking(reply).map(|text| judged(Value::from(text))).map_err(refused),
        }
    }

    /// How a record's request continues, given its history in the ledger.
    ///
    /// `until` is the last attempt that this run may make; `None` at first, when earlier attempts count, unless
    /// failed ones are to be retried.
    ///
    /// Answers are judged again instead of reusing the earlier verdict: the current program and schema decide.
    pub(crate) fn next_action(
        &self,
        record: &Record,
        history: &History,
        until: Option<u32>,
        retry_failed: bool,
    ) -> NextAction {
        let mut refused = None;
        let mut refusals = 0;
        for (entry, answer) in history.answers() {
            match self.verdict(record, entry, answer) {
                Ok((value, by)) => return NextAction::Resolution(Resolution::Answered { value, by }),
                Err(refusal) => {
                    refused = Some((refusal, answer));
                    refusals += 1;
                }
            }
        }
        if let Some(job) = history.placed_in() {
            return NextAction::Placed(job.to_owned());
        }
        let made = history.next_attempt() - 1;
        let left = self.ask.attempts.saturating_sub(refusals);
        let (kind, reason) = match history.entries.last().map(|entry| &entry.step) {
            None => return NextAction::Ask { until: self.ask.attempts },
            // A request that is too long cannot be helped by another attempt.
            Some(Step::Invalid(reason)) if is_too_long(reason) => (FailureKind::Context, reason.clone()),
            Some(Step::Invalid(reason)) => (FailureKind::Invalid, reason.clone()),
            Some(Step::Missing(reason)) => (FailureKind::Unanswered, reason.clone()),
            Some(Step::Placed | Step::Answered(_) | Step::Refused(..)) => match &refused {
                Some((refusal, _)) => (refusal.kind, refusal.reason.clone()),
                None => (FailureKind::Refused, "the answer was refused".to_owned()),
            },
        };
        let more = match (until, kind) {
            // The service would refuse it again; only a new run may retry it.
            (Some(_), FailureKind::Invalid | FailureKind::Context) => None,
            (Some(until), _) => (made < until).then_some(until),
            (None, _) if retry_failed => Some(made + self.ask.attempts),
            (None, FailureKind::Invalid | FailureKind::Context) => None,
            (None, FailureKind::Unanswered) => Some(made + left.max(1)),
            (None, _) => (left > 0).then_some(made + left),
        };
        if let Some(until) = more {
            return NextAction::Ask { until };
        }
        let reply = refused.map(|(_, answer)| answer.reply.clone());
        NextAction::Resolution(Resolution::Failed { kind, reason, attempts: made, reply })
    }

    /// The step that refuses an answer accepted by its schema, or for another record, but not valid for this one;
    /// `None` if it is valid. Without this step no other attempt could follow.
    pub(crate) fn revalidated(&self, record: &Record, last: &Entry) -> Option<Entry> {
        let Step::Answered(answer) = &last.step else { return None };
        let refusal = self.verdict(record, last, answer).err()?;
        Some(Entry { step: Step::Refused(answer.clone(), refusal), ..last.clone() })
    }

    /// The value of an answer for a record and its source, or why it is refused: by the schema, and by the
    /// expectations for this record.
    fn verdict(&self, record: &Record, entry: &Entry, answer: &Answer) -> Result<(Value, Answered), Refusal> {
        let Judged { value, .. } = self.judge(answer)?;
        let by = Answered {
            model: answer.model.as_str().into(),
            request: entry.request.to_string().into(),
            attempt: entry.attempt,
            prompt_tokens: answer.prompt_tokens,
            completion_tokens: answer.completion_tokens,
            cost_micros: answer.cost.map(crate::units::Usd::micros),
        };
        if !self.expectations.is_empty() {
            let answered = self.answered(record, value.clone(), by.clone());
            self.expectations.check(&answered)?;
        }
        Ok((value, by))
    }

    /// The refused answers of a record in order, each with its reason.
    pub(crate) fn refused(&self, record: &Record, history: &History) -> Vec<(String, String)> {
        let refused = history.answers().filter_map(|(entry, answer)| {
            let refusal = self.verdict(record, entry, answer).err()?;
            // An unreadable answer has nothing to show.
            let is_shown = answer.unusable.is_none() && !answer.reply.trim().is_empty();
            is_shown.then(|| (answer.reply.clone(), refusal.reason))
        });
        refused.collect()
    }

    /// A record including its answer.
    fn answered(&self, record: &Record, value: Value, by: Answered) -> Record {
        let mut values = record.values.to_vec();
        values.resize(self.output.len(), Value::Null);
        if let Some(at) = self.output.position(&self.ask.into) {
            values[at] = value;
        }
        let about = Arc::new(record.about.with_answer(&self.stage, by));
        Record { about, ..record.with(&self.output, values) }
    }

    /// The record including its answer, or its failure.
    pub(crate) fn outcome(&self, record: Record, settled: Resolution) -> Result<Record, Box<Failure>> {
        match settled {
            Resolution::Answered { value, by } => Ok(self.answered(&record, value, by)),
            Resolution::Failed { kind, reason, attempts, reply } => Err(Box::new(Failure {
                record,
                stage: Arc::clone(&self.stage),
                kind,
                reason,
                attempts,
                reply,
            })),
        }
    }
}
