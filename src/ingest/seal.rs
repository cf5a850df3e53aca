//! Builds segments from accepted events, one per event date.

use crate::error::Result;
use crate::event::{DAY_MS, Event, row_order};
use crate::storage::segment::{Manifest, SegmentFiles, SegmentOptions, write_segment};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Builds segments from accepted events, one per event date. `next_id` names each segment, and
/// `put` takes its files as soon as they are built, so that the files of thousands of dates are not
/// in memory at once.
///
/// # Errors
/// The errors of `put`.
pub fn seal(
    events: Vec<Arc<Event>>,
    form: SegmentOptions,
    mut next_id: impl FnMut() -> String,
    put: impl Fn(&SegmentFiles) -> Result<()> + Sync,
) -> Result<Vec<Manifest>> {
    let mut dates: BTreeMap<String, Vec<Arc<Event>>> = BTreeMap::new();
    let (mut day, mut date) = (i64::MIN, String::new());
    for event in events {
        let event_day = event.time.millis().div_euclid(DAY_MS);
        if event_day != day {
            (day, date) = (event_day, event.time.date());
        }
        match dates.get_mut(&date) {
            Some(events) => events.push(event),
            None => {
                dates.insert(date.clone(), vec![event]);
            }
        }
    }
    let named: Vec<(String, String, Vec<Arc<Event>>)> =
        dates.into_iter().map(|(date, events)| (next_id(), date, events)).collect();
    named
        .into_par_iter()
        .map(|(id, date, mut events)| {
            events.par_sort_unstable_by(|left, right| row_order(left, right));
            let files = write_segment(&id, &date, form, &events)?;
            put(&files)?;
            Ok(files.manifest)
        })
        .collect()
}
