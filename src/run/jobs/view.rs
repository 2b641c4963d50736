//! The batch jobs of a pipeline, for a person: their state, their cancellation, their deletion at the service.

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
/// A person waits for it: minutes of silence, as a run may have them, would be too long.
const POLICY: RetryPolicy =
    RetryPolicy { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(10) };

/// A job, and whose it is.
#[derive(Debug, Clone)]
pub struct JobView {
    /// What the ledger and, where it was asked, the service know of it.
    pub job: JobRecord,
    /// Whether the key at hand created it.
    pub own: bool,
}

/// The jobs of a pipeline, and what may be done about them. Nothing is written to the database: what is
/// changed here, the next run finds out at the service.
pub struct Jobs {
    client: Option<Client>,
    jobs: Vec<JobView>,
}

impl Pipeline {
    /// Reads the jobs of the ledger.
    ///
    /// # Errors
    /// A database that cannot be read, or a key that is none. Without a key the service is not asked.
    pub async fn jobs(&self, options: &Options) -> Result<Jobs, RunError> {
        let plan = self.plan();
        let store = Store::open_read_only(&plan.database, &plan.folder, &plan.resources).await?;
        let (server, account) = (options.server(plan), options.account(plan));
        let jobs = store.jobs(&plan.name, &server).await?.into_iter();
        let jobs = jobs.map(|job| JobView { own: job.account == account, job }).collect();
        let shutdown = Shutdown::new(CancellationToken::new());
        if !plan.asks() {
            return Ok(Jobs { client: None, jobs });
        }
        let client = match client(plan, options, None, &shutdown) {
            Ok(client) => Some(client.with_retry_policy(POLICY)),
            Err(RunError::NoKey { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Jobs { client, jobs })
    }
}

impl Jobs {
    /// All of them, in the order in which they were planned.
    pub fn all(&self) -> &[JobView] {
        &self.jobs
    }

    /// Asks the service how those stand that have not ended.
    ///
    /// # Errors
    /// A service that does not answer.
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

    /// Tells those to end that have not; gives how many.
    ///
    /// # Errors
    /// No key, or a service that does not answer.
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

    /// Deletes what those have left at the service whose answers are in the ledger: the job and its files.
    /// Gives how many.
    ///
    /// # Errors
    /// No key, or a service that does not answer.
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
