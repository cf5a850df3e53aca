//! The configuration of `annals serve`: every flag may also stand in a TOML file, under its name
//! with `_` for `-`, or in the environment, as `ANNALS_` and its name. A flag beats the
//! environment, the environment beats the file, and the file beats the default.
//!
//! The table of flags is the only list of settings: the file and the environment are checked
//! against it, so that a misspelt key or a value that a flag would refuse is an error here, too.

use super::output::line;
use super::serve::ServeArgs;
use super::{Cli, OK};
use crate::error::{Error, Result};
use clap::{Arg, ArgAction, Args, Command, CommandFactory, FromArgMatches, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The command whose flags are settings.
const SERVE: &str = "serve";
/// The flag that names the file, which cannot stand in it.
const CONFIG: &str = "config";
/// What the variables begin with.
const PREFIX: &str = "ANNALS_";
/// Values in the example of settings for which the name of the value is none.
const EXAMPLES: &[(&str, &str)] = &[
    ("behind-proxy", "127.0.0.1,::1"),
    ("oidc-issuer", "https://login.example.com"),
    ("public-url", "https://annals.example.com"),
];
/// Files above this size are no configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "\
Every flag of annals serve may stand in the file, with _ for -: listen = \"127.0.0.1:7400\". Each \
is also a variable,
such as ANNALS_LISTEN. A flag beats a variable, and a variable beats the file.

Examples:
  annals config example > annals.toml
  annals config check annals.toml
  annals serve --config annals.toml")]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration file: its keys and values
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print a file with every setting, its meaning and its default
    Example,
}

pub(super) fn run(args: &ConfigArgs) -> Result<u8> {
    match &args.command {
        ConfigCommand::Check { file } => {
            let settings = read(file)?;
            check_together(file)?;
            line(&format!("sound: {} settings", settings.len()))?;
        }
        ConfigCommand::Example => {
            line("# The configuration of annals serve; see annals config --help.")?;
            for arg in flags(&with_variables(Cli::command())) {
                line(&described(&arg))?;
            }
        }
    }
    Ok(OK)
}

/// Returns the command line whose defaults are those of the environment and of the file that these
/// words, or the environment, name.
///
/// # Errors
/// A file that cannot be read, a key that is no flag, or a value that its flag would refuse.
pub(super) fn command(words: impl Iterator<Item = OsString>) -> Result<Command> {
    let command = with_variables(Cli::command());
    let Some(file) = file_named(words) else { return Ok(command) };
    let settings = read(&file)?;
    Ok(command.mut_subcommand(SERVE, |mut serve| {
        for (name, text) in settings {
            // clap keeps defaults for the lifetime of the program, and a program reads one file.
            let text: &'static str = text.leak();
            serve = serve.mut_arg(name, |arg| arg.default_value(text).required(false));
        }
        serve
    }))
}

/// Checks what one value alone does not show, as a start would.
fn check_together(file: &Path) -> Result<()> {
    let refused = |what: String| {
        Error::parameter("--config", format!("{}: {}", file.display(), what.trim_end()))
    };
    // The data directory may come by a flag.
    let words: Vec<OsString> =
        ["annals", SERVE, "--data", ".", "--config"].iter().map(OsString::from).collect();
    let words = [words, vec![file.into()]].concat();
    let matches = command(words.iter().cloned())?.try_get_matches_from(words);
    let matches = matches.map_err(|error| refused(error.to_string()))?;
    let Some(matches) = matches.subcommand_matches(SERVE) else { return Ok(()) };
    let args = ServeArgs::from_arg_matches(matches).map_err(|error| refused(error.to_string()))?;
    args.settings().map_err(|error| refused(error.to_string()))?;
    args.options().map(drop).map_err(|error| refused(error.to_string()))
}

fn with_variables(command: Command) -> Command {
    command.mut_subcommand(SERVE, |serve| {
        serve.mut_args(|arg| {
            let Some(variable) = arg.get_long().map(variable) else { return arg };
            let variable: &'static str = variable.leak();
            arg.env(variable).hide_env(true)
        })
    })
}

fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_ascii_uppercase())
}

/// Returns the file that `annals serve` is told to read.
fn file_named(words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut words = words.skip(1);
    if words.next()? != SERVE {
        return None;
    }
    let flag = format!("--{CONFIG}");
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--") => break,
            Some(word) if word == flag => return words.next().map(PathBuf::from),
            Some(word) => {
                if let Some(file) = word.strip_prefix(&flag).and_then(|rest| rest.strip_prefix('='))
                {
                    return Some(PathBuf::from(file));
                }
            }
            None => {}
        }
    }
    std::env::var_os(variable(CONFIG)).map(PathBuf::from)
}

/// Returns the flags that are settings.
fn flags(command: &Command) -> Vec<Arg> {
    let serve = command.get_subcommands().find(|command| command.get_name() == SERVE);
    let is_setting = |arg: &&Arg| arg.get_long().is_some_and(|long| long != CONFIG);
    serve.into_iter().flat_map(Command::get_arguments).filter(is_setting).cloned().collect()
}

fn key_of(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().replace('-', "_")
}

