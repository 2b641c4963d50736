//! Syntax errors at the end of a text that a statement puts in parentheses: DuckDB would report the `)` behind the text.
//! Main function: [`unfinished`].

use crate::record::outside_of_quotes;

use super::{
    Engine, ExpressionError,
    tree::{error_in, parsed},
};

/// What is missing at the end of a text, which is a statement if `head` is put before it.
pub fn unfinished(engine: &Engine, head: &str, text: &str) -> Option<ExpressionError> {
    let error = error_in(&parsed(engine, &format!("{head}{text}")).ok()?, head, text)?;
    if let Some(quote) =
        ["quoted string", "quoted identifier"].iter().find(|what| error.message.contains(**what))
    {
        let (what, quote) =
            if quote.ends_with("string") { ("a string", '\'') } else { ("a quoted name", '"') };
        let help = format!("add the closing `{quote}`; inside of it a `{quote}` is written twice");
        let error = ExpressionError { help: Some(help), ..error };
        return Some(ExpressionError { message: format!("{what} is not closed"), ..error });
    }
    if let Some((bracket, at)) = unmatched(&without_comments(outside_of_quotes(text))) {
        let (what, help) = match bracket {
            ')' => ("a `)` without a `(` before it", "remove it, or add the `(`"),
            _ => ("a `(` without a `)` after it", "close it"),
        };
        return Some(ExpressionError::new(what).help(help).at(at..at + 1));
    }
    error.message.contains("at end of input").then(|| {
        let end = text.trim_end().len();
        let start = last_word(&text[..end]);
        let last = &text[start..end];
        let what = if head.is_empty() { "it ends too early" } else { "the expression ends too early" };
        let help = match percentage(text[..end].trim_end_matches('%')).filter(|_| last == "%") {
            Some(share) => format!("a share is a number: write `{share}`"),
            None => format!("expected more after `{last}`"),
        };
        ExpressionError::new(what).help(help).at(start..end)
    })
}

/// Whether a word cannot be the name of a column without quotes.
pub fn is_keyword(engine: &Engine, word: &str) -> bool {
    parsed(engine, &format!("SELECT {word}")).is_ok_and(|tree| tree["error"].as_bool() == Some(true))
}

/// The first `)` without a `(`, or else the last `(` without a `)`.
fn unmatched(outside: &str) -> Option<(char, usize)> {
    let mut open = Vec::new();
    for (at, c) in outside.char_indices() {
        match c {
            '(' => open.push(at),
            ')' if open.pop().is_none() => return Some((c, at)),
            _ => {}
        }
    }
    open.pop().map(|at| ('(', at))
}

/// A text with its line comments replaced by spaces, of the same length.
fn without_comments(text: String) -> String {
    let Some(start) = text.find("--") else { return text };
    let end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    without_comments(format!("{}{}{}", &text[..start], " ".repeat(end - start), &text[end..]))
}

/// The number at the end of a text as a share of a hundred.
fn percentage(text: &str) -> Option<f64> {
    let text = text.trim_end();
    let start = text.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    let share = text.get(start..)?.parse::<f64>().ok()? / 100.0;
    Some((share * 1e6).round() / 1e6)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the last word of a text begins, or its last operator.
fn last_word(text: &str) -> usize {
    let ends_in_word = text.ends_with(is_word);
    let before =
        text.rfind(|c: char| if ends_in_word { !is_word(c) } else { is_word(c) || c.is_whitespace() });
    before.map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_shown_where_the_text_ends() {
        let engine = Engine::start().unwrap();
        for (text, wanted) in [
            ("failed > 20%", Some("the expression ends too early: a share is a number: write `0.2`")),
            // DuckDB knows it as a postfix operator, which is refused when the expression is bound.
            ("a || ", None),
            ("größe AND", Some("the expression ends too early: expected more after `AND`")),
            ("größe %", Some("the expression ends too early: expected more after `%`")),
            ("n * (2", Some("a `(` without a `)` after it: close it")),
            ("n * 2)", Some("a `)` without a `(` before it: remove it, or add the `(`")),
            (
                "a || ' x",
                Some("a string is not closed: add the closing `'`; inside of it a `'` is written twice"),
            ),
            (
                "\"a",
                Some(
                    "a quoted name is not closed: add the closing `\"`; inside of it a `\"` is written twice",
                ),
            ),
            (
                "lower('x) = note",
                Some("a string is not closed: add the closing `'`; inside of it a `'` is written twice"),
            ),
            ("a > 33.3%", Some("the expression ends too early: a share is a number: write `0.333`")),
            ("id -- 1) the id\n AND", Some("the expression ends too early: expected more after `AND`")),
            ("n ')' n", None),
            ("coalesce(a, )", None),
            ("a + 1", None),
        ] {
            let found = unfinished(&engine, "SELECT ", text).map(|error| error.to_string());
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
    }
}
