//! What this process takes of the machine, as the system tells.

use std::fs;

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// In memory now, mapped files included.
    pub resident: u64,
    /// Of that, what is not of files: the system cannot give it up.
    pub anonymous: u64,
    /// The most that was resident at a time.
    pub peak: u64,
    /// Files that are open.
    pub open_files: u64,
}

/// The memory of this process; `None` where the system does not tell (anywhere but on Linux).
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
