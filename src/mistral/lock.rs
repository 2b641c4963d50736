//! Locks that cannot be poisoned in practice. Used by everything in this module that holds one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. Nothing in this module panics while it holds a lock.
pub(super) fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
