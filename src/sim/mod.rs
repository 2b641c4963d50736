//! A simulated Mistral on loopback: chat, models, files, batch jobs, limits and realistic answers.
//!
//! A request passes through `api`, which parses it, `check`, which validates it, `state::limits` and
//! `config::faults`, which may refuse it, `endpoint`, which answers it with the help of `answer`, and
//! `state::stats`, which counts it; `batch` does the same with the lines of a job. It uses this crate's wire
//! types, quantities, tasks and page count. Deterministic: an answer depends on the seed, on the request, and on
//! how often the same request came before; never on timing or on other requests in flight.

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
pub use config::scenario::{SCENARIOS, ScenarioError};
pub use config::supplied_answers::SuppliedAnswers;
pub use config::{Announce, BatchConfig, Endings, ErrorShape, ErrorsIn, LimitChange, SimConfig, Spread};
pub use state::stats::SimStats;

use server::Server;

/// Why a simulator fails to start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The port is in use, or not permitted.
    #[error("the simulator cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// The cause.
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
    /// Starts listening.
    ///
    /// # Errors
    /// The port is in use.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        let port = config.port;
        let failed = |source| SimError::Listen { port, source };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = Arc::new(Server::new(config));
        let router = api::router(Arc::clone(&server));
        let serve = async move {
            // It ends only with the process or the handle: its errors are those of single connections.
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

    /// The counts so far, with all jobs up to date.
    pub fn stats(&self) -> SimStats {
        self.server.stats()
    }

    /// Serves until the process ends.
    pub async fn wait(self) {
        // Aborted or ended: nothing more to serve either way.
        let _ = self.serving.await;
    }
}
