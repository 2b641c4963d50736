//! The summary of an ended run: a pure function of its state.
//!
//! First the stages, then the sum that accounts for every record, then requests and their cost,
//! then what to do.

use std::{fmt::Write, time::Duration};

use super::{
    human::{count, counted, duration, short},
    state::{End, Phase, Run, Stage, State},
    text::{Align, Ink, Paint, clean, pad, width},
};
use crate::{
    event::{Conservation, LostTime, RunEnd, StageCounts, StageKind, TableChange, Usage},
    units::Usd,
};

/// The whole summary; empty while the run continues.
pub(crate) fn summary(state: &State, paint: Paint) -> String {
    let Some(end) = &state.end else { return String::new() };
    let mut parts = Vec::new();
    if !state.stages.is_empty() {
        parts.push(table(&state.stages, paint));
    }
    let changes: String = end.tables.iter().map(|table| format!("\n{}", change(table))).collect();
    parts.push(format!("{}{changes}\n\n{}", sum(end.sum), spent(state, end)));
    parts.extend(Some(advice(state, paint)).filter(|advice| !advice.is_empty()));
    parts.join("\n")
}

/// The summary in quiet mode: only problems.
pub(crate) fn troubles(state: &State, paint: Paint) -> String {
    match &state.end {
        Some(End { end: RunEnd::Fatal(_) | RunEnd::OutOfMoney(_), .. }) => advice(state, paint),
        Some(End { sum, .. }) if sum.failures > 0 => advice(state, paint),
        _ => String::new(),
    }
}

fn table(stages: &[Stage], paint: Paint) -> String {
    type Of = fn(&StageCounts) -> u64;
    let mut columns: Vec<(&str, Of)> =
        vec![("in", |c| c.taken), ("out", |c| c.done), ("failed", |c| c.failed), ("skipped", |c| c.skipped)];
    let rare: [(&str, Of); 2] = [("duplicates", |c| c.duplicates), ("reused", |c| c.reused)];
    columns.extend(rare.into_iter().filter(|(_, of)| stages.iter().any(|stage| of(&stage.counts) > 0)));
    let name = stages.iter().map(|stage| width(&stage.name)).chain([width("stage")]).max().unwrap_or(0);
    let wide = |at: usize| {
        let (head, of) = columns[at];
        stages.iter().map(|stage| count(of(&stage.counts)).len()).chain([head.len()]).max().unwrap_or(0)
    };

    let mut line = pad("stage", name, Align::Left);
    for (at, (head, _)) in columns.iter().enumerate() {
        line += "  ";
        line += &pad(head, wide(at), Align::Right);
    }
    let mut table = String::new();
    paint.push(&mut table, &line, Ink::Dim);
    table.push('\n');
    for stage in stages {
        table += &pad(&stage.name, name, Align::Left);
        for (at, (head, of)) in columns.iter().enumerate() {
            let number = of(&stage.counts);
            let ink = if *head == "failed" && number > 0 { Ink::Bad } else { Ink::Plain };
            table += "  ";
            paint.push(&mut table, &pad(&count(number), wide(at), Align::Right), ink);
        }
        table.push('\n');
    }
    table
}

/// `47 records = 41 rows + 6 failures + 0 skipped`: it always adds up, because any difference
/// is named.
pub(crate) fn sum(sum: Conservation) -> String {
    let mut text = counted(sum.read, "record");
    match sum.added {
        0 => {}
        1.. => text += &format!(" + {} by splits, branches and queries", count(sum.added.unsigned_abs())),
        _ => text += &format!(" - {} by queries and gathers", count(sum.added.unsigned_abs())),
    }
    text += &format!(
        " = {} + {} + {} skipped",
        counted(sum.rows, "row"),
        counted(sum.failures, "failure"),
        count(sum.skipped)
    );
    if sum.duplicates > 0 {
        text += &format!(" + {}", counted(sum.duplicates, "duplicate"));
    }
    let pending = sum.pending();
    match pending {
        0 => {}
        1.. => text += &format!(" + {} pending", count(pending.unsigned_abs())),
        // A bug in this program; shown, so that it is found.
        _ => text += &format!(" - {} counted twice", count(pending.unsigned_abs())),
    }
    text
}

/// The changes to rows of earlier runs; the sum above counts records of this run.
fn change(table: &TableChange) -> String {
    let mut parts = Vec::new();
    if table.removed > 0 {
        parts.push(format!("{} removed, which no record produces any longer", counted(table.removed, "row")));
    }
    if table.stale > 0 {
        let which = if table.stale == 1 { "whose record" } else { "whose records" };
        parts.push(format!(
            "{} of earlier runs kept, {which} failed in this run",
            counted(table.stale, "row")
        ));
    }
    if table.left > 0 {
        let which = if table.left == 1 { "whose record is" } else { "whose records are" };
        let rows = counted(table.left, "row");
        parts.push(format!("{rows} kept, {which} no longer in the source (`gone: delete` removes them)"));
    }
    if table.unread > 0 {
        let (which, was) =
            if table.unread == 1 { ("whose record", "was") } else { ("whose records", "were") };
        let rows = counted(table.unread, "row");
        parts.push(format!(
            "{rows} of earlier runs kept, {which} {was} not read: the source has records that cannot be read, or none at all, so \
             no row counts as removed"
        ));
    }
    if table.discarded > 0 {
        parts.push(format!(
            "not replaced, {} discarded: it is replaced only at the end of a run",
            counted(table.discarded, "row")
        ));
    }
    format!("{}: {}", clean(&table.table), parts.join("; "))
}

