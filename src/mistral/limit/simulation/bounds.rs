//! Bounds that each case must keep over many seeds.

use super::{
    cases::named,
    clients::{Kind, Outcome, between},
    quantile, seeds,
};

/// The bounds of a case.
struct Bounds {
    /// The time of the median and of the worst seed, in seconds.
    seconds: (f64, f64),
    /// The percentage of refused requests, likewise.
    refused: (f64, f64),
}

/// Runs all seeds of a case, prints the figures and checks them against the bounds; returns the outcomes.
fn check(name: &str, bounds: &Bounds) -> Vec<(u64, Outcome)> {
    let case = named(name);
    let outcomes: Vec<(u64, Outcome)> =
        seeds().map(|seed| (seed, case.run(Kind::Controller, seed))).collect();
    for (seed, outcome) in &outcomes {
        let [sent, accepted, refused, failed] = outcome.attempts;
        let records = (case.clients * case.records) as u64;
        assert_eq!(accepted, records, "`{name}`, seed {seed}: {:?} answered", outcome.done);
        assert_eq!(sent, accepted + refused + failed, "`{name}`, seed {seed}: each attempt has its response");
        let (seconds, percent) = (outcome.seconds, 100.0 * outcome.refused);
        assert!(seconds <= bounds.seconds.1, "`{name}`, seed {seed}: {seconds:.1} s");
        assert!(percent <= bounds.refused.1, "`{name}`, seed {seed}: {percent:.1} % refused");
    }
    let all = |of: fn(&Outcome) -> f64| outcomes.iter().map(|(_, outcome)| of(outcome)).collect::<Vec<f64>>();
    let (seconds, refused) = (all(|outcome| outcome.seconds), all(|outcome| 100.0 * outcome.refused));
    let [most_seconds, most_refused] = [&seconds, &refused].map(|values| quantile(values, 1.0));
    let [seconds, refused] = [&seconds, &refused].map(|values| quantile(values, 0.5));
    eprintln!(
        "{name:34} median and worst: {seconds:6.1} {most_seconds:6.1} s, {refused:5.1} {most_refused:5.1} % refused"
    );
    assert!(seconds <= bounds.seconds.0, "`{name}`: {seconds:.1} s in the median");
    assert!(refused <= bounds.refused.0, "`{name}`: {refused:.1} % refused in the median");
    outcomes
}

/// Upper bounds for the median and the worst seed.
const fn within(seconds: (f64, f64), refused: (f64, f64)) -> Bounds {
    Bounds { seconds, refused }
}

#[test]
fn announced_limits_are_used_to_97_percent_and_hardly_exceeded() {
    check("60/min announced", &within((61.0, 61.5), (0.0, 0.0)));
    check("600/min announced", &within((61.8, 61.8), (0.0, 0.0)));
    check("10/s announced by second", &within((30.0, 30.5), (0.0, 1.0)));
    check("60,000 tokens/min announced", &within((62.5, 62.5), (0.0, 2.0)));
}

#[test]
fn announced_limits_of_another_window_are_found_out() {
    check("10/s announced as 600/min", &within((32.0, 32.5), (5.0, 6.5)));
}

#[test]
fn a_limit_that_is_not_announced_is_found() {
    check("10/s", &within((32.0, 32.5), (5.0, 6.5)));
    check("10/s with Retry-After", &within((32.0, 32.5), (5.0, 6.5)));
    check("2/s", &within((55.5, 56.5), (17.5, 19.0)));
    check("10/s, 4 in flight", &within((32.0, 32.5), (5.0, 6.0)));
}

#[test]
fn a_limit_is_used_to_96_percent_in_the_long_run() {
    check("10/s for long", &within((311.0, 312.0), (3.0, 3.0)));
}

#[test]
fn a_high_limit_is_used_as_well() {
    check("500/s", &within((41.5, 41.8), (1.0, 1.2)));
    check("100/s", &within((31.0, 31.5), (2.5, 3.2)));
}

