//! Shows a text that is longer than the terminal through a pager.

use super::output::{put, terminal_size};
use crate::error::{Context, ErrorKind, Result};
use std::ffi::OsString;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// How less leaves a short text on the screen, keeps colours, and does not wrap lines.
const LESS: &str = "FRSX";
/// The exit codes of a shell that cannot run a command.
const NOT_RUN: [i32; 2] = [126, 127];

/// Prints a text, through a pager if standard output is a terminal with fewer lines.
pub(super) fn show(runtime: &Runtime, text: &str) -> Result<()> {
    // The prompt takes a line, too.
    let is_long = terminal_size().is_some_and(|(_, height)| text.lines().count() + 1 > height);
    let chosen = chosen(["ANNALS_PAGER", "PAGER"].map(std::env::var_os));
    match chosen.filter(|_| is_long) {
        Some(command) => page(runtime, command, text),
        None => put(text),
    }
}

/// Returns the command of the first variable that is set, or less; `None` if it names no pager.
fn chosen(variables: [Option<OsString>; 2]) -> Option<Command> {
    let Some(set) = variables.into_iter().flatten().next() else {
        let mut less = Command::new("less");
        less.arg(format!("-{LESS}"));
        return Some(less);
    };
    let is_none = set.to_str().is_some_and(|set| ["", "cat"].contains(&set.trim()));
    if is_none {
        return None;
    }
    // The variable may hold flags, as for other programs.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(set);
    if std::env::var_os("LESS").is_none() {
        shell.env("LESS", LESS);
    }
    Some(shell)
}

/// Hands a text to a pager; one that cannot be run is done without.
fn page(runtime: &Runtime, mut command: Command, text: &str) -> Result<()> {
    // Ctrl-C belongs to the pager, which would be left without a terminal if this process ended.
    let _inside = runtime.enter();
    let _caught = signal(SignalKind::interrupt());
    let Ok(mut pager) = command.stdin(Stdio::piped()).spawn() else { return put(text) };
    feed(&mut pager, text);
    let status =
        pager.wait().context(ErrorKind::Unavailable, || "cannot wait for the pager".to_owned())?;
    if status.code().is_some_and(|code| NOT_RUN.contains(&code)) { put(text) } else { Ok(()) }
}

/// Writes to a pager, which may end before it has read everything.
fn feed(pager: &mut Child, text: &str) {
    if let Some(mut input) = pager.stdin.take() {
        let _ = input.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::chosen;
    use std::ffi::OsString;

    fn words(first: Option<&str>, second: Option<&str>) -> Option<Vec<String>> {
        let command = chosen([first, second].map(|set| set.map(OsString::from)))?;
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        Some(words.map(|word| word.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn the_own_variable_goes_before_the_common_one() {
        let shell = |set: &str| Some(["sh", "-c", set].map(str::to_owned).to_vec());
        assert_eq!(words(None, None), Some(vec!["less".to_owned(), "-FRSX".to_owned()]));
        assert_eq!(words(None, Some("more -d")), shell("more -d"));
        assert_eq!(words(Some("less -R"), Some("more")), shell("less -R"));
        for none in ["", " ", "cat"] {
            assert_eq!(words(None, Some(none)), None);
            assert_eq!(words(Some(none), Some("more")), None);
        }
    }
}
