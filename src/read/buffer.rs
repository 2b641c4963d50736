//! A window over a byte stream that grows to the longest line. Main type: [`Buffer`].

use std::io::{self, Read};

use memchr::memchr;

/// The initial size of the window.
const SMALL: usize = 256 * 1024;

/// A longer line or record is a bad line.
pub(super) const LONGEST: usize = 64 * 1024 * 1024;

/// Bytes that were read but not consumed yet.
pub(super) struct Buffer<R> {
    source: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    done: bool,
    used: u64,
}

/// The end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A line of this many bytes, including its terminator.
    Of(usize),
    /// It is longer than [`LONGEST`].
    TooLong,
    /// The end of the data.
    None,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, bytes: vec![0; SMALL], start: 0, end: 0, done: false, used: 0 }
    }

    /// The bytes that were read but not consumed yet.
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether the window ends at the end of the data.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// The number of consumed bytes.
    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    pub(super) const fn source(&self) -> &R {
        &self.source
    }

    /// Consumes this many bytes.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
        self.used += bytes as u64;
    }

    /// Extends the window; `false` at the end of the data.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        if self.done {
            return Ok(false);
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end > self.bytes.len() / 2 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        loop {
            match self.source.read(&mut self.bytes[self.end..]) {
                Ok(0) => {
                    self.done = true;
                    return Ok(false);
                }
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The end of the line at the start of the window.
    pub(super) fn line(&mut self, terminator: u8) -> io::Result<Line> {
        let mut seen = 0;
        loop {
            let window = self.window();
            if let Some(at) = memchr(terminator, &window[seen..]) {
                let length = seen + at + 1;
                return Ok(if length > LONGEST { Line::TooLong } else { Line::Of(length) });
            }
            seen = window.len();
            if seen > LONGEST {
                return Ok(Line::TooLong);
            }
            if !self.more()? {
                return Ok(if seen == 0 { Line::None } else { Line::Of(seen) });
            }
        }
    }

    /// Moves past the end of a line, however long it is.
    pub(super) fn skip_line(&mut self, terminator: u8) -> io::Result<()> {
        loop {
            if let Some(at) = memchr(terminator, self.window()) {
                self.consume(at + 1);
                return Ok(());
            }
            self.consume(self.end - self.start);
            if !self.more()? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_come_whole() {
        let lines: Vec<String> = (0..40).map(|n| "x".repeat(n * 40_000)).collect();
        let text = lines.join("\n");
        let mut buffer = Buffer::new(text.as_bytes());
        for line in &lines {
            let Line::Of(length) = buffer.line(b'\n').unwrap() else { panic!("a line") };
            assert_eq!(&buffer.window()[..length], &text.as_bytes()[buffer.used() as usize..][..length]);
            assert_eq!(buffer.window()[..length].trim_ascii_end().len(), line.len());
            buffer.consume(length);
        }
        assert_eq!(buffer.line(b'\n').unwrap(), Line::None);
        assert_eq!(buffer.used(), text.len() as u64);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let text = [vec![b'x'; LONGEST + 10], b"\nnext\n".to_vec()].concat();
        let mut buffer = Buffer::new(&*text);
        assert_eq!(buffer.line(b'\n').unwrap(), Line::TooLong);
        buffer.skip_line(b'\n').unwrap();
        assert_eq!(buffer.line(b'\n').unwrap(), Line::Of(5));
    }
}
