//! A configured run, and the part of it that each group of stages gets. Main type: [`Context`]; only
//! `drive::wire`, the pipeline and the dry run see all of it.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use crate::{
    event::{Event, RunEnd},
    mistral::Prices,
    plan::Plan,
    request::{
        mock::{Offline, UnusedIn},
        setup::Setup,
    },
    sql::Engine,
    store::{Run, Store},
    units::Usd,
};

use super::{
    ask::{calls::Calls, preflight::Preflight, single_flight::InFlightRequests},
    database::Database,
    drive::shutdown::Shutdown,
    jobs::context::JobContext,
    money::{budget::Budget, priced::prices},
    options::{self, Options},
    progress::{
        events::Events,
        meter::{self, Meters},
        read_log::ReadLog,
    },
    stages::context::StageContext,
};

/// A run, divided by what each part needs.
pub(crate) struct Context {
    pub(crate) calls: Arc<Calls>,
    pub(crate) jobs: Arc<JobContext>,
    pub(crate) stages: Arc<StageContext>,
    pub(crate) events: Arc<Events>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) shutdown: Shutdown,
    prices: Prices,
    /// The simulator's answers, in an offline run.
    offline: Option<Offline>,
}

/// The purpose of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// To call and to write; `spent` is the cost of the runs that it resumes.
    Run { spent: Usd },
    /// To find out what a run would send.
    DryRun,
}

impl Context {
    /// A run of a plan, with its database open.
    pub(crate) fn new(
        plan: &Plan,
        options: &Options,
        (store, run): (Store, Run),
        (engine, shutdown): (Engine, Shutdown),
        purpose: Purpose,
        queue: mpsc::Sender<Event>,
    ) -> Self {
        let (budget, spent) = match purpose {
            Purpose::Run { spent } => (plan.budget, spent),
            Purpose::DryRun => (None, Usd::default()),
        };
        let database = Database {
            store,
            run,
            server: options.server(plan),
            fresh: options.fresh,
            shutdown: shutdown.clone(),
        };
        let events = Arc::new(Events::new(queue, meter::visible(plan)));
        let meters = Arc::new(Meters::new(plan));
        let calls = Arc::new(Calls {
            preflight: Preflight::new(options::is_mistral(&database.server), Arc::clone(&meters.simulated)),
            database: database.clone(),
            in_flight: InFlightRequests::default(),
            budget: Budget::new(budget, spent),
            retry_failed: options.retry_failed,
            only: options.only.clone(),
        });
        let jobs = JobContext {
            calls: Arc::clone(&calls),
            events: Arc::clone(&events),
            pipeline: plan.name.clone(),
            batches: plan.batches(),
            account: options.account(plan),
            speed: if options.offline { options.sim.speed } else { 1.0 },
        };
        let stages = StageContext {
            database,
            engine: Mutex::new(engine),
            meters: Arc::clone(&meters),
            events: Arc::clone(&events),
            read: ReadLog::new(plan.removes_rows() && matches!(purpose, Purpose::Run { .. })),
            written: watch::Sender::default(),
        };
        Self {
            calls,
            jobs: Arc::new(jobs),
            stages: Arc::new(stages),
            events,
            meters,
            shutdown,
            prices: prices(&plan.prices),
            offline: options.offline_answers(),
        }
    }

    /// What the requests of a stage need from the run.
    pub(crate) fn setup(&self) -> Setup<'_> {
        Setup {
            engine: &self.stages.engine,
            prices: &self.prices,
            priced: self.calls.budget.is_limited(),
            cached_for: options::is_mistral(&self.calls.database.server).then_some(&*self.jobs.pipeline),
            offline: self.offline.as_ref(),
        }
    }

    /// Unused keys of mocked answers, by stage.
    pub(crate) fn unused_answers(&self) -> Vec<UnusedIn> {
        self.offline.as_ref().map(|offline| offline.unused.by_stage()).unwrap_or_default()
    }

    /// How the run has ended.
    pub(crate) fn end(&self) -> RunEnd {
        if let Some(end) = self.shutdown.end() {
            return end;
        }
        if self.shutdown.is_stopped() {
            return RunEnd::Interrupted;
        }
        if self.meters.unanswered.get() > 0 {
            RunEnd::Pending
        } else if self.meters.failures.get() > 0 {
            RunEnd::WithFailures
        } else {
            RunEnd::Complete
        }
    }
}
