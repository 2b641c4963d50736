//! Runs a stream in a separate task, a bounded number of items ahead of its reader.

use futures::{StreamExt, stream::BoxStream};

use crate::task::feed;

/// Lets `input` continue while its reader is busy, at most `items` ahead of it.
///
/// A chain of streams makes no progress while it is not polled: completed calls would not free their slots while
/// a sink writes.
pub fn prefetch<T: Send + 'static>(mut input: BoxStream<'static, T>, items: usize) -> BoxStream<'static, T> {
    feed(items, |feed| async move {
        while let Some(item) = input.next().await {
            if feed.send(item).await.is_err() {
                break;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_never_further_ahead_than_its_bound() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let input = stream::iter(0..100)
            .inspect(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            })
            .boxed();
        let mut out = prefetch(input, 5);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Five in the queue, and one waiting for space in it.
        assert_eq!(taken.load(Ordering::SeqCst), 6);
        assert_eq!(out.next().await, Some(0));
        assert_eq!(out.count().await, 99);
    }
}
