//! All announced limits of one model or account, and the expected use of each by a request.
//!
//! Main type: [`Windows`]. It holds a [`SlidingWindow`] for each announced limit, and learns from answers how
//! many tokens and pages a request really uses per estimated one.

use crate::mistral::rate_limit_headers::{AnnouncedLimit, Quantity};

use super::window::{Room, SlidingWindow};

/// The estimated use of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) tokens: f64,
    pub(super) pages: f64,
}

impl Cost {
    fn of(self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Requests => 1.0,
            Quantity::Tokens => self.tokens,
            Quantity::Pages => self.pages,
        }
    }
}

/// The ratio of actual to estimated use.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    mean: f64,
    deviation: f64,
}

/// The mean deviations reserved for use above the mean.
const SPARE: f64 = 3.0;

/// The weight of the newest answer.
const NEWEST: f64 = 0.05;

impl Ratio {
    fn learn(&mut self, used: f64, estimated: f64) {
        if estimated > 0.0 && used > 0.0 {
            let difference = used / estimated - self.mean;
            self.mean += NEWEST * difference;
            self.deviation += NEWEST * (difference.abs() - self.deviation);
        }
    }
}

/// Whether a request may be sent, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Admission {
    /// Now.
    Now,
    /// Now, although others use the remainder according to the headers: they are trusted less by now.
    Doubtful,
    /// Now, although others use the remainder: a trickle that tests the headers.
    Trickle,
    /// Not before this time.
    At(f64),
}

/// The windows of all announced limits.
#[derive(Debug)]
pub(super) struct Windows {
    windows: Vec<(Quantity, u64, SlidingWindow)>,
    tokens: Ratio,
    pages: Ratio,
    /// Unanswered requests.
    pending: u32,
    /// The trusted share of what others use: headers can be misread.
    trust: f64,
    /// The time of the next trickle request, and the gap to the one after it.
    trickle: f64,
    trickle_gap: f64,
    /// When something was last accepted without room for it: headers were misread, or others stopped.
    contradicted: f64,
}

impl Default for Windows {
    fn default() -> Self {
        let unknown = Ratio { mean: 1.0, deviation: 0.25 };
        Self {
            windows: Vec::new(),
            tokens: unknown,
            pages: unknown,
            pending: 0,
            trust: 1.0,
            trickle: 0.0,
            trickle_gap: 1.0,
            contradicted: f64::NEG_INFINITY,
        }
    }
}

impl Windows {
    /// Whether there is any limit.
    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Whether a request may be sent now.
    pub(super) fn admit(&mut self, now: f64, cost: Cost) -> Admission {
        let (mut until, mut others, mut doubtful) = (now, false, false);
        let unknown = f64::from(self.pending + 1).sqrt();
        for (quantity, _, window) in &mut self.windows {
            // Requests in flight may use more than the mean: this reserve is for them.
            let (mean, spare) = match quantity {
                Quantity::Requests => (1.0, 0.0),
                Quantity::Tokens => (self.tokens.mean, self.tokens.deviation),
                Quantity::Pages => (self.pages.mean, self.pages.deviation),
            };
            match window.room(now, cost.of(*quantity) * (mean + SPARE * spare * unknown), self.trust) {
                Room::Free => {}
                Room::Doubtful => doubtful = true,
                Room::UsedByOthers => others = true,
                Room::FullUntil(time) => until = until.max(time),
            }
        }
        match others {
            _ if until > now => Admission::At(until),
            true if self.trickle > now => Admission::At(self.trickle),
            true => Admission::Trickle,
            false if doubtful => Admission::Doubtful,
            false => Admission::Now,
        }
    }

    /// Records a sent request; requests are numbered without gaps.
    pub(super) fn sent(&mut self, now: f64, cost: Cost, admission: Admission) {
        self.pending += 1;
        for (quantity, _, window) in &mut self.windows {
            let mean = match quantity {
                Quantity::Requests => 1.0,
                Quantity::Tokens => self.tokens.mean,
                Quantity::Pages => self.pages.mean,
            };
            window.push(now, cost.of(*quantity) * mean);
        }
        if admission == Admission::Trickle {
            self.trickle = now + self.trickle_gap;
        }
    }

    /// Records an accepted request and its use.
    pub(super) fn accepted(&mut self, now: f64, id: u64, cost: Cost, used: Cost, admission: Admission) {
        self.pending = self.pending.saturating_sub(1);
        self.tokens.learn(used.tokens, cost.tokens);
        self.pages.learn(used.pages, cost.pages);
        for (quantity, _, window) in &mut self.windows {
            window.correct(id, used.of(*quantity));
        }
        if matches!(admission, Admission::Doubtful | Admission::Trickle) {
            self.contradicted = now;
        }
        if admission == Admission::Trickle {
            self.trust *= 0.7;
            self.trickle_gap = self.gap();
        }
    }

    /// Records a refused request: it uses nothing.
    pub(super) fn refused(&mut self, id: u64, admission: Admission) {
        self.pending = self.pending.saturating_sub(1);
        for (_, _, window) in &mut self.windows {
            window.correct(id, 0.0);
        }
        if admission == Admission::Trickle {
            self.trust = (self.trust + 0.2).min(1.0);
            self.trickle_gap = (2.0 * self.trickle_gap).min(16.0 * self.gap());
        }
    }

    /// Whether these limits, as announced with a refusal, explain it.
    pub(super) fn explain(&mut self, announced: &[AnnouncedLimit], sent: f64, estimated: Cost) -> bool {
        let mut explained = false;
        for (quantity, span, window) in &mut self.windows {
            let said = announced.iter().find(|said| said.quantity == *quantity && said.span == *span);
            if let Some(remaining) = said.and_then(|said| said.remaining)
                && sent - self.contradicted > *span as f64
            {
                explained |= window.explains_refusal(sent, remaining, estimated.of(*quantity));
            }
        }
        explained
    }

    /// Records a failed request; the service may have counted it.
    pub(super) fn failed(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// The gap at half the limit on requests.
    fn gap(&self) -> f64 {
        let of = |(quantity, span, window): &(Quantity, u64, SlidingWindow)| {
            (*quantity == Quantity::Requests).then(|| 2.0 * *span as f64 / window.limit)
        };
        self.windows.iter().filter_map(of).reduce(f64::max).unwrap_or(0.2)
    }

    /// Applies a limit announced in the headers of an answer. `sent` is the time of the request, `accepted`
    /// whether it was accepted; `known` returns the attempts and costs that a new window starts with.
    pub(super) fn apply<I>(&mut self, announced: &AnnouncedLimit, sent: f64, accepted: bool, known: I)
    where
        I: FnOnce() -> (u64, Vec<(f64, Cost)>),
    {
        let same = |(quantity, span, _): &(Quantity, u64, SlidingWindow)| {
            *quantity == announced.quantity && *span == announced.span
        };
        let at = self.windows.iter().position(same);
        let Some(limit) = announced.limit else {
            if let Some(at) = at {
                self.windows.swap_remove(at);
            }
            return;
        };
        let at = at.unwrap_or_else(|| {
            let (first, uses) = known();
            let mut window = SlidingWindow::new(announced.span as f64, limit, first);
            for (at, cost) in uses {
                window.push(at, cost.of(announced.quantity));
            }
            self.windows.push((announced.quantity, announced.span, window));
            self.trickle_gap = self.gap();
            self.windows.len() - 1
        });
        let Some((_, _, window)) = self.windows.get_mut(at) else { return };
        window.limit = limit;
        if let (true, Some(remaining)) = (accepted, announced.remaining) {
            window.remaining(sent, remaining);
        }
    }
}
