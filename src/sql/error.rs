//! DuckDB's errors, as facts with a place. Main types: [`SqlError`], [`ExpressionError`].

use std::ops::Range;

/// An error of DuckDB in a statement not written by the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SqlError(pub String);

impl From<duckdb::Error> for SqlError {
    fn from(error: duckdb::Error) -> Self {
        Self(message(&error))
    }
}

/// DuckDB's message without the crate's wrapping.
pub fn message(error: &duckdb::Error) -> String {
    match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

/// What is wrong with an expression, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// What was found.
    pub message: String,
    /// What to write.
    pub help: Option<String>,
    /// The byte range in the expression, if DuckDB reports it.
    pub span: Option<Range<usize>>,
    /// An unknown name, to suggest the nearest known one.
    pub unknown: Option<String>,
}

impl ExpressionError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span: None, unknown: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }
}

impl std::fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, ": {help}"))
    }
}

/// Translates DuckDB's error for a statement where the expression begins at `offset`.
pub(super) fn translated(message: &str, offset: usize, expression: &str) -> ExpressionError {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let what = first.split_once("Error: ").map_or(first, |(_, what)| what);
    let unknown = ["Referenced column \"", "Referenced table \""].iter().find_map(|begin| {
        let rest = what.strip_prefix(begin)?;
        rest.split('"').next().map(str::to_owned)
    });
    let mut error = function(message, what)
        .or_else(|| more_than_one(what))
        .unwrap_or_else(|| ExpressionError::new(what.trim_end_matches(['.', '!']).to_owned()));
    if let Some(candidates) = message.split("Candidate Entries: ").nth(1) {
        let known: Vec<&str> = candidates.split('"').skip(1).step_by(2).collect();
        let name = what.split('"').nth(1).unwrap_or_default();
        error.help =
            known.iter().find(|near| is_near(name, near)).map(|near| format!("did you mean `{near}`?"));
    }
    error.span = caret(message, offset, expression);
    if error.span.is_none() {
        error.span = unknown.as_ref().and_then(|name| expression.find(name).map(|at| at..at + name.len()));
    }
    error.unknown = unknown;
    error
}

/// A function that does not exist, with the nearest one.
fn function(message: &str, what: &str) -> Option<ExpressionError> {
    let name =
        what.strip_prefix("Scalar Function with name ")?.split(" does not exist").next()?.trim_matches('"');
    if let Some(operator) = name.strip_suffix("__postfix") {
        let help = format!("expected a value after `{operator}`");
        return Some(ExpressionError::new(format!("nothing follows the operator `{operator}`")).help(help));
    }
    let near = message.split("Did you mean \"").nth(1).and_then(|rest| rest.split('"').next());
    let near = near.filter(|near| is_near(name, near));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "expected a DuckDB function".to_owned(),
    };
    Some(ExpressionError::new(format!("unknown function `{name}`")).help(help))
}

fn is_near(name: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(name, known) <= (name.len() / 3).max(1)
}

/// What needs more than one record, or makes several of one.
fn more_than_one(what: &str) -> Option<ExpressionError> {
    let (kind, help) = if what.contains("cannot contain aggregates") {
        (
            "an aggregate function",
            "for several records write a `wave:` with `sql:` or a `gather:`; for a list `list_sum(…)` or `len(…)`",
        )
    } else if what.contains("cannot contain window functions") {
        ("a window function", "write a `wave:` with `sql:`, which sees all records")
    } else if what.to_lowercase().contains("unnest") {
        ("`unnest`", "a map with `split:` makes a record of each item")
    } else {
        return None;
    };
    Some(ExpressionError::new(format!("{kind} in an expression, which sees one record")).help(help))
}

/// The position of DuckDB's caret. The excerpt may be cut at both ends; its text locates it in the expression.
fn caret(message: &str, offset: usize, expression: &str) -> Option<Range<usize>> {
    let mut lines = message.lines().skip_while(|line| !line.starts_with("LINE "));
    let (excerpt, carets) = (lines.next()?, lines.next()?);
    let column = carets.find('^')?;
    let (head, text) = excerpt.split_once(": ")?;
    let at = column.checked_sub(head.len() + 2)?;
    let text = text.trim_start_matches("...").trim_end_matches("...");
    let cut = excerpt.len() - head.len() - 2 - text.len();
    let shown = if excerpt.contains(": ...") { at.checked_sub(cut.min(3))? } else { at };
    // The excerpt is part of the statement: find the start of the expression in it.
    let start = expression.get(..expression.len().min(24))?;
    let begin = match text.find(start) {
        Some(begin) => begin,
        None => {
            return text.get(shown..).and_then(|rest| {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                (!word.is_empty()).then(|| expression.find(&word).map(|at| at..at + word.len())).flatten()
            });
        }
    };
    let _ = offset;
    let at = shown.checked_sub(begin).filter(|at| *at < expression.len())?;
    let length = expression
        .get(at..)?
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .map(char::len_utf8)
        .sum::<usize>();
    Some(at..at + length.max(1))
}
