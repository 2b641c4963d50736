//! Thinking that a model writes into its answer between tags; it is never part of the answer.
//!
//! Models and servers differ: `<think>…</think>`, `[THINK]…[/THINK]`, a closing tag whose opening tag was part of
//! the prompt, or an opening tag without a closing one because the answer was cut off. Called by
//! [`answer`](super::answer) and the stages with plain-text answers.

/// The tags of thinking, in lower case without brackets.
const TAGS: &[&str] = &["think", "thinking", "thought", "thoughts", "reasoning", "scratchpad"];

/// Of these, the tags that never belong to a plain text itself.
const PLAIN: &[&str] = &["think", "thinking"];

/// A thinking tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// Thinking begins.
    Opens {
        /// The end of the thinking, including its tag; `None` if it is not closed.
        end: Option<usize>,
    },
    /// The end of thinking that began before the text.
    Closes {
        /// The end of the tag.
        end: usize,
    },
}

/// The thinking tag at an offset, if any.
pub(super) fn tag_at(text: &str, at: usize) -> Option<Tag> {
    tag(text, at, TAGS)
}

fn tag(text: &str, at: usize, names: &[&str]) -> Option<Tag> {
    let bytes = &text.as_bytes()[at..];
    let (closing_bracket, brackets) = match bytes.first()? {
        b'<' => (b'>', ('<', '>')),
        b'[' => (b']', ('[', ']')),
        _ => return None,
    };
    let closes = bytes.get(1) == Some(&b'/');
    let name_at = if closes { 2 } else { 1 };
    let name = names.iter().find(|name| {
        let end = name_at + name.len();
        bytes.get(name_at..end).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
            && bytes.get(end) == Some(&closing_bracket)
    })?;
    // A list such as `[thought]` is text; the template's own token is in capitals.
    let found = &bytes[name_at..name_at + name.len()];
    if brackets.0 == '[' && (*name != "think" || found != b"THINK") {
        return None;
    }
    let end = at + name_at + name.len() + 1;
    if closes {
        return Some(Tag::Closes { end });
    }
    let close = format!("{}/{name}{}", brackets.0, brackets.1);
    let close = close.as_bytes();
    let found = text.as_bytes()[end..].windows(close.len()).position(|part| part.eq_ignore_ascii_case(close));
    Some(Tag::Opens { end: found.map(|found| end + found + close.len()) })
}

/// Removes the thinking before a plain text.
///
/// # Errors
/// The reason, if the text is only thinking.
pub fn without_thinking(text: &str) -> Result<&str, String> {
    let mut rest = text.trim_start();
    while let Some(Tag::Opens { end }) = tag(rest, 0, PLAIN) {
        let end = end.ok_or("the answer is cut off within its thinking")?;
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return Err("the answer contains only thinking".to_owned());
        }
    }
    // If the opening tag was part of the prompt, the closing one is at the end of a line.
    let closing = rest.match_indices(['<', '[']).find_map(|(at, _)| match tag(rest, at, PLAIN)? {
        Tag::Closes { end } => Some((at, Some(end))),
        Tag::Opens { .. } => Some((at, None)),
    });
    if let Some((at, Some(end))) = closing
        && (rest[..at].is_empty() || rest[..at].ends_with('\n'))
        && (rest[end..].is_empty() || rest[end..].starts_with(['\n', '\r']))
    {
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return Err("the answer contains only thinking".to_owned());
        }
    }
    // Without thinking, the text stays unmodified.
    Ok(if rest.len() == text.trim_start().len() { text } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_after_its_thinking() {
        let cases = [
            ("<think>hm</think>\nyes", Ok("yes")),
            ("\n<THINKING>a</Thinking>\n\n<think>b</think>yes\n", Ok("yes\n")),
            ("[THINK]hm[/THINK]yes", Ok("yes")),
            ("hm, so\n</think>\n\nyes", Ok("yes")),
            ("The tag `</think>` ends it.", Ok("The tag `</think>` ends it.")),
            ("  as it came ", Ok("  as it came ")),
            ("[think] of it", Ok("[think] of it")),
            ("<reasoning>asked for</reasoning>", Ok("<reasoning>asked for</reasoning>")),
            ("<think>hm</think> ", Err("the answer contains only thinking")),
            ("<think>hm", Err("the answer is cut off within its thinking")),
        ];
        for (text, wanted) in cases {
            assert_eq!(
                without_thinking(text).map_err(|error| error.clone()),
                wanted.map_err(str::to_owned),
                "{text}"
            );
        }
    }
}
