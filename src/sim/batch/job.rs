//! One job: its lines, its course and its results so far.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use serde_json::{Map, Value};

use crate::{
    mistral::wire::{self, BatchError, FileObject},
    sim::{
        batch::{
            line::{self, Line},
            plan::{Ending, Moment, Plan},
            request::Wanted,
        },
        config::{ErrorShape, ErrorsIn, SimConfig},
        dice::Dice,
        endpoint,
        reply::Refusal,
        state::{State, files::StoredFile, identity::Asked, stats::add},
    },
};

pub(crate) struct Job {
    owner: String,
    id: String,
    wanted: Wanted,
    created: Duration,
    cancelled: Option<Duration>,
    entries: Vec<Entry>,
    /// The indices of the entries in the order in which they end.
    order: Vec<u32>,
    plan: Plan,
    errors_in_output: bool,
    done: Done,
}

struct Entry {
    line: Line,
    asked: Asked,
}

/// The results of the lines that have ended.
#[derive(Default)]
struct Done {
    ended: usize,
    failed: u64,
    output: Vec<u8>,
    errors: Vec<u8>,
    problems: BTreeMap<String, u64>,
    /// The ids of the output and error file, once the job has ended.
    files: Option<(Option<String>, Option<String>)>,
}

impl Job {
    /// `content` identifies the job's content, `nth` is the number of earlier jobs with the same.
    pub(crate) fn new(
        server: &State,
        owner: &str,
        wanted: Wanted,
        lines: Vec<Line>,
        content: &[u8],
        nth: u64,
    ) -> Self {
        let seed = server.config.seed;
        let dice = |purpose| Dice::of(seed, content, nth, purpose);
        let entries: Vec<Entry> = lines
            .into_iter()
            .map(|line| {
                let request = with_model(&line.body, &wanted.model);
                Entry { asked: server.registry.ask(&wanted.endpoint, &request), line }
            })
            .collect();
        let errors_in_output = match server.config.batch.errors {
            ErrorsIn::ErrorFile => false,
            ErrorsIn::OutputFile => true,
            ErrorsIn::Either => dice("errors").chance(0.5),
        };
        Self {
            owner: owner.to_owned(),
            id: dice("job").uuid(),
            created: server.clock.now(),
            cancelled: None,
            order: dice("order").shuffled(entries.len()),
            plan: Plan::draw(&server.config.batch, entries.len(), wanted.timeout, &mut dice("plan")),
            errors_in_output,
            done: Done::default(),
            entries,
            wanted,
        }
    }

