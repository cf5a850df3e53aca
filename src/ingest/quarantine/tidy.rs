//! Maintenance of the quarantine files at startup and after retention: logs and files of earlier
//! versions become kept files, and small neighbours are merged.

use crate::error::Result;
use crate::storage::quarantine::{
    FILE_BYTES, FILE_RECORDS, FIRST_NUMBER, Folder, FolderContents, QuarantineEntry,
    QuarantineFile, QuarantineId, write_kept,
};
use std::collections::HashSet;
use std::sync::Arc;

/// The number of small neighbours that are merged. Fewer are left alone, so that a start does not
/// write the same records again each time.
const NEIGHBOURS: usize = 8;

/// Puts the folder in order before anything is written to it. Damaged files stay as they are.
pub(super) fn at_start(folder: &Folder, found: &mut FolderContents) -> Result<()> {
    let store = folder.store();
    // Left by a conversion that was interrupted.
    let earlier: Vec<Arc<QuarantineFile>> = found
        .parts
        .iter()
        .filter(|part| part.is_kept() && part.numbers().0 < FIRST_NUMBER)
        .cloned()
        .collect();
    let mut remove = std::mem::take(&mut found.superseded);
    let mut parts = Vec::new();
    for part in std::mem::take(&mut found.parts) {
        if part.is_kept() || !part.damage().is_empty() {
            parts.push(part);
        } else if part.path().ends_with(".ndjson") {
            remove.push(part.path().to_owned());
            let made = convert(folder, &part, &earlier)?;
            parts.extend(made);
        } else {
            remove.push(part.path().to_owned());
            if part.records() > 0 {
                parts.push(Arc::new(write_kept(store, part.numbers(), &part.all()?)?));
            }
        }
    }
    let (merged, gone) = merge_neighbours(folder, parts)?;
    remove.extend(gone);
    folder.remove_lengths_without_log()?;
    found.parts = merged;
    if remove.is_empty() {
        return Ok(());
    }
    folder.list(found.parts.iter().map(|part| part.path().to_owned()))?;
    // A replaced file may have the name of its replacement.
    let stays: HashSet<&str> = found.parts.iter().map(|part| part.path()).collect();
    remove
        .iter()
        .filter(|path| !stays.contains(path.as_str()))
        .try_for_each(|path| folder.remove(path))
}

/// Converts the records of an earlier version's file.
fn convert(
    folder: &Folder,
    old: &QuarantineFile,
    earlier: &[Arc<QuarantineFile>],
) -> Result<Vec<Arc<QuarantineFile>>> {
    let rows: Vec<u32> = (0..old.records() as u32).collect();
    let mut made = Vec::new();
    let (mut entries, mut bytes): (Vec<QuarantineEntry>, u64) = (Vec::new(), 0);
    let write = |entries: &mut Vec<QuarantineEntry>, made: &mut Vec<Arc<QuarantineFile>>| {
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            made.push(Arc::new(write_kept(folder.store(), (first.seq, last.seq), entries)?));
            entries.clear();
        }
        Ok(())
    };
    // One at a time: earlier versions kept whole records.
    for row in rows {
        for entry in old.entries(&[row], &mut Vec::new())? {
            let known = |part: &Arc<QuarantineFile>| {
                Ok(part.find(&[entry.id])?.iter().any(Option::is_some))
            };
            if earlier.iter().map(known).collect::<Result<Vec<bool>>>()?.contains(&true) {
                continue;
            }
            bytes += entry.size();
            entries.push(entry);
        }
        if bytes >= FILE_BYTES || entries.len() >= FILE_RECORDS {
            write(&mut entries, &mut made)?;
            bytes = 0;
        }
    }
    write(&mut entries, &mut made)?;
    Ok(made)
}

/// Merges neighbours that fit into one file. Returns the resulting files, and the paths of the
/// merged ones.
pub(super) fn merge_neighbours(
    folder: &Folder,
    parts: Vec<Arc<QuarantineFile>>,
) -> Result<(Vec<Arc<QuarantineFile>>, Vec<String>)> {
    let (mut merged, mut gone): (Vec<Arc<QuarantineFile>>, Vec<String>) = (Vec::new(), Vec::new());
    let mut run: Vec<Arc<QuarantineFile>> = Vec::new();
    // Files of earlier versions may be large before compression.
    let may = |part: &QuarantineFile| part.is_kept() && part.numbers().0 >= FIRST_NUMBER;
    let fits = |run: &[Arc<QuarantineFile>], part: &QuarantineFile| {
        let records: u64 = run.iter().map(|part| part.records()).sum();
        let bytes: u64 = run.iter().map(|part| part.charged()).sum();
        records + part.records() <= FILE_RECORDS as u64 && bytes + part.charged() <= FILE_BYTES
    };
    for part in parts {
        if !may(&part) || !fits(&run, &part) {
            merge(folder, &mut run, &mut merged, &mut gone)?;
        }
        if may(&part) { run.push(part) } else { merged.push(part) }
    }
    merge(folder, &mut run, &mut merged, &mut gone)?;
    Ok((merged, gone))
}

fn merge(
    folder: &Folder,
    run: &mut Vec<Arc<QuarantineFile>>,
    merged: &mut Vec<Arc<QuarantineFile>>,
    gone: &mut Vec<String>,
) -> Result<()> {
    let run = std::mem::take(run);
    // A damaged block is met here at the latest: its file stays as it is, and a check names it.
    let all = if run.len() < NEIGHBOURS {
        None
    } else {
        run.iter().map(|part| part.all()).collect::<Result<Vec<_>>>().ok()
    };
    let (Some(all), Some(first), Some(last)) = (all, run.first(), run.last()) else {
        merged.extend(run);
        return Ok(());
    };
    let mut seen: HashSet<QuarantineId> = HashSet::new();
    let entries: Vec<QuarantineEntry> =
        all.into_iter().flatten().filter(|entry| seen.insert(entry.id)).collect();
    merged.push(Arc::new(write_kept(
        folder.store(),
        (first.numbers().0, last.numbers().1),
        &entries,
    )?));
    gone.extend(run.iter().map(|part| part.path().to_owned()));
    Ok(())
}
