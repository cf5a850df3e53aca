//! Internet addresses as records write them, in one form.

use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, SocketAddr};

/// Bits of an IPv6 address in front of the IPv4 address that is mapped into it.
const MAPPED_BITS: u8 = 96;

/// Parses an address in any notation: IPv6 in any of its forms, in brackets, and with a port. An
/// IPv4 address that is mapped into IPv6 (`::ffff:10.1.2.3`, RFC 4291, 2.5.5.2) is the IPv4
/// address.
///
/// `None` for any other text: host names, lists, networks, and numbers with leading zeros, which
/// some programs read as octal.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: IpAddr = text.parse().ok().or_else(bare).or_else(with_port)?;
    Some(address.to_canonical())
}

/// Parses a network such as `10.0.0.0/8`; one of mapped IPv4 addresses is an IPv4 network.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.trim().parse().ok()?;
    let mapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_BITS => v6.addr().to_ipv4_mapped().zip(Some(v6)),
        _ => None,
    };
    let Some((address, v6)) = mapped else { return Some(network) };
    Ipv4Net::new(address, v6.prefix_len() - MAPPED_BITS).ok().map(IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::{parse_address, parse_network};

    #[test]
    fn a_network_of_mapped_addresses_is_an_ipv4_network() {
        for (text, written) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("::ffff:10.0.0.0/104", Some("10.0.0.0/8")),
            ("2001:DB8::/32", Some("2001:db8::/32")),
            ("::/0", Some("::/0")),
            ("10.0.0.0/40", None),
            ("10.0.0.0", None),
        ] {
            let network = parse_network(text).map(|network| network.to_string());
            assert_eq!(network.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn every_notation_of_an_address_is_one_address() {
        for (text, written) in [
            ("10.1.2.3", Some("10.1.2.3")),
            ("::ffff:10.1.2.3", Some("10.1.2.3")),
            ("::FFFF:0A01:0203", Some("10.1.2.3")),
            ("10.1.2.3:52344", Some("10.1.2.3")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("2001:0db8:0:0:0:0:0:1", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            (" 10.1.2.3 ", Some("10.1.2.3")),
            ("010.001.002.003", None),
            ("10.1.2.3, 172.16.0.1", None),
            ("10.1.2.3/32", None),
            ("fe80::1%eth0", None),
            ("cloudtrail.amazonaws.com", None),
            ("AWS Internal", None),
            ("", None),
        ] {
            let address = parse_address(text).map(|address| address.to_string());
            assert_eq!(address.as_deref(), written, "{text}");
        }
    }
}
