//! Audit records of other clouds and services, each described by a table: where it has what an
//! event has, and where it tells that something failed.
//!
//! The tables follow the vendors' pages, which each file names. An actor is who did it, a target
//! what or whom it was done to, as in OCSF.

mod clouds;
mod code_hosts;
mod directories;
mod microsoft;
mod neutral;
mod table;
mod windows;

use super::paths::Paths;
use super::{Format, document, severity};
use crate::error::Result;
use crate::event::{Event, Field, Timestamp};
use table::Vendor;

pub(super) use windows::fill_winlog;

/// Returns the descriptions of all vendors.
fn vendors() -> impl Iterator<Item = &'static Vendor> {
    let tables = [
        clouds::CLOUDS,
        code_hosts::CODE_HOSTS,
        directories::DIRECTORIES,
        microsoft::MICROSOFT,
        neutral::NEUTRAL,
    ];
    tables.into_iter().flatten()
}

/// Fills the event from a record of one of the vendors; as any document, if it has no name where
/// that vendor's records have it.
pub(super) fn decode(record: &str, format: Format, event: &mut Event) -> Result<()> {
    let paths = Paths::of(record)?;
    let Some(vendor) = vendors().find(|vendor| vendor.format == format) else {
        return document::decode(record, event);
    };
    for name in vendor.carried {
        if super::decode_if_carried(paths.first(&[name])?, event) {
            return Ok(());
        }
    }
    let text = |path: &str| -> Result<Option<String>> { paths.text(&[path]) };
    for (field, names) in vendor.texts {
        event.set_opt(*field, first_text(&paths, names, vendor.nothing)?);
    }
    let mut failed = (vendor.refine)(&paths, event).unwrap_or(false);
    if event.text(Field::EventName).is_none() {
        // It only has some keys of that vendor.
        let original = std::mem::take(&mut event.original);
        *event = Event::default();
        event.original = original;
        event.set(Field::Format, Format::Document.name());
        return document::decode(record, event);
    }
    if event.text(Field::Source).is_none() {
        event.set(Field::Source, vendor.source);
    }
    event.time = time_of(&paths, vendor)?;
    event.set(Field::EventType, "system");
    event.set(Field::TraceType, "Others");
    if !vendor.reading.0.is_empty() {
        let told = text(vendor.reading.0)?;
        event.read_only = told.map(|word| word.eq_ignore_ascii_case(vendor.reading.1));
    }
    for (path, failure) in vendor.failed {
        failed |= text(path)?.is_some_and(|text| failure.is_told_by(&text));
    }
    let level = paths.text(vendor.levels)?.and_then(|word| severity::of_word(&word));
    event.set(
        Field::Level,
        match level {
            Some("normal") | None if failed => "warning",
            Some(level) => level,
            None => "normal",
        },
    );
    for (kind, path) in vendor.related {
        event.relate(kind, text(path)?.unwrap_or_default());
    }
    Ok(())
}

/// Returns the first text that stands for a value.
fn first_text(paths: &Paths<'_>, names: &[&str], nothing: &[&str]) -> Result<Option<String>> {
    for name in names {
        let text = paths.text(&[name])?;
        let is_value =
            |text: &String| !nothing.contains(&text.as_str()) && !document::is_placeholder(text);
        if let Some(text) = text.filter(is_value) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// Returns the first time; none claims 1970, and is filed under its arrival.
fn time_of(paths: &Paths<'_>, vendor: &Vendor) -> Result<Timestamp> {
    let zone = (vendor.zone)(paths)?.unwrap_or(vendor.zone_minutes);
    for name in vendor.times {
        // A name that says it is UTC is believed.
        let zone = if name.starts_with("Utc") { 0 } else { zone };
        if let Some(time) = paths.first(&[name])?.time_in_zone(name, zone)? {
            return Ok(time);
        }
    }
    // Elsewhere it may be as in any document; what is no time there is passed over.
    for name in vendor.other_times {
        let time = paths.first(&[name])?.time_in_zone(name, zone);
        if let Some(time) = time.ok().flatten() {
            return Ok(time);
        }
    }
    Ok(document::time_of(paths).ok().flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests;
