//! Decompresses gzip and zstd as a stream, with limits that apply before memory is used.

use crate::error::{Error, ErrorKind, Result};
use std::io::{self, BufRead, BufReader, Read};

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not compressed.
    Identity,
    /// gzip, one or more members.
    Gzip,
    /// Zstandard.
    Zstd,
    /// What HTTP calls deflate: a zlib stream.
    Deflate,
}

/// The largest window of a zstd frame: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

impl Coding {
    /// Parses the value of a `Content-Encoding` header.
    ///
    /// # Errors
    /// Any coding other than `identity`, `gzip`, `zstd` and `deflate`, and more than one.
    pub fn from_header(value: &str) -> Result<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "deflate" => Ok(Self::Deflate),
            other => Err(Error::parameter(
                "Content-Encoding",
                format!(
                    "{:?} is not supported: send gzip, zstd, deflate or identity",
                    crate::event::clip(other, 40)
                ),
            )),
        }
    }

    /// Detects the coding from the first bytes.
    pub fn of_bytes(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Identity,
        }
    }
}

/// A stream of decompressed bytes.
pub struct Unpacked<'a> {
    inner: Box<dyn BufRead + Send + 'a>,
    taken: u64,
    limit: u64,
}

impl std::fmt::Debug for Unpacked<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Unpacked")
            .field("taken", &self.taken)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<'a> Unpacked<'a> {
    /// Decompresses a stream whose coding is detected from its first bytes. At most `limit` bytes
    /// come out.
    ///
    /// # Errors
    /// A stream that cannot be read.
    pub fn detect(packed: impl Read + Send + 'a, limit: u64) -> Result<Self> {
        let mut packed = BufReader::with_capacity(1 << 18, packed);
        let start = packed
            .fill_buf()
            .map_err(|cause| Error::new(ErrorKind::Unavailable, "cannot read").because(cause))?;
        let coding = Coding::of_bytes(start);
        Self::new(packed, coding, limit)
    }

    /// Decompresses a stream of a known coding. At most `limit` bytes come out.
    ///
    /// # Errors
    /// A decoder that cannot be started.
    pub fn new(packed: impl BufRead + Send + 'a, coding: Coding, limit: u64) -> Result<Self> {
        let inner: Box<dyn BufRead + Send + 'a> = match coding {
            Coding::Identity => Box::new(packed),
            Coding::Gzip => Box::new(BufReader::with_capacity(
                1 << 18,
                flate2::bufread::MultiGzDecoder::new(packed),
            )),
            Coding::Deflate => Box::new(BufReader::with_capacity(
                1 << 18,
                flate2::bufread::ZlibDecoder::new(packed),
            )),
            Coding::Zstd => {
                let refuse = |cause: io::Error| Error::invalid("cannot start zstd").because(cause);
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(packed).map_err(refuse)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(refuse)?;
                Box::new(BufReader::with_capacity(1 << 18, decoder))
            }
        };
        Ok(Self { inner, taken: 0, limit })
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Unpacked<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        if !bytes.is_empty() && self.taken >= self.limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {} bytes when unpacked", self.limit),
            ));
        }
        Ok(bytes)
    }

    fn consume(&mut self, count: usize) {
        self.taken += count as u64;
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn unpack(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        Unpacked::detect(bytes, limit).expect("a stream").read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }

    #[test]
    fn each_coding_is_told_by_its_first_bytes() {
        let text = b"{\"a\":1}\n".repeat(1000);
        assert_eq!(unpack(&text, 1 << 20).expect("plain"), text);
        assert_eq!(unpack(&gzip(&text), 1 << 20).expect("gzip"), text);
        assert_eq!(
            unpack(&zstd::encode_all(text.as_slice(), 1).expect("memory"), 1 << 20).expect("zstd"),
            text
        );
        let two = [gzip(&text), gzip(&text)].concat();
        assert_eq!(unpack(&two, 1 << 20).expect("two members").len(), 2 * text.len());
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_a_cut_stream_is_an_error() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert_eq!(
            unpack(&bomb, 1 << 20).expect_err("too much").kind(),
            io::ErrorKind::FileTooLarge
        );
        let text = gzip(b"{\"a\":1}\n");
        assert_eq!(
            unpack(&text[..text.len() - 3], 1 << 20).expect_err("cut").kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
