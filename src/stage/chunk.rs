//! Collects items into batches, bounded by time, count and weight.

use std::time::Duration;

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, timeout_at};

/// The bounds of a batch: it is emitted when the first of them is reached.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The number of items.
    pub items: usize,
    /// The sum of their `weight`.
    pub weight: usize,
    /// The time since the first item arrived.
    pub wait: Duration,
}

/// Collects items into non-empty batches.
pub fn chunk<T, W>(input: BoxStream<'static, T>, bounds: Bounds, weight: W) -> BoxStream<'static, Vec<T>>
where
    T: Send + 'static,
    W: Fn(&T) -> usize + Send + Clone + 'static,
{
    stream::unfold(input.fuse(), move |mut input| {
        let weight = weight.clone();
        async move {
            let first = input.next().await?;
            let deadline = Instant::now() + bounds.wait;
            let mut total = weight(&first);
            let mut batch = vec![first];
            while batch.len() < bounds.items && total < bounds.weight {
                match timeout_at(deadline, input.next()).await {
                    Ok(Some(item)) => {
                        total += weight(&item);
                        batch.push(item);
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            Some((batch, input))
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use tokio_stream_like::every;

    use super::*;

    /// A stream with one item per `period`.
    mod tokio_stream_like {
        use super::*;

        pub(super) fn every(period: Duration, count: u64) -> BoxStream<'static, u64> {
            stream::iter(0..count)
                .then(move |i| async move {
                    tokio::time::sleep(period).await;
                    i
                })
                .boxed()
        }
    }

    fn bounds(items: usize, weight: usize, wait: u64) -> Bounds {
        Bounds { items, weight, wait: Duration::from_secs(wait) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_at_its_count_its_weight_or_its_time() {
        let sizes = |batches: Vec<Vec<u64>>| batches.iter().map(Vec::len).collect::<Vec<_>>();
        let by_count = chunk(every(Duration::from_millis(1), 10), bounds(4, 1000, 60), |_| 1);
        assert_eq!(sizes(by_count.collect().await), [4, 4, 2]);
        let by_weight = chunk(every(Duration::from_millis(1), 10), bounds(100, 10, 60), |_| 5);
        assert_eq!(sizes(by_weight.collect().await), [2, 2, 2, 2, 2]);
        let by_time = chunk(every(Duration::from_secs(2), 4), bounds(100, 1000, 3), |_| 1);
        assert_eq!(sizes(by_time.collect().await), [2, 2]);
    }
}
