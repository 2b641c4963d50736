//! [`Plan`] → rows: the only room that knows all the others.
//!
//! Wires the stages into streams, drives them, and brings them to an end: of their own, at the
//! user's word, or at an error that no record can get past.

mod ask;
mod context;
mod drive;
mod error;
mod jobs;
mod money;
mod options;
mod progress;
mod stages;

use std::{
    panic::AssertUnwindSafe,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{FutureExt, future};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    diagnostic::{Fault, Mistakes},
    event::{Event, EventKind, RunEnd},
    mistral::{self, Client, Connection, Limits, Prices},
    plan::{self, Plan, Step, Surroundings, compile},
    read::ProofId,
    record::LogicalType,
    request::mock,
    sim::Sim,
    spec::{ModelPrice, Timeouts, Variables, parse},
    sql::Engine,
    store::{self, RunRecord, Store, TableConflict},
    task,
};

pub use error::RunError;
pub use jobs::view::{JobView, Jobs};
pub use money::estimate::{Asks, Estimate, StageEstimate, estimate};
pub use options::Options;

pub use crate::request::mock::Answers;

use ask::{claims::Claims, preflight::Preflight};
use context::Context;
use drive::{halt::Halt, resume, wire};
use money::{priced, purse::Purse};
use progress::{
    meter::{self, Meters},
    read_log,
};
use stages::{sink, wave};

/// How often counts are told.
const TICK: Duration = Duration::from_millis(100);

/// A pipeline that can run.
#[derive(Debug, Clone)]
pub struct Pipeline {
    plan: Plan,
}

