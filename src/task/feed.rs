//! Streams from tasks: a bounded queue whose end is a message with a count.
//!
//! A queue that closes without that message is an error, not the end of the data: the task's panic continues in
//! the reader. Main types: [`Feed`] (the sender), [`FeedReader`] (the receiver).

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{StreamExt, stream, stream::BoxStream};
use tokio::sync::mpsc;

use super::{Fate, joined, spawn_blocking};

enum Message<T> {
    Item(T),
    /// The end, with the number of items sent.
    End(u64),
}

/// The reader of a feed was dropped: no more items are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderGone;

/// The sender of a queue.
pub struct Feed<T> {
    queue: mpsc::Sender<Message<T>>,
    sent: Arc<AtomicU64>,
}

/// The receiver of a queue.
pub struct FeedReader<T> {
    queue: mpsc::Receiver<Message<T>>,
    received: u64,
}

/// A queue for at most `items` items.
pub fn open<T>(items: usize) -> (Feed<T>, FeedReader<T>) {
    #[expect(clippy::disallowed_methods, reason = "the lint points here")]
    let (sender, receiver) = mpsc::channel(items.max(1));
    (Feed { queue: sender, sent: Arc::default() }, FeedReader { queue: receiver, received: 0 })
}

impl<T> Feed<T> {
    /// Sends an item; waits for space in the queue.
    ///
    /// # Errors
    /// When the reader was dropped.
    pub async fn send(&self, item: T) -> Result<(), ReaderGone> {
        self.queue.send(Message::Item(item)).await.map_err(|_| ReaderGone)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Sends an item from a blocking thread.
    ///
    /// # Errors
    /// When the reader was dropped.
    pub fn blocking_send(&self, item: T) -> Result<(), ReaderGone> {
        self.queue.blocking_send(Message::Item(item)).map_err(|_| ReaderGone)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the reader was dropped.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Ends the stream. For its reader, a feed dropped without this is broken.
    pub async fn end(self) {
        // Without a reader the end is not needed.
        let _ = self.queue.send(Message::End(self.sent.load(Ordering::Relaxed))).await;
    }

    fn blocking_end(self) {
        let _ = self.queue.blocking_send(Message::End(self.sent.load(Ordering::Relaxed)));
    }

    fn writer(&self) -> Self {
        Self { queue: self.queue.clone(), sent: Arc::clone(&self.sent) }
    }
}

impl<T: Send + 'static> FeedReader<T> {
    /// The items as a stream; `fate` is the task that sends them.
    pub fn into_stream(self, fate: Fate) -> BoxStream<'static, T> {
        stream::unfold((self, fate), |(mut reader, fate)| async move {
            match reader.next().await {
                Ok(item) => item.map(|item| (item, (reader, fate))),
                Err(Broken(received)) => {
                    fate.wait().await;
                    broken(received)
                }
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<T>, Broken> {
        match self.queue.recv().await {
            Some(Message::Item(item)) => {
                self.received += 1;
                Ok(Some(item))
            }
            Some(Message::End(sent)) if sent == self.received => Ok(None),
            Some(Message::End(_)) | None => Err(Broken(self.received)),
        }
    }
}

/// A queue that ended without its last message, after this many items.
struct Broken(u64);

fn broken<T>(received: u64) -> T {
    panic!("a stream broke off after {received} items: its task ended without sending the end")
}

/// A stream of the items sent by a task.
pub fn feed<T, F>(items: usize, work: impl FnOnce(Feed<T>) -> F) -> BoxStream<'static, T>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (feed, reader) = open(items);
    let work = work(feed.writer());
    let fate = Fate::of(async move {
        work.await;
        feed.end().await;
    });
    reader.into_stream(fate)
}

/// A stream of the items sent by a blocking closure.
pub fn blocking_feed<T: Send + 'static>(
    items: usize,
    work: impl FnOnce(&Feed<T>) + Send + 'static,
) -> BoxStream<'static, T> {
    let (feed, reader) = open(items);
    let task = spawn_blocking(move || {
        work(&feed);
        feed.blocking_end();
    });
    stream::unfold((reader, task), |(mut reader, task)| async move {
        match reader.next().await {
            Ok(item) => item.map(|item| (item, (reader, task))),
            Err(Broken(received)) => {
                joined(task.await);
                broken(received)
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::{super::panic_message, *};

    async fn end_of(stream: BoxStream<'static, u64>) -> Result<usize, String> {
        let counted = std::panic::AssertUnwindSafe(stream.count()).catch_unwind().await;
        counted.map_err(|panic| panic_message(&*panic))
    }

    #[tokio::test]
    async fn a_panic_at_any_item_is_never_the_end() {
        for at in [0, 1, 7, 19] {
            let work = move |i| if i == at { panic!("at {i}") } else { i };
            let fed = feed(4, move |feed| async move {
                for i in 0..20 {
                    let _ = feed.send(work(i)).await;
                }
            });
            assert_eq!(end_of(fed).await, Err(format!("at {at}")));
            let fed = blocking_feed(4, move |feed| {
                for i in 0..20 {
                    let _ = feed.blocking_send(work(i));
                }
            });
            assert_eq!(end_of(fed).await, Err(format!("at {at}")));
        }
    }

    #[tokio::test]
    async fn a_feed_that_ends_gives_all_its_items() {
        let fed = feed(4, |feed| async move {
            for i in 0..20 {
                let _ = feed.send(i).await;
            }
        });
        assert_eq!(end_of(fed).await, Ok(20));
        assert_eq!(end_of(blocking_feed(1, |_| ())).await, Ok(0));
    }

    #[tokio::test]
    async fn a_feed_that_is_dropped_is_broken() {
        let (feed, reader) = open::<u64>(4);
        feed.send(1).await.unwrap();
        drop(feed);
        let end = end_of(reader.into_stream(Fate::ended())).await;
        assert!(end.unwrap_err().contains("broke off after 1 items"));
    }
}