#[test]
fn short_and_long_windows_are_no_trap() {
    check("5 in any 0.2 s", &within((50.0, 53.0), (2.6, 3.5)));
    check("60 in 6 s", &within((68.0, 80.0), (11.0, 20.0)));
    check("60 in 6 s with Retry-After", &within((66.0, 70.0), (9.6, 13.0)));
    check("60/min", &within((66.0, 72.0), (40.0, 42.0)));
    check("300/min", &within((181.0, 185.0), (13.0, 14.0)));
}

#[test]
fn a_limit_on_tokens_that_is_not_announced_is_survived() {
    check("60,000 tokens/min", &within((66.0, 100.0), (33.0, 36.0)));
    check("60,000 tokens/min for long", &within((375.0, 640.0), (17.0, 50.0)));
}

#[test]
fn long_latency_does_not_hide_a_limit() {
    check("10/s, 2 s latency", &within((45.5, 47.0), (5.0, 6.0)));
    check("5/s, 10 s latency", &within((99.0, 101.0), (6.2, 7.0)));
}

#[test]
fn sporadic_refusals_slow_nothing_down() {
    for name in [
        "5 % sporadic with Retry-After",
        "5 % sporadic",
        "15 % sporadic",
        "30 % sporadic",
        "50 % sporadic",
        "30 % sporadic, 2 s latency",
    ] {
        let case = named(name);
        let share = 100.0 * case.server.share;
        let outcomes = check(name, &within((60.0, 60.0), (share + 1.0, share + 4.0)));
        // The median for independent clients: a single seed of theirs is random.
        let alone: Vec<f64> = seeds().map(|seed| case.run(Kind::Alone, seed).seconds).collect();
        let alone = quantile(&alone, 0.5);
        let slow: Vec<u64> =
            outcomes.iter().filter(|(_, o)| o.seconds > 2.0 * alone).map(|(s, _)| *s).collect();
        let allowed = (outcomes.len() / 100).max(1);
        assert!(slow.len() <= allowed, "`{name}`: more than twice {alone:.1} s with the seeds {slow:?}");
        for (seed, outcome) in &outcomes {
            assert!(outcome.seconds <= 5.0 * alone, "`{name}`, seed {seed}: {:.1} s", outcome.seconds);
        }
    }
}

#[test]
fn sporadic_refusals_slow_a_long_run_down_by_a_few_percent() {
    check("5 % sporadic for long", &within((8.0, 9.5), (5.3, 6.0)));
}

#[test]
fn a_limit_and_sporadic_refusals_are_told_apart() {
    for (name, bounds) in [
        ("10/s and 5 % sporadic", within((37.0, 46.0), (11.0, 50.0))),
        ("20/s and 15 % sporadic", within((43.0, 55.0), (28.0, 60.0))),
    ] {
        let outcomes = check(name, &bounds);
        let seconds: Vec<f64> = outcomes.iter().map(|(_, outcome)| outcome.seconds).collect();
        let [median, most, worst] = [0.5, 0.99, 1.0].map(|share| quantile(&seconds, share));
        assert!(most <= 1.3 * median, "`{name}`: {most:.1} s, {median:.1} s in the median");
        assert!(worst <= 1.6 * median, "`{name}`: {worst:.1} s, {median:.1} s in the median");
    }
}

