//! Who is at the other end of a request: the TCP peer, the caller that a trusted proxy names, and
//! the client certificate that was verified.

use crate::event::Timestamp;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What handlers may know of the other end. Every request that came through a connection has one
/// among its extensions.
#[derive(Debug, Clone)]
pub(in crate::api) struct Peer {
    /// The address of the TCP peer, which may be a proxy.
    pub(in crate::api) address: SocketAddr,
    /// The address of the caller: that of the TCP peer, unless it is a trusted proxy that names
    /// another one.
    pub(in crate::api) client: IpAddr,
    /// Whether the caller's connection is TLS, with this server or with a trusted proxy.
    pub(in crate::api) is_tls: bool,
    /// The host that the caller addressed, if a trusted proxy names it.
    pub(in crate::api) forwarded_host: Option<Box<str>>,
    /// The verified certificate of the TCP peer.
    pub(in crate::api) certificate: Option<Arc<PeerCertificate>>,
}

impl Peer {
    /// Returns the network that counts as one caller: an address of IPv4, the first 64 bits of one
    /// of IPv6, of which whoever has one has all.
    pub(in crate::api) fn network(&self) -> IpAddr {
        network_of(self.client)
    }
}

/// Returns the network of an address that counts as one caller.
pub(in crate::api) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The names in a client certificate that was verified against `--tls-client-ca`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::api) struct PeerCertificate {
    /// The common name of the subject; none if there are several.
    pub(in crate::api) common_name: Option<String>,
    /// The DNS names among the alternative names of the subject.
    pub(in crate::api) dns: Vec<String>,
    /// The URIs among them, such as a SPIFFE id.
    pub(in crate::api) uris: Vec<String>,
    /// The mail addresses among them.
    pub(in crate::api) emails: Vec<String>,
    /// SHA-256 of the certificate (DER), in hexadecimal digits.
    pub(in crate::api) sha256: String,
    /// When it ends.
    pub(in crate::api) until: Option<Timestamp>,
    /// The hash of the authorities that it was verified against.
    pub(in crate::api) authorities: [u8; 32],
    /// What was sent to verify it: itself, and those that lead to its authority (DER).
    pub(in crate::api) chain: Vec<Vec<u8>>,
}

/// As the log names a caller.
impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(out)?;
        if self.client != self.address.ip().to_canonical() {
            write!(out, " through {}", self.address.ip())?;
        }
        match &self.certificate {
            Some(certificate) => write!(out, " with certificate {certificate}"),
            None => Ok(()),
        }
    }
}

/// The common name, else the first other name, else the hash. Quoted, because an authority may
/// sign any text.
impl fmt::Display for PeerCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.common_name.iter().chain(&self.uris).chain(&self.dns).chain(&self.emails);
        write!(out, "{:?}", names.into_iter().next().unwrap_or(&self.sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_counts_as_its_network() {
        let network = |address: &str| {
            let client = address.parse().expect("an address");
            let address = SocketAddr::new(client, 1);
            let (is_tls, forwarded_host, certificate) = (false, None, None);
            Peer { address, client, is_tls, forwarded_host, certificate }.network().to_string()
        };
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_log_line_names_the_caller_its_proxy_and_its_certificate() {
        let mut peer = Peer {
            address: "10.0.0.1:5".parse().expect("an address"),
            client: "10.0.0.1".parse().expect("an address"),
            is_tls: false,
            forwarded_host: None,
            certificate: None,
        };
        assert_eq!(peer.to_string(), "10.0.0.1");
        peer.client = "203.0.113.7".parse().expect("an address");
        let names =
            PeerCertificate { common_name: Some("a\nb".to_owned()), ..PeerCertificate::default() };
        peer.certificate = Some(Arc::new(names));
        assert_eq!(peer.to_string(), "203.0.113.7 through 10.0.0.1 with certificate \"a\\nb\"");
    }
}
