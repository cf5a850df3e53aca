//! Where `annals ingest` sends records: into a data directory, or to a server.

use super::output::note;
use super::remote::Remote;
use super::send::Sender;
use super::sources::RecordSource;
use crate::calls::Pairs;
use crate::decode::Format;
use crate::engine::{Engine, Outcome};
use crate::error::{Error, Result};
use crate::ingest::{RecordSplitter, TenantRule};
use indicatif::ProgressBar;

/// Maximum number of quarantined records per file that are reported one by one.
const NAMED_MAX: usize = 5;

/// Where records are sent.
pub(super) enum Destination<'a> {
    Local(Box<Engine>, Option<Format>, TenantRule),
    Remote(Remote<'a>, Pairs),
}

impl Destination<'_> {
    /// Ingests complete lines and returns how many records there were.
    ///
    /// # Errors
    /// Whatever prevents the records from being durable. The lines can be sent again: records that
    /// are already stored count as duplicates.
    pub(super) fn take_bytes(&self, lines: &[u8], shown: &str, first_line: u64) -> Result<u64> {
        let (outcome, error) = match self {
            Self::Local(engine, format, rule) => {
                engine.ingest_stream(lines, *format, rule, shown, |_| {})
            }
            Self::Remote(remote, request) => {
                Sender::new(remote, request, first_line).send(RecordSplitter::new(lines), |_| {})
            }
        };
        say_quarantined(&outcome, shown, first_line);
        error.map_or_else(
            || Ok(outcome.accepted + outcome.duplicates + outcome.quarantined.total()),
            |error| Err(error.at(shown)),
        )
    }

    /// Ingests a whole file, compressed or not.
    ///
    /// # Errors
    /// As [`Destination::take_bytes`].
    pub(super) fn take_file(&self, source: &RecordSource) -> Result<u64> {
        let (outcome, error) = self.take_source(source, &ProgressBar::hidden(), |_| {});
        say_quarantined(&outcome, &source.to_string(), 0);
        error.map_or_else(
            || Ok(outcome.accepted + outcome.duplicates + outcome.quarantined.total()),
            |error| Err(error.at(source)),
        )
    }

    /// Ingests a source. The bar advances by the bytes that are read, and `heard` is called now and
    /// then with what has been taken in.
    pub(super) fn take_source(
        &self,
        source: &RecordSource,
        bar: &ProgressBar,
        heard: impl FnMut(&Outcome),
    ) -> (Outcome, Option<Error>) {
        match (self, source.open(bar)) {
            (_, Err(error)) => (Outcome::default(), Some(error)),
            (Self::Local(engine, format, rule), Ok(input)) => {
                engine.ingest_stream(input, *format, rule, &source.to_string(), heard)
            }
            (Self::Remote(remote, request), Ok(input)) => Sender::new(remote, request, 0)
                .send(RecordSplitter::new(std::io::BufReader::new(input)), heard),
        }
    }
}

/// Reports the quarantined records one by one, up to a limit.
pub(super) fn say_quarantined(outcome: &Outcome, shown: &str, first_line: u64) {
    let listed = outcome.quarantined.listed();
    for refused in listed.iter().take(NAMED_MAX) {
        note(&format!(
            "{shown}: line {}: quarantined: {}",
            first_line + refused.line,
            refused.reason
        ));
    }
    let more = outcome.quarantined.total() - listed.len().min(NAMED_MAX) as u64;
    if more > 0 {
        let reasons = outcome
            .quarantined
            .reasons()
            .iter()
            .take(NAMED_MAX)
            .map(|of| format!("{}: {}", of.count, of.reason));
        note(&format!(
            "{shown}: {more} more records quarantined; of all {}",
            reasons.collect::<Vec<_>>().join("; ")
        ));
    }
}
