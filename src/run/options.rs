//! How a pipeline is run, and whose answers that gives. Main type: [`Options`].

use crate::{
    mistral::account,
    plan::{self, Plan},
    request::mock::{self, Answers, Offline, UnusedAnswers},
    sim::SimConfig,
};

/// The name under which answers of the simulator are kept.
const SIMULATOR: &str = "simulator";

/// Whether a server, by its name in the ledger, is Mistral's own or the simulator of it.
pub(crate) fn is_mistral(server: &str) -> bool {
    server == "mistral" || server.split(':').next() == Some(SIMULATOR)
}

/// How to run it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Sources stop after so many records.
    pub limit: Option<u64>,
    /// Answers come from a simulator within this process.
    pub offline: bool,
    /// Another server than the spec says.
    pub base_url: Option<String>,
    /// Everything is asked again, whatever the ledger has.
    pub fresh: bool,
    /// What failed for good is asked again.
    pub retry_failed: bool,
    /// Only the stage of this name asks; the others take what the ledger has.
    pub only: Option<String>,
    /// How the simulator of an offline run behaves.
    pub sim: SimConfig,
    /// What it answers where that is written out.
    pub answers: Option<Answers>,
}

impl Options {
    /// Whose answers these are, for the ledger: an answer of the simulator is never one of the service,
    /// and the service is the same in every region.
    pub(crate) fn server(&self, plan: &Plan) -> String {
        if self.offline {
            // Answers that were given are kept apart from those that were made up, and from those of another text.
            return match mock::fingerprint(plan, self.answers.as_ref()) {
                Some(hash) => format!("{SIMULATOR}:{hash}"),
                None => SIMULATOR.to_owned(),
            };
        }
        let url = self.base_url(plan);
        let host = url.split("://").nth(1).unwrap_or(url).split(['/', ':']).next().unwrap_or_default();
        if host == "mistral.ai" || host.ends_with(".mistral.ai") {
            "mistral".to_owned()
        } else {
            plan::without_login(url)
        }
    }

    /// Whose key is used, as a fingerprint.
    pub(crate) fn account(&self, plan: &Plan) -> String {
        if self.offline {
            return "offline".to_owned();
        }
        let key = plan.mistral.as_ref().and_then(|mistral| mistral.api_key.as_ref());
        account(key.map_or("none", plan::Secret::expose), self.base_url(plan))
    }

    /// What the simulator is to answer, where the run is offline.
    pub(crate) fn given(&self) -> Option<Offline> {
        self.offline.then(|| Offline {
            answers: self.answers.clone(),
            given: self.sim.given.clone(),
            unused: UnusedAnswers::default(),
        })
    }

    pub(crate) fn base_url<'a>(&'a self, plan: &'a Plan) -> &'a str {
        let spec = plan.mistral.as_ref().map_or("", |mistral| &mistral.base_url);
        self.base_url.as_deref().unwrap_or(spec).trim_end_matches('/')
    }
}
