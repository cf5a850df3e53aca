//! The resources that this process uses, as the system reports them.

use std::fs;

/// The memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// The resident memory, including mapped files.
    pub resident: u64,
    /// The part of it that is not backed by files: the system cannot reclaim it.
    pub anonymous: u64,
    /// The peak of the resident memory.
    pub peak: u64,
    /// The number of open files.
    pub open_files: u64,
}

/// Returns the memory of this process; `None` where the system does not report it (anywhere but on
/// Linux).
pub fn memory() -> Option<Memory> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1_024)
    };
    Some(Memory {
        resident: bytes("VmRSS")?,
        anonymous: bytes("RssAnon")?,
        peak: bytes("VmHWM")?,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_written_is_counted() {
        let Some(before) = memory() else { return };
        let taken = vec![1_u8; 64 << 20];
        let after = memory().expect("as before");
        assert!(after.anonymous >= before.anonymous + (48 << 20), "{before:?} {after:?}");
        assert!(after.peak >= after.resident && after.open_files > 0, "{after:?}");
        assert_eq!(taken[taken.len() - 1], 1);
    }
}