impl Pipeline {
    /// Reads and compiles a pipeline file; `set` are values for its parameters.
    ///
    /// # Errors
    /// Every mistake in the file and in those that it names.
    pub fn from_file(path: &Path, text: &str, set: &[(String, String)]) -> Result<Self, Mistakes> {
        let env = |name: &str| std::env::var(name).ok();
        let spec = parse(&path.display().to_string(), text, &Variables { set, env: &env })?;
        let database = plan::database(&spec);
        let resources = plan::resources(&spec);
        let describe = |sql: &str, tables: &[(String, crate::record::Schema)]| {
            store::describe(&database, &spec.folder, &resources, sql, tables)
        };
        let known = store::KnownProofs::of(&database);
        let proofs = |id: &ProofId| known.find(&id.file, &id.stamp, &id.options);
        let tables = store::KnownTables::of(&database);
        let check_table =
            |sink: &str, table: &str, key: Option<&[String]>, columns: &[(String, LogicalType)]| {
                let writes = key.unwrap_or_default().join(", ");
                let found = tables.conflicts(table, key, columns).into_iter();
                found.map(|conflict| conflict_fault(conflict, sink, table, &writes)).collect()
            };
        let surroundings = Surroundings { describe: &describe, check_table: &check_table, proofs: &proofs };
        let compiled = compile(&spec, &surroundings);
        let unpriced = priced::unpriced(&spec, &prices(&spec.prices));
        match compiled {
            Ok(plan) if unpriced.is_empty() => Ok(Self { plan }),
            Ok(_) => Err(Mistakes(unpriced)),
            Err(Mistakes(mistakes)) => Err(Mistakes(mistakes.into_iter().chain(unpriced).collect())),
        }
    }

    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a stage of this name asks; the words for a person if none does.
    ///
    /// # Errors
    /// The stages that do.
    pub fn asks_at(&self, stage: &str) -> Result<(), String> {
        let asks = |node: &&plan::Node| matches!(node.step, Step::Ask(_) | Step::Collect(_));
        let known: Vec<&str> = self.plan.nodes.iter().filter(asks).map(|node| &*node.name).collect();
        if known.contains(&stage) {
            return Ok(());
        }
        let near = crate::diagnostic::nearest(stage, known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(format!("no stage `{stage}` asks{near} (those that do: {})", known.join(", ")))
    }

    /// Runs it. Events come through `events`; cancelling `stop` ends the run in good order: what is
    /// under way is finished and kept. Dropping the future ends it at once; what was committed is kept.
    ///
    /// # Errors
    /// What stands in the way before the first record: no key, a database that cannot be opened. What
    /// comes later is told as the run's end, after everything that was finished has been kept.
    pub async fn run(
        &self,
        options: &Options,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> Result<RunEnd, RunError> {
        let mut plan = self.plan.clone();
        plan.limit(options.limit);
        options.answers.as_ref().map_or(Ok(()), |answers| mock::check(answers, &plan))?;
        let started = Instant::now();
        let server = options.server(&plan);
        let sim = match options.offline && plan.asks() {
            true => Some(Sim::start(options.sim.clone()).await?),
            false => None,
        };
        let halt = Halt::new(stop);
        let client = match plan.asks() {
            true => Some(client(&plan, options, sim.as_ref(), &halt)?),
            false => None,
        };
        let engine = Engine::start().map_err(|error| RunError::Plan(error.to_string()))?;
        let store = Store::open(&plan.database, &plan.folder, &plan.resources).await?;
        let spent = store.spent(&plan.name, &server).await?;
        let tables = plan.nodes.iter().filter_map(|node| match &node.step {
            Step::Sink(to) => Some(sink::table(node, to)),
            _ => None,
        });
        store.prepare(&plan.name, tables.collect()).await?;
        // What is asked anew, or only in part, is no going on.
        let goes_on = !options.fresh && !options.retry_failed && options.only.is_none();
        let mut closed = if goes_on { store.closed_waves(&plan.name, &server).await? } else { Vec::new() };
        let mut held = Vec::new();
        for (run, closed) in closed.drain(..) {
            let node = plan.nodes.iter().find(|node| *node.name == *closed.wave);
            if let Some(node) = node
                && let Step::Wave(what) = &node.step
                && store.holds(&wave::buffer(node, what, &plan, &server), &closed).await?
            {
                held.push((run, closed));
            }
        }
        let closed = held;
        let resumed = resume::resumed(&plan, &closed);
        let run = store.begin(RunRecord { pipeline: plan.name.clone(), server: server.clone() }).await?;
        let done: Vec<Arc<str>> = resumed.done.iter().map(|id| Arc::clone(&plan.node(*id).name)).collect();
        store.take_over_read(run, &done).await?;
        let mut next = 0;
        let visible = plan.nodes.iter().map(|node| {
            meter::is_visible(node).then(|| {
                next += 1;
                next - 1
            })
        });
        let context = Arc::new(Context {
            pipeline: plan.name.clone(),
            batches: plan.batches(),
            store: store.clone(),
            engine: Mutex::new(engine),
            run,
            server,
            speed: if options.offline { options.sim.speed } else { 1.0 },
            fresh: options.fresh,
            retry_failed: options.retry_failed,
            only: options.only.clone(),
            account: options.account(&plan),
            halt,
            claims: Claims::default(),
            prices: prices(&plan.prices),
            purse: Purse::new(plan.budget, spent),
            preflight: Preflight::default(),
            offline: options.given(),
            meters: Arc::new(Meters::new(&plan)),
            read: read_log::ReadLog::new(plan.removes_rows()),
            written: watch::Sender::default(),
            events,
            visible: visible.collect(),
        });
        context
            .tell(EventKind::RunStarted {
                pipeline: plan.name.clone(),
                run: run.0,
                offline: options.offline,
                database: plan.database_shown.clone(),
                stages: meter::stages(&plan),
            })
            .await;
        let ticker = task::spawn(tick(Arc::clone(&context), plan.clone()));
        let drivers = wire::wire(&plan, &context, client.as_ref(), &resumed).await?;
        // A sink that cannot write stops the others from taking more, but not from keeping what they have.
        let driven = drivers.into_iter().map(|driver| async {
            // A panic anywhere above a driver arrives in it, as the end of a stream that it reads.
            match AssertUnwindSafe(driver).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => context.halt.fail(error),
                Err(panic) => context.halt.fail(RunError::Panic(task::panic_message(&*panic))),
            }
        });
        let mut driven = future::join_all(driven);
        tokio::select! {
            _ = &mut driven => {}
            Err(error) = ticker => {
                context.halt.fail(RunError::Panic(error.to_string()));
                driven.await;
            }
        }
        let tables = sink::finish(&plan, &context).await;
        let end = context.end();
        let whole = matches!(end, RunEnd::Complete | RunEnd::WithFailures | RunEnd::Pending);
        for node in &plan.nodes {
            // A failure stops nothing any more; it is told as the run's end.
            let _: Option<()> = match &node.step {
                // What a run that was cut off holds is what the next one goes on from.
                Step::Wave(what) if whole => {
                    let buffer = wave::buffer(node, what, &plan, &context.server);
                    context.halt.check(store.release(&buffer).await)
                }
                Step::Submit(_) => context.halt.check(store.unpark(&node.name).await),
                _ => None,
            };
        }
        let usage = context.meters.usage();
        let recorded = store.end(run, end.word(), usage).await;
        // The disk that failed the run may fail its last line too; the first error is the one to tell.
        if end.exit_code() != 1 {
            recorded?;
        }
        let progress = context.meters.progress(&plan);
        let sum = context.meters.conservation(&plan);
        let seconds = started.elapsed().as_secs_f64();
        context.tell(EventKind::RunEnded { end: end.clone(), progress, sum, tables, seconds }).await;
        Ok(end)
    }
}

fn conflict_fault(conflict: TableConflict, sink: &str, table: &str, writes: &str) -> Fault {
    let (sink, table) = (sink.to_owned(), table.to_owned());
    match conflict {
        TableConflict::Key { has } => {
            Fault::TableKey { table, has: has.join(", "), sink, writes: writes.to_owned() }
        }
        TableConflict::Column { column, has, writes } => {
            Fault::TableColumn { table, column, has: has.sql(), sink, writes: writes.sql() }
        }
    }
}

fn prices(own: &[ModelPrice]) -> Prices {
    let own = own
        .iter()
        .map(|price| (price.model.clone(), mistral::Price::new(price.prompt, price.completion, price.pages)));
    Prices::new(own.collect())
}

fn client(plan: &Plan, options: &Options, sim: Option<&Sim>, halt: &Halt) -> Result<Client, RunError> {
    let mistral = plan.mistral.as_ref();
    let key = mistral.and_then(|mistral| mistral.api_key.as_ref()).map(plan::Secret::expose);
    let (base_url, api_key) = match (sim, key) {
        (Some(sim), _) => (sim.url(), "offline"),
        (None, Some(key)) => (options.base_url(plan).to_owned(), key),
        // A server of one's own may want none.
        (None, None) if options.server(plan) != "mistral" => (options.base_url(plan).to_owned(), "none"),
        (None, None) => {
            let variable = mistral.and_then(|mistral| mistral.key_variable.clone());
            return Err(RunError::NoKey {
                variable: variable.unwrap_or_else(|| "MISTRAL_API_KEY".to_owned()),
            });
        }
    };
    let limits = Limits::new(mistral.and_then(|m| m.requests), mistral.and_then(|m| m.tokens));
    let timeouts = mistral.map_or(Timeouts::DEFAULT, |mistral| mistral.timeouts);
    let connection = Connection { timeouts, ..Connection::new(base_url, api_key) };
    Ok(Client::new(&connection, limits, halt.token())?)
}

async fn tick(context: Arc<Context>, plan: Plan) {
    let mut ticks = tokio::time::interval(TICK);
    let mut interrupted = false;
    loop {
        ticks.tick().await;
        let progress = context.meters.progress(&plan);
        if context.halt.is_stopped() && context.halt.end().is_none() && !interrupted {
            interrupted = true;
            let in_flight = progress.stages.iter().map(|stage| stage.in_flight).sum();
            context.tell(EventKind::Interrupted { in_flight }).await;
        }
        context.tell_now(EventKind::Progress(progress));
    }
}
