//! A job being assembled: the lines of its input file, and the requests behind them.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    ledger::{Entry, History, JobState, RequestId, Step},
    record::Record,
    request::written::Written,
    run::{
        ask::single_flight::Leader,
        jobs::{
            context::JobContext,
            shared::{BatchStage, new_token},
        },
    },
    spec::BatchSpec,
    store::JobRecord,
    units::Usd,
};

/// A job being assembled.
pub(crate) struct Group {
    pub(crate) job: JobRecord,
    /// The input file, one line per request.
    pub(crate) lines: Vec<u8>,
    pub(crate) placed: HashMap<RequestId, Entry>,
    /// The claims on its requests, held until the ledger has them.
    pub(crate) claims: Vec<Leader>,
    /// Records that wait for it; records with the same request share a line.
    pub(crate) records: u64,
    pub(crate) cost: u64,
    pub(crate) deadline: Instant,
}

impl Group {
    /// An empty group, for requests to a model.
    pub(crate) fn new(shared: &BatchStage, context: &JobContext, model: &str, wait: Duration) -> Self {
        let model_map = &shared.model_map;
        let job = JobRecord {
            token: new_token(),
            pipeline: context.pipeline.clone(),
            stage: model_map.stage.to_string(),
            server: context.calls.database.server.clone(),
            account: context.account.clone(),
            endpoint: model_map.endpoint.path().to_owned(),
            model: model.to_owned(),
            requests: 0,
            state: JobState::New,
            job: None,
            input_file: None,
            output_file: None,
            error_file: None,
            status: None,
            completed: 0,
            succeeded: 0,
            failed: 0,
            planned_at: None,
            estimate: 0,
        };
        let deadline = Instant::now() + wait;
        Self {
            job,
            lines: Vec::new(),
            placed: HashMap::new(),
            claims: Vec::new(),
            records: 0,
            cost: 0,
            deadline,
        }
    }

    /// Whether another line would exceed its number of lines or its size.
    pub(crate) fn is_full(&self, line: &[u8], batch: &BatchSpec) -> bool {
        self.placed.len() >= batch.max_requests || (self.lines.len() + line.len()) as u64 > batch.max_bytes.0
    }

    /// Adds the line of a request; returns the group's token.
    pub(crate) fn add(
        &mut self,
        record: &Record,
        written: &Written,
        (line, cost): (&[u8], Usd),
        history: &History,
        shared: &BatchStage,
    ) -> String {
        let attempt = history.next_attempt();
        let entry = Entry {
            job: Some(self.job.token.clone()),
            ..shared.model_map.entry(
                written.id,
                &written.model,
                &record.key,
                history.generation,
                attempt,
                Step::Placed,
            )
        };
        self.lines.extend_from_slice(line);
        self.placed.insert(written.id, entry);
        self.cost += cost.micros();
        self.job.estimate = self.cost;
        self.job.requests += 1;
        self.job.token.clone()
    }
}

/// A line of an input file. Its id is the request's identity; the body is unchanged, so that answers from jobs
/// and direct answers are interchangeable.
pub(crate) fn line(id: RequestId, body: &Bytes) -> Vec<u8> {
    let mut line = format!("{{\"custom_id\":\"{id}\",\"body\":").into_bytes();
    line.extend_from_slice(body);
    line.extend_from_slice(b"}\n");
    line
}
