//! `annals init`.

use super::output::line;
use super::{OK, Session};
use crate::engine::Engine;
use crate::error::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
A store created with this command redacts from its first record on. src/engine/README.md describes \
the rules.

Example:
  annals init --data ./audit --redaction rules.json")]
pub(super) struct InitArgs {
    /// The new data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// JSON file with the rules of redaction
    #[arg(long, value_name = "FILE")]
    redaction: Option<PathBuf>,
}

pub(super) fn run(args: &InitArgs) -> Result<u8> {
    let read =
        |file: &PathBuf| std::fs::read(file).map_err(|cause| Error::io(file.display(), cause));
    let rules = args.redaction.as_ref().map(read).transpose()?;
    if let (Some(file), Some(rules)) = (&args.redaction, &rules) {
        Engine::check_redaction(rules).map_err(|error| error.at(file.display()))?;
    }
    let session = Session::new()?;
    drop(session.make(&args.data, rules.as_deref())?);
    line(&format!("created a store at {}", args.data.display()))?;
    Ok(OK)
}
