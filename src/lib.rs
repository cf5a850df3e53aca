#![doc = include_str!("ARCHITECTURE.md")]

pub mod access;
pub mod api;
pub mod cli;
pub mod clock;
pub mod decode;
pub mod engine;
pub mod error;
pub mod event;
pub mod export;
pub mod generate;
pub mod ingest;
pub mod maintain;
pub mod query;
pub mod sigma;
pub mod storage;
pub mod text;
