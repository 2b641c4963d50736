//! A runnable pipeline, and its run from start to end. Main type: [`Pipeline`].

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    diagnostic::{Fault, Mistakes},
    event::{Event, EventKind, RunEnd},
    mistral,
    plan::{self, CompileContext, Node, Plan, Step, compile},
    read::ProofId,
    record::LogicalType,
    request::mock,
    sim::Sim,
    spec::{Variables, parse},
    sql::Engine,
    store::{self, RunRecord, Store, TableConflict},
    task,
};

use super::{
    client::client,
    context::{Context, Purpose},
    drive::{resume, shutdown::Shutdown, wire},
    error::RunError,
    money::priced::{misspelt, prices, unpriced},
    options::Options,
    progress::{
        events::Events,
        meter::{self, Meters},
    },
    stages::{sink, wave},
};

/// How often counts are reported.
const TICK: Duration = Duration::from_millis(100);

/// Why a pipeline cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its file cannot be read.
    #[error("cannot read `{}`: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// It has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

/// A runnable pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    plan: Plan,
}

impl Pipeline {
    /// Reads, checks and compiles a pipeline file; `set` has values for its parameters, by name.
    ///
    /// # Errors
    /// A file that cannot be read, or all mistakes in it and the files it refers to.
    pub fn from_file(path: impl AsRef<Path>, set: &[(String, String)]) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
        Ok(Self::from_text(path, &text, set)?)
    }

    /// Checks and compiles the text of a pipeline, as if in the file at `path`. The file need not exist, but the
    /// pipeline is named after it, and relative paths start in its folder.
    ///
    /// # Errors
    /// All mistakes in the text and the files it refers to.
    pub fn from_text(path: &Path, text: &str, set: &[(String, String)]) -> Result<Self, Mistakes> {
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
        let surroundings = CompileContext { describe: &describe, check_table: &check_table, proofs: &proofs };
        let compiled = compile(&spec, &surroundings);
        let prices = prices(&spec.prices);
        let unpriced = unpriced(&spec, &prices);
        match compiled {
            Ok(mut plan) if unpriced.is_empty() => {
                plan.warnings.extend(misspelt(&spec, &prices));
                Ok(Self { plan })
            }
            Ok(_) => Err(Mistakes(unpriced)),
            Err(Mistakes(mistakes)) => Err(Mistakes(mistakes.into_iter().chain(unpriced).collect())),
        }
    }

    /// The database of the text of a pipeline, as if in the file at `path`. The text may have mistakes elsewhere, such
    /// as files that are no longer there.
    ///
    /// # Errors
    /// A text that cannot be read as a pipeline.
    pub fn database_of(path: &Path, text: &str) -> Result<PathBuf, Mistakes> {
        let env = |name: &str| std::env::var(name).ok();
        let spec = parse(&path.display().to_string(), text, &Variables { set: &[], env: &env })?;
        Ok(plan::database(&spec))
    }

    /// The compiled plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The context lengths of the models named in the spec, in tokens, where known.
    pub fn contexts(&self) -> Vec<(String, u64)> {
        let mut contexts: Vec<(String, u64)> = Vec::new();
        for node in &self.plan.nodes {
            let (Step::Ask(ask) | Step::Submit(ask)) = &node.step else { continue };
            let names = match &ask.model {
                plan::Model::Named(name) => vec![name.clone()],
                plan::Model::Template { known, .. } => known.clone(),
            };
            for name in names {
                let context = mistral::context(&name);
                let is_new = contexts.iter().all(|(other, _)| *other != name);
                contexts.extend(context.filter(|_| is_new).map(|context| (name, context)));
            }
        }
        contexts
    }

    /// Whether a stage with this name calls a model.
    ///
    /// # Errors
    /// A message that lists the stages that do.
    pub fn asks_at(&self, stage: &str) -> Result<(), String> {
        let asks = |node: &&Node| matches!(node.step, Step::Ask(_) | Step::Collect(_));
        let known: Vec<&str> = self.plan.nodes.iter().filter(asks).map(|node| &*node.name).collect();
        if known.contains(&stage) {
            return Ok(());
        }
        let near = crate::diagnostic::nearest(stage, known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(format!("no stage `{stage}` calls a model{near} (those that do: {})", known.join(", ")))
    }

    /// Runs the pipeline. Events are sent through `events`; cancelling `stop` ends the run cleanly: work in
    /// flight is finished and stored. Dropping the future ends it at once; committed work is kept.
    ///
    /// # Errors
    /// Why it cannot start: no key, a database that cannot be opened. Later errors are part of the run's end,
    /// after all finished work has been stored.
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
        let shutdown = Shutdown::new(stop);
        let client = match plan.asks() {
            true => Some(client(&plan, options, sim.as_ref(), &shutdown)?),
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
        // Runs that repeat requests, or run only in part, do not resume.
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
        let purpose = Purpose::Run { spent };
        let context = Context::new(&plan, options, (store.clone(), run), (engine, shutdown), purpose, events);
        context
            .events
            .emit(EventKind::RunStarted {
                pipeline: plan.name.clone(),
                run: run.0,
                offline: options.offline,
                database: plan.database_shown.clone(),
                stages: meter::stages(&plan),
            })
            .await;
        let ticker = task::spawn(tick(
            Arc::clone(&context.events),
            Arc::clone(&context.meters),
            context.shutdown.clone(),
            plan.clone(),
        ));
        let drivers = wire::wire(&plan, &context, client.as_ref(), &resumed).await?;
        // A sink that cannot write stops the others from taking more, but not from storing what they have.
        let driven = drivers.into_iter().map(|driver| async {
            // A panic above a driver reaches it as the end of its input stream.
            match AssertUnwindSafe(driver).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => context.shutdown.fail(error),
                Err(panic) => context.shutdown.fail(RunError::Panic(task::panic_message(&*panic))),
            }
        });
        let mut driven = future::join_all(driven);
        tokio::select! {
            _ = &mut driven => {}
            Err(error) = ticker => {
                context.shutdown.fail(RunError::Panic(error.to_string()));
                driven.await;
            }
        }
        let tables = sink::finish(&plan, &context.stages).await;
        let end = context.end();
        let whole = matches!(end, RunEnd::Complete | RunEnd::WithFailures | RunEnd::Pending);
        for node in &plan.nodes {
            // A failure no longer stops anything; it is reported as the run's end.
            let _: Option<()> = match &node.step {
                // The waves of an interrupted run are what the next one resumes from.
                Step::Wave(what) if whole => {
                    let buffer = wave::buffer(node, what, &plan, &server);
                    context.shutdown.check(store.release(&buffer).await)
                }
                Step::Submit(_) => context.shutdown.check(store.unpark(&node.name).await),
                _ => None,
            };
        }
        let usage = context.meters.usage();
        let recorded = store.end(run, end.word(), usage).await;
        // The disk that failed the run may fail this write too; the first error is reported.
        if end.exit_code() != 1 {
            recorded?;
        }
        let is_limited = |node: &Node| matches!(&node.step, Step::Source(source) if source.limit.is_some());
        if matches!(end, RunEnd::Complete | RunEnd::WithFailures)
            && resumed.done.is_empty()
            && !plan.nodes.iter().any(is_limited)
        {
            for (stage, keys, other) in context.unused_answers() {
                context.events.emit(EventKind::UnusedAnswers { stage, keys, other }).await;
            }
        }
        let progress = context.meters.progress(&plan);
        let sum = context.meters.conservation(&plan);
        let seconds = started.elapsed().as_secs_f64();
        context.events.emit(EventKind::RunEnded { end: end.clone(), progress, sum, tables, seconds }).await;
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

async fn tick(events: Arc<Events>, meters: Arc<Meters>, shutdown: Shutdown, plan: Plan) {
    let mut ticks = tokio::time::interval(TICK);
    let mut interrupted = false;
    loop {
        ticks.tick().await;
        let progress = meters.progress(&plan);
        if shutdown.is_stopped() && shutdown.end().is_none() && !interrupted {
            interrupted = true;
            let in_flight = progress.stages.iter().map(|stage| stage.in_flight).sum();
            events.emit(EventKind::Interrupted { in_flight }).await;
        }
        events.emit_now(EventKind::Progress(progress));
    }
}
