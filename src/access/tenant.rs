//! Names of tenants.

use crate::error::{Error, ErrorKind, Result};

/// The maximum length of a tenant's name, in bytes.
const TENANT_BYTES_MAX: usize = 128;
/// The maximum number of tenants that one question may name.
pub const TENANTS_MAX: usize = 200;

/// The tenant of what the store records about itself: changes of policy, deletions, damage.
pub const SYSTEM_TENANT: &str = "_annals";

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

/// A tenant that is not one of a caller's: the same whether or not there is such a tenant.
pub(super) fn not_own(name: &str) -> Error {
    let what = format!("{:?} is not one of your tenants", crate::event::clip(name, 40));
    Error::new(ErrorKind::Forbidden, what).with_parameter("tenant")
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
