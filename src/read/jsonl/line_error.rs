//! Why a line is not a JSON object. Main type: [`LineError`].

/// What is wrong with a line, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineError {
    /// The byte in the line.
    pub(super) at: usize,
    pub(super) reason: String,
}

impl LineError {
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// Refuses an empty key: a column needs a name.
    pub(super) fn if_empty(key: &str, at: usize) -> Result<(), Self> {
        match key.is_empty() {
            true => Err(Self::new(at, "an empty key cannot be a column")),
            false => Ok(()),
        }
    }

    /// A duplicate key, ignoring case.
    pub(super) fn twice(key: &str, at: usize) -> Self {
        Self::new(at, format!("duplicate key `{key}` (names are case-insensitive)"))
    }

    /// Converts an error of `serde_json` in `text`, which starts at byte `base` of its line.
    pub(super) fn of(error: &serde_json::Error, text: &str, base: usize) -> Self {
        let at = match error.is_eof() {
            true => text.trim_end().len(),
            false => error.column().saturating_sub(1).min(text.len()),
        };
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let found = found(text, at);
        let reason = match message {
            _ if error.is_eof() => "the line ends in the middle of a value".to_owned(),
            "expected value" | "expected ident" | "invalid number" => {
                format!("expected a JSON value, found {found}")
            }
            "trailing characters" => format!("expected the end of the line after the object, found {found}"),
            "key must be a string" => format!("expected a key in quotes, found {found}"),
            "trailing comma" => "a trailing comma".to_owned(),
            "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
                "the escape `\\u…` is a lone surrogate, which is not a character".to_owned()
            }
            "invalid escape" => format!("an invalid escape after a backslash: {found}"),
            other if other.starts_with("control character") => {
                "a control character in a text; write it as an escape".to_owned()
            }
            other => format!("{other}, found {found}"),
        };
        Self::new(base + at, reason)
    }

    /// The reason with the position, counted in characters from 1.
    pub(super) fn with_position(&self, line: &str) -> String {
        let before = line.get(..self.at).map_or(self.at, |before| before.chars().count());
        format!("{} (at character {})", self.reason, before + 1)
    }
}

/// The word at a position.
fn found(text: &str, at: usize) -> String {
    let mut start = at.min(text.len());
    while start > 0 && !text.is_char_boundary(start) {
        start -= 1;
    }
    // The parser stops after the first letters of an unknown word.
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
    while text[..start].chars().next_back().is_some_and(is_word) {
        start -= text[..start].chars().next_back().map_or(0, char::len_utf8);
    }
    let word: String = text[start..].chars().take_while(|c| is_word(*c)).take(20).collect();
    match word.is_empty() {
        false => format!("`{word}`"),
        true => text[start..].chars().next().map_or("the end".to_owned(), |c| format!("`{c}`")),
    }
}
