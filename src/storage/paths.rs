//! Every path inside a data directory, built and parsed here only.
//!
//! ```text
//! DATA/annals.json                          format version of the directory, list of marks
//! DATA/cursor.key                           key that signs cursors
//! DATA/redaction.json                       rules for redacting records before they are stored
//! DATA/redaction.key                        key of the hashes that redaction writes
//! DATA/admin.redb                           policy, saved views and other administrative records
//! DATA/policy.json                          retention and legal holds, from earlier versions
//! DATA/views.json                           saved views of the screen, from earlier versions
//! DATA/follow.json                          how far followed files were read
//! DATA/last-used.json                       when tokens and access keys were last used
//! DATA/marks/NAME                           the hash that the file NAME of the directory must have
//!                                           (of admin.redb: the hash of the state in it)
//! DATA/LOCK                                 lock of the process that has the directory open
//! DATA/events/_delta_log/…                  the Delta table's log
//! DATA/events/date=2026-06-30/ID.parquet    the events of a segment
//! DATA/events/_annals/segments/ID.json      its manifest
//! DATA/events/_annals/head.json             the newest commit of the table, with its hash
//! DATA/events/_annals/checkpoints.json      proved checkpoints of its log, with their hashes
//! DATA/events/_annals/log/A-B.commits.zst   archived commits A to B, which the log no longer needs
//! DATA/events/_annals/aside/DAY/…           files that no table version named, moved on that day
//! DATA/events/_annals/index/ID.idx          its index
//! DATA/wal/EPOCH.wal                        accepted events that are not in a segment yet
//! DATA/wal/beside/ID.batch                  the records of a large batch that the log refers to
//! DATA/wal/marker                           which log file is the newest, and its length
//! DATA/quarantine/FIRST.log                 records that could not be decoded, as they came
//! DATA/quarantine/FIRST-LAST.kept           the same, complete and with an index
//! DATA/quarantine/files.json                the names of those files
//! DATA/quarantine/ID.ndjson                 the same, from earlier versions
//! ```
//!
//! Names that start with an underscore are left alone by Delta readers and by vacuum.

/// The file with the format version of a data directory.
pub const VERSION_FILE: &str = "annals.json";
/// The directory's own key, 32 random bytes.
pub const KEY_FILE: &str = "cursor.key";
/// The redaction rules.
pub const REDACTION_FILE: &str = "redaction.json";
/// The redaction key, 32 random bytes.
pub const REDACTION_KEY: &str = "redaction.key";
/// The token of the first administrator, until somebody takes it away or it is withdrawn.
pub const FIRST_TOKEN_FILE: &str = "first-admin-token";
/// Administrative state: a redb database that only its owner may read.
pub const ADMIN_FILE: &str = "admin.redb";
/// The retention policy and legal holds, as earlier versions kept them.
pub const POLICY_FILE: &str = "policy.json";
/// Saved views of the screen, as earlier versions kept them.
pub const VIEWS_FILE: &str = "views.json";
/// The offsets up to which followed files were read into the store.
pub const FOLLOW_FILE: &str = "follow.json";
/// When each token and access key was last used.
pub const LAST_USED_FILE: &str = "last-used.json";
/// The lock file.
pub const LOCK_FILE: &str = "LOCK";
/// The folder of the Delta table.
pub const TABLE: &str = "events";
/// The folder of the write-ahead log.
pub const LOG: &str = "wal";
/// The folder of large batches that the write-ahead log refers to.
pub const BESIDE: &str = "wal/beside";
/// The folder of the segments' manifests.
pub const MANIFESTS: &str = "events/_annals/segments";
/// The folder of the segments' indexes.
pub const INDEXES: &str = "events/_annals/index";
/// The folder of the table's log.
pub const TABLE_LOG: &str = "events/_delta_log";
/// The file that tells readers of Delta tables the newest checkpoint.
pub const LAST_CHECKPOINT: &str = "events/_delta_log/_last_checkpoint";
/// The newest commit of the table.
pub const TABLE_HEAD: &str = "events/_annals/head.json";
/// The proved checkpoints of the table's log.
pub const TABLE_CHECKPOINTS: &str = "events/_annals/checkpoints.json";
/// The folder of archived commits.
pub const TABLE_ARCHIVE: &str = "events/_annals/log";
/// The folder of files that were moved aside.
pub const ASIDE: &str = "events/_annals/aside";
/// The folder of the hashes of small files.
pub const MARKS: &str = "marks";
/// The folder of records that could not be decoded.
pub const QUARANTINE: &str = "quarantine";

/// Returns the data file of a segment relative to the folder of the table, which is its path in the
/// Delta log.
pub fn data_in_table(date: &str, id: &str) -> String {
    format!("date={date}/{id}.parquet")
}

/// Returns the data file of a segment relative to the data directory.
pub fn data(date: &str, id: &str) -> String {
    format!("{TABLE}/{}", data_in_table(date, id))
}

