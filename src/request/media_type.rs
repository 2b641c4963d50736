//! Media types of attached files, by extension. A type added here is sent as an image or a document according to
//! its name. Its pages are counted in [`pages`](crate::pages).

use std::path::Path;

/// Media types by file extension.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("avif", "image/avif"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("bmp", "image/bmp"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("epub", "application/epub+zip"),
    ("html", "text/html"),
    ("md", "text/markdown"),
    ("txt", "text/plain"),
];

/// All extensions, as listed in a message.
pub(super) fn endings() -> String {
    MEDIA_TYPES.iter().map(|(ending, _)| format!("`.{ending}`")).collect::<Vec<_>>().join(", ")
}

/// The media type of a file.
pub(super) fn of_path(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    MEDIA_TYPES.iter().find(|(known, _)| *known == ending).map(|(_, media_type)| *media_type)
}

/// Whether a media type is an image.
pub(super) fn is_image(media_type: &str) -> bool {
    media_type.starts_with("image/")
}

/// Whether a URL leads to an image: stated in a `data:` URL, otherwise judged by the extension of its path.
pub(super) fn is_image_address(address: &str) -> bool {
    if let Some(rest) = address.strip_prefix("data:") {
        return is_image(rest);
    }
    let path = address.split(['?', '#']).next().unwrap_or_default();
    of_path(Path::new(path)).is_some_and(is_image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_images_are_recognised() {
        let images = [
            "https://x.org/a.png",
            "https://x.org/a.HEIC",
            "https://x.org/a.bmp?x=1#y",
            "data:image/png;base64,AA",
        ];
        let documents = [
            "https://x.org/a.pdf",
            "https://x.org/a",
            "https://x.org/a.png/b",
            "data:application/pdf;base64,AA",
            "https://x.org/?f=a.png",
        ];
        assert!(images.into_iter().all(is_image_address));
        assert!(!documents.into_iter().any(is_image_address));
    }
}
