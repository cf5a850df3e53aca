//! Builds the screen (`web/`, with npm) and writes the table of its files that `src/api/web.rs`
//! includes.
//!
//! The sources are copied into cargo's own output folder and built there: cargo's folder is the
//! only one that a build may write to, a developer's `web/node_modules` stays as it is, and
//! packages are installed anew only when the lock file is another. Without npm, or when npm fails,
//! the binary is built all the same; its `/` says how to get the screen.
//!
//! `ANNALS_WEB=off` leaves the screen out, `ANNALS_WEB=required` makes its absence an error.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// What of `web/` is made and not written by hand, or not needed to build.
const NOT_SOURCES: &[&str] = &["node_modules", "dist", "screenshots"];
/// The last lines of what npm said that a warning repeats.
const SAID_LINES: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ANNALS_WEB");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names its output folder"));
    let wish = env::var("ANNALS_WEB").unwrap_or_default();
    let built = match wish.as_str() {
        "off" => Err("ANNALS_WEB=off".to_owned()),
        "" | "required" => build(&out),
        _ => Err(format!("ANNALS_WEB={wish} is neither off nor required")),
    };
    let reason = match built.and_then(|folder| {
        files_below(&folder).map_err(|error| format!("its files cannot be read: {error}"))
    }) {
        Ok(files) => return write_table(&out, &files, None),
        Err(reason) => reason,
    };
    let kind = if wish == "required" { "error" } else { "warning" };
    if wish != "off" {
        for line in format!("built without the screen: {reason}").lines() {
            println!("cargo::{kind}={line}");
        }
        println!(
            "cargo::warning=the server and its API are whole without it; to get the screen: ANNALS_WEB=required cargo build"
        );
    }
    write_table(&out, &[], Some(reason.lines().next().unwrap_or_default()));
}

/// Builds the screen; returns the folder of its files.
fn build(out: &Path) -> Result<PathBuf, String> {
    let failed = |what: &str, error: io::Error| format!("{what}: {error}");
    let web = Path::new("web");
    if !web.join("package-lock.json").exists() {
        return Err("there is no folder web/".to_owned());
    }
    let sources = copied(web, &out.join("web-src"))
        .map_err(|error| failed("web/ cannot be copied", error))?;
    let lock = fs::read(sources.join("package-lock.json"))
        .map_err(|error| failed("the lock file cannot be read", error))?;
    let mark = sources.join("node_modules/.annals-lock");
    if fs::read(&mark).ok().as_ref() != Some(&lock) {
        // What is in npm's cache is not asked for again. No package may run anything of its own.
        let words = [
            "ci",
            "--ignore-scripts",
            "--prefer-offline",
            "--no-audit",
            "--no-fund",
            "--fetch-retries=1",
            "--fetch-timeout=60000",
        ];
        npm(&sources, &words, out)?;
        fs::write(&mark, &lock).map_err(|error| failed("node_modules cannot be written", error))?;
    }
    let page = out.join("web");
    if page.exists() {
        fs::remove_dir_all(&page)
            .map_err(|error| failed("what was built before cannot be removed", error))?;
    }
    npm(&sources, &["run", "build"], &page)?;
    if !page.join("index.html").exists() {
        return Err("npm run build made no index.html".to_owned());
    }
    Ok(page)
}

/// Copies what is written by hand, and has cargo look at exactly that.
fn copied(web: &Path, to: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let path = entry?.path();
        match path.file_name().is_some_and(|name| name == "node_modules") {
            true => {}
            false if path.is_dir() => fs::remove_dir_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    for entry in fs::read_dir(web)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NOT_SOURCES.contains(&name.as_str()) || name.starts_with('.') {
            continue;
        }
        // For a folder cargo looks at everything below it.
        println!("cargo::rerun-if-changed={}", path.display());
        copy(&path, &to.join(name))?;
    }
    Ok(to.to_owned())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::copy(from, to).map(drop)
}

/// Runs npm; its failure is the last lines of what it said.
fn npm(folder: &Path, words: &[&str], page: &Path) -> Result<(), String> {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command
        .args(words)
        .current_dir(folder)
        .env("ANNALS_WEB_OUT", page)
        .env("CI", "1")
        .env("NO_UPDATE_NOTIFIER", "1")
        .stdin(Stdio::null());
    let done = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            "npm is not installed (it comes with Node.js, 20.19 or later)".to_owned()
        }
        _ => format!("npm cannot be started: {error}"),
    })?;
    if done.status.success() {
        return Ok(());
    }
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.starts_with("    at "))
        .collect();
    let last = lines[lines.len().saturating_sub(SAID_LINES)..].join("\n");
    Err(format!("`npm {}` failed ({})\n{last}", words[..words.len().min(2)].join(" "), done.status))
}

/// The files below a folder, by the path they are served at.
fn files_below(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path
                .strip_prefix(folder)
                .expect("it lies below")
                .to_string_lossy()
                .replace('\\', "/");
            files.push((format!("/{below}"), path));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes the table of files as Rust, each also packed if that makes it smaller.
fn write_table(out: &Path, files: &[(String, PathBuf)], missing: Option<&str>) {
    let packed = out.join("packed");
    fs::create_dir_all(&packed).expect("cargo's output folder can be written");
    let mut table = format!(
        "pub(super) const MISSING: Option<&str> = {missing:?};\npub(super) static FILES: &[File] = &[\n"
    );
    for (number, (path, file)) in files.iter().enumerate() {
        let plain = fs::read(file).expect("what was just built can be read");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain).expect("memory takes what is written");
        let gzip = encoder.finish().expect("memory takes what is written");
        let place = packed.join(format!("{number}.gz"));
        let gzip = if gzip.len() < plain.len() {
            fs::write(&place, gzip).expect("cargo's output folder can be written");
            format!("Some(include_bytes!({place:?}))")
        } else {
            "None".to_owned()
        };
        let kind = kind_of(path);
        writeln!(table, "    File {{ path: {path:?}, kind: {kind:?}, plain: include_bytes!({file:?}), gzip: {gzip} }},").expect("a text");
    }
    table.push_str("];\n");
    fs::write(out.join("web.rs"), table).expect("cargo's output folder can be written");
}

/// The media type of a file; what is of no known kind is not shown but saved.
fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
