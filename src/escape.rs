//! Makes foreign text (names, answers, service messages, paths) safe to show: [`escaped`]. All output goes through it.

use std::{borrow::Cow, fmt::Write};

/// The text without terminal control: control characters become their pictures (`␛`), and characters that
/// change the text direction or break lines become their codes (`\u{202e}`). Line feeds, tabs, and carriage
/// returns before a line feed are kept.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            _ if is_obeyed(c) => push(&mut out, c),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The same for a line of JSON, without changing its value: such characters occur only within strings.
pub fn escaped_json(line: &str) -> Cow<'_, str> {
    if !line.contains(is_obeyed) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        match is_obeyed(c) {
            // Writing to a string cannot fail; all of them are below U+10000.
            true => drop(write!(out, "\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_obeyed(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        c => c.is_control(),
    }
}

fn push(out: &mut String, c: char) {
    match c {
        '\0'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(c))),
        '\u{7f}' => out.push('␡'),
        // Writing to a string cannot fail.
        c => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_becomes_visible() {
        let hostile = "a\u{1b}[2J\u{7}\u{9b}31m\u{202e}b\rc\u{7f}\r\nd\te größe 文書";
        assert_eq!(escaped(hostile), "a␛[2J␇\\u{9b}31m\\u{202e}b␍c␡\nd\te größe 文書");
        assert!(matches!(escaped("größe\n\t"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}\u{202e}\u{7f}" });
        let line = value.to_string();
        let shown = escaped_json(&line);
        assert!(!shown.contains(is_obeyed), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
