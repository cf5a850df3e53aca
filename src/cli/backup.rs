//! `annals backup` and `annals restore`.

use super::output::{line, note};
use super::{AskedPlace, OK, Session};
use crate::calls::Pairs;
use crate::error::{Error, Result};
use crate::storage::AccessMode;
use clap::Args;
use serde_json::Value as Json;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
A backup is a data directory of its own: `annals query --data BACKUP` answers from it, `annals \
check --data BACKUP` checks it.
A running server makes it below the directory that it was started with (--backups).

Examples:
  annals backup --data ./audit --to /backups/audit
  annals backup --url http://127.0.0.1:7400 --to monday")]
pub(super) struct BackupArgs {
    #[command(flatten)]
    store: AskedPlace,
    /// Directory to write the backup to; for a server's backup, its name
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  annals restore --from /backups/audit --data ./audit")]
pub(super) struct RestoreArgs {
    /// The backup directory
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The new data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
}

pub(super) fn backup(args: &BackupArgs) -> Result<u8> {
    let session = Session::new()?;
    let report = match (&args.store.data, &args.store.url) {
        (Some(data), _) => {
            if !data.exists() {
                return Err(Error::parameter(
                    "--data",
                    format!("there is nothing at {}", data.display()),
                ));
            }
            serde_json::to_value(session.open(data, AccessMode::Write)?.backup_in_need(&args.to)?)
                .unwrap_or_default()
        }
        (None, Some(url)) => {
            let name = args.to.to_string_lossy().into_owned();
            args.store.remote(&session, url)?.post(
                "/api/v1/backups",
                &Pairs(vec![("name".to_owned(), name)]),
                Vec::new(),
            )?
        }
        (None, None) => {
            return Err(Error::parameter("--data", "name a store: --data DIR or --url URL"));
        }
    };
    say(&report)
}

pub(super) fn restore(args: &RestoreArgs) -> Result<u8> {
    let session = Session::new()?;
    let report = session.open(&args.from, AccessMode::Read)?.restore(&args.data)?;
    session.open(&args.data, AccessMode::Read)?.prove()?;
    say(&serde_json::to_value(report).unwrap_or_default())
}

fn say(report: &Json) -> Result<u8> {
    let damaged = report["mended"].as_array().map_or(&[][..], Vec::as_slice);
    damaged
        .iter()
        .filter_map(Json::as_str)
        .for_each(|path| note(&format!("{path} of the backup was damaged and was copied again")));
    let mended = if damaged.is_empty() {
        String::new()
    } else {
        format!("; {} of them damaged and copied again", damaged.len())
    };
    line(&format!(
        "{} events in {} segments: {} files copied ({} MB), {} were already there{mended}",
        report["events"],
        report["segments"],
        report["copied"],
        report["bytes"].as_u64().unwrap_or_default() / 1_000_000,
        report["kept"]
    ))?;
    Ok(OK)
}
