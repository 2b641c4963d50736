//! Explains a line whose indentation matches no line above it, better than the YAML parser's message. Called on a
//! YAML syntax error.

/// What is wrong with the indentation of the line at a place, if that caused the YAML error.
pub(crate) fn mistake(source: &str, at: usize) -> Option<String> {
    let number = source.get(..at)?.matches('\n').count();
    let lines: Vec<&str> = source.lines().collect();
    let (indent, entry) = parts(lines.get(number)?)?;
    if !is_entry(entry) {
        return None;
    }
    let above: Vec<(usize, &str)> = lines[..number].iter().rev().filter_map(|line| parts(line)).collect();
    // The start columns of the open collections above, innermost first.
    let mut open: Vec<usize> = Vec::new();
    for (column, text) in &above {
        let content = content_column(*column, text);
        for begins in [content, *column] {
            if open.last().is_none_or(|inner| begins < *inner) {
                open.push(begins);
            }
        }
    }
    let (column, previous) = above.first()?;
    let opens_more = previous.ends_with(':') || previous.ends_with(['|', '>', '-', ',', '{', '[']);
    if open.contains(&indent) || (indent > content_column(*column, previous) && opens_more) {
        return None;
    }
    let known = open.iter().take(3).map(usize::to_string).collect::<Vec<_>>();
    let known = match &known[..] {
        [known @ .., last] if !known.is_empty() => format!("{} or {last}", known.join(", ")),
        known => known.join(""),
    };
    let spaces = if indent == 1 { "1 space".to_owned() } else { format!("{indent} spaces") };
    let text = match previous.split_once(": ") {
        Some((key, text)) if indent > content_column(*column, previous) && text.contains(' ') => format!(
            "; if it continues the text of the line above, write `{}: |` and the text below it",
            key.trim_start_matches("- ")
        ),
        _ => String::new(),
    };
    Some(format!("this line is indented by {spaces}; expected {known}, as the lines above{text}"))
}

/// The indentation of a line and its content; `None` for an empty line or a comment.
fn parts(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches(' ');
    let is_content = !text.trim().is_empty() && !text.starts_with('#');
    is_content.then(|| (line.len() - text.len(), text.trim_end()))
}

/// Where the keys of an item begin: after its dash.
fn content_column(column: usize, text: &str) -> usize {
    let item = text.strip_prefix('-').map_or(text, |rest| rest.trim_start_matches(' '));
    column + text.len() - item.len()
}

/// `key: value`, or an item of a list.
fn is_entry(text: &str) -> bool {
    let key = text.split(':').next().unwrap_or_default();
    text.starts_with("- ")
        || text.contains(':') && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_fits_no_other_is_found_and_others_are_not() {
        let wrong = [
            (
                "stages:\n  - source: s\n    csv: a.csv\n     key: id\n",
                "key: id",
                "by 5 spaces; expected 4, 2 or 0, as the lines above",
            ),
            (
                "stages:\n  - source: s\n    csv: a.csv\n   key: id\n",
                "key: id",
                "by 3 spaces; expected 4, 2 or 0, as the lines above",
            ),
            (
                "stages:\n  - source: s\n    csv: a.csv\n - sink: t\n",
                "- sink",
                "by 1 space; expected 4, 2 or 0, as the lines above",
            ),
        ];
        for (text, at, wanted) in wrong {
            let found = mistake(text, text.find(at).unwrap()).unwrap_or_default();
            assert!(found.ends_with(wanted), "{text}: {found}");
        }
        for (text, at) in [
            ("stages:\n  - source: s\n    csv: a.csv\n    key: a: b\n", "key"),
            ("a:\n  b: x\n  c: y: z\n", "c:"),
            ("chat:\n    model: x\n", "model"),
            ("text: |\n  some\n    more: of it\n", "some"),
        ] {
            assert_eq!(mistake(text, text.find(at).unwrap()), None, "{text}");
        }
    }
}
