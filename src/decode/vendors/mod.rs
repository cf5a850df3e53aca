//! Audit records of other clouds and services, each described by a table: where it has what an
//! event has, and where it tells that something failed.
//!
//! The tables follow the vendors' pages: GitHub (audit log events), GitLab (audit event schema),
//! Okta (System Log API), Google Workspace (Reports API), Microsoft 365 (Office 365 Management
//! Activity API), Azure (activity log and Entra log schemas), OCSF 1.x, Alibaba Cloud (ActionTrail
//! event structure), Tencent Cloud (CloudAudit), Oracle Cloud (Audit log schema), HashiCorp Vault
//! (audit device entry format) and Windows (winevent as evtx_dump and NXLog write it). An actor is
//! who did it, a target what or whom it was done to, as in OCSF.

mod tables;

use super::json::Loose;
use super::paths::Paths;
use super::{Format, document, severity};
use crate::error::Result;
use crate::event::{Event, Field, Timestamp};
use tables::VENDORS;

/// Fills the event from a record of one of the vendors; as any document, if it has no name where
/// that vendor's records have it.
pub(super) fn decode(record: &str, format: Format, event: &mut Event) -> Result<()> {
    let paths = Paths::of(record)?;
    let vendor = VENDORS.iter().find(|vendor| vendor.format == format);
    let Some(vendor) = vendor else { return document::decode(record, event) };
    let text = |path: &str| -> Result<Option<String>> { paths.text(&[path]) };
    for (field, names) in vendor.texts {
        event.set_opt(*field, paths.text(names)?);
    }
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
    event.time = time_of(&paths, vendor.times)?;
    event.set(Field::EventType, "system");
    event.set(Field::TraceType, "Others");
    if !vendor.reading.0.is_empty() {
        let told = text(vendor.reading.0)?;
        event.read_only = told.map(|word| word.eq_ignore_ascii_case(vendor.reading.1));
    }
    let mut failed = false;
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

/// Returns the first time; none claims 1970, and is filed under its arrival.
fn time_of(paths: &Paths<'_>, names: &[&str]) -> Result<Timestamp> {
    for name in names {
        let value: Loose<'_> = paths.first(&[name])?;
        if let Some(time) = value.time(name)? {
            return Ok(time);
        }
    }
    Ok(Timestamp::default())
}

#[cfg(test)]
mod tests;
