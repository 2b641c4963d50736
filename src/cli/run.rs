//! `etl run SPEC`

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    plan::Step,
    region,
    report::{Choice, Reporter},
    run::{Answers, Asks, Estimate, Options, Pipeline, RunError, estimate},
    sim::SimConfig,
    spec::Mode,
    units::Usd,
};

use super::{FATAL, SpecArguments, WRONG, block_on, load, show, tell, warn};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// Read at most N records.
    #[arg(long, value_name = "N", value_parser = records, allow_negative_numbers = true)]
    limit: Option<u64>,
    /// Show the graph, the first request, and the requests and cost of a run; send and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Use an in-process simulator: no key, no cost.
    #[arg(long)]
    offline: bool,
    /// How the simulator behaves: the name of a scenario (calm, busy, flaky, hostile, philosophy, outage, sporadic, limit-…) or a YAML file.
    #[arg(long, value_name = "NAME|FILE", requires = "offline")]
    scenario: Option<String>,
    /// What the simulator answers, by stage and key or by stage and condition; it generates the rest.
    #[arg(long, value_name = "FILE", requires = "offline")]
    answers: Option<std::path::PathBuf>,
    /// Send requests to this server instead of the one in the pipeline.
    #[arg(long, value_name = "URL", conflicts_with = "offline", value_parser = base_url)]
    base_url: Option<String>,
    /// Ignore the ledger: send every request again.
    #[arg(long)]
    fresh: bool,
    /// Retry permanent failures: refused answers with no attempts left, and invalid requests.
    #[arg(long, conflicts_with = "fresh")]
    retry_failed: bool,
    /// Send requests only at this stage; the others use answers from the ledger and leave the rest pending.
    #[arg(long, value_name = "STAGE")]
    only: Option<String>,
    /// How to show progress.
    #[arg(long, value_enum, default_value_t = Choice::Auto)]
    progress: Choice,
    /// Print only errors and failures.
    #[arg(long, short)]
    quiet: bool,
}

/// Exit code: interrupted.
const INTERRUPTED: u8 = 130;

/// The capacity of the event channel. When it is full, progress events are dropped and all others wait.
const EVENTS: usize = 64;

fn records(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|records| *records > 0).ok_or("expected a number of records, 1 or more")
}

pub(super) fn base_url(text: &str) -> Result<String, &'static str> {
    let url =
        region::base_url(text).ok_or("expected `eu`, `us` or a URL, such as `http://127.0.0.1:8080`")?;
    // The paths of the service begin with `/v1`.
    Ok(url.strip_suffix("/v1").unwrap_or(&url).to_owned())
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let pipeline = match load(&arguments.spec) {
        Ok(pipeline) => pipeline,
        Err(code) => return code,
    };
    let sim = match arguments.scenario.as_deref().map(|name| SimConfig::default().with_scenario(name)) {
        None => SimConfig::default(),
        Some(Ok(sim)) => sim,
        Some(Err(error)) => {
            tell(&error.to_string());
            return WRONG;
        }
    };
    let answers = match arguments.answers.as_deref().map(answers).transpose() {
        Ok(answers) => answers,
        Err(error) => {
            tell(&error);
            return WRONG;
        }
    };
    let options = Options {
        limit: arguments.limit,
        offline: arguments.offline,
        base_url: arguments.base_url.clone(),
        fresh: arguments.fresh,
        retry_failed: arguments.retry_failed,
        only: arguments.only.clone(),
        sim,
        answers,
    };
    if let Some(only) = &options.only
        && let Err(why) = pipeline.asks_at(only)
    {
        tell(&why);
        return WRONG;
    }
    warn_of_limit(&pipeline, arguments);
    let result = match arguments.dry_run {
        true => block_on(dry_run(&pipeline, &options)),
        false => block_on(run_and_report(&pipeline, &options, arguments)),
    };
    match result {
        Err(code) => code,
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            tell(&error.to_string());
            if matches!(error, RunError::NoKey { .. } | RunError::Answers(_)) { WRONG } else { FATAL }
        }
    }
}

/// Warns about `--limit` with a sink that replaces its rows.
fn warn_of_limit(pipeline: &Pipeline, arguments: &Arguments) {
    let Some(limit) = arguments.limit else { return };
    let replaced = pipeline.plan().nodes.iter().filter_map(|node| match &node.step {
        Step::Sink(sink) if sink.mode == Mode::Replace => Some(format!("{}", sink.target)),
        _ => None,
    });
    for target in replaced {
        warn(&format!(
            "with `--limit {limit}`, {target} will hold only the rows of that many records; a run without it writes all"
        ));
    }
}

/// The answers of a file.
fn answers(path: &std::path::Path) -> Result<Answers, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the answers `{name}`: {error}"))?;
    Answers::parse(&name, &text).map_err(|error| format!("the answers cannot be used: {error}"))
}

