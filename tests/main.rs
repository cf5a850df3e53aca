//! All integration tests in one binary: linking the engine once is slow enough.

mod clients;
mod decode;
mod oracle;
mod plans;
mod samples;
mod store;
mod tidy;
