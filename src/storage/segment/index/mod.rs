//! The index of a segment: posting lists, codes, tables of ids, and a cache of lookups in them.

pub(super) mod amounts;
pub(super) mod codes;
pub(super) mod codes_writer;
pub(super) mod hash_table;
pub(super) mod id_table;
pub(super) mod ingest_times;
mod on_demand;
pub(super) mod reader;
pub(super) mod row_keys;
pub(super) mod schema;
pub(super) mod term_cache;
pub(super) mod text;
pub(super) mod value_table;
pub(super) mod writer;
