//! Redirects: none is followed, because the content of a request is for the server of `base_url` only.
//!
//! [`http`](super::http) uses the error message: where the server redirects to, and what to write.

use reqwest::Url;

/// The message for a redirect from a URL to its `Location`.
pub(super) fn message(asked: &Url, location: Option<&str>) -> String {
    let unfollowed = "etl does not follow redirects, because that would send the texts to another server";
    let Some(target) = location.and_then(|location| asked.join(location).ok()) else {
        return format!("the server redirects without a location; {unfollowed}; check `base_url`");
    };
    let shown = shown(&target);
    match base(asked, &target) {
        Some(base) => format!(
            "the server redirects to `{shown}`; {unfollowed}; if you trust that server, write `base_url: {base}`"
        ),
        None => format!("the server redirects to `{shown}`; {unfollowed}; check `base_url`"),
    }
}

/// A URL without its secret parts.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The part before the endpoint's path, if the target ends with the requested path.
fn base(asked: &Url, target: &Url) -> Option<String> {
    let from = asked.path().rfind("/v1/")?;
    let prefix = target.path().trim_end_matches('/').strip_suffix(&asked.path()[from..])?;
    let has_host = matches!(target.scheme(), "http" | "https");
    has_host.then(|| format!("{}{prefix}", target.origin().ascii_serialization()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_what_to_write() {
        let base = |from: &str, to: &str| base(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        let asked = "http://a.test/v1/chat/completions";
        assert_eq!(base(asked, "https://a.test/v1/chat/completions").as_deref(), Some("https://a.test"));
        assert_eq!(
            base("http://a.test/x/v1/ocr", "http://b.test:81/y/v1/ocr/").as_deref(),
            Some("http://b.test:81/y")
        );
        assert_eq!(base(asked, "https://login.test/"), None);
        let reported = |location| message(&Url::parse(asked).unwrap(), location);
        let target = "http://user:secret@127.0.0.2:1/v1/chat/completions?token=secret";
        insta::assert_snapshot!(
            [reported(Some(target)), reported(Some("/login?back=1")), reported(None)].join("\n")
        );
    }
}
