//! Stretches of time of a source about which somebody decides: what is read again, and gaps that
//! stay.

use crate::access::Caller;
use crate::collect::{STRETCHES_MAX, Source, Stretch};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use serde::Deserialize;

/// The longest reason.
const REASON_LETTERS_MAX: usize = 200;

/// A stretch as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedStretch {
    from: String,
    to: String,
    #[serde(default)]
    reason: String,
}

impl WantedStretch {
    fn of(self, caller: &Caller, now: Timestamp) -> Result<Stretch> {
        if self.reason.chars().count() > REASON_LETTERS_MAX {
            let what = format!("is at most {REASON_LETTERS_MAX} characters");
            return Err(Error::parameter("reason", what));
        }
        let moment =
            |name, text: &str| Timestamp::parse(text).map_err(|error| error.with_parameter(name));
        let (from, to) = (moment("from", &self.from)?, moment("to", &self.to)?);
        if from >= to {
            return Err(Error::parameter("to", "is not after from"));
        }
        if to > now {
            return Err(Error::parameter("to", "is in the future"));
        }
        let (from, to, at) = (from.to_string(), to.to_string(), now.to_string());
        Ok(Stretch { from, to, at, by: caller.name().to_owned(), reason: self.reason })
    }
}

/// Returns a source that is to read a stretch again.
///
/// # Errors
/// A stretch that is none, or that the source keeps no more.
pub(super) fn with_backfill(
    source: &Source,
    wanted: WantedStretch,
    (caller, now): (&Caller, Timestamp),
) -> Result<Source> {
    let stretch = wanted.of(caller, now)?;
    let from = Timestamp::parse(&stretch.from)?;
    if let Some(oldest) = source.oldest_kept(now).filter(|oldest| from < *oldest) {
        let what = format!(
            "is before {oldest}, the oldest that the source still has: ingest a copy of what was \
            before, or declare the gap"
        );
        return Err(Error::parameter("from", what));
    }
    let mut after = source.clone();
    // Orders are told apart by when they were given.
    let last = after.backfills.iter().filter_map(|last| Timestamp::parse(&last.at).ok()).max();
    let next = last.map_or(now, |last| now.max(Timestamp::from_millis(last.millis() + 1)));
    after.backfills.push(Stretch { at: next.to_string(), ..stretch });
    // Those before it are carried out, or were given up by whoever gives so many.
    let more = after.backfills.len().saturating_sub(STRETCHES_MAX);
    after.backfills.drain(..more);
    Ok(after)
}

/// Returns a source with a gap that is known to stay.
///
/// # Errors
/// A stretch that is none, or has no reason; too many.
pub(super) fn with_declared(
    source: &Source,
    wanted: WantedStretch,
    (caller, now): (&Caller, Timestamp),
) -> Result<Source> {
    let stretch = wanted.of(caller, now)?;
    if stretch.reason.trim().is_empty() {
        return Err(Error::parameter("reason", "say why this is not there"));
    }
    if source.declared.len() >= STRETCHES_MAX {
        let what = format!("there are already {STRETCHES_MAX} declared gaps of this source");
        return Err(Error::invalid(what));
    }
    let mut after = source.clone();
    after.declared.push(stretch);
    Ok(after)
}
