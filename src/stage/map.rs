//! Bounded map: takes its next item only when one of its slots is free.

use std::{future::Future, sync::Arc};

use futures::{
    StreamExt,
    stream::{self, BoxStream, FuturesUnordered},
};
use tokio_util::task::AbortOnDropHandle;

use crate::task::{joined, spawn};

/// Applies `work` to each item, at most `slots` at a time, and emits results in order of completion.
///
/// Each item is processed in a separate task, which continues while the consumer is busy, and ends when the
/// stream is dropped.
pub fn map<I, O, F, W>(input: BoxStream<'static, I>, slots: usize, work: W) -> BoxStream<'static, O>
where
    I: Send + 'static,
    O: Send + 'static,
    F: Future<Output = O> + Send + 'static,
    W: Fn(I) -> F + Send + Sync + 'static,
{
    struct State<I, O, W> {
        input: stream::Fuse<BoxStream<'static, I>>,
        running: FuturesUnordered<AbortOnDropHandle<O>>,
        work: Arc<W>,
    }
    let state = State { input: input.fuse(), running: FuturesUnordered::new(), work: Arc::new(work) };
    stream::unfold(state, move |mut state| async move {
        loop {
            let free = state.running.len() < slots && !state.input.is_done();
            tokio::select! {
                biased;
                Some(done) = state.running.next(), if !state.running.is_empty() => {
                    if let Some(done) = joined(done) {
                        return Some((done, state));
                    }
                }
                item = state.input.next(), if free => {
                    if let Some(item) = item {
                        state.running.push(spawn((state.work)(item)));
                    }
                }
                else => return None,
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_calls_of_a_second_three_wide_take_four_seconds() {
        let started = Instant::now();
        let input = stream::iter(0..10).boxed();
        let out: Vec<i32> = map(input, 3, |i| async move {
            sleep(Duration::from_secs(1)).await;
            i
        })
        .collect()
        .await;
        assert_eq!(out, (0..10).collect::<Vec<_>>());
        assert_eq!(started.elapsed(), Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_item_is_taken_only_when_a_slot_is_free() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let input = stream::iter(0..100)
            .inspect(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            })
            .boxed();
        let mut out = map(input, 4, |i: i32| async move {
            sleep(Duration::from_secs(1)).await;
            i
        });
        assert_eq!(taken.load(Ordering::SeqCst), 0, "nothing is taken before somebody pulls");
        out.next().await;
        assert_eq!(taken.load(Ordering::SeqCst), 4);
        for _ in 0..4 {
            out.next().await;
        }
        assert_eq!(taken.load(Ordering::SeqCst), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_go_on_while_the_consumer_is_busy() {
        let input = stream::iter(0..3).boxed();
        let mut out = map(input, 3, |i: i32| async move {
            let call = tokio::time::timeout(Duration::from_secs(2), sleep(Duration::from_secs(1)));
            (i, call.await.is_ok())
        });
        while let Some((i, in_time)) = out.next().await {
            assert!(in_time, "call {i} timed out although it is not slow");
            // A consumer that does not poll for longer than any call may take.
            sleep(Duration::from_secs(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_die_with_their_stream() {
        let ended = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ended);
        let mut out = map(stream::iter(0..5).boxed(), 5, move |i: u64| {
            let counter = Arc::clone(&counter);
            async move {
                sleep(Duration::from_secs(i + 1)).await;
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        out.next().await;
        drop(out);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }
}
