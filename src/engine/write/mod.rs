//! From a batch of records to segments of the table: a pipeline of threads that each own what they
//! change.

pub(super) mod commit;
pub(super) mod ingest;
pub(super) mod intake;
pub(super) mod log;
pub(super) mod refusals;
pub(super) mod requests;
pub(super) mod room;
pub(super) mod seal;
pub(super) mod seal_trigger;
