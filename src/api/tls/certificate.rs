//! What is read from certificates: the names in those of clients, the period of the server's own.

use crate::api::peer::PeerCertificate;
use crate::error::{Error, Result};
use crate::event::{Timestamp, hex};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::path::Path;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// When a certificate ends; one that cannot be read has ended.
pub(super) fn until(certificate: &CertificateDer<'_>) -> Timestamp {
    X509Certificate::from_der(certificate).map_or(Timestamp::default(), |(_, certificate)| {
        let seconds = certificate.validity().not_after.timestamp();
        // It is valid through the second that it names.
        Timestamp::from_millis(seconds.saturating_add(1).saturating_mul(1_000))
    })
}

/// The names in a verified certificate. What cannot be read has no names.
pub(super) fn names(certificate: &CertificateDer<'_>) -> PeerCertificate {
    let sha256 = hex(&Sha256::digest(certificate));
    let mut names = PeerCertificate { sha256, ..PeerCertificate::default() };
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return names };
    let mut common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.common_name = common.next().map(str::to_owned).filter(|_| common.next().is_none());
    let Ok(Some(others)) = certificate.subject_alternative_name() else { return names };
    for name in &others.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
            GeneralName::URI(name) => names.uris.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => names.emails.push((*name).to_owned()),
            _ => {}
        }
    }
    names
}

/// What an operator should know of the server's certificates: one that is not valid now.
///
/// # Errors
/// A certificate that cannot be read.
pub(super) fn warnings(
    file: &Path,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (place, certificate) in chain.iter().enumerate() {
        let which = match place {
            0 => format!("the certificate in {}", file.display()),
            _ => format!("certificate {} in {}", place + 1, file.display()),
        };
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|cause| {
            Error::invalid(format!("{which} cannot be read")).because(cause.to_string())
        })?;
        let validity = certificate.validity();
        let seconds = now.millis().div_euclid(1_000);
        if validity.not_after.timestamp() < seconds {
            warnings.push(format!("{which} has expired ({})", validity.not_after));
        } else if validity.not_before.timestamp() > seconds {
            warnings.push(format!("{which} is not valid before {}", validity.not_before));
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().clone()
    }

    #[test]
    fn all_names_of_a_client_are_told() {
        let certificate = made(|params| {
            params.distinguished_name.push(DnType::CommonName, "shipper 中");
            params.subject_alt_names = vec![
                SanType::DnsName("a.example".try_into().expect("ASCII")),
                SanType::URI("spiffe://logs/shipper".try_into().expect("ASCII")),
                SanType::Rfc822Name("a@example".try_into().expect("ASCII")),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
        });
        let names = names(&certificate);
        assert_eq!(names.common_name.as_deref(), Some("shipper 中"));
        assert_eq!(names.dns, ["a.example"]);
        assert_eq!(names.uris, ["spiffe://logs/shipper"]);
        assert_eq!(names.emails, ["a@example"]);
        assert_eq!(names.sha256.len(), 64);
        assert_eq!(super::names(&made(|_| {})).common_name, None);
        assert_eq!(super::names(&CertificateDer::from(vec![0x30, 0])).dns, Vec::<String>::new());
    }

    #[test]
    fn a_certificate_out_of_its_period_is_told() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
        let with = |from: i32, to: i32| {
            let certificate = made(|params| {
                params.not_before = rcgen::date_time_ymd(from, 1, 2);
                params.not_after = rcgen::date_time_ymd(to, 1, 2);
            });
            warnings(Path::new("c.pem"), &[certificate], now).expect("it can be read").join("")
        };
        assert_eq!(with(2025, 2026), "");
        assert!(with(2024, 2025).contains("c.pem has expired"));
        assert!(with(2026, 2027).contains("c.pem is not valid before"));
    }
}
