//! Who may see and do what: credentials, roles, scopes.

mod credentials;
mod ending;
mod first_start;
mod matrix;
mod principals;
mod scopes;
mod server;
mod sessions;
mod trail;
