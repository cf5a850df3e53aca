//! Sources: events that are fetched from elsewhere, so that they come by themselves.
//!
//! A [`Source`] is a record of the administrative state, with its credential sealed. The
//! [`Collector`] reads each when its time comes. A source has lists (of traces, of records), each
//! with a cursor of its own (`fronts`): up to where it is read, and up to where
//! it is settled, because records may appear late. A list is read in windows: what a window
//! has is stored in the same append to the log as the cursor after it, so a process that is killed
//! loses nothing and doubles nothing: what is read again is known by its ids.
//!
//! Coverage follows from the cursors: from when on, and up to when, events are complete.
//!
//! A source asks only its endpoint (`client`), over TLS or on this machine, and follows no
//! redirect. What a credential is refused for pauses the source; everything else is tried again.

mod client;
mod collector;
mod coverage;
mod cts;
mod fronts;
mod list;
mod missing;
mod partner;
mod passes;
mod retry;
mod round;
mod source;
mod stored;
mod window;

pub use collector::{Collector, SourceState, missing_in};
pub use coverage::{ShownGap, SourceCoverage};
pub use missing::{MissingKind, MissingStretch, missing};
pub use round::RoundCounts;
pub use source::{Pause, STRETCHES_MAX, Source, SourceKind, Stretch};
pub use stored::{stored_source, stored_sources};
