//! Configures a run step by step, for programs that use the crate. Main type: [`RunBuilder`], created by
//! [`Pipeline::builder`].

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    event::{Event, RunEnd},
    sim::SimConfig,
};

use super::{error::RunError, options::Options, pipeline::Pipeline};

/// The capacity of the event queue; counts are repeated later, other events wait for space.
const EVENTS: usize = 64;

/// The callback for each event.
type OnEvent<'a> = Box<dyn FnMut(&Event) + Send + 'a>;

/// A run that has not started. By default it calls the service with the key from the environment, and reports
/// only its end.
#[must_use = "nothing runs before `run` is awaited"]
pub struct RunBuilder<'a> {
    pipeline: &'a Pipeline,
    options: Options,
    stop: CancellationToken,
    on_event: Option<OnEvent<'a>>,
}

impl Pipeline {
    /// A run of this pipeline, to be configured.
    pub fn builder(&self) -> RunBuilder<'_> {
        RunBuilder {
            pipeline: self,
            options: Options::default(),
            stop: CancellationToken::new(),
            on_event: None,
        }
    }
}

impl<'a> RunBuilder<'a> {
    /// Replaces all options set so far.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Answers come from a simulator in this process: nothing is sent, and nothing is paid.
    pub fn offline(mut self) -> Self {
        self.options.offline = true;
        self
    }

    /// Offline, with this simulator configuration.
    pub fn simulator(mut self, config: SimConfig) -> Self {
        self.options.sim = config;
        self.offline()
    }

    /// Calls this server instead of the one in the spec.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.options.base_url = Some(url.into());
        self
    }

    /// Each source stops after this many records.
    pub fn limit(mut self, records: u64) -> Self {
        self.options.limit = Some(records);
        self
    }

    /// Cancelling this token stops the run cleanly: requests in flight are finished and their answers stored.
    pub fn stop(mut self, token: CancellationToken) -> Self {
        self.stop = token;
        self
    }

    /// Called for each event, in order. It blocks the run, so it should return quickly.
    pub fn on_event(mut self, on_event: impl FnMut(&Event) + Send + 'a) -> Self {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// Why it cannot start: no key, a database that cannot be opened. Anything later is part of the [`RunEnd`].
    pub async fn run(self) -> Result<RunEnd, RunError> {
        let Self { pipeline, options, stop, mut on_event } = self;
        #[expect(clippy::disallowed_methods, reason = "events are for a program outside of this crate")]
        let (sender, mut events) = mpsc::channel(EVENTS);
        let report = async {
            while let Some(event) = events.recv().await {
                if let Some(on_event) = &mut on_event {
                    on_event(&event);
                }
            }
        };
        let (end, ()) = tokio::join!(pipeline.run(&options, sender, stop), report);
        end
    }
}
