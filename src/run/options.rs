//! How a pipeline is run, and whose answers it gets. Main type: [`Options`].

use crate::{
    mistral::account,
    plan::{self, Plan},
    request::mock::{self, Answers, Offline, UnusedAnswers},
    sim::SimConfig,
};

/// The server name of the simulator's answers.
const SIMULATOR: &str = "simulator";

/// Whether a server name in the ledger means Mistral's own service or its simulator.
pub(crate) fn is_mistral(server: &str) -> bool {
    server == "mistral" || server.split(':').next() == Some(SIMULATOR)
}

/// How to run a pipeline.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The most records of each source.
    pub limit: Option<u64>,
    /// Answers come from a simulator in this process.
    pub offline: bool,
    /// A server that replaces the one in the spec.
    pub base_url: Option<String>,
    /// Every request is sent again, whatever is in the ledger.
    pub fresh: bool,
    /// Permanently failed requests are retried.
    pub retry_failed: bool,
    /// Only this stage sends requests; the others use the ledger.
    pub only: Option<String>,
    /// The configuration of an offline run's simulator.
    pub sim: SimConfig,
    /// Its supplied answers.
    pub answers: Option<Answers>,
}

impl Options {
    /// The server name in the ledger: answers of the simulator never count as the service's, and the service is
    /// the same in every region.
    pub(crate) fn server(&self, plan: &Plan) -> String {
        if self.offline {
            // Supplied answers are kept apart from generated ones, and from those with other contents.
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

    /// A fingerprint of the key's account.
    pub(crate) fn account(&self, plan: &Plan) -> String {
        if self.offline {
            return "offline".to_owned();
        }
        let key = plan.mistral.as_ref().and_then(|mistral| mistral.api_key.as_ref());
        account(key.map_or("none", plan::Secret::expose), self.base_url(plan))
    }

    /// The simulator's supplied answers, in an offline run.
    pub(crate) fn offline_answers(&self) -> Option<Offline> {
        self.offline.then(|| Offline {
            answers: self.answers.clone(),
            supplied: self.sim.supplied.clone(),
            unused: UnusedAnswers::default(),
        })
    }

    pub(crate) fn base_url<'a>(&'a self, plan: &'a Plan) -> &'a str {
        let spec = plan.mistral.as_ref().map_or("", |mistral| &mistral.base_url);
        self.base_url.as_deref().unwrap_or(spec).trim_end_matches('/')
    }
}
