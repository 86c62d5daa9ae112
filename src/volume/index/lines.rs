//! The texts of `files.jsonl` and `gone.jsonl`, compressed line by line as members end, so
//! that closing a segment does not wait for it.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::FileLine;
use super::json::{LineJson, LineText, PathJson};

/// Half of a line is its digest, which does not shrink, and the rest repeats the line before:
/// higher levels find no more in that, and take twice the time.
const LEVEL: i32 = 1;

/// Compressing into memory takes whatever comes.
const IN_MEMORY: &str = "compressing into memory does not fail";

/// So much text goes to the compressor at a time: a call costs as much as several lines.
const TEXT_AT_ONCE: usize = 32 << 10;

/// One of them being made. Memory: the compressor's 1 MB and about 100 bytes a line.
pub(crate) struct Lines {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    /// Lines that the compressor does not have yet.
    text: Vec<u8>,
    /// Length of those that it has.
    compressed_bytes: u64,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).expect(IN_MEMORY);
        encoder.include_checksum(true).expect(IN_MEMORY);
        Self {
            encoder,
            text: Vec::new(),
            compressed_bytes: 0,
        }
    }

    pub(crate) fn push(&mut self, line: &FileLine) {
        write_line(&mut self.text, line);
        self.compress(TEXT_AT_ONCE);
    }

    pub(crate) fn push_gone(&mut self, path: &[u8]) {
        write_gone(&mut self.text, path);
        self.compress(TEXT_AT_ONCE);
    }

    /// Hands the text on, if there is so much of it.
    fn compress(&mut self, least_bytes: usize) {
        if self.text.len() >= least_bytes {
            self.compressed_bytes += self.text.len() as u64;
            self.encoder.write_all(&self.text).expect(IN_MEMORY);
            self.text.clear();
        }
    }

    /// Length of the text so far, before compression.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.compressed_bytes + self.text.len() as u64
    }

    /// The compressed text.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.compress(0);
        self.encoder.finish().expect(IN_MEMORY)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("text_bytes", &self.text_bytes())
            .finish_non_exhaustive()
    }
}

/// Length of the text of one line, its newline included.
pub(crate) fn line_bytes(line: &FileLine) -> u64 {
    let mut count = Count(0);
    write_line(&mut count, line);
    count.0
}

/// Length of the text of a line of `gone.jsonl`, its newline included.
pub(crate) fn gone_bytes(path: &[u8]) -> u64 {
    let mut count = Count(0);
    write_gone(&mut count, path);
    count.0
}

fn write_line(out: &mut impl Write, line: &FileLine) {
    write_json(out, &LineJson::new(line, &LineText::new(line)));
}

fn write_gone(out: &mut impl Write, path: &[u8]) {
    write_json(out, &PathJson::new(path));
}

fn write_json(out: &mut impl Write, line: &impl Serialize) {
    let written = serde_json::to_writer(&mut *out, line);
    written.expect("a struct of numbers and strings is JSON");
    out.write_all(b"\n").expect("memory takes whatever comes");
}

/// Counts what is written to it.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
