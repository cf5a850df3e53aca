//! The real binary, as a user runs it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The binary that is tried: that of this build, or the one that `ANNALS_TESTED_BINARY` names, such
/// as a release build.
pub(crate) fn binary() -> String {
    std::env::var("ANNALS_TESTED_BINARY")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_annals").to_owned())
}

/// Runs `annals` with these words.
pub(crate) fn annals(words: &[&str]) -> Ran {
    annals_with_input(words, b"")
}

/// Runs `annals` with these words and this standard input.
pub(crate) fn annals_with_input(words: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new(binary());
    command.args(words);
    for name in ["DATA", "URL", "CA", "TOKEN", "ADMIN_TOKEN"] {
        command.env_remove(format!("ANNALS_{name}"));
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::scope(|scope| {
        // The command may end before it has read everything; then writing fails, which is its
        // right.
        scope.spawn(move || stdin.write_all(&input));
        child.wait_with_output().expect("the binary ends")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: writer.status.code().unwrap_or(-1),
        out: text(&writer.stdout),
        err: text(&writer.stderr),
    }
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
        let lines: Vec<&str> =
            self.err.lines().filter(|line| line.starts_with("annals: ")).collect();
        assert_eq!(lines.len(), 1, "one clear line: {}", self.err);
        for word in words {
            assert!(lines[0].contains(word), "{:?} does not say {word:?}", lines[0]);
        }
        assert!(lines[0].len() < 600 && !self.err.contains("panicked"), "{}", self.err);
    }
}

/// Runs the binary with a variable of the environment.
pub(crate) fn annals_with(variable: &str, value: &str, words: &[&str]) -> Ran {
    let output = Command::new(binary())
        .args(words)
        .env_remove("ANNALS_DATA")
        .env_remove("ANNALS_URL")
        .env(variable, value)
        .output()
        .expect("the binary ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// A running `annals serve`, killed at the end.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    log: ServerLog,
    /// Reads on what it says, so that it can go on saying it.
    rest: Option<std::thread::JoinHandle<std::io::Result<u64>>>,
}

/// What a server has said on its standard error since it served.
#[derive(Clone, Default)]
struct ServerLog(Arc<Mutex<Vec<u8>>>);

impl Write for ServerLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more flags. It asks nobody for a credential.
    pub(crate) fn start_with(data: &Path, flags: &[&str]) -> Self {
        Self::start_under(&[], data, flags)
            .unwrap_or_else(|said| panic!("the server does not start: {said}"))
    }

    /// Starts a server that asks for credentials.
    pub(crate) fn start_guarded(data: &Path) -> Self {
        Self::start_guarded_with(data, &[])
    }

    /// The same with more flags.
    pub(crate) fn start_guarded_with(data: &Path, flags: &[&str]) -> Self {
        Self::spawn(&[], data, flags)
            .unwrap_or_else(|said| panic!("the server does not start: {said}"))
    }

    /// The same under another program, such as strace; what it said if it ended before it served.
    /// It asks nobody for a credential.
    pub(crate) fn start_under(
        prefix: &[String],
        data: &Path,
        flags: &[&str],
    ) -> Result<Self, String> {
        Self::spawn(prefix, data, &[&["--auth", "none"], flags].concat())
    }

    fn spawn(prefix: &[String], data: &Path, flags: &[&str]) -> Result<Self, String> {
        let words: Vec<String> = prefix.iter().cloned().chain([binary()]).collect();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["serve", "--create", "--listen", "127.0.0.1:0"])
            .args(flags)
            .arg("--data")
            .arg(data);
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let (mut line, mut all) = (String::new(), String::new());
        // What is logged before may say that a log was cut off.
        while said.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(url) = line
                .trim()
                .rsplit(' ')
                .next()
                .filter(|word| line.starts_with("serving ") && word.starts_with("http"))
            {
                let (url, log) = (url.to_owned(), ServerLog::default());
                let mut into = log.clone();
                #[allow(clippy::disallowed_methods, reason = "it ends with the process")]
                let rest = std::thread::spawn(move || std::io::copy(&mut said, &mut into));
                return Ok(Self { child, url, log, rest: Some(rest) });
            }
            all += &line;
            line.clear();
        }
        let _ = child.wait();
        Err(all)
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Kills it at once, and what runs below it.
    pub(crate) fn kill(&self) {
        let below = self.below();
        for process in &below {
            let _ = Command::new("kill")
                .args(["-9", &process.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        let _ = Command::new("kill")
            .args(["-9", &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        // What ran below another program is not a child of ours: it holds its directory until all
        // of its threads are gone.
        for process in below {
            for _ in 0..1_000 {
                // A process that nobody waits for yet is a zombie; while threads of it are still
                // ending, there are several.
                let threads =
                    std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count);
                let zombie = std::fs::read_to_string(format!("/proc/{process}/stat"))
                    .map_or(true, |stat| stat.contains(") Z"));
                if zombie && threads <= 1 {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }

    /// Asks it to stop, and waits until it has; what it said while it served.
    pub(crate) fn stop(mut self) -> String {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "{status}");
        if let Some(rest) = self.rest.take() {
            rest.join().expect("no reader panics").expect("its standard error is read");
        }
        String::from_utf8_lossy(&self.log.0.lock().expect("no writer panics")).into_owned()
    }

    fn below(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}
