//! `etl sim`

use crate::{
    sim::{Sim, SimConfig},
    units::{Rate, Span},
};

use super::{FATAL, block_on, show, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port on 127.0.0.1; 0 for any that is free.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The same seed and the same requests give the same answers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much faster than the service's batch jobs go: at 3600 an hour of a job takes a second.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The latency of the middle request.
    #[arg(long, default_value = "300ms")]
    latency: Span,
    /// More requests than this are answered with 429, for example `5/s`.
    #[arg(long)]
    requests: Option<Rate>,
    /// The share of answers that do not fit the schema, 0 to 1.
    #[arg(long, default_value_t = 0.165)]
    misfits: f64,
}

pub(super) fn sim(arguments: &Arguments) -> u8 {
    let config = SimConfig {
        port: arguments.port,
        seed: arguments.seed,
        speed: arguments.speed.max(1e-3),
        latency: arguments.latency.0,
        requests: arguments.requests,
        misfits: arguments.misfits.clamp(0.0, 1.0),
        ..SimConfig::default()
    };
    let served = block_on(async {
        match Sim::start(config).await {
            Err(error) => {
                tell(&error.to_string());
                FATAL
            }
            Ok(sim) => {
                let url = sim.url();
                show(&format!("a simulated Mistral listens on {url}; Ctrl-C ends it\n"));
                show(&format!("etl run SPEC --base-url {url}    what it was asked: {url}/sim/stats\n"));
                tokio::select! {
                    () = sim.wait() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
                0
            }
        }
    });
    served.unwrap_or_else(|code| code)
}
