//! Files as records, one by one.

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::{
    files::FileSet,
    run::progress::meter::Meter,
    task::{self, blocking_feed, joined},
};

use super::raw::{Raw, Read};

/// Files that are read before they are asked for. Reading is quick beside what follows, and a document can be
/// large.
const FILES_AHEAD: usize = 8;

pub(super) fn files(set: FileSet, limit: usize) -> stream::BoxStream<'static, Raw> {
    blocking_feed(FILES_AHEAD, move |feed| {
        // The pattern has been compiled before, when the plan was made.
        let Ok(paths) = set.paths() else { return };
        for path in paths.take(limit) {
            let read = match path {
                Ok(path) => match set.read(&path) {
                    Ok(values) => Ok(Read { values, file: Some(path.into()), line: None }),
                    Err(error) => Err((path, error.to_string())),
                },
                Err(error) => Err((error.path().to_owned(), error.to_string())),
            };
            if feed.blocking_send(read).is_err() {
                return;
            }
        }
    })
}

/// Counts the files beside the run, so that the bars know how far there is to go. The stream is empty; it
/// ends when the count has.
pub(super) fn count(set: FileSet, limit: usize, meter: Arc<Meter>) -> stream::BoxStream<'static, Raw> {
    let counting = task::spawn_blocking(move || {
        if let Ok(paths) = set.paths() {
            meter.set_total(paths.take(limit).count() as u64);
        }
    });
    stream::once(counting).filter_map(async |counted| joined(counted).and(None)).boxed()
}