#[test]
fn an_outage_is_probed_a_few_times_and_left_at_full_pace() {
    for name in ["outage of 20 s", "outage of 20 s with its code"] {
        for (seed, outcome) in &check(name, &within((29.5, 32.0), (2.0, 2.5))) {
            let log = &outcome.server.log;
            let (probes, _) = between(log, 3.0, 22.0);
            assert!(probes <= 10, "`{name}`, seed {seed}: {probes} probes");
            let (_, before) = between(log, 1.0, 2.0);
            let full = (0..50).map(|tenth| 22.0 + f64::from(tenth) / 10.0).find(|from| {
                let (_, accepted) = between(log, *from, from + 1.0);
                accepted as f64 >= 0.9 * before as f64
            });
            assert!(full.is_some(), "`{name}`, seed {seed}: {before} a second before, not within 5 s after");
        }
    }
    check("outage, then 20/s", &within((43.5, 46.0), (10.5, 12.5)));
    check("outage with its code, then 20/s", &within((43.5, 46.0), (12.5, 14.0)));
    check("outage, 2 s latency", &within((68.5, 71.0), (5.0, 6.0)));
    check("outage from the start, few in flight", &within((11.5, 12.7), (4.0, 5.0)));
    check("outage soon after the start", &within((16.0, 20.0), (6.0, 8.0)));
    check("outage from the start", &within((17.0, 18.0), (1.5, 2.0)));
    check("10/s with an outage", &within((65.0, 66.5), (8.5, 10.0)));
}

#[test]
fn several_kinds_of_trouble_at_once_do_not_make_the_pace_collapse() {
    // The time of a client that knows the server and waits out an outage in which others get a fifth through:
    // 216, 91 and 12 s in the median.
    check("hostile day", &within((275.0, 400.0), (28.0, 65.0)));
    check("hostile day without a limit", &within((100.0, 200.0), (20.0, 45.0)));
    let fast = check("hostile day, 20 times as fast", &within((19.5, 50.0), (22.0, 45.0)));
    let seconds: Vec<f64> = fast.iter().map(|(_, outcome)| outcome.seconds).collect();
    let most = quantile(&seconds, 0.95);
    assert!(most <= 27.0, "{most:.1} s at the 95th percentile");
    // Looks like a limit for twenty seconds of each minute.
    check("hostile day without codes", &within((380.0, 1800.0), (16.0, 65.0)));
    check("fast hostile day without codes", &within((92.0, 460.0), (16.0, 45.0)));
}

#[test]
fn a_limit_with_the_wrong_code_costs_refusals_and_no_time() {
    check("10/s refused for want of capacity", &within((38.0, 41.0), (72.0, 74.0)));
}

#[test]
fn a_limit_that_changes_is_followed() {
    let outcomes = check("20/s halved", &within((49.5, 50.6), (7.0, 10.0)));
    for (seed, outcome) in &outcomes {
        let (_, accepted) = between(&outcome.server.log, 20.0, 30.0);
        assert!(accepted >= 90, "seed {seed}: {accepted} in ten seconds at 10/s");
    }
    check("20/s to 4/s", &within((47.0, 58.0), (12.0, 14.0)));
    check("10/s doubled", &within((43.0, 44.0), (4.0, 5.0)));
    check("10/s to 200/s", &within((34.0, 35.0), (4.6, 6.0)));
}

#[test]
fn without_a_limit_nothing_is_held_up() {
    check("no limit", &within((6.8, 6.8), (0.0, 0.0)));
    check("no limit, 2 s latency", &within((21.0, 21.5), (0.0, 0.0)));
}

#[test]
fn clients_on_one_key_get_equal_parts() {
    for (name, bounds, part) in [
        ("20/s for two", within((64.5, 71.0), (4.0, 8.5)), 0.40),
        ("20/s for two, 0.1 s apart", within((67.0, 75.0), (3.6, 6.5)), 0.33),
        ("100/s for two", within((42.5, 47.0), (5.2, 7.0)), 0.40),
        ("30/s for three", within((66.5, 90.0), (5.0, 18.5)), 0.22),
        ("600/min announced to two", within((62.5, 63.5), (9.5, 10.5)), 0.45),
    ] {
        for (seed, outcome) in check(name, &bounds) {
            let first = outcome.ends.iter().copied().fold(f64::INFINITY, f64::min);
            let shares = outcome.shares(first);
            let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(
                least >= part,
                "`{name}`, seed {seed}: {shares:.2?} of what was accepted by {first:.1} s"
            );
        }
    }
}
