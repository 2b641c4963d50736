//! The state of a run: a fold over its events, and the input of everything shown.

use std::time::Duration;

use jiff::Timestamp;

use super::{rate::Rate, text};
use crate::{
    escape::escaped,
    event::{
        Conservation, Event, EventKind, Progress, RateLimits, RunEnd, StageCounts, StageKind, TableChange,
        Usage,
    },
};

/// Longer estimates of the time left are not shown.
const LONGEST_LEFT: f64 = 30.0 * 86_400.0;

/// The state so far; empty before the first event.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The run, from its first event.
    pub(crate) run: Option<Run>,
    /// In the order of the plan.
    pub(crate) stages: Vec<Stage>,
    /// The latest totals.
    pub(crate) usage: Usage,
    /// The effect of the service's rate limits.
    pub(crate) limits: RateLimits,
    /// Whether the user has interrupted the run.
    pub(crate) stopping: bool,
    /// How it ended, once it has.
    pub(crate) end: Option<End>,
    now: Timestamp,
}

/// The facts about a run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) pipeline: String,
    pub(crate) number: i64,
    pub(crate) offline: bool,
    pub(crate) database: String,
    started: Timestamp,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) end: RunEnd,
    pub(crate) sum: Conservation,
    /// Changes to rows of earlier runs; unchanged tables are left out.
    pub(crate) tables: Vec<TableChange>,
    pub(crate) time: Duration,
}

/// A stage and its progress.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    /// Its name, safe to print.
    pub(crate) name: String,
    pub(crate) kind: StageKind,
    pub(crate) counts: StageCounts,
    pub(crate) phase: Phase,
    /// Whether it has ever had a request in flight; its column then stays.
    pub(crate) asks: bool,
    /// Whether it has ever waited for a rate limit.
    pub(crate) throttled: bool,
    rate: Rate,
}

/// The phase of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has seen no record: it is slow to start, or below a wave.
    Waiting,
    /// It has seen records.
    Running,
    /// It has seen its last record; a wave has closed.
    Ended,
}

/// The estimated time left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) time: Duration,
    /// An unknown amount of work will follow below a wave.
    pub(crate) at_least: bool,
}

impl State {
    /// Applies an event. Unexpected events (of an unknown stage) are ignored: a report must not end
    /// its run.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.now = self.now.max(event.at);
        match &event.kind {
            EventKind::RunStarted { pipeline, run, offline, database, stages } => {
                let run = Run {
                    pipeline: text::clean(pipeline),
                    number: *run,
                    offline: *offline,
                    database: escaped(database).into_owned(),
                    started: event.at,
                };
                let stages = stages.iter().map(|info| Stage::new(&info.name, info.kind, event.at)).collect();
                *self = Self { run: Some(run), stages, now: event.at, ..Self::default() };
            }
            EventKind::Progress(progress) => self.update(event.at, progress),
            EventKind::WaveClosed { stage, .. } | EventKind::StageEnded { stage } => {
                if let Some(stage) = self.stages.get_mut(*stage) {
                    stage.phase = Phase::Ended;
                }
            }
            // The state of jobs shows in the counts of the poll stage.
            EventKind::JobChanged { .. } | EventKind::UnusedAnswers { .. } => {}
            EventKind::Interrupted { .. } => self.stopping = true,
            EventKind::RunEnded { end, progress, sum, tables, seconds } => {
                self.update(event.at, progress);
                let time = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                let tables = tables.iter().filter(|table| !table.is_empty()).cloned().collect();
                let end = match end.clone() {
                    RunEnd::Fatal(message) => RunEnd::Fatal(escaped(&message).into_owned()),
                    RunEnd::OutOfMoney(message) => RunEnd::OutOfMoney(escaped(&message).into_owned()),
                    other => other,
                };
                self.end = Some(End { end, sum: *sum, tables, time });
            }
        }
    }

    fn update(&mut self, at: Timestamp, progress: &Progress) {
        self.usage = progress.usage;
        self.limits = progress.limits;
        for (stage, counts) in self.stages.iter_mut().zip(&progress.stages) {
            stage.update(at, counts);
        }
    }

    /// Whether a simulator answers, so that nothing is paid.
    pub(crate) fn is_simulated(&self) -> bool {
        self.usage.simulated || self.run.as_ref().is_some_and(|run| run.offline)
    }

    /// Time since the start of the run, by its events.
    pub(crate) fn elapsed(&self) -> Duration {
        let since = |run: &Run| self.now.duration_since(run.started).try_into().unwrap_or_default();
        self.run.as_ref().map(since).unwrap_or_default()
    }

    /// The estimate of the slowest stage, since stages run concurrently. `None` while a running stage has
    /// no estimate: the others' could be too short, which is worse than none.
    pub(crate) fn left(&self) -> Option<Left> {
        let at_work = self.stages.iter().filter(|s| s.phase == Phase::Running && s.remaining() > Some(0));
        let times: Option<Vec<Duration>> = at_work.map(Stage::left).collect();
        let time = times?.into_iter().max()?;
        let open_wave = self.stages.iter().any(|s| s.kind == StageKind::Wave && s.phase != Phase::Ended);
        let at_least = open_wave && self.stages.iter().any(|s| s.phase == Phase::Waiting);
        Some(Left { time, at_least })
    }
}

