//! The live lines: a table of stages with a line for the whole run, cut to the window.
//!
//! A narrow window drops columns, the least important first; a low window drops stages, ended ones
//! first.

use super::{
    columns::Layout,
    human,
    state::{Phase, Stage, State},
    text::{Ink, Paint, fit, width},
};
use crate::{
    event::{RateLimits, WaitingFor},
    units::Usd,
};

/// The size of the window, in columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// All lines, cut to the width and height of the window.
pub(crate) fn lines(state: &State, window: Window, paint: Paint) -> Vec<String> {
    let layout = Layout::new(&state.stages, window.width);
    // One row is for the run's line, and one stays free so that the window does not scroll.
    let shown = visible(&state.stages, window.height.saturating_sub(2));
    let mut lines: Vec<String> = shown.iter().map(|stage| layout.line(stage, paint)).collect();
    let hidden = state.stages.len() - shown.len();
    if hidden > 0 && window.height > 3 {
        let mut line = String::new();
        let more = format!("  … and {}", human::counted(hidden as u64, "more stage"));
        paint.push(&mut line, &fit(&more, window.width), Ink::Dim);
        lines.push(line);
    }
    lines.push(run_line(state, window.width));
    lines
}

/// The stages that fit: running before waiting before ended, in plan order.
fn visible(stages: &[Stage], rows: usize) -> Vec<&Stage> {
    if stages.len() <= rows {
        return stages.iter().collect();
    }
    let mut ranked: Vec<(usize, &Stage)> = stages.iter().enumerate().collect();
    ranked.sort_by_key(|(_, stage)| match stage.phase {
        Phase::Running => 0,
        Phase::Waiting => 1,
        Phase::Ended => 2,
    });
    // One row is for the number of hidden stages.
    ranked.truncate(rows.saturating_sub(1));
    ranked.sort_by_key(|(at, _)| *at);
    ranked.into_iter().map(|(_, stage)| stage).collect()
}

/// The line of the whole run.
fn run_line(state: &State, columns: usize) -> String {
    let mut parts = run_parts(state);
    let joined = |parts: &[Part]| parts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(", ");
    while parts.len() > 1 && width(&joined(&parts)) > columns {
        let last = parts.iter().map(|part| part.rank).max();
        parts.retain(|part| Some(part.rank) != last);
    }
    fit(&joined(&parts), columns)
}

/// A part of the run's line; a narrow window drops parts with a high rank first.
pub(super) struct Part {
    rank: u8,
    pub(super) text: String,
}

/// The parts of the run's line, in display order.
pub(super) fn run_parts(state: &State) -> Vec<Part> {
    let usage = &state.usage;
    let simulated = if state.is_simulated() { " (simulated)" } else { "" };
    let tokens = usage.prompt_tokens + usage.completion_tokens;
    let left = state.left().map(|left| {
        let least = if left.at_least { "at least " } else { "" };
        format!("{least}{} left", human::whole(left.time))
    });
    let parts = [
        (1, state.stopping.then(|| "stopping".to_owned())),
        (0, Some(human::counted(usage.requests, "request"))),
        (2, limits(&state.limits).filter(|_| state.end.is_none())),
        (7, (usage.retries > 0).then(|| format!("{} retried", human::count(usage.retries)))),
        (5, (tokens > 0).then(|| format!("{} tokens", human::short(tokens)))),
        (3, (usage.cost_micros > 0).then(|| format!("{}{simulated}", Usd::from_micros(usage.cost_micros)))),
        (6, Some(format!("{} elapsed", human::whole(state.elapsed())))),
        (4, left.filter(|_| !state.stopping)),
    ];
    parts.into_iter().filter_map(|(rank, text)| text.map(|text| Part { rank, text })).collect()
}

