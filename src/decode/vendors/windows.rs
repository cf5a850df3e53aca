//! Security events of Windows: who did it, and to whom.
//!
//! The subject of a logon is the account that reports it, often the computer itself; who logged on
//! is the target (Microsoft: events 4624, 4625, 4768, 4771, 4776). Of a change of an account or a
//! group the target is what was changed.

use crate::decode::json::Loose;
use crate::decode::paths::Paths;
use crate::decode::{DEPTH_MAX, depth};
use crate::error::Result;
use crate::event::{Event, Field, Timestamp};

/// The bit of the keywords that marks an audit of a failure.
pub(super) const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;

/// Events of logons, whose actor is the target.
const LOGONS: &[&str] = &[
    "4624", "4625", "4627", "4634", "4647", "4768", "4769", "4770", "4771", "4772", "4776", "4777",
    "4778", "4779", "4800", "4801",
];
/// Changes of accounts and groups, whose target is the resource.
const ACCOUNT_CHANGES: std::ops::RangeInclusive<u32> = 4_720..=4_767;
/// The step between time zones.
const QUARTER_SECONDS: i64 = 15 * 60;
/// How long an event is on its way from one shipper to the next, at most, if its zone is to be
/// told.
const SHIPPING_SECONDS: i64 = 120;
/// Where an event names the other side of a connection.
const ADDRESSES: &[&str] = &["IpAddress", "ClientAddress", "SourceAddress", "SourceIp"];
/// Where an event has its data: as evtx_dump and as NXLog write it, and as Winlogbeat does.
const DATA: &[&str] = &["Event.EventData.", "", "winlog.event_data."];

/// The data of an event by name.
struct EventData<'a> {
    paths: &'a Paths<'a>,
    /// What EvtxECmd has in `Payload`.
    listed: Vec<(String, String)>,
}

impl<'a> EventData<'a> {
    fn of(paths: &'a Paths<'a>) -> Result<Self> {
        let listed = match paths.first(&["Payload"])?.embedded() {
            Some(payload) if depth(payload.as_bytes()) <= DEPTH_MAX => Self::listed(&payload)?,
            _ => Vec::new(),
        };
        Ok(Self { paths, listed })
    }

    /// Reads `{"EventData":{"Data":[{"@Name":"IpAddress","#text":"::1"}]}}`.
    fn listed(payload: &str) -> Result<Vec<(String, String)>> {
        let mut listed = Vec::new();
        let Ok(payload) = Paths::of(payload) else { return Ok(listed) };
        for item in payload.first(&["EventData.Data"])?.items().into_iter().filter_map(Loose::raw) {
            let Ok(item) = Paths::of(item) else { continue };
            if let (Some(name), Some(text)) = (item.text(&["@Name"])?, item.text(&["#text"])?) {
                listed.push((name, text));
            }
        }
        Ok(listed)
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        let known = self.listed.iter().find(|(known, _)| known == name);
        let mut text = known.map(|(_, text)| text.clone());
        for place in DATA {
            if text.is_none() {
                text = self.paths.text(&[&format!("{place}{name}")])?;
            }
        }
        Ok(text.filter(|text| !matches!(text.trim(), "" | "-")))
    }
}

/// Returns how many minutes the host's time is ahead of UTC. NXLog writes `EventReceivedTime` in
/// it, and a shipper adds `@timestamp`, in UTC, seconds later; zones are apart by quarters of an
/// hour.
pub(super) fn zone_minutes(paths: &Paths<'_>) -> Result<Option<i64>> {
    let time = |name: &str| -> Result<Option<Timestamp>> {
        Ok(paths.first(&[name])?.time_in_zone(name, 0).ok().flatten())
    };
    let (Some(local), Some(utc)) = (time("EventReceivedTime")?, time("@timestamp")?) else {
        return Ok(None);
    };
    let seconds = (local.millis() - utc.millis()).div_euclid(1_000);
    let quarters = (seconds + QUARTER_SECONDS / 2).div_euclid(QUARTER_SECONDS);
    let is_near = (seconds - quarters * QUARTER_SECONDS).abs() <= SHIPPING_SECONDS;
    let is_zone = (-12 * 4..=14 * 4).contains(&quarters);
    Ok((is_near && is_zone).then_some(quarters * 15))
}

/// Sets actor, target and address of an event.
pub(super) fn refine(paths: &Paths<'_>, event: &mut Event) -> Result<bool> {
    let id = event.text(Field::EventName).unwrap_or_default().to_owned();
    set_actor(paths, event, &id)?;
    Ok(false)
}

/// Sets actor, target and address of an event that Winlogbeat sent without its modules, which are
/// what sets `user` and `source`.
pub(in crate::decode) fn fill_winlog(paths: &Paths<'_>, event: &mut Event) -> Result<()> {
    match paths.text(&["winlog.event_id"])? {
        Some(id) if event.text(Field::Operator).is_none() => set_actor(paths, event, &id),
        _ => Ok(()),
    }
}

fn set_actor(paths: &Paths<'_>, event: &mut Event, id: &str) -> Result<()> {
    let data = EventData::of(paths)?;
    let (subject, target) = (data.text("SubjectUserName")?, data.text("TargetUserName")?);
    let actor = if LOGONS.contains(&id) {
        target.or(subject)
    } else {
        if id.parse().is_ok_and(|id: u32| ACCOUNT_CHANGES.contains(&id)) {
            event.set_opt(Field::ResourceName, target.clone());
            event.set_opt(Field::ResourceId, data.text("TargetSid")?.or(target.clone()));
        }
        event.relate("target", target.unwrap_or_default());
        subject
    };
    event.set_opt(Field::Operator, actor);
    for name in ADDRESSES {
        if event.text(Field::SourceIp).is_none() {
            event.set_opt(Field::SourceIp, data.text(name)?);
        }
    }
    if event.text(Field::Code).is_none() {
        event.set_opt(Field::Code, data.text("Status")?);
    }
    Ok(())
}
