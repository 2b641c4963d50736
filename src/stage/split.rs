//! A text in pieces.

/// The pieces of a text.
///
/// A piece has at most `max` characters and begins with the last `overlap` of the one before; it
/// ends at the end of a paragraph, a sentence or a word where there is one in its second half.
pub fn pieces(text: &str, max: usize, overlap: usize) -> Vec<&str> {
    let mut chunks = Vec::new();
    let (mut start, mut covered) = (0, 0);
    while covered < text.len() {
        let rest = &text[start..];
        let Some((end, _)) = rest.char_indices().nth(max) else {
            chunks.push(rest);
            break;
        };
        // A good place within what the chunk before has covered already would lead nowhere.
        let half = rest[..end].char_indices().nth(max / 2).map_or(0, |(at, _)| at).max(covered - start);
        let good = ["\n\n", ". ", "\n", " "].iter().find_map(|mark| {
            let at = rest[half..end].rfind(mark)?;
            Some(half + at + mark.len())
        });
        let end = good.unwrap_or(end);
        chunks.push(&rest[..end]);
        covered = start + end;
        let back = rest[..end].char_indices().rev().take(overlap).last().map_or(end, |(at, _)| at);
        // A chunk no longer than the overlap is not repeated whole.
        start += if back == 0 { end } else { back };
    }
    chunks
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

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_chunk_is_too_long(text in "\\PC{0,200}", max in 1usize..50, overlap in 0usize..40) {
            prop_assume!(overlap < max);
            let chunks = pieces(&text, max, overlap);
            for chunk in &chunks {
                prop_assert!(!chunk.is_empty() && chunk.chars().count() <= max);
            }
            // Each chunk begins where the one before ended, or within it: together they cover the text.
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
