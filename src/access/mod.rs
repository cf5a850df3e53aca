//! Who may see what. Every read takes a [`Scope`], and only this module makes one: a call that
//! forgets the tenant does not compile.
//!
//! There are no credentials yet; until then, anyone with access to the server (loopback only) or to
//! the data directory is the operator, and names the tenants that a question is about.

mod actor;

pub use actor::Actor;

use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// The maximum length of a tenant's name, in bytes.
const TENANT_BYTES_MAX: usize = 128;
/// The maximum number of tenants that one question may name.
pub const TENANTS_MAX: usize = 200;

/// The tenant of what the store records about itself: changes of policy, deletions, damage.
pub const SYSTEM_TENANT: &str = "_annals";

/// The tenants that a read may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    tenants: Tenants,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tenants {
    All,
    Named(BTreeSet<String>),
}

impl Scope {
    /// Creates the scope that the operator asked for: the named tenants, or all of them for `*`.
    ///
    /// # Errors
    /// No name, too many names, or an invalid name; the message names the parameter `tenant`.
    pub fn of_operator<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        if names.is_empty() {
            return Err(Error::parameter(
                "tenant",
                "say which tenant (repeat it for several, `*` for all)",
            ));
        }
        if names.iter().any(|name| name.as_ref() == "*") {
            return Ok(Self { tenants: Tenants::All });
        }
        if names.len() > TENANTS_MAX {
            return Err(Error::parameter(
                "tenant",
                format!("at most {TENANTS_MAX} tenants in one question"),
            ));
        }
        let tenants = names
            .iter()
            .map(|name| check_tenant(name.as_ref()).map(str::to_owned))
            .collect::<Result<_>>()?;
        Ok(Self { tenants: Tenants::Named(tenants) })
    }

    /// Returns whether the scope covers a tenant.
    pub fn covers(&self, tenant: &str) -> bool {
        match &self.tenants {
            Tenants::All => true,
            Tenants::Named(names) => names.contains(tenant),
        }
    }

    /// Returns the tenants by name, or `None` if all are covered.
    pub fn named(&self) -> Option<&BTreeSet<String>> {
        match &self.tenants {
            Tenants::All => None,
            Tenants::Named(names) => Some(names),
        }
    }

    /// Returns a text that is the same for equal scopes and differs for different ones.
    pub fn canonical(&self) -> String {
        match &self.tenants {
            Tenants::All => "*".to_owned(),
            Tenants::Named(names) => {
                names.iter().map(|name| format!("{}:{name}", name.len())).collect()
            }
        }
    }
}

/// Checks the name of a tenant: 1 to 128 bytes of letters, digits, `_`, `-`, `.`,
/// `:` and `@`, and not `*`.
///
/// # Errors
/// Any other text; the message names the parameter `tenant`.
pub fn check_tenant(name: &str) -> Result<&str> {
    let allowed =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':' | '@');
    if name.is_empty() || name.len() > TENANT_BYTES_MAX || !name.chars().all(allowed) {
        let shown = crate::event::clip(name, 40);
        let what = format!(
            "{shown:?} is not a tenant: 1 to {TENANT_BYTES_MAX} letters, digits or any of _ - . : @"
        );
        return Err(Error::parameter("tenant", what));
    }
    Ok(name)
}

/// Checks the name of a tenant that records are delivered for.
///
/// # Errors
/// As [`check_tenant`], and the store's own tenant: only the store writes its records.
pub fn check_producer(name: &str) -> Result<&str> {
    if name == SYSTEM_TENANT {
        return Err(Error::parameter(
            "tenant",
            format!("{SYSTEM_TENANT} holds what the store records itself: name another tenant"),
        ));
    }
    check_tenant(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_was_named_and_nothing_else() {
        let scope = Scope::of_operator(&["a", "b"]).expect("two tenants");
        assert!(scope.covers("a") && scope.covers("b") && !scope.covers("c"));
        assert!(Scope::of_operator(&["*"]).expect("all").covers("anything"));
        assert!(Scope::of_operator::<&str>(&[]).is_err(), "no tenant is not all tenants");
        assert!(Scope::of_operator(&["../x"]).is_err());
    }

    #[test]
    fn different_scopes_have_different_texts() {
        let text = |names: &[&str]| Scope::of_operator(names).expect("a scope").canonical();
        assert_ne!(text(&["a", "b"]), text(&["a:1:b"]));
        assert_eq!(text(&["b", "a"]), text(&["a", "b"]));
    }
}