/// Requests, tokens, cost, time.
fn spent(state: &State, end: &End) -> String {
    let Usage {
        requests,
        retries,
        reused,
        prompt_tokens,
        cached_tokens,
        completion_tokens,
        cost_micros,
        unpriced,
        simulated: _,
    } = state.usage;
    let mut lines: Vec<(&str, String)> = Vec::new();
    let collected = requests == 0 && prompt_tokens + completion_tokens > 0;
    if requests == 0 && reused > 0 && !collected && end.end == RunEnd::Complete {
        let all = if reused == 1 {
            "the one answer was".to_owned()
        } else {
            format!("all {} answers were", count(reused))
        };
        lines.push(("requests", format!("none needed: {all} in the ledger")));
    } else {
        let mut text = count(requests);
        if collected {
            text += "; answers of earlier jobs were collected";
        }
        if retries > 0 {
            text += &format!(", {} of them retries", count(retries));
        }
        let refused = state.limits.refused;
        if refused > 0 {
            let share = 100.0 * refused as f64 / requests.max(1) as f64;
            text += &format!(", {} refused with 429 ({share:.1} %)", count(refused));
        }
        if reused > 0 {
            text += &format!("; {} reused from the ledger", counted(reused, "answer"));
        }
        lines.push(("requests", text));
    }
    if prompt_tokens + completion_tokens > 0 {
        let cached = match cached_tokens {
            0 => String::new(),
            cached => format!(" ({} of them from the cache)", short(cached)),
        };
        lines.push((
            "tokens",
            format!("{} in{cached}, {} out", short(prompt_tokens), short(completion_tokens)),
        ));
    }
    if requests > 0 || cost_micros > 0 {
        let cost = Usd::from_micros(cost_micros);
        let mut text = match state.is_simulated() {
            true => format!("simulated, not charged; would have cost {cost}"),
            false => cost.to_string(),
        };
        if unpriced > 0 {
            let answers = counted(unpriced, "answer");
            text += &format!("; excludes {answers} by models whose price is unknown");
        }
        lines.push(("cost", text));
    }
    lines.push(("time", duration(end.time)));
    if let Some(text) = lost(state.limits.lost) {
        lines.push(("lost", text));
    }
    let mut text = String::new();
    for (label, said) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:<8}  {said}");
    }
    text
}

/// The time lost to limits, refusals and outages; `None` below a tenth of a second.
fn lost(lost: LostTime) -> Option<String> {
    let LostTime { configured_limit_ms, account_limit_ms, sporadic_refusals_ms, outage_ms } = lost;
    let parts = [
        (configured_limit_ms, "the configured limit"),
        (account_limit_ms, "the account limit"),
        (sporadic_refusals_ms, "sporadic refusals"),
        (outage_ms, "outages"),
    ];
    let parts = parts.into_iter().filter(|(ms, _)| *ms >= 100);
    let said: Vec<String> =
        parts.map(|(ms, what)| format!("{} to {what}", duration(Duration::from_millis(ms)))).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// What to do next; empty for a complete run.
fn advice(state: &State, paint: Paint) -> String {
    let Some(End { end, sum, .. }) = &state.end else { return String::new() };
    let run = state.run.as_ref();
    let mut text = String::new();
    if let RunEnd::Fatal(message) = end {
        paint.push(&mut text, "error", Ink::Bad);
        text += &format!(": {}\n", message.trim_end());
        let place = run.map(|run| format!(" in {}", run.database)).unwrap_or_default();
        text +=
            &format!("finished work is kept{place}; fix the cause and rerun the same command to resume\n");
    }
    if let RunEnd::OutOfMoney(message) = end {
        paint.push(&mut text, "out of money", Ink::Bad);
        text += &format!(": {}\n{}; answers are kept\n", message.trim_end(), pending(state, *sum));
    }
    if *end == RunEnd::Pending {
        let pending = counted(sum.unanswered, "record");
        paint.push(&mut text, &format!("{pending} pending"), Ink::Bad);
        text += " without an answer; rerun the same command to retry, nothing is paid for twice";
        text += &run.map(|run| format!("; to see why:\n  {}", query(run))).unwrap_or_default();
        text.push('\n');
    }
    if sum.failures > 0 {
        let reported = format!("{} failed", counted(sum.failures, "record"));
        paint.push(&mut text, &reported, Ink::Bad);
        text += &run.map(|run| format!("; to see which and why:\n  {}", query(run))).unwrap_or_default();
        text.push('\n');
    }
    if *end == RunEnd::Interrupted {
        let pending = pending(state, *sum);
        text += &format!("stopped: {pending}; rerun the same command to resume, nothing is paid for twice\n");
    }
    text
}

/// What a stopped run leaves: the sum counts only records that were read.
fn pending(state: &State, sum: Conservation) -> String {
    let pending = counted(sum.pending().max(0).unsigned_abs(), "record");
    let is_read = |stage: &Stage| stage.kind != StageKind::Source || stage.phase == Phase::Ended;
    match state.stages.iter().all(is_read) {
        true => format!("{pending} pending"),
        false => format!("{pending} pending, and those not read yet"),
    }
}

/// A command to paste.
fn query(run: &Run) -> String {
    let database = shell_quoted(&run.database);
    let number = run.number;
    format!("etl sql {database} \"SELECT key, stage, kind, reason FROM etl.failures WHERE run = {number}\"")
}

/// The word quoted for a POSIX shell.
fn shell_quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '=' | ',' | '@');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.to_owned();
    }
    // A leading dash would be parsed as an option even in quotes.
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
