//! Where the service is: the address that is meant unless another one is given, and those of its regions.

/// The address that is meant unless another one is given.
pub const BASE_URL: &str = "https://api.mistral.ai";

/// The regions by their names.
pub const REGIONS: &[(&str, &str)] =
    &[("global", BASE_URL), ("eu", "https://api.eu.mistral.ai"), ("us", "https://api.us.mistral.ai")];

/// The address of a region: `eu`, `us`, or `global` for the one that is meant without a region.
pub fn region(name: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(region, _)| *region == name).map(|(_, url)| *url)
}

/// The address that a person means by a region's name or an address of their own.
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
