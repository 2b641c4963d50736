//! Faults on purpose: how the moments that matter are rehearsed. In a release build every point is empty.
//!
//! `ETL_FAULT=created:crash etl run …` ends the process at that point as a SIGKILL would: no handler runs, no
//! destructor, nothing is written any more. `ETL_FAULT=query:error:100` makes the hundredth pass of a point
//! fail, `…:panic:100` makes it panic. Points that may crash or panic: `planned`, `uploaded`, `created`,
//! `downloaded`, `inside_commit`, `collected`, `before_close`, `before_replace`; those that may fail, too:
//! `source`, `query`, `map`, `wave`, `sink`, `ledger`.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

/// The error of a point that was made to fail.
#[derive(Debug, thiserror::Error)]
#[error("injected error at `{0}`")]
pub struct Injected(&'static str);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Crash,
    Panic,
    Error,
}

struct Fault {
    point: String,
    action: Action,
    /// At which pass, counted from 1.
    pass: u64,
    passes: AtomicU64,
}

static FAULT: LazyLock<Option<Fault>> = LazyLock::new(|| {
    let text = std::env::var("ETL_FAULT").ok().filter(|_| cfg!(debug_assertions))?;
    let mut parts = text.split(':');
    let point = parts.next()?.to_owned();
    let action = match parts.next() {
        Some("error") => Action::Error,
        Some("panic") => Action::Panic,
        _ => Action::Crash,
    };
    let pass = parts.next().and_then(|pass| pass.parse().ok()).unwrap_or(1);
    Some(Fault { point, action, pass, passes: AtomicU64::new(0) })
});

/// A point that may crash or panic.
pub fn point(name: &'static str) {
    // A point that cannot fail is not made to.
    let _: Result<(), Injected> = check(name);
}

/// A point that may fail, too.
///
/// # Errors
/// When the environment says so.
pub fn check(name: &'static str) -> Result<(), Injected> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let Some(fault) = FAULT.as_ref().filter(|fault| fault.point == name) else { return Ok(()) };
    if fault.passes.fetch_add(1, Ordering::Relaxed) + 1 != fault.pass {
        return Ok(());
    }
    match fault.action {
        Action::Crash => std::process::abort(),
        Action::Panic => panic!("injected panic at `{name}`"),
        Action::Error => Err(Injected(name)),
    }
}
