//! Limits the attempts of a stage in flight to a fixed or an adaptive number. Main type: [`ConcurrencyLimiter`].
//!
//! A slot is held for one attempt, from before it is sent until it has ended, and not while waiting for a retry.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mistral::lock::unpoisoned;

use super::adaptive::AdaptiveLimit;

/// The slots of a stage.
pub struct ConcurrencyLimiter {
    semaphore: Arc<Semaphore>,
    most: usize,
    state: Mutex<State>,
}

struct State {
    /// The adaptive limit, unless the number is fixed.
    auto: Option<AdaptiveLimit>,
    limit: usize,
    held: usize,
    /// Slots that are dropped as soon as they are released.
    surplus: usize,
}

impl ConcurrencyLimiter {
    /// A fixed number of slots, at least one.
    pub fn fixed(count: usize) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Self::new(count, count, None)
    }

    /// An adaptive number within bounds, for the highest throughput.
    pub fn auto(least: usize, most: usize) -> Self {
        let auto = AdaptiveLimit::new(least, most.min(Semaphore::MAX_PERMITS));
        Self::new(auto.limit(), most.max(auto.limit()), Some(auto))
    }

    fn new(limit: usize, most: usize, auto: Option<AdaptiveLimit>) -> Self {
        let state = Mutex::new(State { auto, limit, held: 0, surplus: 0 });
        Self { semaphore: Arc::new(Semaphore::new(limit)), most, state }
    }

    /// The maximum number of slots.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The current number of slots.
    pub fn limit(&self) -> usize {
        unpoisoned(&self.state).limit
    }

    /// Waits for a slot.
    pub(in crate::mistral) async fn acquire(self: &Arc<Self>) -> Slot {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.semaphore).acquire_owned().await.ok();
        unpoisoned(&self.state).held += 1;
        Slot { slots: Arc::clone(self), permit }
    }

    /// Lets the outcome of an attempt change the limit; `report` receives the number of slots held.
    fn adapt(&self, report: impl Fn(&mut AdaptiveLimit, usize) -> usize) {
        let mut state = unpoisoned(&self.state);
        let held = state.held;
        let Some(auto) = &mut state.auto else { return };
        let limit = report(auto, held);
        if limit > state.limit {
            let more = limit - state.limit;
            let kept = more.min(state.surplus);
            state.surplus -= kept;
            self.semaphore.add_permits(more - kept);
        } else {
            let fewer = state.limit - limit;
            state.surplus += fewer - self.semaphore.forget_permits(fewer);
        }
        state.limit = limit;
    }
}

/// A slot; released on drop.
pub(in crate::mistral) struct Slot {
    slots: Arc<ConcurrencyLimiter>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Records an answer and its latency.
    pub(in crate::mistral) fn answered(&self, latency: Duration) {
        self.slots.adapt(|auto, in_flight| auto.answered(latency, in_flight));
    }

    /// Records a 429.
    pub(in crate::mistral) fn refused(&self) {
        self.slots.adapt(|auto, _| auto.refused());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = unpoisoned(&self.slots.state);
        state.held -= 1;
        if state.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            state.surplus -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_fixed_number_stays_and_a_slot_comes_back() {
        let slots = Arc::new(ConcurrencyLimiter::fixed(1));
        let slot = slots.acquire().await;
        assert!(slots.acquire().now_or_never().is_none());
        slot.answered(Duration::from_secs(9));
        drop(slot);
        assert!(slots.acquire().now_or_never().is_some());
        assert_eq!(slots.limit(), 1);
    }

    #[tokio::test]
    async fn fewer_slots_take_effect_as_they_come_back() {
        let slots = Arc::new(ConcurrencyLimiter::auto(4, 16));
        let held =
            [slots.acquire().await, slots.acquire().await, slots.acquire().await, slots.acquire().await];
        for slot in &held {
            slot.answered(Duration::from_secs(1));
        }
        assert_eq!(slots.limit(), 8);
        let more =
            [slots.acquire().await, slots.acquire().await, slots.acquire().await, slots.acquire().await];
        assert!(slots.acquire().now_or_never().is_none());
        for slot in &more {
            slot.answered(Duration::from_secs(10));
        }
        assert_eq!(slots.limit(), 4);
        drop(held);
        assert!(slots.acquire().now_or_never().is_none(), "the four that came back are gone");
        drop(more);
        let all: Vec<_> = (0..5).map(|_| slots.acquire().now_or_never()).collect();
        assert_eq!(all.iter().flatten().count(), 4);
    }
}
