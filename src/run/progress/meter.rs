//! Counts of a run, and the events that report them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    event::{Conservation, LostTime, Progress, RateLimits, StageCounts, StageInfo, Usage, WaitingFor},
    mistral::{Gauge, WaitCause},
    plan::{Node, NodeId, Plan, Port, Step},
};

/// A counter shared by many tasks.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of one stage.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// For a source or a wave: the number plus one, or 0 while unknown.
    total: AtomicU64,
    failed_total: AtomicU64,
    pub(crate) taken: Count,
    pub(crate) done: Count,
    pub(crate) failed: Count,
    pub(crate) skipped: Count,
    pub(crate) duplicates: Count,
    pub(crate) reused: Count,
    /// Records of a wave that an earlier run closed.
    pub(crate) resumed: Count,
    pub(crate) prompt_tokens: Count,
    pub(crate) cached_tokens: Count,
    pub(crate) completion_tokens: Count,
    pub(crate) cost_micros: Count,
    pub(crate) unpriced: Count,
    pub(crate) paced: AtomicI64,
    pub(crate) gauge: Gauge,
}

impl Meter {
    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total + 1, Ordering::Relaxed);
    }

    pub(crate) fn set_failed_total(&self, total: u64) {
        self.failed_total.store(total + 1, Ordering::Relaxed);
    }
}

/// The counts of a run.
pub(crate) struct Meters {
    by_node: Vec<Arc<Meter>>,
    /// Additional records: parts of a split, copies for further readers.
    pub(crate) added: AtomicI64,
    /// Rows of the failures table, without those for records that got no answer.
    pub(crate) failures: Count,
    /// Rows for records without an answer.
    pub(crate) unanswered: Count,
    /// Whether the server identified itself as a simulator.
    pub(crate) simulated: Arc<AtomicBool>,
    /// Recent counts of answers and refusals, by time.
    lately: Mutex<VecDeque<(Instant, [u64; 2])>>,
}

/// The period for the accepted rate and the share refused.
const LATELY: Duration = Duration::from_secs(10);

impl Meters {
    pub(crate) fn new(plan: &Plan) -> Self {
        let by_node = plan.nodes.iter().map(|_| Arc::default()).collect();
        Self {
            by_node,
            added: AtomicI64::new(0),
            failures: Count::default(),
            unanswered: Count::default(),
            simulated: Arc::default(),
            lately: Mutex::default(),
        }
    }

    pub(crate) fn of(&self, node: NodeId) -> &Arc<Meter> {
        &self.by_node[node.0]
    }

    /// The current counts of all visible stages.
    pub(crate) fn progress(&self, plan: &Plan) -> Progress {
        let mut totals: Vec<Option<u64>> = Vec::with_capacity(plan.nodes.len());
        for node in &plan.nodes {
            totals.push(self.total(plan, node, &totals));
        }
        let visible = plan.nodes.iter().filter(|node| is_visible(node));
        let stages = visible
            .map(|node| {
                let meter = self.of(node.id);
                let now = |count: &AtomicI64| count.load(Ordering::Relaxed).max(0) as u64;
                StageCounts {
                    total: totals[node.id.0],
                    taken: meter.taken.get(),
                    done: meter.done.get(),
                    failed: meter.failed.get(),
                    skipped: meter.skipped.get(),
                    duplicates: meter.duplicates.get(),
                    reused: meter.reused.get(),
                    in_flight: now(&meter.gauge.in_flight),
                    waiting: now(&meter.gauge.waiting) + now(&meter.paced),
                }
            })
            .collect();
        Progress { stages, usage: self.usage(), limits: self.limits() }
    }

    /// The effect of the service's limits on the run.
    fn limits(&self) -> RateLimits {
        let gauges = || self.by_node.iter().map(|meter| &meter.gauge);
        let sum = |count: fn(&Gauge) -> u64| gauges().map(count).sum::<u64>();
        let lost = |cause| gauges().map(|gauge| gauge.lost(cause).as_millis() as u64).sum();
        let waits = |cause: &WaitCause| gauges().any(|gauge| gauge.waits_for() == Some(*cause));
        let causes = [WaitCause::Outage, WaitCause::AccountLimit, WaitCause::Configured, WaitCause::Sporadic];
        let waiting_for = causes.into_iter().find(waits).map(|cause| match cause {
            WaitCause::Configured => WaitingFor::ConfiguredLimit,
            WaitCause::AccountLimit => WaitingFor::AccountLimit,
            WaitCause::Sporadic => WaitingFor::SporadicRefusals,
            WaitCause::Outage => WaitingFor::Outage,
        });
        let accepted = sum(|gauge| gauge.accepted.load(Ordering::Relaxed));
        let refused = sum(|gauge| gauge.refused.load(Ordering::Relaxed));
        let (accepted_per_second, refused_share) = self.lately(Instant::now(), [accepted, refused]);
        RateLimits {
            waiting_for,
            accepted_per_second,
            refused_share,
            refused,
            lost: LostTime {
                configured_limit_ms: lost(WaitCause::Configured),
                account_limit_ms: lost(WaitCause::AccountLimit),
                sporadic_refusals_ms: lost(WaitCause::Sporadic),
                outage_ms: lost(WaitCause::Outage),
            },
        }
    }

