//! Sample runs for the tests of this folder.

use jiff::{SignedDuration, Timestamp};

use super::{state::State, text::Paint};
use crate::event::{
    Conservation, Event, EventKind, Progress, RateLimits, RunEnd, StageCounts, StageInfo, StageKind, Usage,
};

pub(super) const PLAIN: Paint = Paint { color: false };

/// The events of a run, in order.
pub(super) struct Story {
    pub(super) events: Vec<Event>,
    /// The effect of rate limits, as in the last event.
    pub(super) limits: RateLimits,
}

/// Counts of records taken, done and failed.
pub(super) fn counts(taken: u64, done: u64, failed: u64) -> StageCounts {
    StageCounts { taken, done, failed, ..StageCounts::default() }
}

/// Six of forty-seven failed, after a few retries.
pub(super) fn usage() -> Usage {
    Usage {
        requests: 53,
        retries: 6,
        reused: 0,
        prompt_tokens: 1_234_567,
        cached_tokens: 0,
        completion_tokens: 45_210,
        cost_micros: 12_345,
        unpriced: 0,
        simulated: false,
    }
}

/// The counts of the stages of [`Story::new`] at the end of the run.
pub(super) fn final_counts() -> [StageCounts; 4] {
    [counts(47, 47, 0), counts(47, 41, 6), counts(41, 41, 0), counts(41, 41, 0)]
}

impl Story {
    /// `docs → extract → extracted (a wave) → metadata`.
    pub(super) fn new() -> Self {
        Self::with(false, &["docs", "extract", "extracted", "metadata"])
    }

    /// A run with these stages: a source, a map, a wave, and sinks.
    pub(super) fn with(offline: bool, names: &[&str]) -> Self {
        let kinds = [StageKind::Source, StageKind::Map, StageKind::Wave];
        let info = |(at, name): (usize, &&str)| {
            let kind = kinds.get(at).copied().unwrap_or(StageKind::Sink);
            let target = (kind == StageKind::Sink).then(|| format!("table {name}"));
            StageInfo { name: (*name).to_owned(), kind, target }
        };
        let mut story = Self { events: Vec::new(), limits: RateLimits::default() };
        story.push(
            0.0,
            EventKind::RunStarted {
                pipeline: "extract".to_owned(),
                run: 3,
                offline,
                database: "data/library.duckdb".to_owned(),
                stages: names.iter().enumerate().map(info).collect(),
            },
        );
        story
    }

    /// A run halfway through, with everything that a live line can show.
    pub(super) fn midway(offline: bool, names: &[&str]) -> Self {
        let mut story = Self::with(offline, names);
        for second in 0..=12_u64 {
            let done = second * 2;
            let extract = StageCounts {
                total: Some(47),
                reused: 12,
                in_flight: 5,
                waiting: 3,
                ..counts(done + 8, done.saturating_sub(6), 6.min(done))
            };
            let usage = Usage { requests: 2 * second + 5, ..usage() };
            let stages = vec![
                StageCounts { total: Some(47), ..counts(47, 47, 0) },
                extract,
                counts(done.saturating_sub(6), 0, 0),
            ];
            story.progress_of(second as f64, Progress { stages, usage, ..Progress::default() });
        }
        story.stage_ended(12.0, 0);
        story
    }

    pub(super) fn push(&mut self, seconds: f64, kind: EventKind) -> &mut Self {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let at = start + SignedDuration::from_secs_f64(seconds);
        self.events.push(Event { at, kind });
        self
    }

    pub(super) fn progress(&mut self, seconds: f64, stages: [StageCounts; 4]) -> &mut Self {
        self.progress_of(seconds, Progress { stages: stages.to_vec(), usage: usage(), ..Progress::default() })
    }

    pub(super) fn progress_of(&mut self, seconds: f64, progress: Progress) -> &mut Self {
        self.push(seconds, EventKind::Progress(progress))
    }

    pub(super) fn wave_closed(&mut self, seconds: f64, stage: usize, ok: u64, failed: u64) -> &mut Self {
        self.push(seconds, EventKind::WaveClosed { stage, ok, failed, since: None })
    }

    pub(super) fn stage_ended(&mut self, seconds: f64, stage: usize) -> &mut Self {
        self.push(seconds, EventKind::StageEnded { stage })
    }

    pub(super) fn ended(
        &mut self,
        end: RunEnd,
        stages: &[StageCounts],
        usage: Usage,
        sum: Conservation,
    ) -> &mut Self {
        let progress = Progress { stages: stages.to_vec(), usage, limits: self.limits };
        self.push(80.0, EventKind::RunEnded { end, progress, sum, tables: Vec::new(), seconds: 80.0 })
    }

    /// The state after the last event.
    pub(super) fn state(&self) -> State {
        let mut state = State::default();
        for event in &self.events {
            state.apply(event);
        }
        state
    }
}