impl Stage {
    fn new(name: &str, kind: StageKind, at: Timestamp) -> Self {
        let mut rate = Rate::default();
        rate.restart(at, 0);
        Self {
            name: text::clean(name),
            kind,
            counts: StageCounts::default(),
            phase: Phase::Waiting,
            asks: false,
            throttled: false,
            rate,
        }
    }

    fn update(&mut self, at: Timestamp, counts: &StageCounts) {
        self.counts = *counts;
        self.asks |= counts.in_flight > 0;
        self.throttled |= counts.waiting > 0;
        let begun = counts.taken > 0 || counts.done > 0 || counts.failed > 0;
        match self.phase {
            Phase::Waiting if begun => {
                self.phase = Phase::Running;
                self.rate.push(at, self.settled());
            }
            // The time before its first record does not count for its rate.
            Phase::Waiting => self.rate.restart(at, 0),
            Phase::Running | Phase::Ended => self.rate.push(at, self.settled()),
        }
    }

    /// Processed records, with any result; for a wave, gathered records.
    /// A split outputs more than it takes, hence the cap.
    pub(crate) fn settled(&self) -> u64 {
        let StageCounts { taken, done, failed, skipped, duplicates, .. } = self.counts;
        if self.kind == StageKind::Wave { taken } else { (done + failed + skipped + duplicates).min(taken) }
    }

    /// The total number of records; a forecast that was too low is raised, and an ended stage has
    /// processed them all.
    pub(crate) fn total(&self) -> Option<u64> {
        match self.phase {
            Phase::Ended => Some(self.settled()),
            Phase::Waiting | Phase::Running => self.counts.total.map(|total| total.max(self.settled())),
        }
    }

    /// Records per second, over about the last ten seconds; `None` for a stage that is not running.
    pub(crate) fn rate(&self) -> Option<f64> {
        if self.phase == Phase::Running { self.rate.per_second() } else { None }
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.total()? - self.settled())
    }

    /// The time for the remaining records, at the current rate.
    pub(crate) fn left(&self) -> Option<Duration> {
        let seconds = self.remaining()? as f64 / self.rate()?;
        (seconds < LONGEST_LEFT).then(|| Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Story, counts};

    #[test]
    fn the_latest_counts_hold_and_phases_follow() {
        let mut story = Story::new();
        let state = story.state();
        assert!(state.stages.iter().all(|s| s.phase == Phase::Waiting));

        story.progress(1.0, [counts(47, 47, 0), counts(10, 4, 1), counts(4, 0, 0), counts(0, 0, 0)]);
        let state = story.state();
        let phases: Vec<_> = state.stages.iter().map(|s| s.phase).collect();
        assert_eq!(phases, [Phase::Running, Phase::Running, Phase::Running, Phase::Waiting]);
        assert_eq!(state.stages[1].settled(), 5);
        assert_eq!(state.stages[2].settled(), 4, "a wave has settled what it has gathered");
        assert_eq!(state.elapsed(), Duration::from_secs(1));

        story.stage_ended(1.5, 0).wave_closed(2.0, 2, 4, 1);
        let state = story.state();
        assert_eq!(state.stages[0].phase, Phase::Ended);
        assert_eq!(state.stages[2].phase, Phase::Ended);
        assert_eq!(state.stages[2].total(), Some(4));
    }

    #[test]
    fn the_slowest_stage_tells_the_time_left() {
        let mut story = Story::new();
        for second in 1..=10 {
            let (fast, slow) = (4 * second, 2 * second);
            let total = |c: StageCounts| StageCounts { total: Some(100), ..c };
            story.progress(
                second as f64,
                [
                    total(counts(fast, fast, 0)),
                    total(counts(fast, slow, 0)),
                    counts(slow, 0, 0),
                    counts(0, 0, 0),
                ],
            );
        }
        let state = story.state();
        assert_eq!(state.stages[1].rate(), Some(2.0));
        assert_eq!(state.stages[0].left(), Some(Duration::from_secs(15)));
        assert_eq!(state.left(), Some(Left { time: Duration::from_secs(40), at_least: true }));

        story.wave_closed(10.0, 2, 20, 0);
        assert_eq!(story.state().left(), Some(Left { time: Duration::from_secs(40), at_least: false }));
    }

    #[test]
    fn a_stage_without_a_rate_forbids_a_promise() {
        let mut story = Story::new();
        let total = |c: StageCounts| StageCounts { total: Some(100), ..c };
        for second in 1..=10 {
            let read = 4 * second;
            story.progress(
                second as f64,
                [total(counts(read, read, 0)), total(counts(read, 0, 0)), counts(0, 0, 0), counts(0, 0, 0)],
            );
        }
        assert_eq!(story.state().left(), None);
    }

    #[test]
    fn a_split_is_measured_by_what_it_takes() {
        let mut story = Story::new();
        story.progress(1.0, [counts(5, 5, 0), counts(5, 120, 0), counts(0, 0, 0), counts(0, 0, 0)]);
        assert_eq!(story.state().stages[1].settled(), 5);
    }

    #[test]
    fn events_out_of_place_are_passed_over() {
        let mut state = State::default();
        let mut story = Story::new();
        story.stage_ended(1.0, 99).wave_closed(1.0, 99, 0, 0);
        story.progress_of(1.0, Progress { stages: vec![counts(1, 1, 0); 9], ..Progress::default() });
        for event in &story.events[1..] {
            state.apply(event);
        }
        assert!(state.stages.is_empty() && state.elapsed().is_zero());
    }
}
