use super::*;
use crate::storage::{PutMode, Store, paths};
use std::fs;

fn entry(number: u64) -> QuarantineEntry {
    QuarantineEntry {
        id: (u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
            .to_be_bytes(),
        seq: FIRST_NUMBER + number,
        time: 1_000 + number as i64,
        tenant: (!number.is_multiple_of(3)).then(|| format!("t{}", number % 3).into()),
        is_bound: number.is_multiple_of(5),
        kind: "record is no JSON object".into(),
        source: "a file".into(),
        line: number,
        reason: "record is no JSON object".into(),
        length: 100,
        sha256: number.is_multiple_of(2).then_some([7; 32]),
        head: format!("nonsense {number} {}", "x".repeat(number as usize % 700)).into_bytes(),
    }
}

fn entries(count: u64) -> Vec<QuarantineEntry> {
    (0..count).map(entry).collect()
}

fn numbers(count: u64) -> (u64, u64) {
    (FIRST_NUMBER, FIRST_NUMBER + count - 1)
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new(folder.path()).expect("a store");
    (folder, store)
}

fn open(store: &Store) -> FolderContents {
    Folder::new(store).open(str::to_owned).expect("the folder can be read")
}

#[test]
fn a_kept_file_gives_back_what_was_written() {
    let (_folder, store) = store();
    let all = entries(3_000);
    let written = write_kept(&store, numbers(3_000), &all).expect("it is written");
    Folder::new(&store).list([written.path().to_owned()]).expect("listed");
    let found = open(&store);
    assert_eq!((found.parts.len(), found.damage.len(), found.next), (1, 0, FIRST_NUMBER + 3_000));
    let part = &found.parts[0];
    assert!(part.is_kept() && part.verify().expect("it can be read").is_empty());
    assert_eq!(part.all().expect("sound"), all);
    assert_eq!(
        (part.records(), part.times(), part.numbers()),
        (3_000, (1_000, 3_999), numbers(3_000))
    );
    assert_eq!(part.charged(), all.iter().map(QuarantineEntry::charge).sum::<u64>());
    // Few ids are looked for one by one, many all at once; strangers are not found.
    let ids: Vec<QuarantineId> = all
        .iter()
        .map(|entry| entry.id)
        .chain((3_000..3_100).map(|number| entry(number).id))
        .collect();
    let expected: Vec<Option<u32>> = (0..3_100).map(|row| (row < 3_000).then_some(row)).collect();
    assert_eq!(part.find(&ids).expect("read"), expected);
    for (id, row) in ids.iter().zip(&expected) {
        assert_eq!(part.find(&[*id]).expect("read"), [*row]);
    }
    let rows = part.rows().expect("rows");
    assert!(
        rows.iter().zip(&all).all(|(row, entry)| (row.seq, row.time) == (entry.seq, entry.time))
    );
    let some: Vec<QuarantineEntry> = [5, 6, 900, 2_999].map(|row| all[row].clone()).to_vec();
    assert_eq!(part.entries(&[5, 6, 900, 2_999], &mut Vec::new()).expect("read"), some);
    let counts = part.summary().expect("a summary").counts;
    assert_eq!(counts.iter().map(|count| count.records).collect::<Vec<_>>(), [1_000; 3]);
}

#[test]
fn ids_that_lie_close_together_are_found() {
    let (_folder, store) = store();
    let mut all = entries(5_000);
    // Nobody's hashes are like this; the search must end all the same.
    for (number, entry) in all.iter_mut().enumerate() {
        entry.id = (number as u128 + 1).to_be_bytes();
    }
    let part = write_kept(&store, numbers(5_000), &all).expect("written");
    for row in [0_u32, 1, 511, 512, 513, 2_500, 4_998, 4_999] {
        assert_eq!(part.find(&[all[row as usize].id]).expect("read"), [Some(row)], "{row}");
    }
    assert_eq!(part.find(&[[0; 16], [255; 16]]).expect("read"), [None, None]);
}

#[test]
fn every_flipped_byte_and_every_cut_is_found_and_the_rest_is_answered() {
    let (folder, store) = store();
    let all = entries(1_500);
    let part = write_kept(&store, numbers(1_500), &all).expect("written");
    Folder::new(&store).list([part.path().to_owned()]).expect("listed");
    let path = folder.path().join(part.path());
    let sound = fs::read(&path).expect("it is there");
    let blocks = part.summary().expect("a summary").blocks.len();
    assert!(blocks > 1, "damage to one block must leave others");
    let step = sound.len() / 60 + 1;
    let positions = (0..sound.len()).step_by(step).chain([
        0,
        8,
        HEADER_BYTES,
        HEADER_BYTES + 5,
        sound.len() - 1,
    ]);
    for position in positions {
        let mut bytes = sound.clone();
        bytes[position] ^= 0x10;
        fs::write(&path, &bytes).expect("written");
        let found = open(&store);
        let part = &found.parts[0];
        let verified = part.verify().expect("it can be read");
        assert!(
            verified.iter().any(|what| what.contains(".kept")),
            "byte {position} of {}: {verified:?}",
            sound.len()
        );
        let rows: Vec<u32> = (0..part.records() as u32).collect();
        let answered = part.entries(&rows, &mut Vec::new()).map_or(0, |entries| entries.len());
        let index = part.summary().is_err();
        assert!(index || (500..=1_500).contains(&answered), "byte {position}: {answered}");
    }
    for length in (0..sound.len()).step_by(step).chain([sound.len() - 1]) {
        fs::write(&path, &sound[..length]).expect("written");
        let found = open(&store);
        assert!(!found.parts[0].verify().expect("it can be read").is_empty(), "cut to {length}");
    }
    fs::remove_file(&path).expect("removed");
    let found = open(&store);
    assert!(
        found.parts.is_empty() && found.damage.len() == 1 && found.damage[0].contains("is missing"),
        "{:?}",
        found.damage
    );
    fs::remove_file(folder.path().join(paths::QUARANTINE_FILES)).expect("removed");
    fs::write(&path, &sound).expect("written");
    let found = open(&store);
    assert_eq!(
        (found.parts.len(), found.damage.len()),
        (1, 1),
        "without the list nobody knows what is missing: {:?}",
        found.damage
    );
}

#[test]
fn a_log_that_was_not_closed_is_read_up_to_its_last_whole_block() {
    let (folder, store) = store();
    let all = entries(40);
    let mut log = Appender::create(&store, FIRST_NUMBER).expect("a log");
    let path = folder.path().join(log.part().path());
    let (mut lengths, mut noted) = (Vec::new(), Vec::new());
    let beside = path.with_extension("length");
    for chunk in all.chunks(10) {
        log.append(chunk).expect("appended");
        lengths.push(fs::metadata(&path).expect("it is there").len() as usize);
        noted.push(fs::read(&beside).expect("it is there"));
    }
    assert_eq!(log.part().all().expect("readers see it"), all);
    let whole = fs::read(&path).expect("it is there");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        let found = open(&store);
        let part = &found.parts[0];
        (part.records(), part.torn(), part.damage().len())
    };
    assert_eq!(read(&whole), (40, 0, 0));
    // One that lost what was durable is damaged, wherever it was cut.
    assert_eq!(read(&whole[..lengths[1]]), (20, 0, 1));
    assert_eq!(read(&whole[..HEADER_BYTES]), (0, 0, 1));
    assert_eq!(read(&whole[..whole.len() - 1]).2, 1);
    fs::write(&beside, &noted[2]).expect("written");
    // A stopped write leaves a part of a block, or pages of zeros.
    for length in lengths[2] + 1..whole.len() {
        assert_eq!(read(&whole[..length]), (30, (length - lengths[2]) as u64, 0));
    }
    let mut zeros = whole.clone();
    zeros[lengths[2] + 8..].fill(0);
    zeros.resize(whole.len() + 1_024, 0);
    assert_eq!((read(&zeros).0, read(&zeros).2), (30, 0));
    // Anything else is damage: in the middle, and in the last block.
    let mut flipped = whole.clone();
    flipped[lengths[0] + 30] ^= 1;
    assert_eq!(read(&flipped), (30, 0, 1));
    let mut flipped = whole.clone();
    flipped[lengths[2] + 30] ^= 1;
    assert_eq!(read(&flipped), (30, 0, 1));
    assert!(read(&whole[..10]).2 >= 1, "a log has its whole header before it has its name");
}

#[test]
fn what_was_merged_is_left_out() {
    let (_folder, store) = store();
    let all = entries(30);
    let range = |from: usize, to: usize| (all[from].seq, all[to - 1].seq);
    write_kept(&store, range(0, 10), &all[..10]).expect("written");
    write_kept(&store, range(10, 20), &all[10..20]).expect("written");
    write_kept(&store, range(20, 30), &all[20..]).expect("written");
    write_kept(&store, range(0, 20), &all[..20]).expect("written");
    store
        .put(&paths::quarantine_log(all[10].seq), &sections::header(), PutMode::Create)
        .expect("written");
    let found = open(&store);
    assert_eq!(found.superseded.len(), 3, "{:?}", found.superseded);
    assert_eq!(found.parts.iter().map(|part| part.records()).collect::<Vec<_>>(), [20, 10]);
}
