//! Text in columns: width, cutting, padding and colour.

use std::fmt::Write;

use crate::escape::escaped;

/// The width of a text in columns, counted per character like `indicatif` does when it moves the
/// cursor back up: a different count would leave parts of old lines on the screen.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    console::measure_text_width(c.encode_utf8(&mut [0; 4]))
}

/// A name on one line: [`escaped`], with spaces for all white space, and without joiners and selectors, which
/// change the width of adjacent characters.
pub(crate) fn clean(name: &str) -> String {
    let breaks = |c: char| matches!(c, '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    let line: String =
        name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !breaks(*c)).collect();
    escaped(&line).into_owned()
}

/// The text in at most this many columns, with `…` if cut off.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut used = 0;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            used += char_width(*c);
            used <= room
        })
        .collect();
    short.push('…');
    short
}

/// The alignment of text in a wider cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The text in exactly this many columns.
pub(crate) fn pad(text: &str, columns: usize, align: Align) -> String {
    let text = fit(text, columns);
    let gap = " ".repeat(columns - width(&text));
    match align {
        Align::Left => text + &gap,
        Align::Right => gap + &text,
    }
}

/// The colours, by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Neutral.
    Plain,
    /// Success.
    Good,
    /// Failure.
    Bad,
    /// In progress.
    Live,
    /// Unimportant.
    Dim,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Whether to write escape codes.
    pub(crate) color: bool,
}

impl Paint {
    /// Adds the text to the line; escape codes take no columns.
    pub(crate) fn push(self, line: &mut String, text: &str, ink: Ink) {
        let styled = console::style(text).force_styling(self.color);
        let styled = match ink {
            Ink::Plain => return line.push_str(text),
            Ink::Good => styled.green(),
            Ink::Bad => styled.red(),
            Ink::Live => styled.cyan(),
            Ink::Dim => styled.dim(),
        };
        // Writing to a string cannot fail.
        let _ = write!(line, "{styled}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_is_not_halved() {
        assert_eq!(fit("文書の抽出", 10), "文書の抽出");
        assert_eq!(fit("文書の抽出", 9), "文書の抽…");
        assert_eq!(fit("文書の抽出", 8), "文書の…");
        assert_eq!(fit("文書", 1), "…");
        assert_eq!(fit("文書", 0), "");
        assert_eq!(pad("文書", 6, Align::Right), "  文書");
    }

    #[test]
    fn a_name_cannot_break_its_line() {
        assert_eq!(clean("a\nb\tc\u{1b}[31m\u{200d}\u{fe0f}"), "a b c␛[31m");
    }

    #[test]
    fn colour_only_when_wanted() {
        let mut line = String::new();
        Paint { color: false }.push(&mut line, "6 failed", Ink::Bad);
        assert_eq!(line, "6 failed");
        line.clear();
        Paint { color: true }.push(&mut line, "6 failed", Ink::Bad);
        assert_eq!(line, "\u{1b}[31m6 failed\u{1b}[0m");
    }
}
