//! What a trusted proxy says about a caller: `X-Forwarded-For`, `-Proto` and `-Host`, and
//! `Forwarded` (RFC 7239). From any other peer these headers are ignored.
//!
//! * The caller is the last address, from the right, that is not a trusted proxy: what stands left
//!   of it was written by the caller. Several header lines are one list.
//! * What is not an address (`unknown`, `_hidden`, garbage) ends the walk: the caller is the last
//!   proxy that was believed. A header that is not well-formed is believed in nothing.
//! * A proxy that writes one header may pass on the other one as the caller sent it. So if there
//!   are both and they differ, neither is believed, and the proxy counts as the caller.
//! * The scheme and the host are those of the caller's element of `Forwarded`, or the last value of
//!   `X-Forwarded-Proto` and `X-Forwarded-Host`.

use super::loopback::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The addresses of proxies that are believed.
#[derive(Debug, Clone, Default)]
pub(super) struct TrustedProxies(Vec<IpNet>);

/// What proxies say about a caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForwardedCaller {
    /// The caller's address; that of the TCP peer if no trusted proxy names another.
    pub(super) client: IpAddr,
    /// Whether the caller's connection is TLS, if that is said.
    pub(super) is_tls: Option<bool>,
    /// The host that the caller addressed, if that is said.
    pub(super) host: Option<Box<str>>,
}

/// One step of the way to a proxy, as the proxy tells it.
#[derive(Debug, Default)]
struct Hop {
    /// `None` if it is not an address.
    address: Option<IpAddr>,
    is_tls: Option<bool>,
    host: Option<Box<str>>,
}

impl TrustedProxies {
    pub(super) fn new(blocks: &[IpNet]) -> Self {
        Self(blocks.to_vec())
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(&address))
    }

    /// Returns who called through this TCP peer.
    pub(super) fn caller(&self, peer: SocketAddr, headers: &HeaderMap) -> ForwardedCaller {
        // A socket that takes both families shows addresses of version 4 in version 6.
        let peer = peer.ip().to_canonical();
        if !self.trusts(peer) {
            return ForwardedCaller { client: peer, is_tls: None, host: None };
        }
        let listed = headers.contains_key(FOR).then(|| self.walk(peer, for_list(headers)).0);
        let described = headers
            .contains_key(header::FORWARDED)
            .then(|| self.walk(peer, described_hops(headers).unwrap_or_default()));
        let (other, hop) = described.map_or((None, Hop::default()), |(at, hop)| (Some(at), hop));
        let is_tls = agreed(last(headers, PROTO).and_then(is_https), hop.is_tls);
        let host = agreed(last(headers, HOST).and_then(host), hop.host);
        ForwardedCaller { client: agreed(listed, other).unwrap_or(peer), is_tls, host }
    }

    /// Goes back from the TCP peer; returns the caller's address and what was said of it.
    fn walk(&self, peer: IpAddr, hops: Vec<Hop>) -> (IpAddr, Hop) {
        let mut caller = (peer, Hop::default());
        for hop in hops.into_iter().rev() {
            let Some(address) = hop.address else { return (caller.0, Hop::default()) };
            caller = (address, hop);
            if !self.trusts(address) {
                break;
            }
        }
        caller
    }
}

/// The one that is said, or both if they are equal.
fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => (one == other).then_some(one),
        (one, other) => one.or(other),
    }
}

fn for_list(headers: &HeaderMap) -> Vec<Hop> {
    let lines = headers.get_all(FOR).iter().map(|line| line.to_str().unwrap_or("?"));
    let parts = lines.flat_map(|line| line.split(',')).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(|part| Hop { address: node(part), ..Hop::default() }).collect()
}

/// The last value of a list.
fn last(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

/// An address, perhaps with a port; one of version 6 with a port, and in `Forwarded`, is in
/// brackets.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, rest) = match text.strip_prefix('[') {
        Some(text) => {
            let (address, rest) = text.split_once(']')?;
            (address.parse().ok().map(IpAddr::V6)?, rest)
        }
        None => {
            let end = text.find(':')?;
            (text[..end].parse().ok().map(IpAddr::V4)?, &text[end..])
        }
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    let is_sound = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    is_sound.then(|| address.to_canonical())
}

fn is_https(text: &str) -> Option<bool> {
    ["http", "https"]
        .iter()
        .position(|known| known.eq_ignore_ascii_case(text))
        .map(|place| place == 1)
}

