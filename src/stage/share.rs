//! Shares one stream among several readers: each gets every record meant for it.

use futures::{StreamExt, stream::BoxStream};

use crate::{
    record::Outcome,
    task::{Fate, open},
};

/// Which outcomes of a stage a reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Its output records.
    Out,
    /// The records that failed in it, as records.
    Failed,
}

/// How far a reader may lag behind the fastest one. Enough that readers do not wait for each other at every
/// record, and few enough that large documents do not add up.
const BEHIND: usize = 16;

/// Shares a stream among readers; returns a stream for each, in order.
///
/// `leaves` is whether a failure leaves by the `failed` port here. Otherwise it stays with the first reader of
/// the records. The slowest reader sets the pace; a dropped reader is no longer waited for.
pub fn share(
    mut input: BoxStream<'static, Outcome>,
    readers: &[Reader],
    leaves: impl Fn(&Outcome) -> bool + Send + 'static,
) -> Vec<BoxStream<'static, Outcome>> {
    let (senders, receivers): (Vec<_>, Vec<_>) = readers
        .iter()
        .map(|reader| {
            let (sender, receiver) = open(BEHIND);
            ((*reader, sender), receiver)
        })
        .unzip();
    let fate = Fate::of(async move {
        while let Some(outcome) = input.next().await {
            let port = if leaves(&outcome) { Reader::Failed } else { Reader::Out };
            let failure = outcome.is_err();
            let mut open = false;
            for (reader, sender) in &senders {
                open |= !sender.is_closed();
                if *reader != port {
                    continue;
                }
                let copy = match (port, &outcome) {
                    (Reader::Failed, Err(failure)) => Ok(failure.as_ref().clone().into_record()),
                    _ => outcome.clone(),
                };
                // A dropped reader needs nothing more.
                let _ = sender.send(copy).await;
                if failure && port == Reader::Out {
                    // A failure is a single row, even with several readers of the records.
                    break;
                }
            }
            if !open {
                break;
            }
        }
        futures::future::join_all(senders.into_iter().map(|(_, sender)| sender.end())).await;
    });
    receivers.into_iter().map(|receiver| receiver.into_stream(fate.clone())).collect()
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::record::{Failure, FailureKind, Record};

    fn outcomes() -> BoxStream<'static, Outcome> {
        let record = |i: i32| Record::new(i.to_string(), std::sync::Arc::default(), Vec::new());
        let failure = move |i| Failure {
            record: record(i),
            stage: if i % 3 == 0 { "here" } else { "above" }.into(),
            kind: FailureKind::Refused,
            reason: "no".into(),
            attempts: 1,
            reply: None,
        };
        stream::iter(0..60)
            .map(move |i| if i % 2 == 0 { Ok(record(i)) } else { Err(Box::new(failure(i))) })
            .boxed()
    }

    #[tokio::test]
    async fn every_outcome_gets_where_it_belongs() {
        let here = |outcome: &Outcome| outcome.as_ref().is_err_and(|failure| &*failure.stage == "here");
        let streams = share(outcomes(), &[Reader::Out, Reader::Out, Reader::Failed], here);
        let all = futures::future::join_all(streams.into_iter().map(StreamExt::collect::<Vec<_>>)).await;
        let (ok, failed) = (
            |s: &[Outcome]| s.iter().filter(|o| o.is_ok()).count(),
            |s: &[Outcome]| s.iter().filter(|o| o.is_err()).count(),
        );
        // 60 = 30 records + 10 failures from here + 20 from above.
        assert_eq!((ok(&all[0]), failed(&all[0])), (30, 20));
        assert_eq!((ok(&all[1]), failed(&all[1])), (30, 0));
        assert_eq!((ok(&all[2]), failed(&all[2])), (10, 0));
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_holds_nobody_up() {
        let mut streams = share(outcomes(), &[Reader::Out, Reader::Out], |_| false);
        drop(streams.remove(1));
        assert_eq!(streams.remove(0).count().await, 60);
    }
}
