//! Field names that are not identifiers, such as `Ticket No`, where a text uses them without quotes. Main functions:
//! [`unquoted_names`] for expressions, [`occurrences`] for templates.

use std::ops::Range;

use super::{Schema, quoting::outside_of_quotes};

/// The fields whose names are written without quotes in an expression, and where.
pub fn unquoted_names(text: &str, schema: &Schema) -> Vec<(String, Range<usize>)> {
    let outside = outside_of_quotes(text);
    let found = occurrences(text, schema).into_iter();
    found.filter(|(_, span)| outside.get(span.clone()) == text.get(span.clone())).collect()
}

/// The fields whose names are not identifiers, wherever a text has them.
pub fn occurrences(text: &str, schema: &Schema) -> Vec<(String, Range<usize>)> {
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<(String, Range<usize>)> = Vec::new();
    let mut names: Vec<&str> = schema.names().filter(|name| must_be_quoted(name)).collect();
    // `Order No` is part of `Order No 2`.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        // `a-b` may be a difference.
        let words = name.split(|c| !is_word(c)).filter(|word| !word.is_empty());
        if words.clone().all(|word| schema.get(word).is_some()) {
            continue;
        }
        for (start, hit) in lower.match_indices(&name.to_ascii_lowercase()) {
            let end = start + hit.len();
            let is_whole = !text[..start].chars().next_back().is_some_and(is_word)
                && !text[end..].chars().next().is_some_and(is_word);
            let is_free = found.iter().all(|(_, other)| end <= other.start || other.end <= start);
            if is_whole && is_free {
                found.push((name.to_owned(), start..end));
            }
        }
    }
    found.sort_by_key(|(_, span)| span.start);
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a name has words with something else between them.
fn must_be_quoted(name: &str) -> bool {
    let (first, last) = (name.chars().next(), name.chars().next_back());
    !name.contains(['"', '\'', '\n'])
        && name.chars().any(|c| !is_word(c))
        && first.is_some_and(is_word)
        && last.is_some_and(|c| !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LogicalType;

    #[test]
    fn names_are_found_outside_of_quotes_only() {
        let names = ["Ticket No", "Ticket No 2", "First-Name", "a", "b", "a-b", "Größe (cm)", "plain"];
        let schema = Schema::new(names.map(|name| (name, LogicalType::Varchar)));
        let found = |text: &str| -> Vec<String> {
            unquoted_names(text, &schema).into_iter().map(|(_, span)| text[span].to_owned()).collect()
        };
        assert_eq!(found("ticket no = 'x'"), ["ticket no"]);
        assert_eq!(found("Ticket No 2 > Ticket No"), ["Ticket No 2", "Ticket No"]);
        assert_eq!(found("\"Ticket No\" = 'Ticket No'"), Vec::<String>::new());
        assert_eq!(found("First-Name || a-b || plain"), ["First-Name"]);
        assert_eq!(found("Größe (cm) > 3"), ["Größe (cm)"]);
        assert_eq!(found("MyTicket Nose"), Vec::<String>::new());
    }
}
