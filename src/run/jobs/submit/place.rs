//! Where a record belongs: it is answered, it waits for a job that is there, or it is a line of the next one.

use std::sync::Arc;

use crate::{
    ledger::{History, RequestId},
    record::{FailureKind, Record},
    request::{error::WriteError, verdict::Course, written::Written},
    store::Parked,
};

use super::{Over, Submitting};

/// What became of a record.
pub(crate) enum Placed {
    /// The ledger has its answer.
    Known,
    /// It waits for a job.
    Waits,
    /// It has failed, and is counted as that.
    Failed,
}

impl Submitting {
    /// Puts a record where it belongs. One that is parked already has a place.
    pub(crate) async fn place(
        &mut self,
        record: Record,
        written: &Written,
        history: &History,
        until: Option<u32>,
        parked: Option<i64>,
    ) -> Result<Placed, Over> {
        let desk = Arc::clone(&self.desk);
        let context = Arc::clone(&self.context);
        match desk.question.course(&record, history, until, context.retry_failed) {
            Course::Settled(settled) => {
                self.release(parked).await?;
                self.give(desk.question.outcome(record, settled)).await?;
                Ok(Placed::Known)
            }
            Course::Placed(token) if self.apart.contains_key(&token) => {
                let reason = self.apart.get(&token).cloned().unwrap_or_default();
                self.fail(record, reason, parked).await
            }
            Course::Placed(token)
                if !self.own.contains(&token) && self.groups.iter().all(|group| group.job.token != token) =>
            {
                let reason =
                    "its request is in a batch job of another stage, and pending until that one has read it";
                self.fail(record, reason.to_owned(), parked).await
            }
            Course::Placed(token) => {
                let left = desk.question.ask.attempts.saturating_sub(history.refusals() + 1);
                let until = until.unwrap_or(history.next_attempt() - 1 + left);
                let in_group = self.groups.iter().any(|group| group.job.token == token);
                // The records of another job may be given on at this moment: whoever is too late for that
                // is told so when it is parked.
                let parked = if in_group { parked } else { self.release(parked).await? };
                self.push(token, record, written.id, until, parked);
                Ok(Placed::Waits)
            }
            Course::Ask { until } => {
                if let Err(reason) = context.may_ask(&desk.question.stage) {
                    return self.fail(record, reason, parked).await;
                }
                match context.may_be_asked(&self.client, &desk.question, written).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return self.unwritten(record, &error, parked).await,
                    Err(error) => {
                        context.halt.fail(error);
                        return Err(Over);
                    }
                }
                let last = history.entries.last();
                if let Some(entry) = last.and_then(|last| desk.question.judged_anew(&record, last))
                    && !context.commit(vec![entry]).await
                {
                    return Err(Over);
                }
                let sending = match desk.question.sending(&record, written, history).await {
                    Ok(sending) => sending,
                    Err(error) => return self.unwritten(record, &error, parked).await,
                };
                let token = self.line(&record, written, &sending, history).await?;
                self.push(token, record, written.id, until, parked);
                Ok(Placed::Waits)
            }
        }
    }

    /// A record that no request can be written for has failed.
    async fn unwritten(
        &mut self,
        record: Record,
        error: &WriteError,
        parked: Option<i64>,
    ) -> Result<Placed, Over> {
        self.release(parked).await?;
        self.meter.failed.add(1);
        self.give(Err(self.desk.question.unwritten(record, error))).await?;
        Ok(Placed::Failed)
    }

    pub(crate) async fn fail(
        &mut self,
        record: Record,
        reason: String,
        parked: Option<i64>,
    ) -> Result<Placed, Over> {
        self.release(parked).await?;
        self.meter.failed.add(1);
        self.give(Err(self.desk.question.failure(record, FailureKind::Unanswered, reason, 0))).await?;
        Ok(Placed::Failed)
    }

    /// A record that was parked is so no more; it has no place then.
    async fn release(&mut self, parked: Option<i64>) -> Result<Option<i64>, Over> {
        if let Some(place) = parked {
            let moved = self.context.store.repark(&self.desk.stage, vec![(place, "done".to_owned())]).await;
            self.context.halt.check(moved).ok_or(Over)?;
            self.desk.leave(1);
        }
        Ok(None)
    }

    fn push(&mut self, token: String, record: Record, request: RequestId, until: u32, parked: Option<i64>) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.job.token == token) {
            group.records += 1;
        }
        match parked {
            Some(place) => self.moving.push((place, token)),
            None => {
                let place = self.desk.next_place();
                self.parking.push((token, Parked { place, request: Some(request), until, record }));
            }
        }
    }

    /// Makes the places of records durable. Those whose job has given on its records in the meantime are
    /// looked up again: their answers are in the ledger now.
    pub(crate) async fn park(&mut self) -> Result<(), Over> {
        loop {
            let (records, moves) = (std::mem::take(&mut self.parking), std::mem::take(&mut self.moving));
            if records.is_empty() && moves.is_empty() {
                return Ok(());
            }
            let (stage, store) = (&self.desk.stage, &self.context.store);
            let late = self
                .context
                .halt
                .check(store.park(stage, &self.desk.question.input_schema, records).await)
                .ok_or(Over)?;
            self.context.halt.check(store.repark(stage, moves).await).ok_or(Over)?;
            for (_, Parked { until, record, .. }) in late {
                self.desk.leave(1);
                let mut written = match self.desk.question.write(&record).await {
                    Ok(written) => written,
                    Err(error) => {
                        self.fail(record, error.to_string(), None).await?;
                        continue;
                    }
                };
                let known = self.look(written.ids().collect()).await;
                let history = self.history(&mut written, &known);
                Box::pin(self.place(record, &written, &history, Some(until), None)).await?;
            }
        }
    }
}
