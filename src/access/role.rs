//! Roles, and what each permits. A principal may do what one of its roles permits, and nothing
//! else.
//!
//! The three platform roles are kept apart: none of them both changes who has access and reads
//! events. Who runs the store sees no events, who grants access sees none either, and who reads the
//! trail of what both did changes nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A named set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Delivers records for its tenants, and reads nothing.
    Ingest,
    /// Asks about the events of its tenants.
    Reader,
    /// Reads, exports, and sees what is in quarantine.
    Auditor,
    /// Does what an auditor does, and sets retention, holds and intake of its tenants.
    TenantAdministrator,
    /// Runs the store: its state, backups, retention of all tenants.
    SystemAdministrator,
    /// Grants and withdraws access.
    SecurityAdministrator,
    /// Reads what was done to the store, and by whom.
    AuditAdministrator,
}

/// Something that a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Deliver records.
    Ingest,
    /// Ask about events.
    Read,
    /// Export events.
    Export,
    /// See records in quarantine.
    ReadQuarantine,
    /// Decode records in quarantine again.
    DecodeQuarantine,
    /// Set retention, holds and intake of a tenant.
    ManageTenant,
    /// See the state of the store, back it up, and set retention of all tenants.
    ManageStore,
    /// Change principals and their credentials.
    ManageAccess,
    /// Ask about the store's own tenant, `_annals`.
    ReadTrail,
}

impl Role {
    /// All roles.
    pub const ALL: &[Self] = &[
        Self::Ingest,
        Self::Reader,
        Self::Auditor,
        Self::TenantAdministrator,
        Self::SystemAdministrator,
        Self::SecurityAdministrator,
        Self::AuditAdministrator,
    ];

    /// Returns the role's name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Reader => "reader",
            Self::Auditor => "auditor",
            Self::TenantAdministrator => "tenant_administrator",
            Self::SystemAdministrator => "system_administrator",
            Self::SecurityAdministrator => "security_administrator",
            Self::AuditAdministrator => "audit_administrator",
        }
    }

    /// Returns the role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }

    /// Returns what the role permits.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission::{
            DecodeQuarantine, Export, Ingest, ManageAccess, ManageStore, ManageTenant, Read,
            ReadQuarantine, ReadTrail,
        };
        match self {
            Self::Ingest => &[Ingest],
            Self::Reader => &[Read],
            Self::Auditor => &[Read, Export, ReadQuarantine],
            Self::TenantAdministrator => {
                &[Read, Export, ReadQuarantine, DecodeQuarantine, ManageTenant]
            }
            Self::SystemAdministrator => &[ManageStore],
            Self::SecurityAdministrator => &[ManageAccess],
            Self::AuditAdministrator => &[ReadTrail],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Returns what is wrong with having these roles together, if anything is.
pub(super) fn conflict(roles: &BTreeSet<Role>) -> Option<&'static str> {
    let may =
        |permission: Permission| roles.iter().any(|role| role.permissions().contains(&permission));
    let reads = may(Permission::Read) || may(Permission::ReadTrail) || may(Permission::Ingest);
    if may(Permission::ManageAccess) && reads {
        return Some("who grants access neither reads nor delivers events: take two principals");
    }
    if may(Permission::ManageStore) && may(Permission::ReadTrail) {
        return Some("who runs the store does not read its trail: take two principals");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_platform_role_both_changes_access_and_reads_events() {
        for role in Role::ALL {
            let has = |permission| role.permissions().contains(&permission);
            assert!(!(has(Permission::ManageAccess) && has(Permission::Read)), "{role}");
            assert!(!(has(Permission::ManageAccess) && has(Permission::ReadTrail)), "{role}");
            assert_eq!(Role::from_name(role.name()), Some(*role));
        }
    }

    #[test]
    fn roles_that_must_stay_apart_are_refused_together() {
        let conflict = |roles: &[Role]| conflict(&roles.iter().copied().collect());
        for roles in [
            [Role::SecurityAdministrator, Role::Reader],
            [Role::SecurityAdministrator, Role::Ingest],
            [Role::SecurityAdministrator, Role::AuditAdministrator],
            [Role::SystemAdministrator, Role::AuditAdministrator],
        ] {
            assert!(conflict(&roles).is_some(), "{roles:?}");
        }
        for roles in [
            [Role::SystemAdministrator, Role::SecurityAdministrator],
            [Role::Auditor, Role::AuditAdministrator],
            [Role::Ingest, Role::Reader],
        ] {
            assert!(conflict(&roles).is_none(), "{roles:?}");
        }
    }
}
