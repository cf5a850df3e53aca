use super::sim::{Chance, SimDisk};
use super::*;
use crate::error::ErrorKind;

fn frame(first_seq: u64, events: u32, size: usize) -> Frame {
    let payload =
        (0..size).map(|index| b'a' + ((index as u64 * 7 + first_seq) % 26) as u8).collect();
    Frame { first_seq, events, batch: u128::from(first_seq) << 3, payload }
}

/// A log of one file with these frames, all durable.
fn log(frames: &[Frame]) -> SimDisk {
    let disk = SimDisk::default();
    let mut writer = LogWriter::new(disk.clone(), 0);
    writer.rotate(1, &[]).expect("a file");
    for frame in frames {
        writer.append(frame);
        writer.sync().expect("a sync");
    }
    disk
}

fn three() -> Vec<Frame> {
    vec![frame(1, 2, 300), frame(3, 1, 0), frame(4, 5, 700)]
}

#[test]
fn what_was_appended_comes_back_without_what_is_in_the_table() {
    let disk = log(&three());
    for (sealed, frames) in [(0, &three()[..]), (2, &three()[1..]), (3, &three()[2..]), (8, &[])] {
        let recovered = recover(&disk, sealed).expect("a log");
        assert_eq!(
            recovered,
            Recovered { frames: frames.to_vec(), last_seq: 8, last_epoch: 1, torn: None }
        );
    }
    assert_eq!(recover(&SimDisk::default(), 7).expect("no log").last_seq, 7);
    assert_eq!(recover(&disk, 5).expect_err("half a batch").kind(), ErrorKind::Corrupt);
}

