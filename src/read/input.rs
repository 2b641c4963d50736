//! A file as a UTF-8 stream: opened, decompressed, decoded, checked for changes. Main type: [`Input`].

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use crate::files::Stamp;

use super::{Encoding, ReadError, compression::Kind, decode::Decoded};

/// An open text file.
pub(super) struct Input {
    file: File,
    reader: Box<dyn Read>,
    pub(super) stamp: Stamp,
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
}

impl Input {
    /// Opens a file. A byte order mark overrides `encoding`.
    pub(super) fn open(path: &Path, name: &Arc<str>, encoding: Encoding) -> Result<Self, ReadError> {
        let cannot = |error| ReadError::Open { file: Arc::clone(name), error };
        let meta = std::fs::metadata(path).map_err(cannot)?;
        if !meta.is_file() {
            return Err(cannot(io::Error::other("it is not a regular file")));
        }
        let file = File::open(path).map_err(cannot)?;
        let stamp = Stamp::of(&file.metadata().map_err(cannot)?);
        let mut raw = BufReader::with_capacity(128 * 1024, file.try_clone().map_err(cannot)?);
        let gzip = {
            let start = io::BufRead::fill_buf(&mut raw).map_err(cannot)?;
            start.starts_with(&[0x1f, 0x8b])
                || (!start.is_empty() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz")))
        };
        let (kind, mut reader): (_, Box<dyn Read>) = match gzip {
            true => (Kind::Gzip, Box::new(MultiGzDecoder::new(raw))),
            false => (Kind::Plain, Box::new(raw)),
        };
        let start = start_of(&mut *reader).map_err(|error| ReadError::reading(name, kind, 0, &error))?;
        let (encoding, mark) = match *start {
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
            _ => (encoding, 0),
        };
        let whole = Cursor::new(start[mark..].to_vec()).chain(reader);
        let reader: Box<dyn Read> = match encoding {
            Encoding::Utf8 => Box::new(whole),
            _ => Box::new(Decoded::new(whole, encoding)),
        };
        Ok(Self { file, reader, stamp, kind, encoding })
    }

    /// Checks that the file has not changed since it was opened.
    pub(super) fn unchanged(&self, name: &Arc<str>) -> Result<(), ReadError> {
        self.stamp.unchanged(&self.file).map_err(|error| ReadError::of_stamp(name, &error))
    }
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.reader.read(to)
    }
}

/// The first bytes, up to the length of a byte order mark.
fn start_of(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(3);
    reader.take(3).read_to_end(&mut start)?;
    Ok(start)
}
