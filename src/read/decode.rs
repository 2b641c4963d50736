//! Any encoding → UTF-8, as a stream. Main type: [`Decoded`].

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::Encoding;

/// An invalid UTF-8 byte: it replaces undecodable input, so that the line is bad.
const INVALID: u8 = 0xff;

const CHUNK: usize = 64 * 1024;

/// A stream as UTF-8.
pub(super) struct Decoded<R> {
    source: R,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    /// The part of `raw` that is not decoded yet.
    left: std::ops::Range<usize>,
    out: Vec<u8>,
    given: usize,
    done: bool,
}

impl<R: Read> Decoded<R> {
    /// `source` without its byte order mark.
    pub(super) fn new(source: R, encoding: Encoding) -> Self {
        let decoder = match encoding {
            Encoding::Utf8 | Encoding::Latin1 => None,
            Encoding::Utf16Le => Some(UTF_16LE.new_decoder_without_bom_handling()),
            Encoding::Utf16Be => Some(UTF_16BE.new_decoder_without_bom_handling()),
            Encoding::Windows1252 => Some(WINDOWS_1252.new_decoder_without_bom_handling()),
        };
        Self { source, decoder, raw: vec![0; CHUNK], left: 0..0, out: Vec::new(), given: 0, done: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.given = 0;
        while self.out.is_empty() && !self.done {
            if self.left.is_empty() {
                let read = self.source.read(&mut self.raw)?;
                self.left = 0..read;
            }
            let last = self.left.is_empty();
            let raw = &self.raw[self.left.clone()];
            let Some(decoder) = &mut self.decoder else {
                self.out.resize(raw.len() * 2, 0);
                let written = encoding_rs::mem::convert_latin1_to_utf8(raw, &mut self.out);
                self.out.truncate(written);
                self.left.start = self.left.end;
                self.done = last;
                continue;
            };
            self.out.resize(raw.len() * 3 + 16, 0);
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(raw, &mut self.out, last);
            self.out.truncate(written);
            self.left.start += read;
            match result {
                DecoderResult::Malformed(..) => self.out.push(INVALID),
                DecoderResult::InputEmpty => self.done = last,
                DecoderResult::OutputFull => {}
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.given == self.out.len() {
            self.fill()?;
        }
        let count = (self.out.len() - self.given).min(to.len());
        to[..count].copy_from_slice(&self.out[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
        let mut out = Vec::new();
        Decoded::new(bytes, encoding).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn each_encoding_becomes_utf_8() {
        let text = "a€é😀\n".repeat(50_000);
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(&le, Encoding::Utf16Le), text.as_bytes());
        assert_eq!(decoded(&be, Encoding::Utf16Be), text.as_bytes());
        assert_eq!(decoded(b"caf\xe9\x80", Encoding::Latin1), "café\u{80}".as_bytes());
        assert_eq!(decoded(b"caf\xe9\x80", Encoding::Windows1252), "café€".as_bytes());
    }

    #[test]
    fn what_cannot_be_decoded_leaves_a_mark() {
        // A lone surrogate in the middle, and half a character at the end.
        let bytes = [b'a', 0, 0x3d, 0xd8, b'\n', 0, b'b', 0, b'c'];
        assert_eq!(decoded(&bytes, Encoding::Utf16Le), b"a\xff\nb\xff");
    }
}
