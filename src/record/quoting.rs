//! Quotes in SQL: a name in quotes, and the text outside of them.

/// A name as an SQL identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The text with everything in quotes replaced by spaces, of the same length.
pub fn outside_of_quotes(text: &str) -> String {
    let mut quote = None;
    let mut outside = String::with_capacity(text.len());
    for c in text.chars() {
        let is_outside = match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                false
            }
            (Some(open), c) => {
                if c == open {
                    quote = None;
                }
                false
            }
            (None, _) => true,
        };
        if is_outside {
            outside.push(c);
        } else {
            outside.extend(std::iter::repeat_n(' ', c.len_utf8()));
        }
    }
    outside
}
