//! Locks that cannot be poisoned in practice.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. Nothing that uses it panics while it holds the lock.
pub(crate) fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
