//! The URLs of the service: the default, and those of its regions.

/// The default URL.
pub const BASE_URL: &str = "https://api.mistral.ai";

/// The regions by name.
pub const REGIONS: &[(&str, &str)] =
    &[("global", BASE_URL), ("eu", "https://api.eu.mistral.ai"), ("us", "https://api.us.mistral.ai")];

/// The URL of a region: `eu`, `us`, or `global` for the default.
pub fn region(name: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(region, _)| *region == name).map(|(_, url)| *url)
}

/// The URL for a region's name or a URL given by the user.
///
/// ```
/// assert_eq!(etl::region::base_url("eu").as_deref(), Some("https://api.eu.mistral.ai"));
/// assert_eq!(etl::region::base_url("http://127.0.0.1:8080/").as_deref(), Some("http://127.0.0.1:8080"));
/// assert_eq!(etl::region::base_url("moon"), None);
/// ```
pub fn base_url(text: &str) -> Option<String> {
    if let Some(url) = region(text) {
        return Some(url.to_owned());
    }
    let host = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme))?;
    let has_host = !host.is_empty() && !host.starts_with(['/', ':', '?', '#']);
    (has_host && !text.contains(char::is_whitespace)).then(|| text.trim_end_matches('/').to_owned())
}
