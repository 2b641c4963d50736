//! Counts the pages of a document from its bytes, so that the cost is known before the request.
//!
//! The stages that read documents and the simulator both call [`count`], so that they agree.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// The most bytes to inflate of one object stream.
const INFLATED: u64 = 64_000_000;

/// The number of pages of a PDF or an image. `None` for formats without fixed pages, such as a text or a
/// spreadsheet, and for a PDF whose pages cannot be found.
pub fn count(bytes: &[u8]) -> Option<u64> {
    if bytes[..bytes.len().min(1024)].windows(5).any(|start| start == b"%PDF-") {
        return pdf(bytes);
    }
    if let Some(little) = tiff(bytes) {
        return images(bytes, little);
    }
    let is_picture = bytes.starts_with(b"\x89PNG")
        || bytes.starts_with(b"\xff\xd8\xff")
        || bytes.starts_with(b"GIF8")
        || bytes.starts_with(b"BM")
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
        || (bytes.get(4..8) == Some(b"ftyp") && matches!(bytes.get(8..11), Some(b"avi" | b"hei" | b"mif")));
    is_picture.then_some(1)
}

/// The objects of type `Page`, in the file and in its object streams.
fn pdf(bytes: &[u8]) -> Option<u64> {
    let mut pages = page_objects(bytes);
    let mut from = 0;
    while let Some(at) = find(bytes, from, b"/ObjStm") {
        from = at + 1;
        let start = find(bytes, at, b"stream")? + b"stream".len();
        let line = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut inflated = Vec::new();
        // A stream that cannot be inflated may contain pages.
        ZlibDecoder::new(&bytes[start + line..]).take(INFLATED).read_to_end(&mut inflated).ok()?;
        pages += page_objects(&inflated);
    }
    (pages > 0).then_some(pages)
}

fn page_objects(bytes: &[u8]) -> u64 {
    let mut pages = 0;
    let mut from = 0;
    while let Some(at) = find(bytes, from, b"/Type") {
        from = at + 1;
        let value = bytes[at + b"/Type".len()..].trim_ascii_start();
        let is_page = value.starts_with(b"/Page") && !value.get(5).is_some_and(u8::is_ascii_alphanumeric);
        pages += u64::from(is_page);
    }
    pages
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == what[0])?;
        if bytes[at..].starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
}

/// Whether a TIFF is little-endian; `None` if it is not a TIFF.
fn tiff(bytes: &[u8]) -> Option<bool> {
    match bytes.get(..4)? {
        b"II*\0" => Some(true),
        b"MM\0*" => Some(false),
        _ => None,
    }
}

/// The number of images of a TIFF: a chain of directories.
fn images(bytes: &[u8], little: bool) -> Option<u64> {
    let number = |at: usize, size: usize| -> Option<usize> {
        let digits = bytes.get(at..at + size)?.iter().map(|byte| usize::from(*byte));
        let add = |sum: usize, digit: usize| (sum << 8) | digit;
        Some(if little { digits.rev().fold(0, add) } else { digits.fold(0, add) })
    };
    let (mut at, mut count) = (number(4, 4)?, 0);
    while at != 0 {
        count += 1;
        // A chain with a loop has no end.
        if count > 100_000 {
            return None;
        }
        at = number(at + 2 + number(at, 2)? * 12, 4)?;
    }
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    #[test]
    fn pages_are_counted_in_the_file() {
        let plain =
            b"%PDF-1.4\n1 0 obj<</Type/Pages/Count 2>>2 0 obj<</Type /Page/A 1>>3 0 obj<</Type\n/Page>>";
        assert_eq!(count(plain), Some(2));
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"2 0 3 40 <</Type/Page>> <</Type/Page/Parent 1 0 R>> <</Type/Pages>>").unwrap();
        let head = b"%PDF-1.5\n1 0 obj<</Type/ObjStm/Filter/FlateDecode>>stream\r\n".as_slice();
        let packed = [head, &zlib.finish().unwrap(), b"\nendstream"].concat();
        assert_eq!(count(&packed), Some(2));
        assert_eq!(
            count(&[head, b"encrypted\nendstream", plain].concat()),
            None,
            "what is hidden is not guessed"
        );
        assert_eq!(count(b"%PDF-1.4\nnothing"), None);
        assert_eq!(count(b"\x89PNG\r\n"), Some(1));
        assert_eq!(count(b"RIFF\0\0\0\0WEBP"), Some(1));
        assert_eq!(count(b"PK\x03\x04 a spreadsheet"), None);
        assert_eq!(count(b""), None);
    }

    #[test]
    fn the_pictures_of_a_tiff_are_its_pages() {
        // Two directories without entries: at 8, and at 14.
        let little = b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0";
        assert_eq!((count(little), count(big)), (Some(2), Some(2)));
        let circle = b"II*\0\x08\0\0\0\0\0\x08\0\0\0";
        assert_eq!(count(circle), None);
    }
}
