//! Which waves of a run that was cut off stay closed, and what need not be run again above them.

use std::collections::{HashMap, HashSet};

use crate::{
    plan::{NodeId, Plan, Port, Step},
    stage::Closed,
    store::ClosedWave,
};

/// What an earlier run has left behind for this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resumed {
    /// Waves that stay closed, with the run that closed them and their counts.
    pub(crate) waves: HashMap<NodeId, (i64, Closed)>,
    /// Stages above them whose work is done.
    pub(crate) done: HashSet<NodeId>,
}

/// Finds the waves that stay closed: of the same plan, complete, and the only ones to read what is above
/// them. Above any other wave everything runs again, and costs nothing, for the answers are in the ledger.
pub(crate) fn resumed(plan: &Plan, closed: &[(i64, ClosedWave)]) -> Resumed {
    let mut resumed = Resumed::default();
    // The lowest wave first: what is above it includes the waves above it.
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