    pub(crate) fn cancel(&mut self, now: Duration) {
        self.cancelled.get_or_insert(now.saturating_sub(self.created));
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn created(&self) -> Duration {
        self.created
    }

    /// Lines that have not ended yet.
    pub(crate) fn pending(&self, now: Duration) -> u64 {
        let moment = self.moment(now);
        if moment.status.is_terminal() { 0 } else { (self.entries.len() - moment.ended) as u64 }
    }

    pub(crate) fn moment(&self, now: Duration) -> Moment {
        self.plan.moment(self.entries.len(), now.saturating_sub(self.created), self.cancelled)
    }

    /// Brings the job up to date by answering the lines that have ended since the last call. If that takes longer
    /// than `patience`, the job is still running, and the next call continues.
    pub(crate) fn settle(&mut self, server: &State, now: Duration, patience: Duration) -> Moment {
        let moment = self.moment(now);
        let began = Instant::now();
        while self.done.ended < moment.ended {
            if began.elapsed() > patience {
                return moment.unfinished(self.cancelled.is_some());
            }
            let at = self.order[self.done.ended] as usize;
            self.done.ended += 1;
            self.end_line(server, at);
        }
        if moment.status.is_terminal() && self.done.files.is_none() {
            let output = std::mem::take(&mut self.done.output);
            let errors = std::mem::take(&mut self.done.errors);
            let completed = server.clock.seconds(self.created + moment.completed_at.unwrap_or_default());
            let keep = |content: Vec<u8>, kind: &str| {
                let object = FileObject {
                    id: String::new(),
                    object: "file".to_owned(),
                    bytes: Some(content.len() as u64),
                    created_at: completed,
                    filename: format!("{}_{kind}.jsonl", self.id),
                    purpose: "batch".to_owned(),
                    sample_type: Some(kind.to_owned()),
                    source: Some("mistral".to_owned()),
                    num_lines: Some(content.iter().filter(|byte| **byte == b'\n').count() as u64),
                };
                let file = StoredFile { owner: self.owner.clone(), object, content: Bytes::from(content) };
                (!file.content.is_empty()).then(|| server.files.keep(server.config.seed, file).object.id)
            };
            self.done.files = Some((keep(output, "batch_result"), keep(errors, "batch_error")));
        }
        moment
    }

    fn end_line(&mut self, server: &State, at: usize) {
        let config: &SimConfig = &server.config;
        let Entry { line, asked } = &self.entries[at];
        let request = with_model(&line.body, &self.wanted.model);
        let mut dice = Dice::of(config.seed, &asked.identity, asked.nth, "line");
        let custom_id = line.custom_id.as_deref();
        if dice.chance(config.batch.missing) {
            add(&server.stats.batch_missing, 1);
            return;
        }
        let id = format!("batch-{}-{at}-{}", &self.id[..8], dice.uuid());
        let accident = dice.chance(config.batch.failed).then(|| line::accident(&mut dice));
        let refusal = match endpoint::check(&self.wanted.endpoint, &request) {
            Err(refusal) => Some(refusal),
            Ok(()) => accident,
        };
        if let Some(refusal) = refusal {
            add(&server.stats.batch_failed, 1);
            self.refuse(server, &id, at, &refusal, &mut dice);
            return;
        }
        let given = endpoint::respond(server, &self.wanted.endpoint, &request, asked);
        add(&server.stats.batch_answered, 1);
        push(&mut self.done.output, &line::answered(&id, custom_id, given.response));
    }

    fn refuse(&mut self, server: &State, id: &str, at: usize, refusal: &Refusal, dice: &mut Dice) {
        // In the output file, a line without a response would not count as a refusal.
        let shapes = server.config.batch.shapes.iter().copied();
        let shapes: Vec<ErrorShape> =
            shapes.filter(|shape| !self.errors_in_output || *shape != ErrorShape::Bare).collect();
        let shape = dice.pick(&shapes).copied().unwrap_or(ErrorShape::Object);
        let row = line::refused(id, self.entries[at].line.custom_id.as_deref(), refusal, shape);
        push(if self.errors_in_output { &mut self.done.output } else { &mut self.done.errors }, &row);
        self.done.failed += 1;
        let message = refusal.body["message"].as_str().or_else(|| refusal.body["detail"].as_str());
        *self.done.problems.entry(message.unwrap_or("Invalid request").to_owned()).or_insert(0) += 1;
    }

    /// The job as the service shows it, at a moment it was settled for.
    pub(crate) fn view(&self, server: &State, moment: &Moment) -> wire::Job {
        let seconds = |age: Duration| server.clock.seconds(self.created + age);
        let mut errors: Vec<BatchError> = (self.done.problems.iter())
            .map(|(message, count)| BatchError { message: message.clone(), count: *count })
            .collect();
        if self.plan.ending == Ending::FailedBare && moment.status.is_terminal() {
            errors.push(BatchError { message: "The job could not be started".to_owned(), count: 1 });
        }
        let (output_file, error_file) = self.done.files.clone().unwrap_or_default();
        let ended = self.done.ended as u64;
        wire::Job {
            id: self.id.clone(),
            object: "batch".to_owned(),
            input_files: self.wanted.input_files.clone(),
            metadata: self.wanted.metadata.clone(),
            endpoint: self.wanted.endpoint.clone(),
            model: Some(self.wanted.model.clone()),
            output_file,
            error_file,
            errors,
            status: moment.status.clone(),
            created_at: seconds(Duration::ZERO),
            started_at: moment.started_at.map(seconds),
            completed_at: moment.completed_at.map(seconds),
            total_requests: if moment.counted { self.entries.len() as u64 } else { 0 },
            completed_requests: ended,
            // The service does not know about lines that it loses.
            succeeded_requests: ended - self.done.failed,
            failed_requests: self.done.failed,
        }
    }
}

fn push(file: &mut Vec<u8>, row: &Value) {
    file.extend_from_slice(row.to_string().as_bytes());
    file.push(b'\n');
}

/// The body of a line as a direct request, with the job's model in it.
fn with_model(body: &str, model: &str) -> Value {
    let mut request: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    request.insert("model".to_owned(), Value::from(model));
    Value::Object(request)
}
