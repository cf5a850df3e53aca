//! Who may see and do what: credentials, roles, scopes.

mod credentials;
mod first_start;
mod matrix;
mod oidc;
mod oidc_provider;
mod oidc_real;
mod principals;
mod scopes;
mod server;
mod sessions;