fn host(text: &str) -> Option<Box<str>> {
    Authority::parse(text).filter(|host| host.is_name())?;
    Some(text.to_ascii_lowercase().into())
}

/// The elements of `Forwarded`; `None` if it is not well-formed.
fn described_hops(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        let mut rest = Some(line.to_str().ok()?);
        while let Some(text) = rest {
            let (hop, after) = element(text)?;
            hops.extend(hop);
            rest = after;
        }
    }
    Some(hops)
}

/// The first element of a list, unless it is empty, and the list after it.
fn element(mut rest: &str) -> Option<(Option<Hop>, Option<&str>)> {
    let (mut hop, mut is_named) = (None, false);
    loop {
        rest = rest.trim_start();
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            let (name, value, after) = pair(rest)?;
            let hop: &mut Hop = hop.get_or_insert_default();
            match name.to_ascii_lowercase().as_str() {
                // Two addresses of one caller are none.
                "for" if is_named => return None,
                "for" => (hop.address, is_named) = (node(&value), true),
                "proto" => hop.is_tls = is_https(&value),
                "host" => hop.host = host(&value),
                _ => {}
            }
            rest = after.trim_start();
        }
        match rest.as_bytes().first() {
            None => return Some((hop, None)),
            Some(b',') => return Some((hop, Some(&rest[1..]))),
            Some(b';') => rest = &rest[1..],
            Some(_) => return None,
        }
    }
}

