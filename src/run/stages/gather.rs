//! Gathers: reassembles the pieces of a split into one record each. Main type: [`Gathering`].
//!
//! A split announces each record with its number of pieces before it emits them. A record is complete when all
//! have arrived, as pieces or as failures; at the end of the data, dropped pieces are not waited for. Waiting
//! records stay in memory up to a limit, and spill to the database beyond it.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};

use crate::{
    plan::{Gather, Node},
    record::{Failure, FailureKind, LogicalType, Outcome, PieceOf, Record, Schema, Value},
    run::{database::Database, stages::context::StageContext},
    spec::Needs,
    stage::RecordStream,
    store::{GatherBuffer, Numbered, PieceAt},
    task::{Feed, ReaderGone, feed},
};
/// A record that was split.
pub(crate) struct Parent {
    /// Its number within the split.
    pub(crate) number: i64,
    pub(crate) record: Record,
    pub(crate) pieces: u64,
}

/// The records that a split may be ahead of its gather.
pub(crate) const PARENTS_AHEAD: usize = 64;

/// The records that a gather may be ahead of its reader.
const AHEAD: usize = 16;

/// Approximate bytes in memory; beyond that, all waiting records spill to the database.
const MEMORY: usize = 16_000_000;

/// Records read back per batch.
const TOGETHER: usize = 256;

/// The longest wait for a batch to fill.
const WAIT: Duration = Duration::from_millis(500);

/// The state of a waiting record.
#[derive(Default)]
struct Waiting {
    record: Option<Record>,
    /// Its number of pieces, once known.
    pieces: Option<u64>,
    /// Pieces and failures that have arrived.
    seen: u64,
    arrived: Vec<PieceAt>,
    /// Pieces that have arrived, in memory or spilled.
    good: u64,
    failed: u64,
    /// The reason of the first failure.
    reason: Option<String>,
    unanswered: bool,
    /// Whether part of it is in the database.
    spilled: bool,
}

impl Waiting {
    fn is_complete(&self) -> bool {
        self.pieces.is_some_and(|pieces| self.seen >= pieces)
    }
}

enum Arrival {
    Parent(Parent),
    Piece(Outcome),
}

/// The state of a gather.
struct Gathering {
    stage: Arc<str>,
    gather: Gather,
    /// The fields of its output records.
    output: Arc<Schema>,
    /// The indices of a piece's fields in the input records.
    places: Vec<usize>,
    buffer: GatherBuffer,
    waiting: HashMap<i64, Waiting>,
    /// Complete records in the database.
    to_read: Vec<i64>,
    bytes: usize,
    has_spilled: bool,
    context: Arc<StageContext>,
    node: crate::plan::NodeId,
}

pub(crate) fn gather(
    pieces: RecordStream,
    parents: stream::BoxStream<'static, Parent>,
    node: &Node,
    gather: &Gather,
    context: &Arc<StageContext>,
) -> RecordStream {
    let item = LogicalType::Struct(gather.fields.clone());
    let mut output = (*gather.parent).clone();
    output.set(gather.into.as_str(), LogicalType::List(Box::new(item.clone())));
    let places = gather.fields.iter().filter_map(|(name, _)| node.input.schema.position(name)).collect();
    let mut gathering = Gathering {
        stage: Arc::clone(&node.name),
        gather: gather.clone(),
        output: Arc::new(output),
        places,
        buffer: GatherBuffer::new(&node.name, &gather.parent, item),
        waiting: HashMap::new(),
        to_read: Vec::new(),
        bytes: 0,
        has_spilled: false,
        context: Arc::clone(context),
        node: node.id,
    };
    let arrivals = stream::select(parents.map(Arrival::Parent), pieces.map(Arrival::Piece)).boxed();
    feed(AHEAD, |feed| async move {
        // Without a reader the run is over; after an error it has been stopped.
        let _ = gathering.run(arrivals, &feed).await;
    })
}

/// The gather ends early.
struct Ended;

impl From<ReaderGone> for Ended {
    fn from(_: ReaderGone) -> Self {
        Self
    }
}

impl Gathering {
    async fn run(
        &mut self,
        mut arrivals: stream::BoxStream<'static, Arrival>,
        feed: &Feed<Outcome>,
    ) -> Result<(), Ended> {
        loop {
            let next = match self.to_read.is_empty() {
                true => Ok(arrivals.next().await),
                false => tokio::time::timeout(WAIT, arrivals.next()).await,
            };
            match next {
                Ok(Some(arrival)) => self.take(arrival, feed).await?,
                Ok(None) => break,
                Err(_) => self.read_back(feed).await?,
            }
            if self.to_read.len() >= TOGETHER {
                self.read_back(feed).await?;
            }
            if self.bytes > MEMORY {
                self.spill().await?;
            }
        }
        if self.context.database.shutdown.is_stopped() {
            return Err(Ended);
        }
        // Missing pieces were dropped by a stage in between.
        let rest: Vec<i64> = self.waiting.keys().copied().collect();
        for number in rest {
            self.complete(number, feed).await?;
            if self.to_read.len() >= TOGETHER {
                self.read_back(feed).await?;
            }
        }
        self.read_back(feed).await?;
        if self.has_spilled {
            self.context
                .database
                .shutdown
                .check(self.context.database.store.end_gather(&self.buffer).await)
                .ok_or(Ended)?;
        }
        Ok(())
    }

