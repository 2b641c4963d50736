//! DuckDB's messages in terms of a pipeline: in full and on one line, with advice that applies here.
//! Called wherever such a message is shown to the user.

/// A part of a line of advice, and its replacement; `None` for advice that would lose rows or that names a
/// setting not available in a pipeline.
const ADVICE: &[(&str, Option<&str>)] = &[
    (
        "union_by_name",
        Some(
            "write `union_by_name = true` in the call, or read the files by a source with `csv:`, `jsonl:` or \
             `parquet:`, which combines them by column name",
        ),
    ),
    ("files_to_sniff", None),
    (
        "Override the type for this column",
        Some(
            "give the column its type in the call (`types = {'…': 'VARCHAR'}`), or read the file by a source with \
             `csv:`, which proves types over the whole file",
        ),
    ),
    ("sample size", None),
    ("sample_size", None),
    ("COPY statement", None),
    ("null string value", Some("set the string that means NULL in the call (`nullstr = 'N/A'`)")),
    (
        "Set the correct encoding",
        Some(
            "set the encoding in the call (`encoding = 'latin-1'`), or read the file by a source with \
             `csv: { path: …, encoding: latin-1 }`",
        ),
    ),
    (
        "auto_detect",
        Some("read the file by a source with `jsonl:`, which reports each line that cannot be read"),
    ),
    ("ignore_errors", None),
    ("SET threads", None),
    ("preserve_insertion_order", None),
    ("SET memory_limit", None),
    ("PRAGMA ", None),
    ("Use \"SET ", None),
];

/// The settings of DuckDB's readers worth showing.
const READER: [&str; 4] = ["file", "delimiter", "quote", "header"];

/// Headings of advice, and links to DuckDB's manual.
const DROPPED: [&str; 5] =
    ["Possible solutions", "Potential Fixes", "See also ", "For more info", "Please try installing"];

/// A readable message of DuckDB about a query written by the user.
pub fn explained(message: &str) -> String {
    in_one_line(message, true)
}

/// A readable message of DuckDB about a generated statement: without a place in it.
pub fn reason(message: &str) -> String {
    in_one_line(message, false)
}

fn in_one_line(message: &str, with_place: bool) -> String {
    let message = message.trim();
    if let Some(whole) = extension(message).or_else(|| memory(message)) {
        return whole;
    }
    let mut parts: Vec<String> = Vec::new();
    let mut at = None;
    let mut lines = without_kind(message).lines();
    while let Some(line) = lines.next() {
        if let Some(excerpt) = line.strip_prefix("LINE ") {
            at = lines.next().and_then(|carets| place(line, excerpt, carets));
            continue;
        }
        parts.extend(part(line).filter(|part| !parts.contains(part)));
    }
    let is_named = |place: &String| {
        let word = place.rsplit_once("at `").map_or("", |(_, word)| word.trim_end_matches('`'));
        !place.starts_with("line")
            && parts.first().is_some_and(|part| part.contains(&format!("near \"{word}\"")))
    };
    if let Some(place) = at.filter(|place| with_place && !is_named(place)) {
        parts.insert(parts.len().min(1), place);
    }
    parts.join("; ").replace(":; ", ": ")
}

/// The message without its kind, `Binder Error: `.
fn without_kind(message: &str) -> &str {
    match message.split_once(" Error: ") {
        Some((kind, rest)) if kind.len() < 24 && !kind.contains(['"', '\'', '\n']) => rest,
        _ => message,
    }
}

/// A line of the message, or its replacement.
fn part(line: &str) -> Option<String> {
    let trimmed = line.trim().trim_start_matches("* ").trim_end_matches(['.', '!', ' ']);
    if trimmed.is_empty() || trimmed == "^" || DROPPED.iter().any(|dropped| trimmed.starts_with(dropped)) {
        return None;
    }
    if let Some((name, value)) = trimmed.split_once(" = ").filter(|_| line.starts_with("  ")) {
        let value = value.trim_end_matches("(Auto-Detected)").trim();
        return READER.contains(&name).then(|| format!("{name} {value}"));
    }
    // The options of a function are listed with four leading spaces, and are not advice.
    let is_listed = line.starts_with("    ");
    let advice = ADVICE.iter().find(|(known, _)| !is_listed && trimmed.contains(known));
    advice.map_or_else(|| Some(trimmed.to_owned()), |(_, instead)| instead.map(str::to_owned))
}

/// The place in the query: the word above DuckDB's caret. The excerpt itself would show generated SQL around the query.
fn place(line: &str, excerpt: &str, carets: &str) -> Option<String> {
    let number = excerpt.split(':').next()?;
    let rest = line.get(carets.find('^')?..)?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word: String = match rest.starts_with(is_word) {
        true => rest.chars().take_while(|c| is_word(*c)).collect(),
        // An operator alone may be anywhere in the query.
        false => rest.split_whitespace().take(2).collect::<Vec<_>>().join(" ").chars().take(20).collect(),
    };
    Some(match number {
        "1" => format!("at `{word}`"),
        _ => format!("line {number}, at `{word}`"),
    })
}

/// A function or a file that needs a missing extension.
fn extension(message: &str) -> Option<String> {
    let quoted = |text: &str, quote: char| text.split(quote).nth(1).map(str::to_owned);
    if message.contains("install the required extension") {
        let name = quoted(message, '\'')?;
        let why = message.rsplit("(ERROR ").next().filter(|_| message.contains("(ERROR "));
        let why = why.map(|why| format!(" ({})", why.trim_end_matches(')'))).unwrap_or_default();
        return Some(format!(
            "the query needs DuckDB's extension `{name}`, which is not built in and cannot be \
             downloaded{why}: export the data to a file, and read the file"
        ));
    }
    let name = message.split("it exists in the ").nth(1)?.split(' ').next()?;
    let function = quoted(message, '"')?;
    Some(format!(
        "the function `{function}` is in DuckDB's extension `{name}`, which is not built in: export the data \
         to a file, and read the file"
    ))
}

/// DuckDB's words for a lack of memory.
const NO_MEMORY: [&str; 3] = ["failed to pin", "failed to allocate", "could not allocate"];

/// A result that does not fit into memory or on disk.
fn memory(message: &str) -> Option<String> {
    // On a commit, DuckDB reports it as a transaction error.
    let rest = match message.split_once("Failed to commit: ") {
        Some((_, rest)) if NO_MEMORY.iter().any(|words| rest.contains(words)) => rest,
        _ => message.strip_prefix("Out of Memory Error: ")?,
    };
    let first = rest.lines().next().unwrap_or_default().trim_end_matches('.');
    if rest.contains("max_temp_directory_size") {
        return Some(format!(
            "neither memory nor disk space is sufficient ({first}): free up disk space, or set a folder on a \
             larger disk with `duckdb: {{ path: …, temp: DIR }}`"
        ));
    }
    Some(format!(
        "DuckDB's memory limit is exceeded ({first}): raise it with `duckdb: {{ path: …, memory: 2GB }}`, or \
         use less memory with `threads: 1`"
    ))
}

#[cfg(test)]
mod tests;
