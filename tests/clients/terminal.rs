//! The command line on a terminal: tables that fit, the pager, progress. The terminal is that of
//! `script` (util-linux).

use crate::support::process::{annals, annals_with_input, binary};
use crate::support::python::skipped;
use std::path::Path;
use std::process::{Command, Stdio};

/// A store and the terminal to ask it on.
struct Terminal {
    folder: tempfile::TempDir,
    records: String,
}

impl Terminal {
    /// `None`, which is said, where there is no terminal to be had.
    fn new() -> Option<Self> {
        let version = Command::new("script").arg("--version").output();
        if !version.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("util-linux")) {
            skipped("there is no script of util-linux");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let size = ["--events", "300", "--tenants", "1", "--days", "3"];
        let made =
            annals(&[&["generate", "--end", "2026-06-30T00:00:00Z"], &size[..]].concat()).ok();
        let terminal = Self { folder, records: made };
        let words = ["ingest", "--data", &terminal.path("data"), "--tenant", "acme", "-"];
        annals_with_input(&words, terminal.records.as_bytes()).ok();
        Some(terminal)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What `annals` shows on a terminal of this size, and what it says on standard error.
    fn shows(&self, size: (u32, u32), set: &str, words: &str) -> (String, String) {
        let said = self.path("said");
        let command = format!("{set} '{}' 2>'{said}' {words}", binary());
        (self.runs(size, &command), std::fs::read_to_string(&said).expect("a file"))
    }

    /// What a terminal of this size gets from a command.
    fn runs(&self, (columns, lines): (u32, u32), command: &str) -> String {
        let command = format!("stty cols {columns} rows {lines}; {command}");
        let ran = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env_remove("COLUMNS")
            .env_remove("LINES")
            .env_remove("PAGER")
            .env_remove("ANNALS_PAGER")
            .env("ANNALS_DATA", self.path("data"))
            // Nothing is drawn on a terminal that cannot move its cursor.
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .output()
            .expect("script runs");
        let shown = String::from_utf8_lossy(&ran.stdout).replace("\r\n", "\n");
        assert!(ran.status.success(), "{command}: {shown}");
        shown
    }
}

fn widest(shown: &str) -> usize {
    shown.lines().map(|line| line.chars().count()).max().unwrap_or_default()
}

#[test]
fn a_table_fits_its_terminal_and_says_what_is_missing() {
    let Some(terminal) = Terminal::new() else { return };
    let words = "query --limit 20 --tenant acme";
    let (wide, said) = terminal.shows((300, 50), "", words);
    let header = |shown: &str| shown.lines().next().unwrap_or_default().to_owned();
    assert!(header(&wide).contains("CODE") && header(&wide).contains("TRACE_ID"), "{wide}");
    assert!(!said.contains("left out"), "{said}");
    let (narrow, said) = terminal.shows((80, 50), "", words);
    assert!(widest(&narrow) <= 80 && narrow.lines().count() == 21, "{narrow}");
    for (name, stays) in [
        ("TIME", true),
        ("LEVEL", true),
        ("EVENT_NAME", true),
        ("RESOURCE_NAME", true),
        ("OPERATOR", true),
        ("SOURCE", false),
        ("CODE", false),
        ("RESOURCE_ID", false),
        ("TRACE_ID", false),
    ] {
        let named = header(&narrow).split_whitespace().any(|word| word == name);
        assert_eq!(named, stays, "{name}: {narrow}");
        assert!(stays || said.contains(&name.to_lowercase()), "{name}: {said}");
    }
    assert!(said.contains("--fields") && said.contains("-o ndjson"), "{said}");
    // COLUMNS goes before what the terminal says.
    let (set, _) = terminal.shows((300, 50), "COLUMNS=60", words);
    assert!(widest(&set) <= 60, "{set}");
    // Columns that were asked for stay, and their ids are whole.
    let (chosen, said) =
        terminal.shows((64, 50), "", &format!("{words} --fields time,trace_id,code"));
    assert!(header(&chosen).contains("CODE") && !said.contains("left out"), "{chosen}{said}");
    let first = terminal.shows((300, 50), "", "query --limit 1 --fields trace_id").0;
    let id = first.split_whitespace().nth(1).expect("an id").to_owned();
    let cells = chosen.lines().skip(1).take(2).flat_map(str::split_whitespace);
    assert!(cells.collect::<String>().contains(&id[..20]), "{chosen}");
    assert!(!chosen.contains('…'), "{chosen}");
    // A pipe is no terminal, whatever COLUMNS says.
    let piped = terminal.shows((80, 50), "COLUMNS=60", &format!("{words} -o table | cat")).0;
    assert_eq!(piped, wide);
    for words in ["explain --source ECS", "inspect", "quarantine list", "facets --fields source"] {
        let shown = terminal.shows((80, 50), "", words).0;
        assert!(widest(&shown.lines().take(2).collect::<Vec<_>>().join("\n")) <= 80, "{shown}");
    }
}

#[test]
fn a_long_table_goes_through_the_pager() {
    let Some(terminal) = Terminal::new() else { return };
    let pager = |variable: &str| format!("{variable}=\"sed 's/^/paged:/'\"");
    let paged = |set: &str, words: &str| {
        let (shown, _) = terminal.shows((100, 24), set, words);
        assert!(shown.contains("EVENT_NAME"), "{shown}");
        shown.starts_with("paged:")
    };
    assert!(paged(&pager("PAGER"), "query --limit 40"));
    assert!(paged(&format!("PAGER=cat {}", pager("ANNALS_PAGER")), "query --limit 40"));
    assert!(!paged(&pager("PAGER"), "query --limit 10"), "it fits");
    assert!(!paged(&pager("PAGER"), "query --limit 40 --no-pager"));
    assert!(!paged(&pager("PAGER"), "query --limit 40 -o table | cat"), "a pipe");
    assert!(!paged(&format!("ANNALS_PAGER= {}", pager("PAGER")), "query --limit 40"));
    assert!(!paged("PAGER=no-such-pager", "query --limit 40"), "it is done without");
    // A pager that ends early has read enough.
    let (shown, said) = terminal.shows((100, 24), "PAGER='head -n 1'", "query --limit 300");
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert!(!said.contains("roken pipe"), "{said}");
}

#[test]
fn progress_counts_the_bytes_of_files() {
    let Some(terminal) = Terminal::new() else { return };
    let file = terminal.path("records.json");
    std::fs::write(&file, terminal.records.repeat(20)).expect("a file");
    let bytes = Path::new(&file).metadata().expect("a file").len();
    let total = format!("/{:.2} MiB", bytes as f64 / f64::from(1 << 20));
    let command = format!("'{}' ingest --tenant other", binary());
    let drawn = terminal.runs((120, 24), &format!("{command} '{file}'"));
    assert!(drawn.contains(&total) && drawn.contains("/s") && drawn.contains(" left"), "{drawn}");
    assert!(drawn.contains("300 accepted, 5700 duplicates, 0 quarantined"), "{drawn}");
    // How much a pipe brings is not known.
    let drawn = terminal.runs((120, 24), &format!("cat '{file}' | {command} -"));
    assert!(drawn.contains("MiB") && drawn.contains("/s") && !drawn.contains("left"), "{drawn}");
    // Where there is no terminal, nothing is drawn.
    let silent = terminal.runs((120, 24), &format!("{command} '{file}' 2>&1 | cat"));
    assert_eq!(silent.lines().count(), 1, "{silent}");
}
