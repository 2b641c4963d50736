//! Files as records.

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::{
    files::FileSet,
    run::progress::meter::Meter,
    task::{self, blocking_feed, joined},
};

use super::raw::{Raw, Read};

/// Files read ahead. Reading is quick compared with what follows, and a document can be large.
const FILES_AHEAD: usize = 8;

pub(super) fn files(set: FileSet, limit: usize) -> stream::BoxStream<'static, Raw> {
    blocking_feed(FILES_AHEAD, move |feed| {
        // The pattern was valid when the plan was made.
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

/// Counts the files alongside the run, so that progress bars know the total. The stream is empty, and ends with
/// the count.
pub(super) fn count(set: FileSet, limit: usize, meter: Arc<Meter>) -> stream::BoxStream<'static, Raw> {
    let counting = task::spawn_blocking(move || {
        if let Ok(paths) = set.paths() {
            meter.set_total(paths.take(limit).count() as u64);
        }
    });
    stream::once(counting).filter_map(async |counted| joined(counted).and(None)).boxed()
}