#[test]
fn a_tail_cut_anywhere_is_cut_off_and_nothing_before_it() {
    let whole = log(&three()).read("00000000000000000001.wal").expect("the file");
    let mut ends = vec![frame::HEADER_BYTES];
    for frame in three() {
        ends.push(ends[ends.len() - 1] + frame::FRAME_BYTES + frame.payload.len() + 1);
    }
    assert_eq!(ends[3], whole.len());
    for length in 0..whole.len() {
        let disk = log(&three());
        disk.change("00000000000000000001.wal", |bytes| bytes.truncate(length));
        // All of it was acknowledged, and the marker says so.
        assert_eq!(
            recover(&disk, 0).expect_err("it was longer").kind(),
            ErrorKind::Corrupt,
            "{length}"
        );
        disk.remove("marker").expect("a marker");
        let recovered = recover(&disk, 0).expect("a cut is no damage");
        let expected = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        assert_eq!(recovered.frames, three()[..expected], "{length}");
        assert_eq!(
            recovered.torn.is_some(),
            length > frame::HEADER_BYTES && !ends.contains(&length),
            "{length}"
        );
    }
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    let whole = log(&three()).read("00000000000000000001.wal").expect("the file");
    for bit in 0..whole.len() * 8 {
        let disk = log(&three());
        disk.change("00000000000000000001.wal", |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let error = recover(&disk, 0).expect_err("a flip is seen");
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{bit}: {error}");
    }
}

#[test]
fn damage_and_missing_files_are_told_from_torn_tails() {
    // Zeros before a frame that was written after they were durable.
    let disk = log(&[frame(1, 1, 2_000), frame(2, 1, 10)]);
    disk.change("00000000000000000001.wal", |bytes| bytes[512..1_536].fill(0));
    let error = recover(&disk, 0).expect_err("a hole in what was acknowledged");
    assert!(error.to_string().contains("damaged at byte 36"), "{error}");
    // The same hole at the end is a tail: what comes after it was written in the same go.
    let disk = SimDisk::default();
    let mut writer = LogWriter::new(disk.clone(), 0);
    writer.rotate(1, &[]).expect("a file");
    writer.append(&frame(1, 1, 2_000));
    writer.append(&frame(2, 1, 10));
    writer.sync().expect("a sync");
    disk.change("00000000000000000001.wal", |bytes| bytes[512..1_536].fill(0));
    assert!(
        recover(&disk, 0)
            .expect_err("the marker says that it was synced")
            .to_string()
            .contains("acknowledged")
    );
    disk.remove("marker").expect("a marker");
    assert_eq!(recover(&disk, 0).expect("a tail").frames, []);
    // Files.
    let disk = log(&three());
    let mut writer = LogWriter::new(disk.clone(), 1);
    writer.rotate(9, &[]).expect("a file");
    writer.append(&frame(9, 1, 5));
    writer.sync().expect("a sync");
    assert_eq!(recover(&disk, 0).expect("two files").frames.len(), 4);
    disk.remove("00000000000000000001.wal").expect("a file");
    assert!(
        recover(&disk, 0).expect_err("a file is missing").to_string().contains("events 1 to 8")
    );
    assert_eq!(recover(&disk, 8).expect("they are in the table").frames.len(), 1);
}

#[test]
fn the_newest_file_cannot_be_gone_empty_or_short_without_a_word() {
    let name = "00000000000000000001.wal";
    let disk = log(&three());
    disk.remove(name).expect("a file");
    assert!(
        recover(&disk, 0)
            .expect_err("it is gone")
            .to_string()
            .contains("00000000000000000001.wal is missing")
    );
    assert!(recover(&disk, 8).is_err(), "it may have had more than what is in the table");
    // The marker itself: both its slots must be damaged before nothing is known, and then that is
    // said.
    let disk = log(&three());
    disk.change("marker", |bytes| bytes[20] ^= 1);
    assert_eq!(recover(&disk, 0).expect("one slot is enough").frames.len(), 3);
    for damage in [0, 1, 30, 512] {
        let disk = log(&three());
        disk.change("marker", |bytes| bytes.truncate(damage));
        assert!(recover(&disk, 0).is_err() || damage == 512, "{damage}");
    }
    // A file that got its name and is not the marked one yet.
    let disk = log(&three());
    let mut writer = LogWriter::new(disk.clone(), 1);
    let marker = disk.read("marker").expect("the marker");
    writer.rotate(9, &[]).expect("a file");
    disk.change("marker", |bytes| *bytes = marker);
    assert_eq!(recover(&disk, 0).expect("both are there").frames.len(), 3);
}

#[test]
fn after_an_error_a_new_file_begins_where_the_durable_end() {
    let disk = SimDisk::default();
    let mut writer = LogWriter::new(disk.clone(), 0);
    writer.rotate(1, &[]).expect("a file");
    writer.append(&frame(1, 1, 50));
    writer.sync().expect("a sync");
    disk.fail_sync_after(0);
    writer.append(&frame(2, 3, 900));
    assert!(writer.sync().is_err());
    writer.append(&frame(5, 1, 10));
    assert!(writer.sync().is_err(), "a poisoned file takes nothing, and no sync is tried twice");
    writer.rotate(2, &[]).expect("a new file");
    writer.append(&frame(2, 1, 60));
    writer.sync().expect("a sync");
    // Readers still see the pages of the failed frame; they are void all the same.
    let recovered = recover(&disk.after_kill(), 0).expect("a log");
    assert_eq!(recovered.frames, [frame(1, 1, 50), frame(2, 1, 60)]);
    assert_eq!((recovered.last_seq, recovered.last_epoch), (2, 2));
}

/// How many seeds: `ANNALS_SEEDS` says otherwise.
fn seeds() -> u64 {
    std::env::var("ANNALS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// A producer, a sealer and a machine that stops anywhere, again and again, on one disk.
///
/// What must hold after every stop: what was acknowledged is there, once, in order; what is there
/// was sent; and reading it twice gives the same.
#[test]
fn acknowledged_frames_survive_every_stop_of_a_machine() {
    for seed in 0..seeds() {
        survive(seed);
    }
}

/// A frame behind those that wait.
fn next_frame(next: u64, waiting: &[Frame], events: u32, bytes: usize) -> Frame {
    frame(next + count(waiting), events, bytes)
}

fn count(frames: &[Frame]) -> u64 {
    frames.iter().map(|frame| u64::from(frame.events)).sum()
}

/// The frames behind those that were acknowledged and are not in the table; these must be there.
fn beyond(acknowledged: &[Frame], sealed: u64, recovered: &[Frame], index: &str) -> Vec<Frame> {
    let live: Vec<&Frame> = acknowledged.iter().filter(|frame| frame.first_seq > sealed).collect();
    assert!(recovered.len() >= live.len(), "{index}: acknowledged and lost");
    assert!(
        live.iter().zip(recovered).all(|(left, right)| *left == right),
        "{index}: another order or content"
    );
    recovered[live.len()..].to_vec()
}

fn survive(seed: u64) {
    let mut chance = Chance(seed);
    let mut below = |limit: u64| chance.below(limit);
    let mut disk = SimDisk::default();
    // The frames that were acknowledged, and the number up to which they are in the table.
    let mut acknowledged: Vec<Frame> = Vec::new();
    let mut sealed = 0;
    // What the system had when the process was killed.
    let mut outlives: Vec<Frame> = Vec::new();
    for life in 0..1 + below(4) {
        let index = format!("seed {seed}, life {life}");
        let recovered = recover(&disk, sealed).unwrap_or_else(|error| panic!("{index}: {error}"));
        assert_eq!(recover(&disk, sealed).expect("the same again"), recovered, "{index}");
        let more = beyond(&acknowledged, sealed, &recovered.frames, &index);
        assert!(more.starts_with(&outlives), "{index}: what was written died with the process");
        outlives.clear();

        let mut next = recovered.last_seq + 1;
        let mut writer = LogWriter::new(disk.clone(), recovered.last_epoch);
        disk.stop_after(below(60));
        if below(3) == 0 {
            disk.fail_sync_after(below(6));
        }
        let first = recovered.frames.first().map_or(next, |frame| frame.first_seq);
        // Frames that are not synced, and how many of them the system has.
        let (mut waiting, mut written): (Vec<Frame>, usize) = (Vec::new(), 0);
        if writer.rotate(first, &recovered.frames).is_ok() {
            // What was written and not acknowledged may be there; when it is durable, it counts.
            acknowledged.extend(more);
            let trimmed = writer.trim(writer.epoch()).is_ok();
            for _ in 0..if trimmed { below(40) } else { 0 } {
                match below(10) {
                    0 => {
                        // A seal: a new file, the events in the table, the files before gone.
                        if !waiting.is_empty() || writer.rotate(next, &[]).is_err() {
                            break;
                        }
                        sealed = next - 1;
                        if writer.trim(writer.epoch()).is_err() {
                            break;
                        }
                    }
                    1..=4 => {
                        let (events, bytes) = (1 + below(5) as u32, below(1_500) as usize);
                        let frame = next_frame(next, &waiting, events, bytes);
                        writer.append(&frame);
                        waiting.push(frame);
                    }
                    5 | 6 => match writer.write() {
                        Ok(()) => written = waiting.len(),
                        Err(_) => break,
                    },
                    _ => {
                        let synced = writer.sync();
                        written = 0;
                        if synced.is_ok() {
                            next += count(&waiting);
                            acknowledged.append(&mut waiting);
                        } else {
                            waiting.clear();
                            if writer.rotate(next, &[]).is_err() {
                                break;
                            }
                        }
                    }
                }
            }
        }
        disk = if below(2) == 0 {
            outlives = waiting.drain(..written).collect();
            disk.after_kill()
        } else {
            disk.after_power_cut(&mut Chance(below(u64::MAX)))
        };
    }
    assert!(has_each_number_once(&acknowledged), "seed {seed}: a number is missing or twice");
    assert!(disk.done() < 100_000);
}

fn has_each_number_once(frames: &[Frame]) -> bool {
    let numbers = || frames.iter().flat_map(|frame| frame.first_seq..frame.end_seq());
    numbers().eq(1..1 + numbers().count() as u64)
}
