//! Streams that are compressed, recognised by their first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// Enough to recognise any.
const MAGIC_BYTES: usize = 10;
/// The most memory that unpacking takes: what `xz -9` and `zstd --ultra` need, and `--long=27`.
const MEMORY_BYTES: u64 = 128 << 20;
const WINDOW_LOG: u32 = 27;

const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const XZ: &[u8] = b"\xfd7zXZ\0";
/// `BZh`, a digit, and the block's magic, since a file in an archive may have a name like that.
const BZIP2: (&[u8], &[u8]) = (b"BZh", b"1AY&SY");

/// What `stream` holds: unpacked, if it is packed in a way that is known. Streams one behind
/// the other count as one.
pub(super) fn unpacked<'a>(mut stream: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = Vec::with_capacity(MAGIC_BYTES);
    (&mut stream)
        .take(MAGIC_BYTES as u64)
        .read_to_end(&mut magic)?;
    let packing = magic.clone();
    let whole = BufReader::with_capacity(128 << 10, Cursor::new(magic).chain(stream));
    of_packing(&packing, whole)
}

fn of_packing<'a>(magic: &[u8], whole: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    if magic.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(whole)));
    }
    if magic.starts_with(ZSTD) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
        decoder.window_log_max(WINDOW_LOG)?;
        return Ok(Box::new(decoder));
    }
    if magic.starts_with(XZ) {
        let stream = Stream::new_stream_decoder(MEMORY_BYTES, CONCATENATED)?;
        return Ok(Box::new(XzDecoder::new_stream(whole, stream)));
    }
    if magic.starts_with(BZIP2.0) && magic.get(4..) == Some(BZIP2.1) {
        return Ok(Box::new(MultiBzDecoder::new(whole)));
    }
    Ok(Box::new(whole))
}
