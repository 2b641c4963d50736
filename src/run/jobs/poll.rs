//! Poll: checks jobs until they end.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};

use crate::{
    expressions::When,
    ledger::JobStep,
    mistral::{CallError, Client},
    plan::{Node, Poll},
    record::{Record, Schema, Value},
    run::{
        jobs::{
            context::JobContext,
            create::lose,
            shared::{Batched, InFlightJob, JobStream, age, has_ended, update},
        },
        progress::meter::Meter,
    },
    spec::OnTimeout,
    stage::{Checked, Polled, Timetable, poll as polled},
    store::{Batch, JobRecord},
};

/// The most jobs polled at once. Between two checks a job is a timer; the service allows a million pending
/// requests, which is a thousand jobs of a thousand.
const MOST: usize = 1000;

/// The shortest interval of accelerated polling.
const LEAST: Duration = Duration::from_millis(250);

/// The timetable after a cancellation was requested.
const CANCELLED: Timetable = Timetable {
    every: Duration::from_secs(2),
    factor: 1.5,
    max: Duration::from_secs(10),
    timeout: Duration::from_secs(120),
};

/// The context of polling.
struct Polling {
    node: Node,
    until: When,
    has_until: bool,
    /// The fields of a job as a record.
    schema: Arc<Schema>,
    meter: Arc<Meter>,
    client: Client,
    context: Arc<JobContext>,
}

/// Emits the jobs of a stream as they end; records pass through.
pub(crate) fn poll(
    input: JobStream,
    node: &Node,
    (poll, until): (&Poll, When),
    meter: &Arc<Meter>,
    client: &Client,
    context: &Arc<JobContext>,
) -> JobStream {
    let schedule = poll.schedule;
    // Polling is accelerated like the jobs, but not without limit.
    let here = |time: Duration| time.div_f64(context.speed).max(time.min(LEAST));
    let timetable = Timetable {
        every: here(schedule.every),
        factor: schedule.factor,
        max: here(schedule.max),
        timeout: schedule.timeout,
    };
    let polling = Arc::new(Polling {
        node: node.clone(),
        until,
        schema: Arc::clone(&node.input.schema),
        has_until: poll.until.is_some(),
        meter: Arc::clone(meter),
        client: client.clone(),
        context: Arc::clone(context),
    });
    let checking = Arc::clone(&polling);
    let check = move |batched| {
        let polling = Arc::clone(&checking);
        async move { polling.check(batched).await }
    };
    let input = input.inspect({
        let meter = Arc::clone(meter);
        move |batched| meter.taken.add(u64::from(matches!(batched, Batched::Job(_))))
    });
    let out = polled(input.boxed(), MOST, timetable, job_age, check, context.calls.database.shutdown.token())
        .filter_map(move |polled| {
            let polling = Arc::clone(&polling);
            async move { polling.ended(polled, schedule.timeout, schedule.on_timeout).await }
        });
    out.boxed()
}

/// The age of a job; 0 for a record that passes through.
fn job_age(batched: &Batched) -> Duration {
    match batched {
        Batched::Job(in_flight) => age(in_flight.job.planned_at),
        Batched::Record(_) => Duration::ZERO,
    }
}

impl Polling {
    async fn check(&self, batched: Batched) -> (Batched, Checked) {
        let Batched::Job(mut in_flight) = batched else { return (batched, Checked::Ended) };
        let checked = self.look(&mut in_flight).await;
        (Batched::Job(in_flight), checked)
    }

