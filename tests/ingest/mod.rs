//! What comes in: formats, doors, files, redaction, quarantine, and the pipeline that takes it.

mod arrivals;
mod decode;
mod decode_again;
mod doors;
mod following;
mod hostile;
mod lines;
mod pipeline;
mod quarantine;
mod redaction;
mod reports;
pub(crate) mod samples;
mod vendors;
