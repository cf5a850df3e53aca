//! All integration tests in one binary: linking the engine once is slow enough.

mod access;
mod clients;
mod collect;
mod durability;
mod house;
mod ingest;
mod query;
mod support;
mod web;
