//! A Mistral that runs on loopback: chat, models, files, batch jobs, a limit, answers that look like answers.
//!
//! A request goes one way: `api` reads it, `check` says what is wrong with it, `state::limits` and `config::faults` may
//! refuse it, `endpoint` answers it with what is in `answer`, `state::stats` counts it; `batch` does the same with the lines of a job.
//! Of this crate it uses the service's wire types, quantities, tasks and the count of pages. Deterministic: an answer depends
//! on the seed, on the request, and on how often this request was asked before; never on when it
//! came or what else was under way.

mod answer;
mod api;
mod batch;
mod check;
mod config;
mod dice;
mod endpoint;
mod models;
mod reply;
mod server;
mod state;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio_util::task::AbortOnDropHandle;

pub use answer::misfits::{MisfitKinds, Misfits};
pub use config::faults::{Fault, FaultKind, FaultOn, RetryAfter};
pub use config::given::GivenAnswers;
pub use config::scenario::{SCENARIOS, ScenarioError};
pub use config::{Announce, BatchConfig, Endings, ErrorShape, ErrorsIn, LimitChange, SimConfig, Spread};
pub use state::stats::SimStats;

use server::Server;

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The port is taken, or may not be used.
    #[error("the simulator cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
}

/// A running simulator; dropping it stops it.
pub struct Sim {
    address: SocketAddr,
    server: Arc<Server>,
    serving: AbortOnDropHandle<()>,
}

impl Sim {
    /// Starts to listen.
    ///
    /// # Errors
    /// A port that is taken.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        let port = config.port;
        let failed = |source| SimError::Listen { port, source };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = Arc::new(Server::new(config));
        let router = api::router(Arc::clone(&server));
        let serve = async move {
            // It only ends with the process or the handle: its errors are those of single connections.
            let _ = axum::serve(listener, router).await;
        };
        #[expect(clippy::disallowed_methods, reason = "the handle that ends it is made right here")]
        let serving = AbortOnDropHandle::new(tokio::spawn(serve));
        Ok(Self { address, server, serving })
    }

    /// Its address, for a client's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far, and what its jobs have come to by now.
    pub fn stats(&self) -> SimStats {
        self.server.stats()
    }

    /// Serves until the process ends.
    pub async fn wait(self) {
        // Aborted or ended: either way there is nothing more to serve.
        let _ = self.serving.await;
    }
}
