//! Periodic lines, for logs and for terminals that cannot draw.

use jiff::{SignedDuration, Timestamp};

use super::{
    columns, human,
    live::run_parts,
    state::{Phase, Stage, State},
    text,
};

/// Early enough to show that the run is working.
const FIRST: SignedDuration = SignedDuration::from_secs(2);
/// Rare enough for a readable log of an hour.
const EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Decides when the next line is due, by the times of events.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    due: Option<Timestamp>,
}

impl Pace {
    /// Whether a line is due now; if so, schedules the next one.
    pub(crate) fn is_due(&mut self, now: Timestamp) -> bool {
        let Some(due) = self.due else {
            self.due = Some(now + FIRST);
            return false;
        };
        let is_due = now >= due;
        if is_due {
            self.due = Some(now + EVERY);
        }
        is_due
    }
}

/// The run and its database.
pub(crate) fn started(state: &State) -> Option<String> {
    let run = state.run.as_ref()?;
    let offline = if run.offline { " (offline: answers are simulated)" } else { "" };
    Some(format!("run {} of `{}`{offline}, into {}", run.number, run.pipeline, run.database))
}

/// Progress: the running stages, then the run.
pub(crate) fn progress(state: &State) -> String {
    let at_work = state.stages.iter().filter(|stage| stage.phase == Phase::Running);
    let stages = at_work.map(|stage| stage_part(stage) + "; ");
    let run: Vec<String> = run_parts(state).into_iter().map(|part| part.text).collect();
    stages.collect::<String>() + &run.join(", ")
}

fn stage_part(stage: &Stage) -> String {
    let mut more: Vec<String> = Vec::new();
    more.extend(stage.rate().map(human::rate));
    let counts = &stage.counts;
    for (number, what) in
        [(counts.in_flight, "in flight"), (counts.failed, "failed"), (counts.waiting, "throttled")]
    {
        if number > 0 {
            more.push(format!("{} {what}", human::count(number)));
        }
    }
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    format!("{} {}{more}", stage.name, columns::count(stage))
}

/// A wave has closed.
pub(crate) fn wave_closed(
    state: &State,
    stage: usize,
    [ok, failed]: [u64; 2],
    since: Option<i64>,
) -> Option<String> {
    let name = &state.stages.get(stage)?.name;
    let failed = match failed {
        0 => String::new(),
        _ => format!(", {} failed above it", human::count(failed)),
    };
    let closed = since.map_or("closed".to_owned(), |run| format!("was closed in run {run} and stays closed"));
    Some(format!("wave `{name}` {closed}: {} passed{failed}", human::counted(ok, "record")))
}

/// A batch job has changed; `counts` are its requests, those that have ended, and of these the failed
/// ones.
pub(crate) fn job(state: &State, stage: usize, job: &str, status: &str, counts: [u64; 3]) -> Option<String> {
    let name = &state.stages.get(stage)?.name;
    let [requests, completed, failed] = counts;
    let failed = match failed {
        0 => String::new(),
        _ => format!(", {} failed", human::count(failed)),
    };
    let job: String = text::clean(job).chars().take(36).collect();
    Some(format!(
        "{name}: job {job} {}, {} of {}{failed}",
        text::clean(status),
        human::count(completed),
        human::counted(requests, "request")
    ))
}

/// Some mocked answers have keys without a record.
pub(crate) fn unused(stage: &str, keys: &[String], other: Option<&str>) -> String {
    let shown: Vec<String> = keys.iter().take(5).map(|key| format!("`{}`", text::clean(key))).collect();
    let more = if keys.len() > shown.len() {
        format!(" and {} more", keys.len() - shown.len())
    } else {
        String::new()
    };
    let example = other
        .map(|key| format!(", but for example one with the key `{}`", text::clean(key)))
        .unwrap_or_default();
    format!(
        "`{stage}`: mocked answers for {}{more} were not used: no record with such a key reached it{example}",
        shown.join(", ")
    )
}

/// The user has interrupted the run.
pub(crate) fn interrupted(in_flight: u64) -> String {
    match in_flight {
        0 => "stopping: no new requests are sent".to_owned(),
        _ => format!(
            "stopping: no new requests are sent, {} in flight will be finished",
            human::counted(in_flight, "request")
        ),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::fixture::Story;

    #[test]
    fn the_first_line_comes_after_two_seconds_and_then_every_ten() {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let mut pace = Pace::default();
        let due: Vec<i64> = (0..60)
            .filter(|half| pace.is_due(start + SignedDuration::from_millis(half * 500)))
            .map(|half| half / 2)
            .collect();
        assert_eq!(due, [2, 12, 22]);
    }

    #[test]
    fn wording() {
        let mut story = Story::midway(true, &["docs", "extract", "extracted", "metadata"]);
        let state = story.state();
        assert_snapshot!(started(&state).unwrap(), @"run 3 of `extract` (offline: answers are simulated), into data/library.duckdb");
        assert_snapshot!(progress(&state), @"extract 24/47 (2.0/s, 5 in flight, 6 failed, 3 throttled); extracted 18 (2.0/s); 29 requests, 6 retried, 1.3M tokens, 0.0123 USD (simulated), 12s elapsed, at least 12s left");
        assert_snapshot!(progress(&Story::new().state()), @"0 requests, 0s elapsed");
        story.wave_closed(13.0, 2, 41, 6);
        assert_snapshot!(wave_closed(&state, 2, [41, 6], None).unwrap(), @"wave `extracted` closed: 41 records passed, 6 failed above it");
        assert_snapshot!(wave_closed(&state, 2, [1, 0], None).unwrap(), @"wave `extracted` closed: 1 record passed");
        assert_snapshot!(wave_closed(&state, 2, [41, 0], Some(3)).unwrap(), @"wave `extracted` was closed in run 3 and stays closed: 41 records passed");
        assert_eq!(wave_closed(&state, 9, [1, 0], None), None);
        assert_snapshot!(interrupted(5), @"stopping: no new requests are sent, 5 requests in flight will be finished");
        assert_snapshot!(interrupted(0), @"stopping: no new requests are sent");
    }
}
