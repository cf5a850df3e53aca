//! Who may see and do what: credentials, roles, scopes.

mod access_keys;
mod attacks;
mod credentials;
mod distributor;
mod ending;
mod first_start;
mod forged_evidence;
mod hostile_clients;
mod iam;
mod limits;
mod matrix;
mod mixed_load;
mod oidc;
mod oidc_provider;
mod oidc_real;
mod principals;
mod relationships;
mod scopes;
mod seal_key;
mod server;
mod sessions;
mod shippers;
mod signatures;
mod signer;
mod tenant_limits;
mod trail;
