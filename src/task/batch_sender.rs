//! Sends items through a queue in batches, because each send may wake a thread. Main type: [`BatchSender`].

use super::{Feed, ReaderGone};

/// The most items in a batch.
const ITEMS: usize = 256;

/// The size in bytes from which a batch is sent: long documents are sent singly.
const BYTES: usize = 256_000;

/// Collects items and sends them to a feed in batches.
pub struct BatchSender<'a, T, E> {
    feed: &'a Feed<Result<Vec<T>, E>>,
    items: Vec<T>,
    bytes: usize,
}

impl<'a, T, E> BatchSender<'a, T, E> {
    /// A sender to a feed.
    pub fn new(feed: &'a Feed<Result<Vec<T>, E>>) -> Self {
        Self { feed, items: Vec::new(), bytes: 0 }
    }

    /// Adds an item with its size in bytes, and sends the batch if it is full.
    ///
    /// # Errors
    /// When the reader was dropped.
    pub fn add(&mut self, item: T, bytes: usize) -> Result<(), ReaderGone> {
        self.items.push(item);
        self.bytes += bytes;
        if self.items.len() < ITEMS && self.bytes < BYTES { Ok(()) } else { self.send() }
    }

    /// Sends the remaining items. Unsent items are lost when the sender is dropped.
    ///
    /// # Errors
    /// When the reader was dropped.
    pub fn send(&mut self) -> Result<(), ReaderGone> {
        self.bytes = 0;
        match self.items.is_empty() {
            true => Ok(()),
            false => self.feed.blocking_send(Ok(std::mem::take(&mut self.items))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::{super::blocking_feed, *};

    async fn sizes(items: usize, bytes: usize) -> Vec<usize> {
        let fed = blocking_feed::<Result<Vec<usize>, ()>>(4, move |feed| {
            let mut batches = BatchSender::new(feed);
            for item in 0..items {
                batches.add(item, bytes).unwrap();
            }
            batches.send().unwrap();
        });
        let batches: Vec<Vec<usize>> = fed.map(Result::unwrap).collect().await;
        assert_eq!(batches.concat(), (0..items).collect::<Vec<_>>());
        batches.iter().map(Vec::len).collect()
    }

    #[tokio::test]
    async fn a_batch_ends_at_its_items_or_its_bytes() {
        assert_eq!(sizes(600, 10).await, [256, 256, 88]);
        assert_eq!(sizes(3, 300_000).await, [1, 1, 1]);
        assert_eq!(sizes(256, 1).await, [256]);
        assert!(sizes(0, 1).await.is_empty());
    }
}