/// Reads a file: the names of flags, as clap knows them, and their values.
fn read(file: &Path) -> Result<Vec<(String, String)>> {
    let shown = file.display().to_string();
    let length = std::fs::metadata(file).map_err(|cause| Error::io(&shown, cause))?.len();
    if length > FILE_BYTES_MAX {
        return Err(Error::parameter(
            "--config",
            format!("{shown} has {length} bytes: it is no configuration"),
        ));
    }
    let text = std::fs::read_to_string(file).map_err(|cause| Error::io(&shown, cause))?;
    let refused = |what: String| Error::parameter("--config", format!("{shown}: {what}"));
    let table: Table = text.parse().map_err(|cause: toml::de::Error| refused(cause.to_string()))?;
    let known = flags(&Cli::command());
    let mut settings = Vec::with_capacity(table.len());
    for (key, value) in &table {
        let arg = known.iter().find(|arg| key_of(arg) == *key).ok_or_else(|| {
            let keys: Vec<String> = known.iter().map(key_of).collect();
            refused(format!("{key} is no setting; the settings are {}", keys.join(", ")))
        })?;
        let text = text_of(value)
            .ok_or_else(|| refused(format!("{key} is a text, a number, or true or false")))?;
        check(arg, &text).map_err(|what| refused(format!("{key}: {what}")))?;
        settings.push((arg.get_id().to_string(), text));
    }
    Ok(settings)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// Checks a value as the flag itself would.
fn check(arg: &Arg, text: &str) -> std::result::Result<(), String> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match text {
            "true" | "false" => Ok(()),
            _ => Err("is true or false".to_owned()),
        };
    }
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    let alone = arg.clone().required(false).env(None::<&str>);
    let word = format!("--{}={text}", arg.get_long().unwrap_or_default());
    let parsed =
        Command::new("annals").no_binary_name(true).arg(alone).try_get_matches_from([word]);
    parsed.map(drop).map_err(|error| {
        let told = error.to_string();
        told.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// Describes a setting as a comment, with its default as a line that can be turned on.
fn described(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let (key, is_flag) = (key_of(arg), matches!(arg.get_action(), ArgAction::SetTrue));
    let default = arg.get_default_values().first().map(|text| text.to_string_lossy().into_owned());
    let value = match default {
        _ if is_flag => "false".to_owned(),
        Some(text) if text.parse::<f64>().is_ok() => text,
        Some(text) => format!("{text:?}"),
        None if let Some((_, value)) =
            EXAMPLES.iter().find(|(flag, _)| arg.get_long() == Some(flag)) =>
        {
            format!("{value:?}")
        }
        None => {
            let names = arg.get_value_names().and_then(|names| names.first());
            format!("{:?}", names.map_or("…", |name| name.as_str()))
        }
    };
    format!("\n# {help}\n# {key} = {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("a file");
        file
    }

    fn listen(words: &[&str], text: &str) -> String {
        let file = file(text);
        let path = file.path().to_str().expect("a path").to_owned();
        let words: Vec<OsString> = ["annals", "serve", "--config", &path]
            .iter()
            .chain(words)
            .map(OsString::from)
            .collect();
        let command = command(words.iter().cloned()).expect("a command");
        let matches = command.try_get_matches_from(words).expect("a command line");
        let serve = matches.subcommand_matches(SERVE).expect("serve");
        serve.get_one::<std::net::SocketAddr>("listen").expect("an address").to_string()
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        assert_eq!(listen(&[], "data = \"x\""), "127.0.0.1:7400");
        let own =
            "data = \"x\"\nlisten = \"127.0.0.1:1\"\ndrain = 3\nseal_after = 1.5\ncreate = true";
        assert_eq!(listen(&[], own), "127.0.0.1:1");
        assert_eq!(listen(&["--listen", "127.0.0.1:2"], own), "127.0.0.1:2");
    }

    #[test]
    fn what_no_flag_would_take_is_refused_and_named() {
        for (text, named) in [
            (
                "lisen = \"127.0.0.1:1\"",
                "lisen is no setting; the settings are data, create, listen",
            ),
            ("listen = \"nowhere\"", "listen: invalid value 'nowhere'"),
            ("listen = \"\"", "listen: is empty"),
            ("drain = -1", "drain: "),
            ("create = \"yes\"", "create: is true or false"),
            ("drain = [1]", "drain is a text, a number"),
            ("[serve]\nlisten = \"127.0.0.1:1\"", "serve is no setting"),
            ("listen = ", "line 1"),
            ("drain = 1\ndrain = 2", "duplicate key"),
            ("config = \"x\"", "config is no setting"),
        ] {
            let error = read(file(text).path()).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        assert!(read(Path::new("/nowhere/annals.toml")).is_err());
        let negative = file("seal_after = -1");
        let error = check_together(negative.path()).expect_err("no number of seconds");
        assert!(error.to_string().contains("--seal-after"), "{error}");
        check_together(file("seal_after = 1").path()).expect("a number of seconds");
    }

    #[test]
    fn the_example_is_a_configuration_once_it_is_turned_on() {
        let command = with_variables(Cli::command());
        let known = flags(&command);
        assert!(known.len() > 10);
        let lines: Vec<String> = known.iter().map(described).collect();
        for (arg, text) in known.iter().zip(&lines) {
            let setting = text.lines().last().and_then(|line| line.strip_prefix("# "));
            let sound = read(file(setting.expect("a setting")).path());
            assert!(sound.is_ok(), "{}: {sound:?}", key_of(arg));
        }
    }
}
