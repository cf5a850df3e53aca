//! What tests stand on: a store in a temporary folder, the real binary, Python.

pub(crate) mod clients;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod store;
