//! Decodes response bodies to text: compression, byte order marks, invalid bytes.
//!
//! This client does not request compression, but some proxies compress anyway. A received answer is paid for, so
//! every common encoding is tried. [`http`](super::http) inflates the bytes, and [`received`](super::received)
//! converts them to text.

use std::io::Read;

use bytes::Bytes;

/// Undoes the compression named by a `Content-Encoding` header or shown by the first bytes.
///
/// # Errors
/// Why the body cannot be decoded, worded to follow "the answer …".
pub(super) fn inflated(bytes: Bytes, encodings: Option<&str>, most: usize) -> Result<Bytes, String> {
    let mut bytes = bytes;
    let names: Vec<String> = encodings
        .into_iter()
        .flat_map(|list| list.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    // The encoding named last was applied last.
    for name in names.iter().rev() {
        bytes = match undone(name, &bytes, most) {
            Ok(inflated) => inflated.into(),
            // A proxy may inflate the body and leave the header.
            Err(_) if is_json(&bytes) => bytes,
            Err(why) => return Err(why),
        };
    }
    if names.is_empty() && bytes.starts_with(GZIP) {
        bytes = undone("gzip", &bytes, most)?.into();
    }
    Ok(bytes)
}

/// The magic number of gzip.
const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];

fn undone(name: &str, bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let read = |from: &mut dyn Read| {
        let mut inflated = Vec::new();
        let read = from.take(most as u64 + 1).read_to_end(&mut inflated);
        match read {
            Ok(_) if inflated.len() > most => Err(too_large(most)),
            Ok(_) => Ok(inflated),
            Err(error) => Err(format!("is compressed with {name} and cannot be decompressed ({error})")),
        }
    };
    match name {
        "gzip" | "x-gzip" => read(&mut flate2::read::MultiGzDecoder::new(bytes)),
        // The name means zlib's format; some servers send raw deflate.
        "deflate" => read(&mut flate2::read::ZlibDecoder::new(bytes))
            .or_else(|_| read(&mut flate2::read::DeflateDecoder::new(bytes))),
        "br" => read(&mut brotli_decompressor::Decompressor::new(bytes, 4096)),
        _ => Err(format!("is compressed with `{name}`, which etl cannot decompress")),
    }
}

/// The message for a body that is too large.
pub(super) fn too_large(most: usize) -> String {
    format!("is larger than {}", crate::units::Size(most as u64))
}

fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes).trim_ascii_start();
    bytes.starts_with(b"{") || bytes.starts_with(b"[")
}

const BOM: &[u8] = &[0xef, 0xbb, 0xbf];

/// Decodes a body to text, and reports what had to be replaced.
pub(super) fn text(bytes: &[u8]) -> (String, Option<String>) {
    if let Some(units) = bytes.strip_prefix(&[0xff, 0xfe]) {
        return (utf16(units, u16::from_le_bytes), None);
    }
    if let Some(units) = bytes.strip_prefix(&[0xfe, 0xff]) {
        return (utf16(units, u16::from_be_bytes), None);
    }
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => {
            let bad = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
            let note = format!("replaced: {bad} sequences of bytes that are not UTF-8, with `\u{fffd}`");
            (String::from_utf8_lossy(bytes).into_owned(), Some(note))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    const BODY: &[u8] = b"{\"choices\":[]}";
    /// `BODY` in brotli: one uncompressed block and the end marker.
    const BROTLI: &[u8] = b"\x8b\x06\x80{\"choices\":[]}\x03";

    fn reported(bytes: &[u8], encodings: Option<&str>) -> Result<Bytes, String> {
        inflated(Bytes::copy_from_slice(bytes), encodings, 100)
    }

    #[test]
    fn what_a_proxy_compressed_is_had_again() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(BODY).unwrap();
        zlib.write_all(BODY).unwrap();
        bare.write_all(BODY).unwrap();
        let (gzip, zlib, bare) = (gzip.finish().unwrap(), zlib.finish().unwrap(), bare.finish().unwrap());
        for (bytes, encodings) in [
            (&gzip[..], Some("gzip")),
            (&gzip, Some("X-GZIP")),
            (&gzip, None),
            (&zlib, Some("deflate")),
            (&bare, Some(" deflate , identity")),
            (BROTLI, Some("br")),
            (BODY, Some("gzip")),
            (BODY, None),
        ] {
            assert_eq!(reported(bytes, encodings).as_deref(), Ok(BODY), "{encodings:?}");
        }
        let mut twice = GzEncoder::new(Vec::new(), Compression::fast());
        twice.write_all(&zlib).unwrap();
        assert_eq!(reported(&twice.finish().unwrap(), Some("deflate, gzip")).as_deref(), Ok(BODY));
    }

    #[test]
    fn what_cannot_be_had_is_named_and_a_bomb_is_bounded() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(&[b' '; 1000]).unwrap();
        assert_eq!(reported(&bomb.finish().unwrap(), Some("gzip")).unwrap_err(), "is larger than 100B");
        assert_eq!(
            reported(b"\x28\xb5", Some("zstd")).unwrap_err(),
            "is compressed with `zstd`, which etl cannot decompress"
        );
        assert!(reported(b"nothing", Some("gzip")).unwrap_err().contains("cannot be decompressed"));
    }

    #[test]
    fn marks_are_left_out_and_bad_bytes_replaced() {
        assert_eq!(text(b"\xef\xbb\xbf{}"), ("{}".to_owned(), None));
        assert_eq!(text(b"\xff\xfe{\0}\0"), ("{}".to_owned(), None));
        assert_eq!(text(b"\xfe\xff\0{\0}"), ("{}".to_owned(), None));
        let (read, note) = text(b"{\"a\":\"\xe9t\xe9\"}");
        assert_eq!(read, "{\"a\":\"\u{fffd}t\u{fffd}\"}");
        assert_eq!(note.unwrap(), "replaced: 2 sequences of bytes that are not UTF-8, with `\u{fffd}`");
    }
}
