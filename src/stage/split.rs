//! Splits a text into pieces.

use pulldown_cmark::{Event, Options, Parser, Tag};

/// Splits a text into pieces.
///
/// A piece has at most `max` characters and begins with the last `overlap` of the previous one, from the first word that
/// begins there; it ends at the end of a paragraph, a sentence or a word if there is one in its second half.
pub fn pieces(text: &str, max: usize, overlap: usize) -> Vec<&str> {
    let mut chunks = Vec::new();
    let (mut start, mut covered) = (0, 0);
    while covered < text.len() {
        let rest = &text[start..];
        let Some((end, _)) = rest.char_indices().nth(max) else {
            chunks.push(rest);
            break;
        };
        // A boundary in the part covered by the previous piece would make no progress.
        let half = rest[..end].char_indices().nth(max / 2).map_or(0, |(at, _)| at).max(covered - start);
        let good = ["\n\n", ". ", "\n", " "].iter().find_map(|mark| {
            let at = rest[half..end].rfind(mark)?;
            Some(half + at + mark.len())
        });
        let end = good.unwrap_or(end);
        chunks.push(&rest[..end]);
        covered = start + end;
        let back = rest[..end].char_indices().rev().take(overlap).last().map_or(end, |(at, _)| at);
        let back = if back == 0 { 0 } else { word_from(&rest[..end], back) };
        // A piece no longer than the overlap is not repeated.
        start += if back == 0 { end } else { back };
    }
    chunks
}

/// Where the first word at or after `from` begins; `from` if none does.
fn word_from(text: &str, from: usize) -> usize {
    let begins = |at: usize| {
        text[at..].starts_with(|char: char| !char.is_whitespace())
            && text[..at].chars().next_back().is_none_or(char::is_whitespace)
    };
    text[from..].char_indices().map(|(at, _)| from + at).find(|at| begins(*at)).unwrap_or(from)
}

/// Splits a text between paragraphs, joining as many as fit into `max` characters; a longer paragraph is a
/// separate piece.
pub fn paragraphs(text: &str, max: usize) -> Vec<&str> {
    let mut groups = Vec::new();
    let (mut start, mut length) = (0, 0);
    let mut at = 0;
    for paragraph in text.split_inclusive("\n\n") {
        let chars = paragraph.chars().count();
        if at > start && length + chars > max {
            groups.push(&text[start..at]);
            (start, length) = (at, 0);
        }
        at += paragraph.len();
        length += chars;
    }
    if at > start {
        groups.push(&text[start..at]);
    }
    groups
}