/// What the run waits for, the accepted rate and the refused share, if any.
fn limits(limits: &RateLimits) -> Option<String> {
    let waits = limits.waiting_for.map(|what| match what {
        WaitingFor::ConfiguredLimit => "waiting for the configured limit",
        WaitingFor::AccountLimit => "waiting for the account limit",
        WaitingFor::SporadicRefusals => "retrying sporadic refusals",
        WaitingFor::Outage => "probing after an outage",
    });
    let lately = (limits.refused > 0).then(|| {
        let share = 100.0 * limits.refused_share;
        format!("{} accepted, {share:.1} % refused", human::rate(limits.accepted_per_second))
    });
    match (waits, lately) {
        (Some(waits), Some(lately)) => Some(format!("{waits} ({lately})")),
        (Some(waits), None) => Some(waits.to_owned()),
        (None, lately) => lately,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::report::fixture::{PLAIN, Story};

    const NAMES: [&str; 4] = ["docs", "extract", "extracted", "metadata"];

    fn drawn(state: &State, width: usize) -> String {
        lines(state, Window { width, height: 24 }, PLAIN).join("\n")
    }

    #[test]
    fn columns_go_as_the_window_narrows() {
        let state = Story::midway(false, &NAMES).state();
        assert_snapshot!(drawn(&state, 200), @"
        ✓ docs       ━━━━━━━━━━━━━━━━━━━━━━━━    47/47
        ▸ extract    ━━━━━━━━━━━━────────────    24/47  6 failed    2.0/s   5 in flight  12 reused   3 throttled      12s left
        ▸ extracted                                 18              2.0/s
        · metadata                             waiting
        29 requests, 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        ");
        assert_snapshot!(drawn(&state, 120), @"
        ✓ docs       ━━━━━━━━━━━━━━━━━━━━━━━━    47/47
        ▸ extract    ━━━━━━━━━━━━────────────    24/47  6 failed    2.0/s   5 in flight  12 reused   3 throttled      12s left
        ▸ extracted                                 18              2.0/s
        · metadata                             waiting
        29 requests, 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        ");
        assert_snapshot!(drawn(&state, 80), @"
        ✓ docs       ━━━━━━━━━━━    47/47
        ▸ extract    ━━━━━──────    24/47  6 failed    2.0/s   5 in flight      12s left
        ▸ extracted                    18              2.0/s
        · metadata                waiting
        29 requests, 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        ");
        assert_snapshot!(drawn(&state, 60), @"
        ✓ docs         47/47
        ▸ extract      24/47  6 failed    2.0/s      12s left
        ▸ extracted       18              2.0/s
        · metadata   waiting
        29 requests, 1.3M tokens, 0.0123 USD, at least 12s left
        ");
        assert_snapshot!(drawn(&state, 40), @"
        ✓ docs         47/47
        ▸ extract      24/47  6 failed
        ▸ extracted       18
        · metadata   waiting
        29 requests, 0.0123 USD
        ");
        assert_snapshot!(drawn(&state, 20), @"
        ✓ docs      47/47
        ▸ extra…    24/47
        ▸ extra…       18
        · metad…  waiting
        29 requests
        ");
    }

    #[test]
    fn nothing_is_known_yet() {
        assert_snapshot!(drawn(&Story::new().state(), 80), @"
        · docs       waiting
        · extract    waiting
        · extracted  waiting
        · metadata   waiting
        0 requests, 0s elapsed
        ");
        assert_snapshot!(drawn(&State::default(), 80), @"0 requests, 0s elapsed");
    }

    #[test]
    fn a_simulated_run_that_is_stopping() {
        let mut story = Story::midway(true, &NAMES);
        story.push(12.0, crate::event::EventKind::Interrupted { in_flight: 5 });
        assert_snapshot!(drawn(&story.state(), 100), @"
        ✓ docs       ━━━━━━━━━━━━━━━━━━━━    47/47
        ▸ extract    ━━━━━━━━━━──────────    24/47  6 failed    2.0/s   5 in flight  12 reused      12s left
        ▸ extracted                             18              2.0/s
        · metadata                         waiting
        stopping, 29 requests, 6 retried, 1.3M tokens, 0.0123 USD (simulated), 12s elapsed
        ");
    }

    #[test]
    fn what_is_waited_for_is_said_in_words() {
        let mut state = Story::midway(false, &NAMES).state();
        let causes = [
            (Some(WaitingFor::AccountLimit), 9.84, 31),
            (Some(WaitingFor::SporadicRefusals), 412.0, 31),
            (Some(WaitingFor::Outage), 0.0, 31),
            (Some(WaitingFor::ConfiguredLimit), 5.0, 0),
            (None, 9.84, 31),
        ];
        let lines = causes.map(|(waiting_for, accepted_per_second, refused)| {
            let refused_share = if refused > 0 { 0.0312 } else { 0.0 };
            let limits =
                RateLimits { waiting_for, accepted_per_second, refused_share, refused, ..state.limits };
            state.limits = limits;
            run_line(&state, 200)
        });
        assert_snapshot!(lines.join("\n"), @"
        29 requests, waiting for the account limit (9.8/s accepted, 3.1 % refused), 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        29 requests, retrying sporadic refusals (412/s accepted, 3.1 % refused), 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        29 requests, probing after an outage (0/s accepted, 3.1 % refused), 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        29 requests, waiting for the configured limit, 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        29 requests, 9.8/s accepted, 3.1 % refused, 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        ");
        state.limits.waiting_for = Some(WaitingFor::AccountLimit);
        assert_snapshot!(run_line(&state, 100), @"29 requests, waiting for the account limit (9.8/s accepted, 3.1 % refused), 0.0123 USD");
    }

    #[test]
    fn names_in_other_scripts_stand_in_line() {
        let state = Story::midway(false, &["文書", "Ausschöpfung", "波", "表"]).state();
        assert_snapshot!(drawn(&state, 80), @"
        ✓ 文書          ━━━━━━━━    47/47
        ▸ Ausschöpfung  ━━━━────    24/47  6 failed    2.0/s   5 in flight      12s left
        ▸ 波                           18              2.0/s
        · 表                      waiting
        29 requests, 6 retried, 1.3M tokens, 0.0123 USD, 12s elapsed, at least 12s left
        ");
        assert_snapshot!(drawn(&state, 40), @"
        ✓ 文書            47/47
        ▸ Ausschöpfung    24/47  6 failed
        ▸ 波                 18
        · 表            waiting
        29 requests, 0.0123 USD
        ");
    }

    #[test]
    fn a_low_window_keeps_what_is_at_work() {
        let names: Vec<String> = (0..20).map(|at| format!("stage_{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let state = Story::midway(false, &names).state();
        assert_snapshot!(lines(&state, Window { width: 60, height: 7 }, PLAIN).join("\n"), @"
        ▸ stage_1     24/47  6 failed    2.0/s      12s left
        ▸ stage_2        18              2.0/s
        · stage_3   waiting
        · stage_4   waiting
          … and 16 more stages
        29 requests, 1.3M tokens, 0.0123 USD, at least 12s left
        ");
    }

    #[test]
    fn forty_columns_hold_name_count_and_failures() {
        let mut state =
            Story::midway(false, &["a_source_with_a_long_name", "extract_everything", "w"]).state();
        let counts = &mut state.stages[1].counts;
        (counts.taken, counts.done, counts.failed, counts.total) = (23_456, 22_222, 1_234, Some(45_678));
        assert_snapshot!(drawn(&state, 40), @"
        ✓ a_source…          47/47
        ▸ extract_…  23,456/45,678  1,234 failed
        ▸ w                     18
        29 requests, 0.0123 USD, 3h 5m left
        ");
    }

    #[test]
    fn failures_and_ticks_are_coloured() {
        let state = Story::midway(false, &NAMES).state();
        let lines = lines(&state, Window { width: 120, height: 24 }, Paint { color: true });
        assert!(lines[0].starts_with("\u{1b}[32m✓\u{1b}[0m docs"), "{}", lines[0]);
        assert!(lines[1].contains("\u{1b}[31m6 failed\u{1b}[0m"), "{}", lines[1]);
        assert!(lines.iter().all(|line| console::measure_text_width(line) <= 120));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_or_lower_than_the_window(
            names in proptest::collection::vec("\\PC{0,40}|[\u{300}-\u{36f}a文👩\u{200d}\n\t]{0,20}", 0..8),
            width in prop_oneof![Just(20_usize), Just(40), Just(60), Just(80), Just(120), Just(200), 0..300_usize],
            height in 0..12_usize,
            scale in 1..=u64::MAX / 200,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut state = Story::midway(true, &names).state();
            for stage in &mut state.stages {
                let counts = &mut stage.counts;
                for count in [&mut counts.taken, &mut counts.done, &mut counts.failed, &mut counts.in_flight] {
                    *count *= scale;
                }
            }
            let lines = lines(&state, Window { width, height }, PLAIN);
            for line in &lines {
                prop_assert!(super::width(line) <= width, "{line:?}");
                prop_assert!(!line.contains(char::is_control), "{line:?}");
            }
            prop_assert!(lines.len() <= height.max(1), "{} lines", lines.len());
        }
    }
}
