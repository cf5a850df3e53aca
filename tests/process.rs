//! The real binary, as a user runs it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `annals` with these words.
pub(crate) fn annals(words: &[&str]) -> Ran {
    annals_with_input(words, b"")
}

/// Runs `annals` with these words and this standard input.
pub(crate) fn annals_with_input(words: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    command.args(words).env_remove("ANNALS_DATA").env_remove("ANNALS_URL");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::scope(|scope| {
        // The command may end before it has read everything; then writing fails, which is its right.
        scope.spawn(move || stdin.write_all(&input));
        child.wait_with_output().expect("the binary ends")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: writer.status.code().unwrap_or(-1), out: text(&writer.stdout), err: text(&writer.stderr) }
}

impl Ran {
    /// The output of a command that must succeed.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.err, self.out);
        self.out
    }

    /// The one line of a command that must fail: it names everything in `words`.
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("annals: ")).collect();
        assert_eq!(lines.len(), 1, "one clear line: {}", self.err);
        for word in words {
            assert!(lines[0].contains(word), "{:?} does not say {word:?}", lines[0]);
        }
        assert!(lines[0].len() < 600 && !self.err.contains("panicked"), "{}", self.err);
    }
}

/// A running `annals serve`, killed at the end.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut line).expect("the server says where it is");
        let url = line.trim().rsplit(' ').next().filter(|word| word.starts_with("http://")).expect(&line).to_owned();
        Self { child, url }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
