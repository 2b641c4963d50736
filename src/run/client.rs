//! The client of a run: its server, key and limits.

use crate::{
    mistral::{Client, Connection, Limits},
    plan::{self, Plan},
    sim::Sim,
    spec::Timeouts,
};

use super::{drive::shutdown::Shutdown, error::RunError, options::Options};

/// The client of a run, connected to a simulator if there is one.
pub(crate) fn client(
    plan: &Plan,
    options: &Options,
    sim: Option<&Sim>,
    shutdown: &Shutdown,
) -> Result<Client, RunError> {
    let mistral = plan.mistral.as_ref();
    let key = mistral.and_then(|mistral| mistral.api_key.as_ref()).map(plan::Secret::expose);
    let (base_url, api_key) = match (sim, key) {
        (Some(sim), _) => (sim.url(), "offline"),
        (None, Some(key)) => (options.base_url(plan).to_owned(), key),
        // A self-hosted server may need no key.
        (None, None) if options.server(plan) != "mistral" => (options.base_url(plan).to_owned(), "none"),
        (None, None) => {
            let variable = mistral.and_then(|mistral| mistral.key_variable.clone());
            return Err(RunError::NoKey {
                variable: variable.unwrap_or_else(|| "MISTRAL_API_KEY".to_owned()),
            });
        }
    };
    let limits = Limits::new(mistral.and_then(|m| m.requests), mistral.and_then(|m| m.tokens));
    let timeouts = mistral.map_or(Timeouts::DEFAULT, |mistral| mistral.timeouts);
    let connection = Connection { timeouts, ..Connection::new(base_url, api_key) };
    Ok(Client::new(&connection, limits, shutdown.token())?)
}
