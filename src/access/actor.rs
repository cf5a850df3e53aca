//! Who makes a call, for the records about it.

use std::net::IpAddr;

/// The name of whoever called without showing who it is.
const UNKNOWN: &str = "unknown";
/// The name of the operator in records of what was done.
pub const OPERATOR: &str = "operator";

/// Who makes a call that changes the store. It is recorded with what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name under which the call is recorded.
    pub name: String,
    /// The address it came from, if it came over a network.
    pub source_ip: Option<String>,
}

impl Actor {
    /// Returns whoever holds the files of the store, or calls a server that asks for no
    /// credentials.
    pub fn operator() -> Self {
        Self { name: OPERATOR.to_owned(), source_ip: None }
    }

    /// Returns whoever called from an address without showing who it is.
    pub fn unknown(address: Option<IpAddr>) -> Self {
        Self { name: UNKNOWN.to_owned(), source_ip: address.map(|address| address.to_string()) }
    }

    /// Returns whether nobody knows who it is.
    pub fn is_unknown(&self) -> bool {
        self.name == UNKNOWN
    }

    /// Returns the store itself, for what it does in the background.
    pub fn store() -> Self {
        Self { name: "annals".to_owned(), source_ip: None }
    }
}
