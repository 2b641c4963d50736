//! Wave: holds its records until everything above it has ended and is on disk (`store/wave_buffer.rs`).

use std::{future::Future, sync::Arc};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use super::{Bounds, chunk};
use crate::{
    record::{Failure, Outcome, Record, weight},
    task::{self, Fate, Feed},
};

/// The storage of a wave: on disk, so that memory does not depend on its size.
pub trait Hold: Send + Sync + 'static {
    /// Adds records, the first at `place`; returns when they are durable.
    fn add(&self, place: i64, records: Vec<(Shelf, Record)>) -> impl Future<Output = Option<()>> + Send;

    /// The next records from `place` on, failed ones or the others, and where to continue.
    fn page(
        &self,
        failed: bool,
        place: i64,
        count: usize,
    ) -> impl Future<Output = Option<(Vec<Record>, Option<i64>)>> + Send;
    /// Called once when everything is held; completes before the ports open. It may change the held records;
    /// `None` keeps the ports closed.
    fn seal(&self, counts: Closed) -> impl Future<Output = Option<Closed>> + Send;
}

/// The part of a wave that holds a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// For readers of the wave.
    Ok,
    /// For readers of its `failed` port.
    Failed,
    /// Only for its query, as records of another stage.
    Relation(usize),
}

/// How a wave routes an outcome.
#[derive(Debug)]
pub enum Routed {
    /// The wave holds it.
    Held(Shelf, Record),
    /// It bypasses the wave.
    Aside(Box<Failure>),
}

/// The number of records that passed a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Records.
    pub ok: u64,
    /// Failures.
    pub failed: u64,
}

/// The output streams of a wave. They start when it has closed.
pub struct Ports {
    /// The records that succeeded.
    pub ok: BoxStream<'static, Outcome>,
    /// The records that failed above it, as records.
    pub failed: BoxStream<'static, Outcome>,
    /// The failures that bypass it, immediately.
    pub aside: BoxStream<'static, Outcome>,
}

/// Records per page read back. A page of large documents stays within tens of megabytes.
const PAGE: usize = 64;

/// The bounds of a batch of records written together.
const GATHER: Bounds = Bounds { items: 1024, weight: 4_000_000, wait: std::time::Duration::from_millis(50) };

/// Drains `input` into `hold`, then seals it and opens the ports.
///
/// Each outcome comes with the shelf of its input; `route` decides where it is held. `complete` is called at the
/// end of the input: an interrupted input does not close a wave, and the ports end without a record.
pub fn wave<H: Hold>(
    input: BoxStream<'static, (Shelf, Outcome)>,
    hold: &Arc<H>,
    route: impl Fn(Shelf, Outcome) -> Routed + Send + 'static,
    complete: impl Fn() -> bool + Send + 'static,
) -> Ports {
    let (open, opened) = watch::channel(None);
    let (aside, asides) = task::open(PAGE);
    let keep = Arc::clone(hold);
    let drain = async move |aside: &Feed<Outcome>| {
        let mut counts = Closed { ok: 0, failed: 0 };
        let mut place = 0;
        let mut batches = chunk(input, GATHER, |(_, outcome)| weight(outcome));
        while let Some(batch) = batches.next().await {
            let mut held = Vec::with_capacity(batch.len());
            for (shelf, outcome) in batch {
                match route(shelf, outcome) {
                    Routed::Held(shelf, record) => {
                        counts.ok += u64::from(shelf == Shelf::Ok);
                        counts.failed += u64::from(shelf == Shelf::Failed);
                        held.push((shelf, record));
                    }
                    Routed::Aside(failure) => {
                        // Without a reader of these, the run is over.
                        let _ = aside.send(Err(failure)).await;
                    }
                }
            }
            let count = held.len() as i64;
            keep.add(place, held).await?;
            place += count;
        }
        if complete() {
            let counts = keep.seal(counts).await?;
            open.send_replace(Some(counts));
        }
        Some(())
    };
    let fate = Fate::of(async move {
        // Without a result the run has been stopped, and the ports stay closed.
        let _: Option<()> = drain(&aside).await;
        aside.end().await;
    });
    let port = |failed| pages(Arc::clone(hold), failed, opened.clone(), fate.clone());
    Ports { ok: port(false), failed: port(true), aside: asides.into_stream(fate) }
}