    async fn look(&self, in_flight: &mut InFlightJob) -> Checked {
        let job = &mut in_flight.job;
        let (Some(id), None) = (job.job.clone(), &in_flight.pending) else { return Checked::Ended };
        if has_ended(job) {
            return Checked::Ended;
        }
        match self.client.job(&id).await {
            Ok(Some(found)) => {
                let completed = job.completed;
                let changed = update(job, &found);
                if changed
                    && !self.context.calls.database.job_step(job, JobStep::Seen, Batch::default()).await
                {
                    return Checked::Stopped;
                }
                if changed || job.completed != completed {
                    self.context.events.job_changed(self.node.id, job).await;
                }
            }
            Ok(None) => {
                if lose(job, "the job no longer exists at the service", &self.context).await.is_none() {
                    return Checked::Stopped;
                }
            }
            Err(CallError::Stop(cause)) => {
                self.context.calls.database.shutdown.fail(cause);
                return Checked::Stopped;
            }
            Err(CallError::Stopped) => return Checked::Stopped,
            // The next check may succeed; the deadline still applies.
            Err(error) => {
                tracing::warn!("cannot check batch job {id}: {error}");
                return Checked::Pending;
            }
        }
        let until = self.has_until && self.until.holds(&record(job, &self.schema)).unwrap_or(false);
        if has_ended(job) || until { Checked::Ended } else { Checked::Pending }
    }

    async fn ended(&self, polled: Polled<Batched>, timeout: Duration, then: OnTimeout) -> Option<Batched> {
        let batched = match polled {
            Polled::Ended(batched) => batched,
            // The job continues at the service when the run is stopped, and the next run resumes it.
            Polled::Stopped(_) => return None,
            Polled::TimedOut(Batched::Job(in_flight)) => {
                Batched::Job(Box::new(self.timed_out(*in_flight, timeout, then).await?))
            }
            Polled::TimedOut(record) => record,
        };
        if let Batched::Job(in_flight) = &batched {
            let ended = has_ended(&in_flight.job) && in_flight.pending.is_none();
            if ended { self.meter.done.add(1) } else { self.meter.failed.add(1) }
        }
        Some(batched)
    }

    async fn timed_out(
        &self,
        mut in_flight: InFlightJob,
        timeout: Duration,
        then: OnTimeout,
    ) -> Option<InFlightJob> {
        let span = crate::units::Span(timeout);
        let id = in_flight.job.job.clone().unwrap_or_default();
        if then == OnTimeout::Cancel {
            match self.client.cancel_job(&id).await {
                Ok(job) => {
                    update(&mut in_flight.job, &job);
                    let one = stream::iter([in_flight]).boxed();
                    let polling = Polling {
                        node: self.node.clone(),
                        until: When::none(),
                        schema: Arc::default(),
                        has_until: false,
                        meter: Arc::clone(&self.meter),
                        client: self.client.clone(),
                        context: Arc::clone(&self.context),
                    };
                    let polling = Arc::new(polling);
                    let check = move |mut in_flight: InFlightJob| {
                        let polling = Arc::clone(&polling);
                        async move {
                            let checked = polling.look(&mut in_flight).await;
                            (in_flight, checked)
                        }
                    };
                    let mut out = polled(
                        one,
                        1,
                        CANCELLED,
                        |_| Duration::ZERO,
                        check,
                        self.context.calls.database.shutdown.token(),
                    );
                    match out.next().await? {
                        Polled::Ended(in_flight) => return Some(in_flight),
                        Polled::Stopped(_) => return None,
                        Polled::TimedOut(late) => in_flight = late,
                    }
                }
                Err(error) => tracing::warn!("cannot cancel batch job {id}: {error}"),
            }
        }
        in_flight.pending = Some(format!(
            "batch job {id} has not ended within {span}; it continues, and the next run collects it"
        ));
        Some(in_flight)
    }
}

/// A job as a record, for conditions.
fn record(job: &JobRecord, schema: &Arc<Schema>) -> Record {
    let count = |count: u64| Value::Integer(count as i64);
    let value = Value::Struct(Arc::new([
        Value::from(job.token.as_str()),
        job.job.as_deref().map_or(Value::Null, Value::from),
        job.status.as_deref().map_or(Value::Null, Value::from),
        count(job.requests),
        count(job.completed),
        count(job.succeeded),
        count(job.failed),
    ]));
    Record::new(job.token.as_str(), Arc::clone(schema), vec![value])
}