/// A pair at the beginning of a text, and what follows it.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    let is_token = |text: &str| {
        let is_letter =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]".contains(&byte);
        !text.is_empty() && text.bytes().all(is_letter)
    };
    if !is_token(name) {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        // Addresses with ports must be quoted, and often are not.
        let end = rest.find([',', ';', ' ', '\t']).unwrap_or(rest.len());
        return is_token(&rest[..end]).then(|| (name, rest[..end].to_owned(), &rest[end..]));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((name, value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    const PROXY: &str = "10.0.0.1:4711";

    fn proxies() -> TrustedProxies {
        let blocks = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/48"];
        TrustedProxies::new(&blocks.map(|block| block.parse().expect("a block")))
    }

    fn told(peer: &str, lines: &[(&str, &str)]) -> ForwardedCaller {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        proxies().caller(peer.parse().expect("an address"), &headers)
    }

    fn client(lines: &[(&str, &str)]) -> String {
        told(PROXY, lines).client.to_string()
    }

    #[test]
    fn the_caller_is_the_last_address_that_is_no_proxy() {
        for (value, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
            ("1.1.1.1,203.0.113.7,10.9.9.9 , 127.0.0.1", "203.0.113.7"),
            ("203.0.113.7:8080", "203.0.113.7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, 2001:db8:1::5", "203.0.113.7"),
            // Nobody but proxies: the first of them.
            ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
            // What is no address ends the walk.
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("1.1.1.1, unknown, 10.3.3.3", "10.3.3.3"),
            ("evil", "10.0.0.1"),
            ("203.0.113.7:x", "10.0.0.1"),
            ("203.0.113.7:99999", "10.0.0.1"),
            ("[203.0.113.7]", "10.0.0.1"),
            ("[2001:db8::7", "10.0.0.1"),
            ("[2001:db8::7]x", "10.0.0.1"),
            ("fe80::1%eth0", "10.0.0.1"),
            ("中", "10.0.0.1"),
            ("", "10.0.0.1"),
            (" , ,", "10.0.0.1"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", value)]), expected, "{value}");
        }
        // Several lines are one list.
        let lines = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "10.1.1.1")];
        assert_eq!(client(&lines), "203.0.113.7");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (value, expected) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:80\";proto=https;by=10.0.0.1", "203.0.113.7"),
            ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=[2001:db8::7]", "2001:db8::7"),
            ("for=1.1.1.1, for=203.0.113.7;host=a, for=10.1.1.1", "203.0.113.7"),
            ("for=1.1.1.1;by=\"a,b;for=2.2.2.2\"", "1.1.1.1"),
            ("for=\"1.1.1\\.1\"", "1.1.1.1"),
            ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
            ("for=1.1.1.1, for=unknown, for=10.5.5.5", "10.5.5.5"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            ("for=203.0.113.7,,", "203.0.113.7"),
            // Not well-formed: nothing of it is believed.
            ("for=\"1.1.1.1, for=203.0.113.7", "10.0.0.1"),
            ("for=1.1.1.1;x=\", for=\"[2001:db8::7]\"", "10.0.0.1"),
            ("for=1.1.1.1;for=203.0.113.7", "10.0.0.1"),
            ("for", "10.0.0.1"),
            ("=1.1.1.1", "10.0.0.1"),
            ("for=1.1.1.1 2.2.2.2", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client(&[("forwarded", value)]), expected, "{value}");
        }
    }

    #[test]
    fn headers_that_differ_are_believed_in_nothing() {
        let listed = ("x-forwarded-for", "203.0.113.7");
        assert_eq!(client(&[listed, ("forwarded", "for=203.0.113.7")]), "203.0.113.7");
        assert_eq!(client(&[listed, ("forwarded", "for=198.51.100.9")]), "10.0.0.1");
        assert_eq!(client(&[listed, ("forwarded", "for=\"")]), "10.0.0.1");
        let both = |proto: &str, element: &str| {
            told(PROXY, &[("x-forwarded-proto", proto), ("forwarded", element)]).is_tls
        };
        assert_eq!(both("https", "for=1.1.1.1;proto=https"), Some(true));
        assert_eq!(both("https", "for=1.1.1.1;proto=http"), None);
        assert_eq!(both("ftp", "for=1.1.1.1;proto=http"), Some(false));
    }

    #[test]
    fn the_scheme_and_the_host_are_told_by_the_nearest_proxy() {
        let lines =
            [("x-forwarded-proto", "http, HTTPS"), ("x-forwarded-host", "evil, Logs.example:8443")];
        let expected = ForwardedCaller {
            client: "10.0.0.1".parse().expect("an address"),
            is_tls: Some(true),
            host: Some("logs.example:8443".into()),
        };
        assert_eq!(told(PROXY, &lines), expected);
        let element = "for=9.9.9.9;host=evil;proto=http, for=203.0.113.7;proto=https;host=\"logs.example:8443\"";
        let expected =
            ForwardedCaller { client: "203.0.113.7".parse().expect("an address"), ..expected };
        assert_eq!(told(PROXY, &[("forwarded", element)]), expected);
        for host in ["a b", "a:b", "http://a", "a/b", "", "a@b"] {
            assert_eq!(told(PROXY, &[("x-forwarded-host", host)]).host, None, "{host}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let lines = [
            ("x-forwarded-for", "203.0.113.7"),
            ("forwarded", "for=203.0.113.7;proto=https;host=a"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "logs.example"),
        ];
        for peer in ["192.0.2.1:1", "[2001:db8:2::1]:1", "11.0.0.1:1"] {
            let caller = told(peer, &lines);
            assert_eq!((caller.is_tls, &caller.host), (None, &None), "{peer}");
            let peer: SocketAddr = peer.parse().expect("an address");
            assert_eq!(caller.client, peer.ip());
        }
        // The same proxy on a socket of both families.
        let caller = told("[::ffff:10.0.0.1]:1", &lines);
        assert_eq!(caller.client.to_string(), "203.0.113.7");
    }

    proptest! {
        #[test]
        fn no_header_is_too_odd(
            lines in prop::collection::vec((0_usize..4, "[ -~]{0,40}|[a-f0-9.:,;=\"\\[\\] for]{0,60}"), 0..6),
            bytes in prop::collection::vec(32_u8..=255, 0..40),
        ) {
            let names = [FOR, PROTO, HOST, header::FORWARDED];
            let mut headers = HeaderMap::new();
            for (name, line) in &lines {
                if let Ok(value) = HeaderValue::from_str(line) {
                    headers.append(names[*name].clone(), value);
                }
            }
            let trusted = proxies();
            let peer: SocketAddr = PROXY.parse().expect("an address");
            trusted.caller(peer, &headers);
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in names {
                    headers.append(name, value.clone());
                }
            }
            trusted.caller(peer, &headers);
            // Whatever a caller writes, what the proxy appends decides.
            for (name, own) in [(FOR, "198.51.100.9"), (header::FORWARDED, "for=198.51.100.9")] {
                let mut headers: HeaderMap = headers.clone();
                headers.remove(if name == FOR { header::FORWARDED } else { FOR });
                headers.append(name.clone(), HeaderValue::from_static(own));
                let client = trusted.caller(peer, &headers).client.to_string();
                let is_refused = name != FOR && client == "10.0.0.1";
                prop_assert!(client == "198.51.100.9" || is_refused, "{client} {headers:?}");
            }
        }
    }
}
