//! What `annals serve` is told of an OpenID provider.

use crate::api::OidcSettings;
use crate::error::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct OidcArgs {
    /// OpenID provider whose users may sign in, as its tokens name it; src/access/README.md says
    /// how they become principals
    #[arg(long, value_name = "URL")]
    oidc_issuer: Option<String>,
    /// Name of this server at the provider
    #[arg(long, value_name = "ID")]
    oidc_client_id: Option<String>,
    /// File with this server's secret at the provider; none for a public client
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    oidc_client_secret_file: Option<PathBuf>,
    /// Audience that bearer tokens of the provider must have (default: the client ID)
    #[arg(long, value_name = "AUDIENCE", hide_short_help = true)]
    oidc_audience: Option<String>,
    /// Claim of tokens that lists the groups of a user (default: groups)
    #[arg(long, value_name = "CLAIM", hide_short_help = true)]
    oidc_groups_claim: Option<String>,
    /// Trust the provider's certificate if one of these authorities has signed it (PEM), instead of
    /// those that the system trusts
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    oidc_ca: Option<PathBuf>,
    /// Address of this server as browsers know it; needed with --oidc-issuer, unless browsers are
    /// on this machine. With https://, cookies are sent over nothing else
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

impl OidcArgs {
    /// Returns whether browsers know this server by an address of HTTPS.
    pub(super) fn has_public_https(&self) -> bool {
        let start = |url: &String| url.trim().get(..8).map(str::to_ascii_lowercase);
        self.public_url.as_ref().and_then(start).is_some_and(|start| start == "https://")
    }

    /// Returns where browsers find the screen of a server that is at `served`. A sign-in that
    /// begins at another address than the public one, to which the provider leads back, fails: its
    /// cookie is of that address.
    pub(super) fn screen(&self, served: &str) -> String {
        let known = self.public_url.as_deref().unwrap_or(served).trim();
        format!("{}/", known.trim_end_matches('/'))
    }

    /// Returns the provider, if there is one.
    ///
    /// # Errors
    /// A flag without the one that it needs, or with a wrong value.
    pub(super) fn settings(&self, wants_credentials: bool) -> Result<Option<OidcSettings>> {
        let Some(issuer) = &self.oidc_issuer else {
            let others = [
                ("--oidc-client-id", self.oidc_client_id.is_some()),
                ("--oidc-client-secret-file", self.oidc_client_secret_file.is_some()),
                ("--oidc-audience", self.oidc_audience.is_some()),
                ("--oidc-groups-claim", self.oidc_groups_claim.is_some()),
                ("--oidc-ca", self.oidc_ca.is_some()),
            ];
            return match others.iter().find(|(_, is_given)| *is_given) {
                Some((flag, _)) => Err(Error::parameter(*flag, "needs --oidc-issuer")),
                None => Ok(None),
            };
        };
        if !wants_credentials {
            return Err(Error::parameter(
                "--oidc-issuer",
                "is for a server that asks who calls, and --auth none does not",
            ));
        }
        let client_id = self.oidc_client_id.clone().ok_or_else(|| {
            Error::parameter("--oidc-issuer", "needs --oidc-client-id: this server's name there")
        })?;
        let settings = OidcSettings {
            issuer: issuer.clone(),
            client_id,
            client_secret_file: self.oidc_client_secret_file.clone(),
            audience: self.oidc_audience.clone(),
            groups_claim: self.oidc_groups_claim.clone(),
            ca: self.oidc_ca.clone(),
            public_url: self.public_url.clone(),
            ..OidcSettings::default()
        };
        settings.check()?;
        Ok(Some(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct OidcCommand {
        #[command(flatten)]
        args: OidcArgs,
    }

    fn settings(words: &[&str], credentials: bool) -> Result<Option<OidcSettings>> {
        let words = ["annals"].iter().chain(words);
        OidcCommand::parse_from(words).args.settings(credentials)
    }

    #[test]
    fn a_provider_is_named_whole_or_not_at_all() {
        let issuer = ["--oidc-issuer", "https://login.example.com"];
        let whole = [&issuer[..], &["--oidc-client-id", "annals"]].concat();
        assert!(settings(&[], true).expect("settings").is_none());
        assert!(
            settings(&["--public-url", "https://a.example"], true).expect("settings").is_none()
        );
        assert!(settings(&whole, true).expect("settings").is_some());
        for (url, expected) in [("https://a", true), ("HTTPS://a", true), ("http://a", false)] {
            let words = ["annals", "--public-url", url];
            assert_eq!(OidcCommand::parse_from(words).args.has_public_https(), expected, "{url}");
        }
        for (words, credentials, flag) in [
            (issuer.to_vec(), true, "--oidc-issuer"),
            (whole.clone(), false, "--oidc-issuer"),
            (vec!["--oidc-audience", "a"], true, "--oidc-audience"),
            ([&whole[..], &["--public-url", "annals"]].concat(), true, "--public-url"),
            (
                [&whole[..], &["--oidc-client-secret-file", "/nowhere"]].concat(),
                true,
                "--oidc-client-secret-file",
            ),
        ] {
            let error = settings(&words, credentials).expect_err(flag);
            assert_eq!(error.parameter_name(), Some(flag), "{words:?}");
        }
    }

    #[test]
    fn the_screen_is_where_browsers_know_the_server() {
        let served = "https://127.0.0.1:7400";
        for (words, expected) in [
            (&[][..], "https://127.0.0.1:7400/"),
            (&["--public-url", "https://localhost:7400"][..], "https://localhost:7400/"),
            (&["--public-url", "https://a.example/"][..], "https://a.example/"),
        ] {
            let words = ["annals"].iter().chain(words);
            assert_eq!(OidcCommand::parse_from(words).args.screen(served), expected);
        }
    }
}
