//! `etl sim`

use crate::{
    sim::{ScenarioError, Sim, SimConfig},
    units::{Rate, Span},
};

use super::{FATAL, WRONG, block_on, show, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port on 127.0.0.1; 0 for any free port.
    #[arg(long, default_value_t = 8080, value_parser = port)]
    port: u16,
    /// How it behaves: the name of a scenario (calm, busy, flaky, hostile, philosophy, outage, sporadic, limit-…) or a YAML file. The
    /// options below override what it says.
    #[arg(long, value_name = "NAME|FILE")]
    scenario: Option<String>,
    /// The same seed and the same requests give the same answers.
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// How much faster batch jobs run than at the service: at 3600, an hour takes a second [default: 1].
    #[arg(long, value_parser = times)]
    speed: Option<f64>,
    /// The median latency of a request [default: 300ms].
    #[arg(long)]
    latency: Option<Span>,
    /// The request rate of a model above which it answers with 429, for example `5/s` or `60/min`.
    #[arg(long)]
    requests: Option<Rate>,
    /// The token rate of a model above which it answers with 429, for example `50k/min`.
    #[arg(long)]
    tokens: Option<Rate>,
    /// The share of answers that do not fit the schema, 0 to 1 [default: 0.165].
    #[arg(long, value_parser = share)]
    misfits: Option<f64>,
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "expected a port number, 0 to 65535")
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "expected a whole number, 0 or more")
}

fn times(text: &str) -> Result<f64, &'static str> {
    let times = text.parse().ok().filter(|times: &f64| times.is_finite() && *times > 0.0);
    times.ok_or("expected a number above 0, such as `3600`")
}

fn share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("expected a share, 0 to 1")
}

impl Arguments {
    fn config(&self) -> Result<SimConfig, ScenarioError> {
        // A standalone simulator runs in real time, like the service.
        let mut config = SimConfig { port: self.port, speed: 1.0, ..SimConfig::default() };
        if let Some(scenario) = &self.scenario {
            config = config.with_scenario(scenario)?;
        }
        config.seed = self.seed.unwrap_or(config.seed);
        config.speed = self.speed.unwrap_or(config.speed);
        config.latency = self.latency.map_or(config.latency, |span| span.0);
        config.requests = self.requests.or(config.requests);
        config.tokens = self.tokens.or(config.tokens);
        if let Some(share) = self.misfits {
            // A requested share overrides a scenario's exact counts.
            config.misfits = share;
            config.misfit.of = None;
        }
        Ok(config)
    }
}

pub(super) fn sim(arguments: &Arguments) -> u8 {
    let config = match arguments.config() {
        Ok(config) => config,
        Err(error) => {
            tell(&error.to_string());
            return WRONG;
        }
    };
    let served = block_on(async {
        match Sim::start(config).await {
            Err(error) => {
                tell(&error.to_string());
                FATAL
            }
            Ok(sim) => {
                let url = sim.url();
                show(&format!("the simulator listens on {url}; press Ctrl-C to stop it\n"));
                show(&format!("etl run SPEC --base-url {url}    statistics: {url}/sim/stats\n"));
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