/// The ports of a wave that was closed before: open from the beginning.
pub fn reopened<H: Hold>(hold: &Arc<H>, counts: Closed) -> Ports {
    let (_, opened) = watch::channel(Some(counts));
    let port = |failed| pages(Arc::clone(hold), failed, opened.clone(), Fate::ended());
    Ports { ok: port(false), failed: port(true), aside: stream::empty().boxed() }
}

fn pages<H: Hold>(
    hold: Arc<H>,
    failed: bool,
    mut opened: watch::Receiver<Option<Closed>>,
    fate: Fate,
) -> BoxStream<'static, Outcome> {
    let open = async move {
        let counts = opened.wait_for(Option::is_some).await.ok().and_then(|counts| *counts);
        if counts.is_none() {
            // The wave was never closed: its input was interrupted, or it failed, and its panic continues here.
            fate.wait().await;
        }
        let some = counts.is_some_and(|counts| if failed { counts.failed > 0 } else { counts.ok > 0 });
        let first = some.then_some(0);
        let state = (hold, first, fate);
        stream::unfold(state, move |(hold, place, fate)| async move {
            let (records, next) = hold.page(failed, place?, PAGE).await?;
            Some((stream::iter(records.into_iter().map(Ok)), (hold, next, fate)))
        })
        .flatten()
    };
    stream::once(open).flatten().boxed()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use futures::Stream;
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;
    use crate::record::FailureKind;

    #[derive(Default)]
    struct Memory(Mutex<Vec<(Shelf, Record)>>);

    impl Hold for Memory {
        async fn add(&self, place: i64, records: Vec<(Shelf, Record)>) -> Option<()> {
            let mut held = self.0.lock().unwrap();
            assert_eq!(place as usize, held.len());
            held.extend(records);
            Some(())
        }

        async fn page(&self, failed: bool, place: i64, count: usize) -> Option<(Vec<Record>, Option<i64>)> {
            let held = self.0.lock().unwrap();
            let wanted = if failed { Shelf::Failed } else { Shelf::Ok };
            let of_it = held.iter().enumerate().skip(place as usize);
            let from = of_it.filter(|(_, (shelf, _))| *shelf == wanted).take(count);
            let page: Vec<(usize, Record)> = from.map(|(at, (_, record))| (at, record.clone())).collect();
            let next = (page.len() == count).then(|| page[count - 1].0 as i64 + 1);
            Some((page.into_iter().map(|(_, record)| record).collect(), next))
        }

        async fn seal(&self, counts: Closed) -> Option<Closed> {
            Some(counts)
        }
    }

    fn outcome(i: usize, failed: bool) -> Outcome {
        let record = Record::new(i.to_string(), Arc::default(), Vec::new());
        let (stage, kind) = ("map".into(), FailureKind::Refused);
        match failed {
            true => {
                Err(Box::new(Failure { record, stage, kind, reason: "no".into(), attempts: 1, reply: None }))
            }
            false => Ok(record),
        }
    }

    fn route(shelf: Shelf, outcome: Outcome) -> Routed {
        match outcome {
            Ok(record) => Routed::Held(shelf, record),
            Err(failure) => Routed::Held(Shelf::Failed, failure.into_record()),
        }
    }

    fn arrivals(input: impl Stream<Item = Outcome> + Send + 'static) -> BoxStream<'static, (Shelf, Outcome)> {
        input.map(|outcome| (Shelf::Ok, outcome)).boxed()
    }

    fn run(input: BoxStream<'static, Outcome>, complete: bool) -> Ports {
        wave(arrivals(input), &Arc::new(Memory::default()), route, move || complete)
    }

    #[tokio::test]
    async fn what_is_held_for_a_query_leaves_by_no_port() {
        let hold = Arc::new(Memory::default());
        let input = stream::iter(0..6).map(|i| {
            let shelf = if i % 2 == 0 { Shelf::Ok } else { Shelf::Relation(0) };
            (shelf, outcome(i, false))
        });
        let ports = wave(input.boxed(), &hold, route, || true);
        assert_eq!((ports.ok.count().await, ports.failed.count().await), (3, 0));
        assert_eq!(hold.0.lock().unwrap().len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_below_begins_before_everything_above_has_ended() {
        let started = Instant::now();
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        let input = stream::iter(0..10).then(|i| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            outcome(i, i % 5 == 0)
        });
        let input = input.chain(stream::once(async move {
            flag.store(true, Ordering::SeqCst);
            outcome(10, false)
        }));
        let ports = run(input.boxed(), true);
        let check = |outcome: Outcome| {
            assert!(ended.load(Ordering::SeqCst));
            outcome.unwrap().key.to_string()
        };
        let (ok, failed) = futures::join!(
            ports.ok.map(check).collect::<Vec<_>>(),
            ports.failed.map(check).collect::<Vec<_>>()
        );
        assert_eq!(ok, ["1", "2", "3", "4", "6", "7", "8", "9", "10"]);
        assert_eq!(failed, ["0", "5"]);
        assert!(started.elapsed() >= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_that_was_cut_off_opens_nothing() {
        let ports = run(stream::iter(0..10).map(|i| outcome(i, false)).boxed(), false);
        assert_eq!(ports.ok.count().await, 0);
    }

    #[tokio::test]
    async fn a_wave_that_was_closed_gives_what_it_held() {
        let hold = Arc::new(Memory::default());
        let input = arrivals(stream::iter(0..10).map(|i| outcome(i, i < 3)));
        let ports = wave(input, &hold, route, || true);
        assert_eq!((ports.ok.count().await, ports.failed.count().await), (7, 3));
        let ports = reopened(&hold, Closed { ok: 7, failed: 3 });
        assert_eq!(
            (ports.ok.count().await, ports.failed.count().await, ports.aside.count().await),
            (7, 3, 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_failures_the_failed_port_reads_nothing() {
        struct Counting(Memory, AtomicUsize);
        impl Hold for Counting {
            async fn add(&self, place: i64, records: Vec<(Shelf, Record)>) -> Option<()> {
                self.0.add(place, records).await
            }
            async fn page(
                &self,
                failed: bool,
                place: i64,
                count: usize,
            ) -> Option<(Vec<Record>, Option<i64>)> {
                self.1.fetch_add(usize::from(failed), Ordering::SeqCst);
                self.0.page(failed, place, count).await
            }

            async fn seal(&self, counts: Closed) -> Option<Closed> {
                Some(counts)
            }
        }
        let hold = Arc::new(Counting(Memory::default(), AtomicUsize::new(0)));
        let input = arrivals(stream::iter(0..10).map(|i| outcome(i, false)));
        let ports = wave(input, &hold, route, || true);
        assert_eq!((ports.ok.count().await, ports.failed.count().await), (10, 0));
        assert_eq!(hold.1.load(Ordering::SeqCst), 0);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_once_and_in_order(failed in proptest::collection::vec(any::<bool>(), 0..400)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let input: Vec<Outcome> = failed.iter().enumerate().map(|(i, f)| outcome(i, *f)).collect();
                let ports = run(stream::iter(input).boxed(), true);
                let keys = |s: BoxStream<'static, Outcome>| s.map(|o| o.unwrap().key.parse::<usize>().unwrap()).collect::<Vec<_>>();
                let (ok, bad) = futures::join!(keys(ports.ok), keys(ports.failed));
                let wanted = |f: bool| failed.iter().enumerate().filter(|(_, x)| **x == f).map(|(i, _)| i).collect::<Vec<_>>();
                assert_eq!(ok, wanted(false));
                assert_eq!(bad, wanted(true));
            });
        }
    }
}
