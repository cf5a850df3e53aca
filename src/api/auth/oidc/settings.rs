//! What a server is told of the provider.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::{Host, Url};

/// The claim with the groups, unless another is named.
const GROUPS_CLAIM: &str = "groups";
/// The largest file of a secret.
const SECRET_BYTES_MAX: usize = 4 << 10;

/// When the provider is asked.
#[derive(Debug, Clone, Copy)]
pub struct KeyTimes {
    /// How long it is left alone after it was asked, whatever keys tokens name.
    pub rest: Duration,
    /// After how long it is asked in any case.
    pub refresh: Duration,
    /// For how long what it said holds while it does not answer.
    pub kept: Duration,
    /// How long a request waits for the key of its token.
    pub patience: Duration,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            rest: Duration::from_secs(30),
            refresh: Duration::from_secs(600),
            kept: Duration::from_secs(3_600),
            patience: Duration::from_secs(10),
        }
    }
}

/// A provider, and what this server is to it.
#[derive(Debug, Clone, Default)]
pub struct OidcSettings {
    /// The address of the provider, exactly as its tokens name it.
    pub issuer: String,
    /// What this server is called at the provider.
    pub client_id: String,
    /// A file with the secret that the provider knows this server by; none for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// Whom tokens of requests must be for, if not for the client.
    pub audience: Option<String>,
    /// The claim with the groups, if not `groups`.
    pub groups_claim: Option<String>,
    /// A file with the authorities that the provider's certificate may be of (PEM), in place of
    /// those of the system.
    pub ca: Option<PathBuf>,
    /// The address of this server as browsers know it.
    pub public_url: Option<String>,
    /// When the provider is asked.
    pub times: KeyTimes,
}

/// The same, checked and read.
pub(super) struct CheckedSettings {
    pub(super) issuer: String,
    /// The host of the provider.
    pub(super) host: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) audience: String,
    pub(super) groups_claim: String,
    /// The origin of this server as browsers know it.
    pub(super) own: String,
}

impl OidcSettings {
    /// Checks what a start would.
    ///
    /// # Errors
    /// A setting that is wrong, by its flag; a file that cannot be read.
    pub fn check(&self) -> Result<()> {
        CheckedSettings::of(self, "http://127.0.0.1").map(drop)
    }
}

impl CheckedSettings {
    pub(super) fn of(settings: &OidcSettings, own: &str) -> Result<Self> {
        let issuer = address(&settings.issuer, "--oidc-issuer")?;
        let text = |flag: &str, text: &str| match text.trim() {
            "" => Err(Error::parameter(flag, "is empty")),
            text => Ok(text.to_owned()),
        };
        let client_id = text("--oidc-client-id", &settings.client_id)?;
        let audience = match &settings.audience {
            Some(audience) => text("--oidc-audience", audience)?,
            None => client_id.clone(),
        };
        let groups_claim = settings.groups_claim.as_deref().unwrap_or(GROUPS_CLAIM);
        let own = address(settings.public_url.as_deref().unwrap_or(own), "--public-url")?;
        if own.path() != "/" {
            return Err(Error::parameter("--public-url", "is an address without a path"));
        }
        let secret = settings.client_secret_file.as_deref().map(read_secret).transpose()?;
        Ok(Self {
            issuer: settings.issuer.clone(),
            host: issuer.host_str().unwrap_or_default().to_owned(),
            client_id,
            client_secret: secret,
            audience,
            groups_claim: text("--oidc-groups-claim", groups_claim)?,
            own: own.origin().ascii_serialization(),
        })
    }
}

fn read_secret(file: &Path) -> Result<String> {
    let shown = file.display();
    let refused =
        |what: &str| Error::parameter("--oidc-client-secret-file", format!("{shown} {what}"));
    let bytes = std::fs::read(file).map_err(|cause| refused("cannot be read").because(cause))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() || bytes.len() > SECRET_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(refused("is not a file with one secret"));
    }
    Ok(text.to_owned())
}

/// Reads an address that secrets may go to: over TLS, or to this machine.
fn address(text: &str, flag: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(is_confidential).ok_or_else(|| {
        let what = "is an address such as https://login.example.com; without TLS only on this \
                    machine";
        Error::parameter(flag, what)
    })?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::parameter(flag, "is an address without ? and #"));
    }
    Ok(url)
}

/// Returns whether nobody on the way can read what goes to an address, or change what comes back.
pub(super) fn is_confidential(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let names_nobody = url.username().is_empty() && url.password().is_none();
    names_nobody && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(issuer: &str, public_url: Option<&str>) -> OidcSettings {
        OidcSettings {
            issuer: issuer.to_owned(),
            client_id: "annals".to_owned(),
            public_url: public_url.map(str::to_owned),
            ..OidcSettings::default()
        }
    }

    #[test]
    fn addresses_are_confidential() {
        let own = |issuer: &str, public: Option<&str>| {
            CheckedSettings::of(&settings(issuer, public), "http://127.0.0.1:7400")
        };
        let good = own("https://login.example.com/realms/a", None).expect("settings");
        assert_eq!(
            (good.own.as_str(), good.host.as_str()),
            ("http://127.0.0.1:7400", "login.example.com")
        );
        let good = own("http://127.0.0.1:1", Some("https://annals.example/")).expect("settings");
        assert_eq!(good.own, "https://annals.example");
        assert!(own("http://localhost:1", None).is_ok() && own("http://[::1]:1", None).is_ok());
        for (issuer, public, flag) in [
            ("http://login.example.com", None, "--oidc-issuer"),
            ("http://127.0.0.1.example.com", None, "--oidc-issuer"),
            ("login.example.com", None, "--oidc-issuer"),
            ("", None, "--oidc-issuer"),
            ("https://a@login.example.com", None, "--oidc-issuer"),
            ("https://login.example.com?a", None, "--oidc-issuer"),
            ("https://login.example.com#a", None, "--oidc-issuer"),
            ("file:///etc/passwd", None, "--oidc-issuer"),
            ("https://login.example.com", Some("http://annals.example"), "--public-url"),
            ("https://login.example.com", Some("https://annals.example/a"), "--public-url"),
        ] {
            let error = own(issuer, public).err().expect(issuer);
            assert_eq!(error.parameter_name(), Some(flag), "{issuer} {public:?}");
        }
    }

    #[test]
    fn a_secret_is_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        for (text, is_good) in [("s3cret\n", true), ("", false), ("\n", false), ("a\nb", false)] {
            std::fs::write(&file, text).expect("a file");
            let read = read_secret(&file);
            assert_eq!(read.is_ok(), is_good, "{text:?}");
            assert!(read.is_err() || read.is_ok_and(|secret| secret == "s3cret"));
        }
        assert!(read_secret(&folder.path().join("none")).is_err());
    }
}
