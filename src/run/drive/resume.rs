//! Which waves of an interrupted run stay closed, and which stages above them need not run again.

use std::collections::{HashMap, HashSet};

use crate::{
    plan::{NodeId, Plan, Port, Step},
    stage::Closed,
    store::ClosedWave,
};

/// What an earlier run left for this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resumed {
    /// Waves that stay closed, with the run that closed them and their counts.
    pub(crate) waves: HashMap<NodeId, (i64, Closed)>,
    /// The stages above them that are complete.
    pub(crate) done: HashSet<NodeId>,
}

/// Finds the waves that stay closed: unchanged in the plan, complete, and the only readers of the stages above
/// them. Above any other wave everything runs again at no cost, because the answers are in the ledger.
pub(crate) fn resumed(plan: &Plan, closed: &[(i64, ClosedWave)]) -> Resumed {
    let mut resumed = Resumed::default();
    // The lowest wave first: the stages above it include higher waves.
    for node in plan.nodes.iter().rev() {
        let Step::Wave(_) = node.step else { continue };
        if resumed.done.contains(&node.id) {
            continue;
        }
        let found = closed.iter().find(|(_, closed)| closed.wave == *node.name);
        let Some((run, closed)) =
            found.filter(|(_, closed)| closed.pending == 0 && closed.plan == plan.fingerprint(node.id))
        else {
            continue;
        };
        let above = plan.above(node.id);
        let elsewhere = |id: &NodeId| {
            let readers = [Port::Out, Port::Failed].into_iter().flat_map(|port| plan.readers(*id, port));
            readers.into_iter().any(|(reader, _)| reader != node.id && !above.contains(&reader))
        };
        if !above.iter().any(elsewhere) {
            resumed.waves.insert(node.id, (*run, Closed { ok: closed.ok, failed: closed.failed }));
            resumed.done.extend(above);
        }
    }
    resumed
}
