//! The text of a record: which texts it contains, how they are compared, and the words by which an
//! index finds them.
//!
//! A record is JSON. Its texts are its keys, its strings (with escapes resolved), its numbers and
//! its truth values, at any depth. A string that is itself JSON, which is how cloud services like
//! to write requests, is opened, and its texts belong to the record too. Texts are compared folded
//! ([`fold`]): full-width forms become plain ones, and letters lose their case. The parts of names
//! such as `deleteServer` are words too.

mod fold;
mod glob;
mod lexer;
mod name_parts;
mod template;
mod texts;
mod tokens;
mod walk;

pub use fold::{fold, is_word, melts, plain_forms};
pub use glob::Glob;
pub use lexer::{Lexer, Quoted, unescape};
pub use name_parts::{holds_words, part_tokens};
pub use template::{decided_by_shape, longest_run, shape};
pub use texts::{RecordText, RecordTexts, TextKind as RecordTextKind};
pub use tokens::{NeedleTerms, Token, TokenKind, is_lone_id, spaced, stands_in, tokens, words_of};
pub use walk::{WalkStep, container_at, walk, walk_parts};
