//! All integration tests in one binary: linking the engine once is slow enough.

mod arrivals;
mod backup;
mod clients;
mod commands;
mod compaction;
mod decode;
mod doors;
mod durable;
mod exporting;
mod following;
mod hostile;
mod keeping;
mod oracle;
mod plans;
mod process;
mod readme;
mod redaction;
mod samples;
mod screen;
mod serving;
mod sigma;
mod steps;
mod store;
mod text;
mod tidy;
mod views;
