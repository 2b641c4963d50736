//! Positions in a text: line and column, surrounding characters, matching brackets.

use std::fmt::Write;

/// Characters shown on each side of a position.
const AROUND: usize = 20;

/// The offset after the bracket that closes what is open at a position.
pub(super) fn closed(text: &str, from: usize, open: usize, in_string: bool) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (open, in_string, false);
    for (offset, byte) in text.as_bytes()[from..].iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(from + offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Line and column of an offset, from 1, in characters.
pub(in super::super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// The characters around an offset, on one line.
pub(super) fn around(text: &str, at: usize) -> String {
    let start = text[..at].char_indices().rev().nth(AROUND - 1).map_or(0, |(start, _)| start);
    let end = text[at..].char_indices().nth(AROUND).map_or(text.len(), |(end, _)| at + end);
    let mut shown = String::new();
    for c in text[start..end].chars() {
        // Writing to a string cannot fail.
        let _ = if c.is_control() { write!(shown, "{}", c.escape_default()) } else { write!(shown, "{c}") };
    }
    shown
}
