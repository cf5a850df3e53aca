//! Who may see and do what. Every read takes a [`Scope`], and only this module makes one: a call
//! that forgets the tenant does not compile.
//!
//! A [`Principal`] has roles (what it may do), tenants (for whom), and, if it is not to see
//! everything of them, a filter of rows, a period and masked fields. It shows an [`ApiToken`],
//! which the [`Directory`] knows, or comes as a [`Person`] for whom a provider vouches; the
//! [`Caller`] that comes of it makes scopes and answers what it may do. Whoever holds the files of
//! the store, or calls a server without credentials, is the operator, who may do everything.
//!
//! Principals of a partner see, besides their own tenants, the events of customers for the time of
//! their [`Relationship`].
//!
//! An [`AccessKey`] signs requests instead; its secret is sealed with a [`SealKey`].

mod access_key;
mod actor;
mod basis;
mod caller;
mod directory;
mod jwt;
mod limits;
mod mask;
mod person;
mod principal;
mod relationship;
mod role;
mod scope;
mod seal_key;
mod signature;
mod source_credential;
mod tenant;
mod token;

pub use access_key::{AccessKey, AccessKeyRecord, NewAccessKey, SigningSecret, open_secret};
pub use actor::{Actor, OPERATOR};
pub use basis::CallerBasis;
pub use caller::Caller;
pub use directory::{Directory, TokenRecord, TokenRefusal};
pub use jwt::{ExpectedClaims, JwtPurpose, JwtRefusal, KeySet, UnverifiedJwt, is_jwt};
pub use limits::CallLimits;
pub use mask::{Mask, Masks, maskable};
pub use person::{Person, PersonRefusal};
pub use principal::{Grant, Principal, check_name};
pub use relationship::{
    EvidenceEffect, EvidenceKind, Related, Relationship, RelationshipEvidence, RelationshipState,
    Relationships, Says, SpokenOf, Statement, Subject, TenantStanding, WaitingChange, check_party,
    weigh,
};
pub use role::{Permission, Role};
pub use scope::{Scope, ScopedFilter};
pub use seal_key::SealKey;
pub use signature::{
    DATE_HEADER, HASH_HEADER, SIGNATURE_ALGORITHM, SKEW_MS, SentRequest, SignatureHeader,
    SignatureRefusal, authorization, body_hash, is_signature, signature_date,
};
pub use source_credential::{open_source_credential, seal_source_credential};
pub use tenant::{SYSTEM_TENANT, TENANTS_MAX, check_producer, check_tenant};
pub use token::{
    ApiToken, DAY_TOKEN_PREFIX, TOKEN_PREFIX, TokenHash, is_generated, token_hash, without_secrets,
};
