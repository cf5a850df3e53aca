//! The walk through the texts of a record: it ends on any text, and its two forms see the same
//! parts.

#![no_main]

use annals::text::{RecordTexts, WalkStep, walk, walk_parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &str| {
    let (mut with_paths, mut without) = (Vec::new(), Vec::new());
    let said = |part: WalkStep<'_>| format!("{part:?}");
    walk(record, &mut |_, part| with_paths.push(said(part)));
    walk_parts(record, &mut |part| without.push(said(part)));
    assert_eq!(with_paths, without);
    assert_eq!(RecordTexts::of(record).iter().count(), with_paths.len());
});
