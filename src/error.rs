//! The crate's single error type. The kind says what the caller can do about it; the message says
//! what happened and where.

use std::fmt;

/// What the caller can do about an error. HTTP statuses and exit codes depend on this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request or input is wrong; sending it again unchanged fails again.
    Invalid,
    /// The caller is known and may not do this.
    Forbidden,
    /// What was named does not exist, or is not visible to this caller.
    NotFound,
    /// The request is larger than a limit allows.
    TooLarge,
    /// The request contradicts one that was answered before.
    Mismatch,
    /// What the caller wants to create already exists.
    Exists,
    /// What the caller wants to change is no longer what it has seen.
    Outdated,
    /// Another process holds the data directory.
    Locked,
    /// The data directory was written by a version that this one cannot read.
    Version,
    /// Stored bytes do not match their recorded hash, or cannot be parsed.
    Corrupt,
    /// A file, disk or network operation failed; trying again may help.
    Unavailable,
    /// It took longer than allowed; asking for less may help.
    Timeout,
    /// A bug in Annals.
    Internal,
}

/// An error with a kind, a message, and, if a request parameter caused it, the name of that
/// parameter.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    parameter: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error of `kind`. The message is in lower case and has no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), parameter: None, source: None }
    }

    /// Creates an error for wrong input that no parameter can be blamed for.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Creates an error for wrong input in the request parameter `parameter`.
    pub fn parameter(parameter: impl Into<String>, message: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), ..Self::invalid(message) }
    }

    /// Creates an error for stored bytes that differ from what was written.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Creates an error for a bug in Annals.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Creates an error for a file operation that failed on `path`.
    pub fn io(path: impl fmt::Display, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, path.to_string()).because(source)
    }

    /// Attaches the error that caused this one.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Prefixes the message with the location at which the error happened.
    #[must_use]
    pub fn at(mut self, location: impl fmt::Display) -> Self {
        self.message = format!("{location}: {}", self.message);
        self
    }

    /// Returns the same error for another parameter.
    #[must_use]
    pub fn with_parameter(mut self, parameter: impl Into<String>) -> Self {
        self.parameter = Some(parameter.into());
        self
    }

    /// Returns what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns whether a stored file is missing: what the caller named may still exist.
    pub fn is_missing_file(&self) -> bool {
        let cause = self.source.as_ref().and_then(|cause| cause.downcast_ref::<std::io::Error>());
        self.kind == ErrorKind::NotFound && cause.is_some()
    }

    /// Returns the request parameter that is wrong, if one is.
    pub fn parameter_name(&self) -> Option<&str> {
        self.parameter.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parameter {
            Some(parameter) => write!(out, "{parameter}: {}", self.message)?,
            None => out.write_str(&self.message)?,
        }
        let mut source = self.source.as_ref().map(|cause| cause.as_ref() as &dyn std::error::Error);
        let mut last = String::new();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many libraries repeat their cause in their own message.
            if !last.contains(&text) {
                write!(out, ": {text}")?;
            }
            last = text;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|cause| cause.as_ref() as _)
    }
}

/// Returns what a JSON parser says, without the values that it quotes: they may be secret, and
/// messages reach readers that records do not.
pub fn without_values(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let names_ours =
        ["missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
    match (text.find(['"', '`']), text.rfind(", expected ")) {
        (Some(value), expected) if cause.is_data() && !names_ours => {
            format!(
                "{}{}",
                text[..value].trim_end(),
                expected.filter(|at| *at > value).map_or("", |at| &text[at..])
            )
        }
        _ => text,
    }
}

/// Gives foreign errors a kind and a location.
pub trait Context<T> {
    /// Converts a foreign error into ours, of `kind`, with `message` saying what was being done.
    fn context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E> Context<T> for std::result::Result<T, E>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::new(kind, message()).because(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_its_cause_once_and_leads_to_it() {
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let said = pipe.to_string();
        let inner = Error::new(ErrorKind::Unavailable, "cannot write").because(pipe);
        let outer = Error::internal("failed").because(inner);
        assert_eq!(outer.to_string(), format!("failed: cannot write: {said}"));
        let source = |error: &dyn std::error::Error| error.source().map(ToString::to_string);
        assert_eq!(source(&outer), Some(format!("cannot write: {said}")));
    }

    #[test]
    fn a_parsers_words_are_told_without_values() {
        let said = |json: &str| without_values(&serde_json::from_str::<u8>(json).expect_err(json));
        for (json, expected) in [
            ("\"hunter2, expected x\"", "invalid type: string, expected u8 at line 1"),
            ("300", "invalid value: integer, expected u8 at line 1"),
            ("[1", "invalid type: sequence, expected u8 at line 1"),
            ("", "EOF while parsing a value at line 1"),
        ] {
            assert!(said(json).starts_with(expected), "{json}: {}", said(json));
        }
    }
}
