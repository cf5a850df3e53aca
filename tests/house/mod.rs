//! The rules of the house, and the examples of its documents.

mod circles;
mod readme;
mod secrets;
pub(crate) mod tidy;