async fn run_and_report(
    pipeline: &Pipeline,
    options: &Options,
    arguments: &Arguments,
) -> Result<u8, RunError> {
    let mut reporter = Reporter::for_terminal(arguments.progress.resolve()).quiet(arguments.quiet);
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("ETL_LOG").unwrap_or_else(|_| "off,etl=warn".into());
    // This only fails for a second run in one process.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(reporter.log_writer())
        .try_init();

    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "the event `RunEnded` is the end of the events")]
    let (sender, mut events) = mpsc::channel(EVENTS);
    let running = pipeline.run(options, sender, stop.clone());
    let reporting = async {
        while let Some(event) = events.recv().await {
            reporter.on(&event);
        }
        reporter.finish()
    };
    let interrupts = async {
        interrupted().await;
        stop.cancel();
        interrupted().await;
    };
    tokio::select! {
        biased;
        (end, reported) = async { tokio::join!(running, reporting) } => {
            if let Err(error) = reported {
                tracing::debug!(%error, "the report could not be written");
            }
            Ok(end?.exit_code())
        }
        // The second interrupt: work in flight is dropped; committed work is kept.
        () = interrupts => Ok(INTERRUPTED),
    }
}

/// Waits for a stop by the user or the process manager.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let is_detached = *DETACHED;
        let both = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        if let (Ok(mut terminate), Ok(mut hangup)) = both {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                // The terminal was closed.
                _ = hangup.recv(), if !is_detached => {}
            }
            return;
        }
    }
    // A process that cannot listen for signals runs to its end.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Read before the first handler is installed, which changes it.
#[cfg(unix)]
static DETACHED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(hangup_is_ignored);

/// Whether SIGHUP was ignored at the start, as under `nohup`: then closing the terminal does not stop the run. Detected on
/// systems with `/proc`.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1, SIGHUP.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

async fn dry_run(pipeline: &Pipeline, options: &Options) -> Result<u8, RunError> {
    let estimate = estimate(pipeline, options).await?;
    show(&pipeline.plan().to_string());
    show(&reported(&estimate, pipeline.plan().budget, options.offline));
    Ok(0)
}

fn reported(estimate: &Estimate, budget: Option<Usd>, offline: bool) -> String {
    let mut text = format!("\n{} records", estimate.records);
    if estimate.unreadable > 0 {
        text.push_str(&format!(", of which {} cannot be read", estimate.unreadable));
    }
    text.push('\n');
    let mut sum = Asks::default();
    let mut cost = Some(Usd::default());
    for stage in &estimate.stages {
        let Some(asks) = &stage.asks else {
            text.push_str(&format!(
                "`{}` sends requests to {} for the records of the stages above it: how many is unknown until they have run\n",
                stage.stage, stage.model
            ));
            continue;
        };
        let pages = if asks.pages > 0 { format!(" and {} pages", asks.pages) } else { String::new() };
        let price = asks.cost.map_or("of unknown price".to_owned(), |cost| format!("about {cost}"));
        text.push_str(&format!(
            "`{}` would call {} {} times, with about {} tokens in and {} out{pages}, {price}; {} answers are already in the ledger\n",
            stage.stage, stage.model, asks.requests, asks.prompt_tokens, asks.completion_tokens, asks.answered
        ));
        if asks.broken > 0 {
            text.push_str(&format!("  for {} records the prompt cannot be rendered\n", asks.broken));
        }
        sum.requests += asks.requests;
        sum.prompt_tokens += asks.prompt_tokens;
        sum.completion_tokens += asks.completion_tokens;
        cost = cost.zip(asks.cost).map(|(sum, cost)| Usd::from_micros(sum.micros() + cost.micros()));
    }
    for stage in &estimate.stages {
        if let Some(first) = stage.asks.as_ref().and_then(|asks| asks.first.as_ref()) {
            let answered = stage.asks.as_ref().is_some_and(|asks| asks.requests == 0);
            let answered = if answered { ", already in the ledger or in a job" } else { "" };
            text.push_str(&format!("\nthe first request of `{}`{answered}:\n{first}\n", stage.stage));
        }
    }
    let left = budget.map(|budget| Usd::from_micros(budget.micros().saturating_sub(estimate.spent.micros())));
    let exceeded = left.zip(cost).filter(|(left, cost)| left < cost);
    let cost = cost.map_or("an unknown cost".to_owned(), |cost| cost.to_string());
    let is_part = estimate.stages.iter().any(|stage| stage.asks.is_none());
    let total = if is_part { "for the other stages" } else { "in total" };
    text.push_str(&format!(
        "\n{total} about {} requests, {} tokens in, {} tokens out, {cost}; nothing was sent, nothing was written\n",
        sum.requests, sum.prompt_tokens, sum.completion_tokens
    ));
    if let Some((left, _)) = exceeded {
        text.push_str(&format!(
            "this is more than the {left} left of the budget: the run would stop early, with records pending\n"
        ));
    }
    if offline {
        text.push_str("offline: the built-in simulator would answer, at no cost\n");
    }
    text
}
