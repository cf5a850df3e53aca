//! The calls that the command line and HTTP have in common: parameters, questions, and the form of
//! their answers.
//!
//! Nothing here knows how a call arrives or how its answer is delivered, so both surfaces give the
//! same answers. No web framework is named in this folder.

mod counts_json;
pub(crate) mod export;
mod hints;
mod params;
mod policy;
mod principals;
mod projection;
mod quarantine;
mod query_call;
pub mod question;
mod raw_answer;
mod relationships;
mod settings;
mod source_stretches;
mod sources;

pub(crate) use export::Export;
pub use params::Pairs;
pub(crate) use params::parse_format;
pub use policy::{PolicyCall, tenants};
pub use principals::{PrincipalCall, me};
pub(crate) use projection::{Projection, Shown};
pub use quarantine::QuarantineCall;
pub(crate) use raw_answer::RawAnswer;
pub use relationships::{RelationshipCall, is_about_relationships, list_relationships};
pub use sources::{SourceCall, check_sources};
