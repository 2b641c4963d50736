//! Shared texts of mistakes: lists of names, and the name that was most likely meant.

pub(super) fn did_you_mean(name: &str, known: &[String], otherwise: &str) -> String {
    match likely(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => match name.split_once('.') {
            Some((value, _)) if known.is_empty() => format!("`{value}` is a value without parts"),
            Some((first, _)) if known.iter().any(|known| known == first) => {
                format!("`{first}` has no such part")
            }
            _ => otherwise.to_owned(),
        },
    }
}

/// The nearest name; of a path, the same path below the nearest first name; a path that ends with the name.
fn likely(name: &str, known: &[String]) -> Option<String> {
    // If other known paths have its prefix, only the last part is compared.
    if let Some((prefix, last)) = name.rsplit_once('.') {
        let part = |path: &'_ String| path.strip_prefix(prefix)?.strip_prefix('.').map(str::to_owned);
        let parts: Vec<String> = known.iter().filter_map(part).collect();
        if !parts.is_empty() {
            let near = nearest(last, parts.iter().map(String::as_str)).filter(|near| *near != last)?;
            return Some(format!("{prefix}.{near}"));
        }
    }
    let near = |name: &str| nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    let below = || known.iter().find(|path| path.strip_suffix(name).is_some_and(|path| path.ends_with('.')));
    let first = || {
        let (first, rest) = name.split_once('.')?;
        near(first).filter(|near| near != first).map(|first| format!("{first}.{rest}"))
    };
    near(name).or_else(|| below().cloned()).or_else(first)
}

/// The known name that is most likely meant by a mistyped one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names of other services for the same thing, if the spelling differs too much for a suggestion.
const ELSEWHERE: &[(&str, &str)] = &[
    ("seed", "random_seed"),
    ("max_completion_tokens", "max_tokens"),
    ("max_output_tokens", "max_tokens"),
    ("response_format", "schema"),
    ("messages", "prompt"),
    ("stop_sequences", "stop"),
    ("functions", "tools"),
];

/// The known key most likely meant by an unknown one: misspelt, or another service's name for it.
pub fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let elsewhere = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == key);
    let here = elsewhere.and_then(|(_, here)| known.iter().copied().find(|known| known == here));
    here.or_else(|| nearest(key, known.iter().copied()))
}

pub(super) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

pub(super) fn one_of<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => format!("`{}`", one.as_ref()),
        [init @ .., last] => format!("{} or `{}`", listed(init), last.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_the_wrong_part_is_compared() {
        let known = ["etl.failure.stage", "etl.failure.reason", "product", "product.sku", "review"]
            .map(str::to_owned);
        for (name, wanted) in [
            ("etl.failure.message", None),
            ("etl.failure.raeson", Some("etl.failure.reason")),
            ("product.sku", None),
            ("prodcut.sku", Some("product.sku")),
            ("sku", Some("product.sku")),
            ("review.stars", None),
            ("reviw", Some("review")),
        ] {
            assert_eq!(likely(name, &known).as_deref(), wanted, "{name}");
        }
    }
}
