//! Locks that cannot be poisoned in practice.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. No user panics while holding it.
pub(crate) fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