    /// The answers per second and the share refused, over the recent period.
    fn lately(&self, now: Instant, counts: [u64; 2]) -> (f64, f64) {
        let Ok(mut lately) = self.lately.lock() else { return (0.0, 0.0) };
        lately.push_back((now, counts));
        while lately.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= LATELY) {
            lately.pop_front();
        }
        let (at, [accepted, refused]) = lately.front().copied().unwrap_or((now, counts));
        let [accepted, refused] = [counts[0] - accepted, counts[1] - refused];
        let seconds = now.duration_since(at).as_secs_f64();
        let rate = if seconds > 0.0 { accepted as f64 / seconds } else { 0.0 };
        (rate, refused as f64 / (accepted + refused).max(1) as f64)
    }

    /// The total number of records a stage will take, as far as known.
    fn total(&self, plan: &Plan, node: &Node, totals: &[Option<u64>]) -> Option<u64> {
        let known = |count: &AtomicU64| count.load(Ordering::Relaxed).checked_sub(1);
        if matches!(node.step, Step::Source(_)) {
            return known(&self.of(node.id).total);
        }
        // There are jobs between the two; the records that went in come out again.
        if let Step::Collect(submit) = node.step {
            return totals[submit.0].map(|total| total.saturating_sub(self.of(submit).failed.get()));
        }
        let inputs = node.inputs.iter().map(|input| {
            let (upstream, meter) = (plan.node(input.node), self.of(input.node));
            match (&upstream.step, input.port) {
                (Step::Wave(_), Port::Out) => known(&meter.total),
                (Step::Wave(_), Port::Failed) => known(&meter.failed_total),
                (Step::Split(_) | Step::Submit(_), _) | (_, Port::Failed) => None,
                (_, Port::Out) => totals[input.node.0].map(|total| total.saturating_sub(meter.failed.get())),
            }
        });
        inputs.sum()
    }

    pub(crate) fn usage(&self) -> Usage {
        let sum = |count: fn(&Meter) -> u64| self.by_node.iter().map(|meter| count(meter)).sum();
        Usage {
            requests: sum(|meter| meter.gauge.requests.load(Ordering::Relaxed)),
            retries: sum(|meter| meter.gauge.retries.load(Ordering::Relaxed)),
            reused: sum(|meter| meter.reused.get()),
            prompt_tokens: sum(|meter| meter.prompt_tokens.get()),
            cached_tokens: sum(|meter| meter.cached_tokens.get()),
            completion_tokens: sum(|meter| meter.completion_tokens.get()),
            cost_micros: sum(|meter| meter.cost_micros.get()),
            unpriced: sum(|meter| meter.unpriced.get()),
            simulated: self.simulated.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn conservation(&self, plan: &Plan) -> Conservation {
        let sum = |wanted: fn(&Step) -> bool, count: fn(&Meter) -> u64| -> u64 {
            plan.nodes.iter().filter(|node| wanted(&node.step)).map(|node| count(self.of(node.id))).sum()
        };
        Conservation {
            // A closed wave replaces the sources above it.
            read: sum(|step| matches!(step, Step::Source(_)), |meter| meter.taken.get())
                + sum(|_| true, |meter| meter.resumed.get()),
            added: self.added.load(Ordering::Relaxed),
            rows: sum(|step| matches!(step, Step::Sink(_)), |meter| meter.done.get()),
            failures: self.failures.get(),
            unanswered: self.unanswered.get(),
            skipped: sum(|_| true, |meter| meter.skipped.get()),
            duplicates: sum(|_| true, |meter| meter.duplicates.get()),
        }
    }
}

/// A ledger lookup is part of the calling stage, and of its counts.
fn is_visible(node: &Node) -> bool {
    !matches!(node.step, Step::Lookup(_))
}

/// The index by which events refer to each node.
pub(crate) fn visible(plan: &Plan) -> Vec<Option<usize>> {
    let mut next = 0;
    let index = |node: &Node| {
        is_visible(node).then(|| {
            next += 1;
            next - 1
        })
    };
    plan.nodes.iter().map(index).collect()
}

/// The visible stages.
pub(crate) fn stages(plan: &Plan) -> Vec<StageInfo> {
    let visible = plan.nodes.iter().filter(|node| is_visible(node));
    visible
        .map(|node| StageInfo {
            name: node.name.to_string(),
            kind: node.kind,
            target: match &node.step {
                Step::Sink(sink) => Some(sink.target.to_string()),
                _ => None,
            },
        })
        .collect()
}
