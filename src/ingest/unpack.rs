//! Decompresses gzip and zstd as a stream, with limits that apply before memory is used. What is
//! packed or encoded in another way is refused by its name, and not taken for broken records.

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

/// The largest window of a zstd frame that a client may send: 8 MiB. Each stream needs it in
/// memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Files of other kinds, by where and how they begin, and what to do with them.
const OTHER_FILES: &[(usize, &[u8], &str)] = &[
    (0, b"PK\x03\x04", "a zip archive: unpack it first"),
    (0, b"\xfd7zXZ\0", "compressed by xz: unpack it first, with xz -d"),
    (0, b"BZh", "compressed by bzip2: unpack it first, with bzip2 -d"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (0, b"Rar!\x1a\x07", "a rar archive: unpack it first"),
    (0, b"\x04\x22\x4d\x18", "compressed by lz4: unpack it first, with lz4 -d"),
    (0, b"\x1f\x9d", "compressed by compress: unpack it first, with uncompress"),
    (0, b"\xff\x06\0\0sNaPpY", "compressed by snappy: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first, with tar -x"),
    (0, b"\xff\xfe", "text in UTF-16: convert it first, with iconv -f UTF-16 -t UTF-8"),
    (0, b"\xfe\xff", "text in UTF-16: convert it first, with iconv -f UTF-16 -t UTF-8"),
    (0, b"{\0", "text in UTF-16: convert it first, with iconv -f UTF-16LE -t UTF-8"),
    (0, b"[\0", "text in UTF-16: convert it first, with iconv -f UTF-16LE -t UTF-8"),
    (0, b"PAR1", "a Parquet file: convert it to JSON lines first"),
    (0, b"Obj\x01", "an Avro file: convert it to JSON lines first"),
    (0, b"ElfFile\0", "a Windows event log: convert it to JSON first, with evtx_dump -o jsonl"),
    (0, b"SQLite format 3\0", "an SQLite database: export its records as JSON lines first"),
];

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
            // A frame that decoders skip (RFC 8878, 3.1.2), as pzstd writes before each frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Identity,
        }
    }
}

/// A stream of decompressed bytes.
pub struct Unpacked<'a> {
    inner: Box<dyn BufRead + Send + 'a>,
    taken: u64,
    limit: u64,
    window_log_max: u32,
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
    /// Returns whether bytes begin as those of a compressed stream do.
    pub fn is_compressed(start: &[u8]) -> bool {
        Coding::of_bytes(start) != Coding::Identity
    }

    /// Decompresses a stream whose coding is detected from its first bytes. At most `limit` bytes
    /// come out, and a zstd frame may have a window of 2^`window_log_max` bytes.
    ///
    /// # Errors
    /// A stream that cannot be read.
    pub fn detect(packed: impl Read + Send + 'a, limit: u64, window_log_max: u32) -> Result<Self> {
        let mut packed = BufReader::with_capacity(1 << 18, packed);
        let start = packed
            .fill_buf()
            .map_err(|cause| Error::new(ErrorKind::Unavailable, "cannot read").because(cause))?;
        let coding = Coding::of_bytes(start);
        Self::with_window(packed, coding, limit, window_log_max)
    }

    /// Decompresses a stream of a known coding. At most `limit` bytes come out.
    ///
    /// # Errors
    /// A decoder that cannot be started.
    pub fn new(packed: impl BufRead + Send + 'a, coding: Coding, limit: u64) -> Result<Self> {
        Self::with_window(packed, coding, limit, ZSTD_WINDOW_LOG_MAX)
    }

    fn with_window(
        packed: impl BufRead + Send + 'a,
        coding: Coding,
        limit: u64,
        window_log_max: u32,
    ) -> Result<Self> {
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
                decoder.window_log_max(window_log_max).map_err(refuse)?;
                Box::new(BufReader::with_capacity(1 << 18, decoder))
            }
        };
        Ok(Self { inner, taken: 0, limit, window_log_max })
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
        let window_log_max = self.window_log_max;
        let bytes = self.inner.fill_buf().map_err(|cause| name_window(cause, window_log_max))?;
        if self.taken == 0
            && let Some(what) = other_file(bytes)
        {
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
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

/// Returns what a stream is that holds no records; `None` if it may hold some.
fn other_file(start: &[u8]) -> Option<&'static str> {
    let begins =
        |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    OTHER_FILES.iter().find(|(at, magic, _)| begins(*at, magic)).map(|(.., what)| *what)
}

/// Says by how much a zstd window is too large, which zstd does not.
fn name_window(cause: io::Error, window_log_max: u32) -> io::Error {
    if !cause.to_string().contains("too much memory") {
        return cause;
    }
    let what = format!(
        "the zstd window is larger than {} MiB: compress it without --long",
        (1_u64 << window_log_max) >> 20
    );
    io::Error::new(io::ErrorKind::Unsupported, what)
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
        Unpacked::detect(bytes, limit, ZSTD_WINDOW_LOG_MAX)
            .expect("a stream")
            .read_to_end(&mut unpacked)?;
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
    fn skippable_frames_and_long_windows_are_read_where_there_is_memory() {
        let text = b"{\"a\":1}\n".repeat(1000);
        let frame = zstd::encode_all(text.as_slice(), 1).expect("memory");
        let skipped =
            [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], frame.as_slice()].concat();
        assert_eq!(unpack(&skipped, 1 << 20).expect("pzstd"), text);
        let mut long = zstd::Encoder::new(Vec::new(), 1).expect("memory");
        long.window_log(27).expect("a window");
        long.write_all(&text).expect("memory");
        let long = long.finish().expect("memory");
        let told = unpack(&long, 1 << 20).expect_err("more than a client may send");
        assert_eq!(
            told.to_string(),
            "the zstd window is larger than 8 MiB: compress it without --long"
        );
        let mut unpacked = Vec::new();
        let mut file = Unpacked::detect(long.as_slice(), 1 << 20, 27).expect("a stream");
        file.read_to_end(&mut unpacked).expect("as zstd reads it");
        assert_eq!(unpacked, text);
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let mut tar = vec![b'x'; 257];
        tar.extend(b"ustar\0");
        for (bytes, name) in [
            (b"PK\x03\x04rest".to_vec(), "zip"),
            (b"\xfd7zXZ\0rest".to_vec(), "xz"),
            (tar.clone(), "tar"),
            (gzip(&tar), "tar"),
            ("\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-16"),
            ("{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-16"),
        ] {
            let error = unpack(&bytes, 1 << 20).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains(name), "{error}");
        }
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
