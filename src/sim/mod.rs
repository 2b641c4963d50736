//! A Mistral that runs on loopback: chat, models, a limit, answers that look like answers.
//!
//! Knows the service's wire types and nothing else of this crate. Deterministic: an answer depends
//! on the seed, on the request, and on how often this request was asked before; never on when it
//! came or what else was under way.

mod answer;
mod api;
mod check;
mod dice;
mod document;
mod shape;
mod stats;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;

use crate::units::Rate;

pub use stats::SimStats;

use stats::Stats;

/// How the simulator behaves.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The same seed and the same requests give the same answers.
    pub seed: u64,
    /// The latency of the middle request; others take between half of it and three times as long.
    pub latency: Duration,
    /// More requests than this are answered with 429.
    pub requests: Option<Rate>,
    /// The share of answers that do not fit the schema that was asked for, 0 to 1.
    pub misfits: f64,
}

impl Default for SimConfig {
    /// As quick as a small model on a good day, and as often wrong as one was in a real run of 723 texts.
    fn default() -> Self {
        Self { port: 0, seed: 1, latency: Duration::from_millis(300), requests: None, misfits: 0.165 }
    }
}

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
    stats: Arc<Stats>,
    server: AbortOnDropHandle<()>,
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
        let stats = Arc::new(Stats::default());
        let router = api::router(config, Arc::clone(&stats));
        let serve = async move {
            // It only ends with the process or the handle: its errors are those of single connections.
            let _ = axum::serve(listener, router).await;
        };
        #[expect(clippy::disallowed_methods, reason = "the handle that ends it is made right here")]
        let server = AbortOnDropHandle::new(tokio::spawn(serve));
        Ok(Self { address, stats, server })
    }

    /// Its address, for a client's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn stats(&self) -> SimStats {
        self.stats.read()
    }

    /// Serves until the process ends.
    pub async fn wait(self) {
        // Aborted or ended: either way there is nothing more to serve.
        let _ = self.server.await;
    }
}
