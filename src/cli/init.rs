//! `annals init`: a store, and its first administrator.

use super::output::{line, note};
use super::seal_key::SealKeyArgs;
use super::{OK, Session};
use crate::access::{ApiToken, Caller, Principal, Role, TokenRecord};
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::storage::{AccessMode, DataDir, paths};
use clap::Args;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the first administrator.
const ADMINISTRATOR: &str = "admin";
/// The file that a new token is written to if nobody reads the output. A backup does not have it.
/// The variable with a token that was made elsewhere.
const TOKEN_VARIABLE: &str = "ANNALS_ADMIN_TOKEN";

#[derive(Debug, Args)]
#[command(after_help = "\
The first administrator, admin, is system and security administrator: it grants access to others
and reads no events. Its token is the text in $ANNALS_ADMIN_TOKEN or in --admin-token-file if
either is given, and otherwise a new one, which is printed on a terminal, or else written to
DIR/first-admin-token for you to read and remove.

A server asks every caller for a credential. A store created with
--redaction redacts from its first record on; src/engine/README.md describes the rules. With
--seal-key-file the file is made if there is none: it is for access keys, and for annals serve, and
stays out of the store and its backups.

Examples:
  annals init --data ./audit
  annals init --data ./audit --seal-key-file ./seal.key
  annals init --data ./audit --redaction rules.json --admin-token-file token.txt")]
pub(super) struct InitArgs {
    /// The new data directory, or one of a store without principals
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// JSON file with the rules of redaction of a new store
    #[arg(long, value_name = "FILE")]
    redaction: Option<PathBuf>,
    /// File with the administrator's token: 24 characters or more
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    seal: SealKeyArgs,
}

pub(super) fn run(args: &InitArgs) -> Result<u8> {
    let read =
        |file: &PathBuf| std::fs::read(file).map_err(|cause| Error::io(file.display(), cause));
    let rules = args.redaction.as_ref().map(read).transpose()?;
    if let (Some(file), Some(rules)) = (&args.redaction, &rules) {
        Engine::check_redaction(rules).map_err(|error| error.at(file.display()))?;
    }
    let given = given_token(args.admin_token_file.as_deref())?;
    let (seal_key, is_made) = args.seal.read_or_make()?.unzip();
    if let (Some(file), Some(true)) = (args.seal.file(), is_made) {
        line(&format!(
            "made a seal key at {}: keep a copy apart from the store's backups, which are of no \
            use to access keys without it",
            file.display()
        ))?;
    }
    let session = Session::new()?.with_seal_key(seal_key);
    let engine = if DataDir::is_at(&args.data) && rules.is_none() {
        let engine = session.open(&args.data, AccessMode::Write)?;
        if engine.directory().has_security_administrator() {
            if is_made == Some(true) {
                return Ok(OK);
            }
            let what = format!("{} has an administrator already", args.data.display());
            return Err(Error::new(ErrorKind::Exists, what));
        }
        engine
    } else {
        let engine = session.make(&args.data, rules.as_deref())?;
        line(&format!("created a store at {}", args.data.display()))?;
        engine
    };
    add_administrator(&engine, &args.data, given)?;
    Ok(OK)
}

/// Returns the token that was made elsewhere, if one was.
pub(super) fn given_token(file: Option<&Path>) -> Result<Option<ApiToken>> {
    let (text, from) = match (file, std::env::var(TOKEN_VARIABLE)) {
        (Some(file), _) => {
            let text =
                std::fs::read_to_string(file).map_err(|cause| Error::io(file.display(), cause))?;
            (text, file.display().to_string())
        }
        (None, Ok(text)) => (text, format!("${TOKEN_VARIABLE}")),
        (None, Err(_)) => return Ok(None),
    };
    ApiToken::chosen(text.trim()).map(Some).map_err(|error| error.at(from))
}

/// Adds the first administrator, and hands over its token.
pub(super) fn add_administrator(
    engine: &Engine,
    data: &Path,
    given: Option<ApiToken>,
) -> Result<()> {
    let operator = Caller::operator();
    let is_new = given.is_none();
    let token = given.map_or_else(ApiToken::new, Ok)?;
    // The token is handed over first: an administrator whose token nobody has would be of no use.
    let file = (is_new && !std::io::stdout().is_terminal())
        .then(|| write_token(data, &token))
        .transpose()?;
    let principal = Principal {
        name: ADMINISTRATOR.to_owned(),
        roles: [Role::SystemAdministrator, Role::SecurityAdministrator].into(),
        ..Principal::default()
    };
    let record = TokenRecord {
        principal: ADMINISTRATOR.to_owned(),
        created: engine.clock().now().to_string(),
        created_by: operator.name().to_owned(),
        expires: None,
        note: "made with the store".to_owned(),
    };
    let created = engine.create_first_administrator(&operator, &principal, &token, &record);
    if let Err(error) = created {
        // A token of nobody would only mislead.
        if let Some(file) = file {
            let _ = std::fs::remove_file(file);
        }
        return Err(error);
    }
    match (file, is_new) {
        (Some(file), _) => line(&format!(
            "the token of the administrator {ADMINISTRATOR} is in {}: keep it elsewhere, and \
            remove the file",
            file.display()
        )),
        (None, true) => {
            note(&format!("the token of the administrator {ADMINISTRATOR}, shown only now:"));
            line(token.reveal())
        }
        (None, false) => line(&format!("the administrator {ADMINISTRATOR} has the token given")),
    }
}

fn write_token(data: &Path, token: &ApiToken) -> Result<PathBuf> {
    let path = data.join(paths::FIRST_TOKEN_FILE);
    let failed = || path.display().to_string();
    // One that is left of a start that failed is nobody's.
    let _ = std::fs::remove_file(&path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .context(ErrorKind::Unavailable, failed)?;
    file.write_all(format!("{}\n", token.reveal()).as_bytes())
        .and_then(|()| file.sync_all())
        .context(ErrorKind::Unavailable, failed)?;
    Ok(path)
}
