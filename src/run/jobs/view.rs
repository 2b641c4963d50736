//! The batch jobs of a pipeline, for a person: their status, cancellation, and deletion at the service.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    mistral::{Client, RetryPolicy},
    run::{
        client::client,
        drive::shutdown::Shutdown,
        error::RunError,
        jobs::shared::{has_ended, update},
        options::Options,
        pipeline::Pipeline,
    },
    store::{JobRecord, Store},
};
/// A person is waiting: minutes of silence, acceptable in a run, would be too long.
const POLICY: RetryPolicy =
    RetryPolicy { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(10) };

/// A job and its ownership.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The state in the ledger, and from the service if it was queried.
    pub job: JobRecord,
    /// Whether it was created with the current key.
    pub own: bool,
}

/// The jobs of a pipeline, and operations on them. Nothing is written to the database: the next run learns of
/// changes from the service.
pub struct Jobs {
    client: Option<Client>,
    jobs: Vec<JobView>,
    elsewhere: Vec<(String, u64)>,
}

impl Pipeline {
    /// Reads the jobs from the ledger.
    ///
    /// # Errors
    /// A database that cannot be read, or an invalid key. Without a key the service is not queried.
    pub async fn jobs(&self, options: &Options) -> Result<Jobs, RunError> {
        let plan = self.plan();
        let store = Store::open_read_only(&plan.database, &plan.folder, &plan.resources).await?;
        let (server, account) = (options.server(plan), options.account(plan));
        let elsewhere = store.jobs_elsewhere(&plan.name, &server).await?;
        let jobs = store.jobs(&plan.name, &server).await?.into_iter();
        let jobs = jobs.map(|job| JobView { own: job.account == account, job }).collect();
        let shutdown = Shutdown::new(CancellationToken::new());
        if !plan.asks() {
            return Ok(Jobs { client: None, jobs, elsewhere });
        }
        let client = match client(plan, options, None, &shutdown) {
            Ok(client) => Some(client.with_retry_policy(POLICY)),
            Err(RunError::NoKey { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Jobs { client, jobs, elsewhere })
    }
}

impl Jobs {
    /// All jobs, in the order of planning.
    pub fn all(&self) -> &[JobView] {
        &self.jobs
    }

    /// The other servers at which the pipeline has jobs, each with their number.
    pub fn elsewhere(&self) -> &[(String, u64)] {
        &self.elsewhere
    }

    /// Queries the service for the status of jobs that have not ended.
    ///
    /// # Errors
    /// The service does not respond.
    pub async fn look(&mut self) -> Result<(), RunError> {
        let Some(client) = &self.client else { return Ok(()) };
        for view in self.jobs.iter_mut().filter(|view| view.own && view.job.state.is_open()) {
            let Some(id) = view.job.job.clone() else { continue };
            if let Some(found) = client.job(&id).await? {
                update(&mut view.job, &found);
            }
        }
        Ok(())
    }

    /// Cancels the jobs that have not ended; returns their number.
    ///
    /// # Errors
    /// No key, or the service does not respond.
    pub async fn cancel(&mut self) -> Result<usize, RunError> {
        self.look().await?;
        let client = self.client()?;
        let mut cancelled = 0;
        for view in self.jobs.iter_mut().filter(|view| view.own && view.job.state.is_open()) {
            let Some(id) = view.job.job.clone().filter(|_| !has_ended(&view.job)) else { continue };
            update(&mut view.job, &client.cancel_job(&id).await?);
            cancelled += 1;
        }
        Ok(cancelled)
    }

    /// Deletes the job and its files at the service for each job whose answers are in the ledger. Returns their
    /// number.
    ///
    /// # Errors
    /// No key, or the service does not respond.
    pub async fn clean(&mut self) -> Result<usize, RunError> {
        let client = self.client()?;
        let mut cleaned = 0;
        for JobView { job, .. } in self.jobs.iter().filter(|view| view.own && !view.job.state.is_open()) {
            for file in [&job.input_file, &job.output_file, &job.error_file].into_iter().flatten() {
                client.delete_file(file).await?;
            }
            if let Some(id) = &job.job {
                cleaned += usize::from(client.delete_job(id).await?);
            }
        }
        Ok(cleaned)
    }

    fn client(&self) -> Result<Client, RunError> {
        self.client.clone().ok_or_else(|| RunError::NoKey { variable: "MISTRAL_API_KEY".to_owned() })
    }
}
