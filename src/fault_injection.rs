//! Fault injection, to test critical moments. In a release build every point is empty.
//!
//! `ETL_FAULT=created:crash etl run …` ends the process at that point as a SIGKILL would: no handlers, no
//! destructors, no further writes. `ETL_FAULT=query:error:100` makes the hundredth pass of a point fail,
//! `…:panic:100` makes it panic. Points that may crash or panic: `planned`, `uploaded`, `created`,
//! `downloaded`, `inside_commit`, `collected`, `before_close`, `before_replace`; points that may also fail:
//! `source`, `query`, `map`, `wave`, `sink`, `ledger`.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

/// The injected error of a point.
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
    /// The pass, counted from 1.
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
    // Errors are not injected at a point that cannot fail.
    let _: Result<(), Injected> = check(name);
}

/// A point that may also fail.
///
/// # Errors
/// When `ETL_FAULT` requests it.
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