    async fn take(&mut self, arrival: Arrival, feed: &Feed<Outcome>) -> Result<(), Ended> {
        let number = match arrival {
            Arrival::Parent(Parent { number, record, pieces }) => {
                self.bytes += record.bytes();
                let waiting = self.waiting.entry(number).or_default();
                (waiting.record, waiting.pieces) = (Some(record), Some(pieces));
                number
            }
            Arrival::Piece(outcome) => {
                let about = match &outcome {
                    Ok(record) => &record.about,
                    Err(failure) => &failure.record.about,
                };
                let Some(PieceOf { record: number, at }) = about.pieces.last().copied() else {
                    // It failed above the split.
                    return Ok(feed.send(outcome).await?);
                };
                let waiting = self.waiting.entry(number).or_default();
                waiting.seen += 1;
                match outcome {
                    Ok(record) => {
                        self.context.meters.of(self.node).taken.add(1);
                        let values = self.places.iter().map(|place| record.values[*place].clone());
                        let piece = Value::Struct(values.collect());
                        self.bytes += piece.bytes();
                        waiting.good += 1;
                        waiting.arrived.push((at, piece));
                    }
                    Err(failure) => {
                        waiting.failed += 1;
                        waiting.unanswered |= failure.kind == FailureKind::Unanswered;
                        waiting
                            .reason
                            .get_or_insert_with(|| format!("`{}`: {}", failure.stage, failure.reason));
                        feed.send(Err(failure)).await?;
                    }
                }
                number
            }
        };
        if self.waiting.get(&number).is_some_and(Waiting::is_complete) {
            self.complete(number, feed).await?;
        }
        Ok(())
    }

    /// Emits a record, or notes that it must be read back first.
    async fn complete(&mut self, number: i64, feed: &Feed<Outcome>) -> Result<(), Ended> {
        if self.waiting.get(&number).is_some_and(|waiting| waiting.spilled) {
            self.to_read.push(number);
            return Ok(());
        }
        let Some(waiting) = self.waiting.remove(&number) else { return Ok(()) };
        self.give(waiting, feed).await
    }

    async fn give(&mut self, mut waiting: Waiting, feed: &Feed<Outcome>) -> Result<(), Ended> {
        let Some(record) = waiting.record.take() else { return Ok(()) };
        waiting.arrived.sort_unstable_by_key(|(at, _)| *at);
        let bytes = record.bytes() + waiting.arrived.iter().map(|(_, piece)| piece.bytes()).sum::<usize>();
        self.bytes = self.bytes.saturating_sub(bytes);
        debug_assert!(self.bytes == 0 || !self.waiting.is_empty(), "{} bytes of nothing", self.bytes);
        let meters = &self.context.meters;
        let meter = meters.of(self.node);
        if waiting.pieces != Some(0) {
            // Its pieces end here, and the record continues.
            meters.added.fetch_add(1 - waiting.good as i64, Ordering::Relaxed);
        }
        let outcome = match (waiting.failed, self.gather.needs) {
            (1.., Needs::All) => {
                meter.failed.add(1);
                let kind = if waiting.unanswered { FailureKind::Unanswered } else { FailureKind::Pieces };
                let total = waiting.pieces.unwrap_or(waiting.seen);
                let first = waiting.reason.unwrap_or_default();
                let reason = format!("{} of {total} pieces failed; the first in {first}", waiting.failed);
                Err(Failure::unsent(record, &self.stage, kind, reason))
            }
            _ => {
                meter.done.add(1);
                let pieces = waiting.arrived.into_iter().map(|(_, piece)| piece).collect();
                let mut values = record.values.to_vec();
                values.push(Value::List(pieces));
                Ok(record.with(&self.output, values))
            }
        };
        Ok(feed.send(outcome).await?)
    }

    /// Spills all waiting records to the database.
    async fn spill(&mut self) -> Result<(), Ended> {
        let Database { store, shutdown, .. } = &self.context.database;
        if !self.has_spilled {
            shutdown.check(store.begin_gather(&self.buffer).await).ok_or(Ended)?;
            self.has_spilled = true;
        }
        let (mut records, mut pieces): (Vec<Numbered<Record>>, Vec<Numbered<PieceAt>>) = Default::default();
        for (number, waiting) in &mut self.waiting {
            records.extend(waiting.record.take().map(|record| (*number, record)));
            pieces.extend(waiting.arrived.drain(..).map(|piece| (*number, piece)));
            waiting.spilled = true;
        }
        self.bytes = 0;
        shutdown.check(store.spill(&self.buffer, records, pieces).await).ok_or(Ended)
    }

    /// Emits the complete records in the database.
    async fn read_back(&mut self, feed: &Feed<Outcome>) -> Result<(), Ended> {
        let numbers = std::mem::take(&mut self.to_read);
        if numbers.is_empty() {
            return Ok(());
        }
        let Database { store, shutdown, .. } = &self.context.database;
        let (records, pieces) = shutdown.check(store.spilled(&self.buffer, &numbers).await).ok_or(Ended)?;
        for (number, record) in records {
            self.bytes += record.bytes();
            self.waiting.entry(number).or_default().record = Some(record);
        }
        for (number, piece) in pieces {
            self.bytes += piece.1.bytes();
            self.waiting.entry(number).or_default().arrived.push(piece);
        }
        for number in numbers {
            if let Some(waiting) = self.waiting.remove(&number) {
                self.give(waiting, feed).await?;
            }
        }
        Ok(())
    }
}
