//! Crashes on purpose: how the moments that matter are rehearsed.
//!
//! `ETL_CRASH_AT=created etl run …` ends the process at that point as a SIGKILL would: no handler runs, no
//! destructor, nothing is written any more. Without the variable a point does nothing. The points are
//! `planned`, `uploaded`, `created`, `downloaded`, `inside_commit`, `collected` and `before_close`.

use std::sync::LazyLock;

static AT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("ETL_CRASH_AT").ok());

/// Ends the process here if the environment says so.
pub fn point(name: &str) {
    if AT.as_deref() == Some(name) {
        std::process::abort();
    }
}
