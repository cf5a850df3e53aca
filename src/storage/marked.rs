//! Small JSON files that know their own checksum: the JSON, then a line with its CRC32C.

use super::files::PutMode;
use super::store::Store;
use crate::error::{Context, Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The length of the line with the checksum: a line break, eight digits, a line break.
const MARK_BYTES: usize = 10;

/// Encodes a value with its checksum.
///
/// # Errors
/// A value that cannot be represented as JSON.
pub(super) fn marked<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)
        .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
    let mark = format!("\n{:08x}\n", crc32c::crc32c(&bytes));
    bytes.extend_from_slice(mark.as_bytes());
    Ok(bytes)
}

/// Writes a value durably under a name, replacing what was there.
///
/// # Errors
/// A disk that fails.
pub(super) fn put_marked<T: Serialize>(store: &Store, path: &str, value: &T) -> Result<()> {
    store.put(path, &marked(value)?, PutMode::Replace)
}

/// Reads what [`put_marked`] wrote; `None` if there is no such file.
///
/// # Errors
/// Bytes that are not what was written.
pub(super) fn read_marked<T: DeserializeOwned>(store: &Store, path: &str) -> Result<Option<T>> {
    let bytes = match store.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = || {
        Error::corrupt(format!(
            "{} is damaged: it is not what was written",
            store.path(path).display()
        ))
    };
    let (body, mark) =
        bytes.split_at_checked(bytes.len().wrapping_sub(MARK_BYTES)).ok_or_else(damaged)?;
    if mark != format!("\n{:08x}\n", crc32c::crc32c(body)).as_bytes() {
        return Err(damaged());
    }
    serde_json::from_slice(body).map(Some).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_no_damage_passes() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path()).expect("a store");
        assert_eq!(read_marked::<Vec<u32>>(&store, "a.json").expect("no file"), None);
        put_marked(&store, "a.json", &vec![1, 20]).expect("a file");
        assert_eq!(read_marked(&store, "a.json").expect("a file"), Some(vec![1_u32, 20]));
        let whole = store.read("a.json").expect("the file");
        for length in 0..whole.len() {
            store.put("a.json", &whole[..length], PutMode::Replace).expect("a file");
            assert!(read_marked::<Vec<u32>>(&store, "a.json").is_err(), "{length}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            store.put("a.json", &bad, PutMode::Replace).expect("a file");
            assert!(read_marked::<Vec<u32>>(&store, "a.json").is_err(), "bit {bit}");
        }
    }
}
