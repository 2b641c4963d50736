//! Items that cross a queue together, because each crossing may wake a thread. Main type: [`Parcels`].

use super::{Feed, ReaderGone};

/// Items of one parcel at most.
const ITEMS: usize = 256;

/// Bytes of one parcel, about: long documents go one by one.
const BYTES: usize = 256_000;

/// Packs items for a feed of parcels.
pub struct Parcels<'a, T, E> {
    feed: &'a Feed<Result<Vec<T>, E>>,
    items: Vec<T>,
    bytes: usize,
}

impl<'a, T, E> Parcels<'a, T, E> {
    /// Parcels for a feed.
    pub fn new(feed: &'a Feed<Result<Vec<T>, E>>) -> Self {
        Self { feed, items: Vec::new(), bytes: 0 }
    }

    /// Adds an item of a size in bytes, and sends the parcel if it is full.
    ///
    /// # Errors
    /// When the reader was dropped.
    pub fn add(&mut self, item: T, bytes: usize) -> Result<(), ReaderGone> {
        self.items.push(item);
        self.bytes += bytes;
        if self.items.len() < ITEMS && self.bytes < BYTES { Ok(()) } else { self.send() }
    }

    /// Sends what is packed. What is not sent is lost with the parcels.
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
            let mut parcels = Parcels::new(feed);
            for item in 0..items {
                parcels.add(item, bytes).unwrap();
            }
            parcels.send().unwrap();
        });
        let parcels: Vec<Vec<usize>> = fed.map(Result::unwrap).collect().await;
        assert_eq!(parcels.concat(), (0..items).collect::<Vec<_>>());
        parcels.iter().map(Vec::len).collect()
    }

    #[tokio::test]
    async fn a_parcel_ends_at_its_items_or_its_bytes() {
        assert_eq!(sizes(600, 10).await, [256, 256, 88]);
        assert_eq!(sizes(3, 300_000).await, [1, 1, 1]);
        assert_eq!(sizes(256, 1).await, [256]);
        assert!(sizes(0, 1).await.is_empty());
    }
}