/// Splits a text before each Markdown heading, marked with `#` or underlined. Headings inside code, comments, front matter,
/// lists and quotations do not count.
pub fn sections(text: &str) -> Vec<&str> {
    let body = front_matter(text);
    let mut sections = Vec::new();
    let (mut start, mut depth) = (0, 0);
    for (event, range) in Parser::new(&text[body..]).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                let line = text[..body + range.start].rfind('\n').map_or(0, |newline| newline + 1);
                if depth == 0 && matches!(tag, Tag::Heading { .. }) && line > start {
                    sections.push(&text[start..line]);
                    start = line;
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    if start < text.len() {
        sections.push(&text[start..]);
    }
    sections
}

/// The end of the front matter: a block of YAML or TOML at the start of a text; 0 without one.
fn front_matter(text: &str) -> usize {
    let blocks =
        Options::ENABLE_YAML_STYLE_METADATA_BLOCKS | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    match Parser::new_ext(text, blocks).into_offset_iter().next() {
        Some((Event::Start(Tag::MetadataBlock(_)), range)) if range.start == 0 => range.end,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chunks_end_at_good_places() {
        let text = "One sentence here. Another one there. And a third, somewhat longer, at the end.";
        assert_eq!(
            pieces(text, 40, 0),
            ["One sentence here. Another one there. ", "And a third, somewhat longer, at the ", "end."]
        );
    }

    #[test]
    fn an_overlap_begins_with_a_word_if_one_begins_in_it() {
        let text = "The first words. The second words are more. And a third.";
        assert_eq!(
            pieces(text, 24, 9),
            ["The first words. ", "words. The second words ", "words are more. ", "more. And a third."]
        );
        assert_eq!(pieces("abcdefghij", 5, 2), ["abcde", "defgh", "ghij"], "no word begins in it");
        assert_eq!(
            pieces(" ab cdefghij", 6, 5),
            [" ab ", "cdefgh", "defghi", "efghij"],
            "a short piece is not repeated"
        );
    }

    #[test]
    fn whole_paragraphs_stay_together_and_a_long_one_is_alone() {
        assert_eq!(paragraphs("a\n\nbb\n\nc", 7), ["a\n\nbb\n\n", "c"]);
        assert_eq!(paragraphs("a\n\nlonger than ten\n\nc", 10), ["a\n\n", "longer than ten\n\n", "c"]);
        assert_eq!(paragraphs("", 10), Vec::<&str>::new());
    }

    #[test]
    fn a_section_begins_with_its_heading() {
        let text = "before\n# One\ntext\n```\n# no heading\n```\n## Two\n#none\n";
        assert_eq!(sections(text), ["before\n", "# One\ntext\n```\n# no heading\n```\n", "## Two\n#none\n"]);
        assert_eq!(sections("# One\n# Two"), ["# One\n", "# Two"]);
        for (text, wanted) in [
            ("a\n\nTitle\n=====\ntext\nB\n---\nc", &["a\n\n", "Title\n=====\n", "text\nB\n---\nc"][..]),
            ("a\n\nTitle\n=====\ntext\n\nB\n---\nc", &["a\n\n", "Title\n=====\ntext\n\n", "B\n---\nc"]),
            ("~~~\n# no\n~~~\n# Yes\n", &["~~~\n# no\n~~~\n", "# Yes\n"]),
            ("````\n```\n# no\n```\n````\n## Yes\n", &["````\n```\n# no\n```\n````\n", "## Yes\n"]),
            ("---\ntitle: x\n# no\n---\n# Yes\n", &["---\ntitle: x\n# no\n---\n", "# Yes\n"]),
            ("<!--\n# no\n-->\n  # Yes\n", &["<!--\n# no\n-->\n", "  # Yes\n"]),
            ("> # no\n\n- # no\n\n# Größe\r\n", &["> # no\n\n- # no\n\n", "# Größe\r\n"]),
            (
                "# One\na\n\n---\n# Two\nb\n\n---\n# Three",
                &["# One\na\n\n---\n", "# Two\nb\n\n---\n", "# Three"],
            ),
            ("", &[]),
        ] {
            assert_eq!(sections(text), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn sections_and_paragraphs_are_the_whole_text(text in "[aä#\r\n`~=<!>+ -]{0,80}", max in 1usize..20) {
            prop_assert_eq!(&sections(&text).concat(), &text);
            let groups = paragraphs(&text, max);
            prop_assert_eq!(&groups.concat(), &text);
            for group in groups {
                let is_one = group.trim_end_matches('\n').split("\n\n").count() <= 1;
                prop_assert!(group.chars().count() <= max || is_one || group.matches("\n\n").count() <= 1);
            }
        }

        #[test]
        fn nothing_is_lost_and_no_chunk_is_too_long(text in "\\PC{0,200}", max in 1usize..50, overlap in 0usize..40) {
            prop_assume!(overlap < max);
            let chunks = pieces(&text, max, overlap);
            for chunk in &chunks {
                prop_assert!(!chunk.is_empty() && chunk.chars().count() <= max);
            }
            // Each piece begins where the previous one ended, or within it: together they cover the text.
            let mut covered = 0;
            for chunk in &chunks {
                let start = chunk.as_ptr() as usize - text.as_ptr() as usize;
                prop_assert!(start <= covered && start + chunk.len() > covered);
                covered = start + chunk.len();
            }
            prop_assert_eq!(covered, text.len());
        }
    }
}