/// Returns the manifest of a segment.
pub fn manifest(id: &str) -> String {
    format!("{MANIFESTS}/{id}.json")
}

/// Returns the index of a segment.
pub fn index(id: &str) -> String {
    format!("{INDEXES}/{id}.idx")
}

/// Returns a commit of the Delta table.
pub fn table_log(version: u64) -> String {
    format!("{TABLE}/_delta_log/{version:020}.json")
}

/// Returns a large batch beside the write-ahead log.
pub fn beside(name: &str) -> String {
    format!("{BESIDE}/{name}.batch")
}

/// The list of quarantine files.
pub const QUARANTINE_FILES: &str = "quarantine/files.json";

/// Returns the log of quarantined records whose first record has this number.
pub fn quarantine_log(first: u64) -> String {
    format!("{QUARANTINE}/{first:020}.log")
}

/// The mark that says that there is a folder of quarantine, whose own list is lost with the folder.
pub const QUARANTINE_MARK: &str = "quarantine";

/// Returns the file that records how much of a log of quarantined records is durable.
pub fn quarantine_length(log: &str) -> Option<String> {
    log.strip_suffix(".log").map(|path| format!("{path}{LENGTH_ENDING}"))
}

/// The extension of such files.
pub const LENGTH_ENDING: &str = ".length";

/// Returns the file of quarantined records that covers these numbers.
pub fn quarantine_kept(first: u64, last: u64) -> String {
    format!("{QUARANTINE}/{first:020}-{last:020}.kept")
}

/// Returns the numbers that a quarantine file covers, from its name; a log has no last number yet.
pub fn quarantine_numbers(name: &str) -> Option<(u64, Option<u64>)> {
    if let Some(first) = name.strip_suffix(".log") {
        return Some((first.parse().ok()?, None));
    }
    let (first, last) = name.strip_suffix(".kept")?.split_once('-')?;
    Some((first.parse().ok()?, Some(last.parse().ok()?)))
}

/// Returns a checkpoint of the Delta table.
pub fn table_checkpoint(version: u64) -> String {
    format!("{TABLE_LOG}/{version:020}.checkpoint.parquet")
}

/// Returns the version in the name of a commit of the Delta table.
pub fn commit_of(name: &str) -> Option<u64> {
    name.strip_suffix(".json").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Returns the version in the name of a checkpoint of the Delta table, of any kind.
pub fn checkpoint_of(name: &str) -> Option<u64> {
    let (digits, rest) = name.split_once('.')?;
    (digits.len() == 20 && rest.starts_with("checkpoint")).then(|| digits.parse().ok())?
}

/// Returns the archive of commits `first` to `last`.
pub fn table_archive(first: u64, last: u64) -> String {
    format!("{TABLE_ARCHIVE}/{first:020}-{last:020}.commits.zst")
}

/// Returns the first and last commit in the name of an archive.
pub fn archive_of(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(".commits.zst")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Returns the file with the hash that a small file must have.
pub fn mark(name: &str) -> String {
    format!("{MARKS}/{name}")
}

/// Returns the segment id in the path of a data file, as the Delta log has it.
pub fn segment_of(data_path: &str) -> Option<&str> {
    data_path.rsplit('/').next()?.strip_suffix(".parquet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_read_back_from_a_data_path() {
        assert_eq!(segment_of(&data_in_table("2026-06-30", "01ABC")), Some("01ABC"));
        assert_eq!(segment_of(&data("2026-06-30", "01ABC")), Some("01ABC"));
        assert_eq!(segment_of("x.json"), None);
    }

    #[test]
    fn the_numbers_are_read_back_from_the_names_of_quarantine() {
        let numbers = |path: String| {
            quarantine_numbers(path.strip_prefix("quarantine/").expect("its folder"))
        };
        assert_eq!(numbers(quarantine_log(7)), Some((7, None)));
        assert_eq!(numbers(quarantine_kept(7, 1 << 40)), Some((7, Some(1 << 40))));
        assert_eq!(
            ["files.json", "01ABC.ndjson", "x.log", "1.kept"].map(quarantine_numbers),
            [None; 4]
        );
    }

    #[test]
    fn versions_are_read_back_from_the_names_of_the_log() {
        let name = |path: &str| path.rsplit('/').next().expect("a name").to_owned();
        assert_eq!(commit_of(&name(&table_log(7))), Some(7));
        assert_eq!(checkpoint_of(&name(&table_checkpoint(99))), Some(99));
        assert_eq!(
            checkpoint_of("00000000000000000099.checkpoint.0000000001.0000000002.parquet"),
            Some(99)
        );
        assert_eq!(archive_of(&name(&table_archive(3, 40))), Some((3, 40)));
        for other in ["_last_checkpoint", "7.json", "00000000000000000099.crc"] {
            assert_eq!(
                (commit_of(other), checkpoint_of(other), archive_of(other)),
                (None, None, None),
                "{other}"
            );
        }
    }
}
