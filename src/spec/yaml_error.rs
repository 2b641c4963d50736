//! Errors of the YAML library, reworded.

use serde_yaml::{Error, budget::BudgetBreach};

/// The message for a text that is not a valid YAML tree.
pub(crate) fn message(error: &Error) -> String {
    format!("not a valid spec: {}", reason(error))
}

fn reason(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => reason(error),
        Error::Budget { breach, .. } => limit(breach).to_owned(),
        Error::MultipleDocuments { .. } => limit(&BudgetBreach::Documents { documents: 2 }).to_owned(),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => ALIASES.to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "this anchor contains an alias of itself".to_owned()
        }
        Error::UnknownAnchor { .. } => "this alias has no anchor (`&name`) above it".to_owned(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            "`<<` takes an alias of a mapping, or a list of them".to_owned()
        }
        Error::NonFiniteFloat { value, .. } => format!("`{value}` is not a finite number"),
        Error::Unexpected { expected: "string scalar", .. } => "a key must be a string".to_owned(),
        other => {
            let text = other.to_string();
            // The crate appends the place, which is shown separately.
            let text = text.split(" at line ").next().unwrap_or(&text);
            text.trim_end_matches([' ', ',', ':']).to_owned()
        }
    }
}

const ALIASES: &str = "its aliases (`*name`) expand to too many values";

const fn limit(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Documents { .. } => {
            "a second YAML document begins here; one file is one pipeline, so remove the `---`"
        }
        BudgetBreach::Depth { .. } => "values are nested too deeply",
        BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. } => ALIASES,
        BudgetBreach::Anchors { .. } => "it has too many anchors (`&name`)",
        BudgetBreach::MergeKeys { .. } => "it has too many merge keys (`<<`)",
        BudgetBreach::ScalarBytes { .. } => "it has too much text; put long texts in separate files",
        _ => "it has too many values, with aliases (`*name`) expanded; put records in separate files",
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::read;

    #[test]
    fn what_is_written_out_is_read_however_long() {
        assert!(read(&format!("a: [{}]\n", "x, ".repeat(200_000))).is_ok());
    }

    #[test]
    fn a_tab_is_shown_where_it_is() {
        for text in ["a:\n  - b: 1\n\tc: 2\n", "a:\n\t- b\n", "a:\n  b: 1\n  \tc: 2\n"] {
            let (span, message) = read(text).unwrap_err();
            assert_eq!(&text[span], "\t", "{text:?}: {message}");
            assert!(message.starts_with("a tab cannot indent"), "{message}");
        }
    }

    #[test]
    fn limits_are_reported_in_our_own_words() {
        let bomb = |count: usize| {
            let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
            for (name, of) in ["b", "c", "d", "e", "f"].iter().zip(["a", "b", "c", "d", "e"]) {
                text.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); count].join(", ")));
            }
            text
        };
        for (text, wanted) in [
            ("a: 1\n---\nb: 2\n".to_owned(), "a second YAML document"),
            (bomb(10), "too many values"),
            (format!("a: {}1{}\n", "[".repeat(60), "]".repeat(60)), "nested too deeply"),
            ("a: &a [*a]\n".to_owned(), "contains an alias of itself"),
            ("a: *b\n".to_owned(), "no anchor"),
            ("<<: 3\na: 1\n".to_owned(), "`<<` takes"),
            ("a: .inf\n".to_owned(), "not a finite number"),
            ("? [a, b]\n: c\n".to_owned(), "a key must be a string"),
        ] {
            let (_, message) = read(&text).unwrap_err();
            assert!(message.contains(wanted) && !message.contains("budget"), "{message}, not {wanted}");
        }
    }
}
