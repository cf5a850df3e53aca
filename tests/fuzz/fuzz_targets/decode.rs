//! Decoding any text, in every format: an event has the record as it came, and the record decodes
//! to the same event again.

#![no_main]

use annals::decode::{Format, decode, decode_with_text_at, detect, text_at};
use annals::event::{Event, Field, Timestamp};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fuzz_target!(|record: &str| {
    for format in Format::ALL {
        if let Ok(event) = decode(record, Some(format)) {
            check(record, format, &event);
        }
    }
    let event = decode(record, None).ok();
    assert_eq!(
        event,
        detect(record).and_then(|format| decode(record, Some(format)).ok()),
        "what is told is not what is decoded"
    );
    // The tenant may be read on the way: it is the one that who looks for it finds.
    for path in ["project_id", "user.name"] {
        let with_text = decode_with_text_at(record, None, path).ok();
        assert_eq!(with_text, event.clone().map(|event| (event, text_at(record, path))), "{path}");
    }
});

fn check(record: &str, format: Format, event: &Event) {
    assert_eq!(&*event.original, record, "the record was changed");
    serde_json::from_str::<serde::de::IgnoredAny>(record).expect("what decodes is JSON");
    assert_eq!(event.text(Field::Format), Some(format.name()));
    assert!(!event.trace_id().is_empty(), "an event without an id");
    // What only the store knows is not taken from a record.
    assert!(event.tenant.is_empty() && event.seq == 0 && !event.time_suspect);
    assert_eq!(event.ingest_time, Timestamp::default());
    let ids: HashSet<&str> = event.related_ids.iter().map(AsRef::as_ref).collect();
    assert_eq!(ids.len(), event.related_ids.len(), "a related id twice");
    assert!(
        ids.iter().all(|id| id
            .split_once(':')
            .is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty())),
        "{ids:?}"
    );
    let named = event.text(Field::Format).and_then(Format::from_name);
    assert_eq!(
        decode(&event.original, named).ok().as_ref(),
        Some(event),
        "decoded again it is another event"
    );
}
