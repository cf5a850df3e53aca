//! What is asked: every answer against an oracle, pages, exports, views, and many askers at once.

mod all_tenants;
mod charts;
mod exports;
mod hints;
mod many_questions;
mod native_api;
mod oracle;
mod plans;
mod sigma;
mod sigma_sources;
mod text;
mod views;
mod walks;
