//! A compiled map that calls a model: its condition, requests and verdicts. Main type: [`ModelMap`].

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    expressions::When,
    ledger::{Entry, Generation, History, RequestId, Step},
    mistral::Endpoint,
    plan::{Ask, Node},
    record::{Failure, FailureKind, Record, Schema},
};

use super::{
    cost::Costs,
    error::{SetupError, WriteError},
    setup::Setup,
    verdict::Judge,
    write::Writer,
    written::{Sending, Written},
};

/// A map that calls a model, compiled.
pub(crate) struct ModelMap {
    pub(crate) stage: Arc<str>,
    pub(crate) ask: Ask,
    pub(crate) when: When,
    /// The fields of its input records.
    pub(crate) input_schema: Arc<Schema>,
    pub(crate) endpoint: Endpoint,
    pub(crate) costs: Arc<Costs>,
    writer: Writer,
    pub(crate) judge: Judge,
}

impl ModelMap {
    pub(crate) fn new(node: &Node, ask: &Ask, setup: &Setup<'_>) -> Result<Self, SetupError> {
        let costs = Arc::new(Costs::new(ask, setup.prices));
        let writer = Writer::new(node, ask, &costs, setup)?;
        Ok(Self {
            stage: Arc::clone(&node.name),
            input_schema: Arc::clone(&node.input.schema),
            when: When::new(setup.engine, &node.input, node.when.as_deref())?,
            endpoint: writer.endpoint,
            writer,
            judge: Judge::new(node, ask, &costs, setup)?,
            costs,
            ask: ask.clone(),
        })
    }

    /// Whether files are attached.
    pub(crate) fn attaches(&self) -> bool {
        self.writer.attaches()
    }

    /// The estimated tokens of an answer.
    pub(crate) fn answer_tokens(&self) -> u64 {
        self.writer.answer_tokens()
    }

    /// The request for a record.
    pub(crate) async fn write(&self, record: &Record) -> Result<Written, WriteError> {
        self.writer.write(record).await
    }

    /// The body of a written request.
    pub(crate) async fn body(&self, record: &Record, written: &Written) -> Result<Bytes, WriteError> {
        self.writer.body(record, written).await
    }

    /// The body of the next attempt, given the history.
    pub(crate) async fn sending(
        &self,
        record: &Record,
        written: &Written,
        history: &History,
    ) -> Result<Sending, WriteError> {
        let shows = self.writer.shows_refused();
        let refused = if shows { self.judge.refused(record, history) } else { Vec::new() };
        self.writer.sending(record, written, refused).await
    }

    /// A journal row.
    pub(crate) fn entry(
        &self,
        request: RequestId,
        model: &str,
        key: &str,
        generation: Generation,
        attempt: u32,
        step: Step,
    ) -> Entry {
        Entry {
            request,
            generation,
            attempt,
            stage: self.stage.to_string(),
            key: key.to_owned(),
            asked_model: model.to_owned(),
            job: None,
            step,
        }
    }

    /// The failure of a record without a valid request.
    pub(crate) fn unwritten(&self, record: Record, error: &WriteError) -> Box<Failure> {
        self.failure(record, error.kind(), error.to_string(), 0)
    }

    /// The failure of a record that has no answer and was not refused.
    pub(crate) fn failure(
        &self,
        record: Record,
        kind: FailureKind,
        reason: String,
        attempts: u32,
    ) -> Box<Failure> {
        Box::new(Failure { record, stage: Arc::clone(&self.stage), kind, reason, attempts, reply: None })
    }
}
