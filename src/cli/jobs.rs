//! `etl jobs SPEC`

use clap::ValueEnum;

use crate::{
    run::{JobView, Jobs, Options, RunError},
    store::JobRecord,
};

use super::{FATAL, SpecArguments, WRONG, block_on, load, run::base_url, show, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// What to do about them; by default they are only shown.
    #[arg(value_enum)]
    action: Option<Action>,
    /// Send requests to this server instead of the one in the pipeline.
    #[arg(long, value_name = "URL", value_parser = base_url)]
    base_url: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Cancel the running ones; the next run collects their answers.
    Cancel,
    /// Delete from the service the jobs and files whose answers are in the ledger.
    Clean,
}

pub(super) fn jobs(arguments: &Arguments) -> u8 {
    let pipeline = match load(&arguments.spec) {
        Ok(pipeline) => pipeline,
        Err(code) => return code,
    };
    let options = Options { base_url: arguments.base_url.clone(), ..Options::default() };
    let work = async {
        let mut jobs = pipeline.jobs(&options).await?;
        let done = act(&mut jobs, arguments.action).await?;
        Ok::<String, RunError>(format!("{}{}{done}", table(jobs.all()), elsewhere(jobs.elsewhere())))
    };
    match block_on(work) {
        Err(code) => code,
        Ok(Ok(text)) => {
            show(&text);
            0
        }
        Ok(Err(error)) => {
            tell(&error.to_string());
            if matches!(error, RunError::NoKey { .. }) { WRONG } else { FATAL }
        }
    }
}

async fn act(jobs: &mut Jobs, action: Option<Action>) -> Result<String, RunError> {
    Ok(match action {
        None => {
            jobs.look().await?;
            String::new()
        }
        Some(Action::Cancel) => {
            format!("\n{} cancelled; run the pipeline again to collect their answers\n", jobs.cancel().await?)
        }
        Some(Action::Clean) => {
            format!("\n{} deleted at the service, with their files\n", jobs.clean().await?)
        }
    })
}

/// A line for each other server with jobs. The simulator of an offline run ends with the run.
fn elsewhere(servers: &[(String, u64)]) -> String {
    let line = |(server, jobs): &(String, u64)| {
        let jobs = if *jobs == 1 { "1 more job".to_owned() } else { format!("{jobs} more jobs") };
        match server.as_str() {
            "mistral" => Some(format!("{jobs} at Mistral, shown without `--base-url`\n")),
            url if url.contains("://") => Some(format!("{jobs} at {url}, shown with `--base-url {url}`\n")),
            _ => None,
        }
    };
    servers.iter().filter_map(line).collect()
}

fn table(jobs: &[JobView]) -> String {
    if jobs.is_empty() {
        return "no batch jobs\n".to_owned();
    }
    let heads = ["job", "stage", "model", "state", "status", "done", "of", "planned"].map(str::to_owned);
    let mut rows = vec![heads];
    rows.extend(jobs.iter().map(row));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 8]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(JobView { job, own }: &JobView) -> [String; 8] {
    let JobRecord { token, stage, model, state, status, completed, requests, planned_at, .. } = job;
    [
        job.job.clone().unwrap_or_else(|| format!("({})", &token[..token.len().min(8)])),
        stage.clone(),
        model.clone(),
        if *own { state.to_string() } else { format!("{state}, of another account") },
        status.clone().unwrap_or_default(),
        completed.to_string(),
        requests.to_string(),
        planned_at.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
    ]
}
