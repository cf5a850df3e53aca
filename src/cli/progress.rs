//! Progress of `annals ingest`: bytes of the sources as they are read, their rate, the time left.

use super::sources::RecordSource;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use std::time::Duration;

/// How often the display is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(120);
/// What is shown while it is known how much there is to read. Bytes are those on the disk: how long
/// a compressed file is when unpacked is only known at its end.
const MEASURED: &str =
    "{bar:12} {bytes}/{total_bytes} {bytes_per_sec} {eta} left, {prefix} records {wide_msg}";
/// What is shown while it is not, as of a pipe.
const UNMEASURED: &str = "{spinner} {bytes} {bytes_per_sec} {elapsed}, {prefix} records {wide_msg}";
/// What is shown while files are followed.
const FOLLOWED: &str = "{spinner} {human_pos} records, {per_sec} {elapsed}";

/// The progress of some sources. It is drawn on standard error, and only if that is a terminal.
pub(super) struct IngestProgress {
    pub(super) bar: ProgressBar,
    /// Bytes of the sources that have been read.
    done: u64,
}

impl IngestProgress {
    /// Begins to show the progress of these sources.
    pub(super) fn of(sources: &[RecordSource]) -> Self {
        let total = sources.iter().map(RecordSource::bytes).sum::<Option<u64>>();
        let (bar, template) = match total {
            Some(bytes) => (ProgressBar::new(bytes), MEASURED),
            None => (ProgressBar::new_spinner(), UNMEASURED),
        };
        let progress = Self { bar: shown(bar, template), done: 0 };
        progress.has_taken(0);
        progress
    }

    /// Says how many records have been taken in.
    pub(super) fn has_taken(&self, records: u64) {
        self.bar.set_prefix(HumanCount(records).to_string());
    }

    /// A source is finished: what was not read of it, because it is damaged, is not left to do.
    pub(super) fn finish(&mut self, source: &RecordSource) {
        if let Some(bytes) = source.bytes() {
            self.done += bytes;
            self.bar.set_position(self.done);
        } else {
            self.done = self.bar.position();
        }
    }
}

/// Returns the display of files that are followed, which counts records: they have no end.
pub(super) fn follow_bar() -> ProgressBar {
    shown(ProgressBar::new_spinner(), FOLLOWED)
}

fn shown(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let bar = bar.with_style(style);
    bar.enable_steady_tick(TICK);
    bar
}
