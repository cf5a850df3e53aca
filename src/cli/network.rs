//! What `annals serve` is told of the network: its certificate, and the proxies before it.

use crate::api::{ServeOptions, TlsFiles};
use crate::error::{Error, Result};
use clap::Args;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct NetworkArgs {
    /// Serve HTTPS with this certificate (PEM, with the chain to its authority); read again when
    /// it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM, not encrypted)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Ask clients for a certificate (they may have none), and verify it with these authorities
    /// (PEM)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    tls_client_ca: Option<PathBuf>,
    /// Believe what these proxies say about callers (X-Forwarded-For, -Proto and -Host, Forwarded):
    /// addresses or blocks such as 10.0.0.0/8, separated by commas
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = block)]
    behind_proxy: Vec<IpNet>,
    /// Ask no caller for a credential: every caller on this machine is the operator. Only for
    /// loopback addresses
    #[arg(long, value_name = "none", value_parser = ["none"])]
    auth: Option<String>,
}

impl NetworkArgs {
    /// Returns how to serve at an address.
    ///
    /// # Errors
    /// A flag without the one that it needs.
    pub(super) fn options(&self, listen: SocketAddr) -> Result<ServeOptions> {
        let needs = |flag: &str, other: &str| {
            Err(Error::parameter(flag, format!("needs {other}: a certificate and its key")))
        };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: self.tls_client_ca.clone(),
            }),
            (Some(_), None) => return needs("--tls-cert", "--tls-key"),
            (None, Some(_)) => return needs("--tls-key", "--tls-cert"),
            (None, None) if self.tls_client_ca.is_some() => {
                return needs("--tls-client-ca", "--tls-cert and --tls-key");
            }
            (None, None) => None,
        };
        Ok(ServeOptions {
            tls,
            proxies: self.behind_proxy.clone(),
            credentials: self.auth.is_none(),
            ..ServeOptions::at(listen)
        })
    }
}

/// An address, or a block of addresses.
fn block(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let alone = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    alone.or_else(|_| text.parse::<IpNet>()).map(|block| block.trunc()).map_err(|_| {
        "is an address, or a block such as 10.0.0.0/8 or fd00::/8; names are not looked up"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_block() {
        for (text, expected) in [
            ("10.1.2.3", "10.1.2.3/32"),
            (" 10.1.2.3/8", "10.0.0.0/8"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(block(text).map(|block| block.to_string()), Ok(expected.to_owned()));
        }
        for text in ["", "proxy", "10.0.0.1:80", "10.0.0.0/33", "[::1]"] {
            assert!(block(text).is_err(), "{text}");
        }
    }
}
