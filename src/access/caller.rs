//! Who makes a call, and what it may do and see.

use super::actor::{Actor, OPERATOR};
use super::basis::CallerBasis;
use super::principal::{Grant, is_of_tenants};
use super::role::Permission;
use super::scope::{Scope, Tenants};
use super::tenant::{SYSTEM_TENANT, check_producer, check_tenant, not_own};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Who makes a call.
#[derive(Debug, Clone)]
pub struct Caller {
    power: Power,
    /// The id of the token that the caller has shown, itself or to begin its session, or of the
    /// access key that it has signed with.
    token: Option<Arc<str>>,
    /// The name of the person, if it is one of several that the principal stands for.
    member: Option<Arc<str>>,
    /// The address that the call came from, if it came over a network.
    address: Option<IpAddr>,
    /// What the caller stands on besides.
    basis: CallerBasis,
    /// What its credential is for, if that is for less than the principal has.
    confined: Option<Arc<Confined>>,
}

/// What a credential for one tenant is for.
#[derive(Debug, Default)]
struct Confined {
    /// The tenant, as the only one of a set; none for the store's own, which no such credential is
    /// for.
    seen: BTreeSet<String>,
    /// The same if it is one of the principal's own, and not only seen by relationships.
    own: BTreeSet<String>,
}

#[derive(Debug, Clone)]
enum Power {
    /// Who holds the files of the store, or calls a server without credentials: everything.
    Operator,
    /// A principal with a credential.
    Principal(Arc<Grant>),
}

impl Caller {
    /// The operator: who holds the files of the store, or calls a server without credentials.
    pub fn operator() -> Self {
        Self::of(Power::Operator)
    }

    /// A principal that has shown a credential.
    pub(super) fn principal(grant: Arc<Grant>) -> Self {
        Self::of(Power::Principal(grant))
    }

    fn of(power: Power) -> Self {
        let basis = CallerBasis::default();
        Self { power, token: None, member: None, address: None, basis, confined: None }
    }

    /// Returns the same caller with the id of the token or access key that it has shown.
    #[must_use]
    pub(super) fn with_token(self, id: &Arc<str>) -> Self {
        Self { token: Some(Arc::clone(id)), ..self }
    }

    /// Returns the same caller as one of several people that the principal stands for.
    #[must_use]
    pub(super) fn with_member(self, person: &str) -> Self {
        Self { member: Some(format!("{}/{person}", self.name()).into()), ..self }
    }

    /// Returns the id of the token or access key that the caller has shown; none for a certificate.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Returns the id of the session that the caller calls in, if it does.
    pub fn session(&self) -> Option<&str> {
        self.basis.session.as_deref()
    }

    /// Returns the same caller with the address that it calls from.
    #[must_use]
    pub fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Returns the same caller, who stands on something that may end.
    #[must_use]
    pub fn standing_on(self, basis: CallerBasis) -> Self {
        Self { basis, ..self }
    }

    /// Returns the same caller, with nothing but what it may do and see of one tenant.
    #[must_use]
    pub fn confined_to(self, tenant: &str) -> Self {
        let mut confined = Confined::default();
        if tenant != SYSTEM_TENANT {
            confined.seen.insert(tenant.to_owned());
            if self.grant().is_none_or(|grant| grant.tenants.covers(tenant)) {
                confined.own.insert(tenant.to_owned());
            }
        }
        Self { confined: Some(Arc::new(confined)), ..self }
    }

    /// Returns the tenant that the caller's credential is confined to, as the only one of a set.
    pub fn confined(&self) -> Option<&BTreeSet<String>> {
        self.confined.as_ref().map(|confined| &confined.seen)
    }

    /// Returns whether the caller's credential is for a tenant, whatever the principal may see.
    pub fn is_for(&self, tenant: &str) -> bool {
        self.confined().is_none_or(|own| own.contains(tenant))
    }

    /// Returns whether what the caller stands on goes on.
    pub(super) fn stands(&self, now: Timestamp) -> bool {
        self.basis.goes_on(now)
    }

    /// Returns the name under which the caller is recorded, and has what is its own: that of the
    /// principal; of one of its members, with a slash and the member's own.
    pub fn name(&self) -> &str {
        match (&self.member, &self.power) {
            (Some(member), _) => member,
            (None, Power::Operator) => OPERATOR,
            (None, Power::Principal(grant)) => &grant.name,
        }
    }

    /// Returns the caller as what it does is recorded.
    pub fn actor(&self) -> Actor {
        Actor {
            name: self.name().to_owned(),
            source_ip: self.address.map(|address| address.to_string()),
        }
    }

    /// Returns the address that the call came from.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns what the principal was granted; `None` for the operator.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.power {
            Power::Operator => None,
            Power::Principal(grant) => Some(grant),
        }
    }

    /// Returns whether the caller may do something, for at least one tenant.
    pub fn may(&self, permission: Permission) -> bool {
        (self.confined.is_none() || is_of_tenants(permission))
            && self.grant().is_none_or(|grant| grant.may(permission))
    }

    /// Returns the scope of a question about these tenants; `*` is all that the caller may see but
    /// the store's own. A caller of one tenant need not name it.
    ///
    /// # Errors
    /// No tenant, an invalid name, or one that the caller may not ask about; the message names the
    /// parameter `tenant`.
    pub fn scope(&self, names: &[&str]) -> Result<Scope> {
        let Some(grant) = self.grant() else { return Scope::of_operator(names) };
        if let Some(name) = names.iter().find(|name| **name != "*" && !self.is_for(name)) {
            return Err(not_own(name));
        }
        if names.contains(&SYSTEM_TENANT) {
            return trail(grant, names);
        }
        if !grant.may(Permission::Read) {
            return if self.confined.is_none() {
                default_scope(grant, names)
            } else {
                Err(forbidden())
            };
        }
        let visible = match (grant.visible_tenants(), &self.confined) {
            (None, None) => Tenants::All,
            (None, Some(confined)) => Tenants::Named(confined.own.clone()),
            (Some(visible), None) => Tenants::Named(visible),
            (Some(visible), Some(confined)) => Tenants::Named(&visible & &confined.seen),
        };
        let tenants = match (names, &visible) {
            ([], Tenants::Named(own)) if own.len() == 1 => visible,
            ([], _) => {
                return Err(Error::parameter(
                    "tenant",
                    "say which of your tenants (repeat it for several, `*` for all of them)",
                ));
            }
            (names, _) if names.contains(&"*") => visible,
            (names, _) => {
                let named = Tenants::parse(names)?;
                names.iter().try_for_each(|name| grant.check_visible(name))?;
                named
            }
        };
        // Of its own tenants it sees everything.
        let is_own = match &tenants {
            Tenants::All => true,
            Tenants::Named(names) => names.iter().all(|name| grant.tenants.covers(name)),
        };
        let related = grant.related.as_ref().filter(|_| !is_own);
        let scope = Scope::of_principal(&grant.name, tenants).related(related);
        Ok(scope.restricted(grant.rows.clone(), grant.masks.clone()))
    }

    /// Returns the scope of a list of tenants: those that are named or, if none is, all that the
    /// caller has anything to do with.
    ///
    /// # Errors
    /// As [`Caller::scope`].
    pub fn scope_or_all(&self, names: &[&str]) -> Result<Scope> {
        let names = if names.is_empty() { &["*"] } else { names };
        match self.grant() {
            // Who runs the store or grants access must know which tenants there are.
            Some(_) if self.may(Permission::ManageStore) || self.may(Permission::ManageAccess) => {
                Scope::of_operator(names)
            }
            _ => self.scope(names),
        }
    }

    /// Fails unless the caller may do something for a tenant.
    ///
    /// # Errors
    /// Another tenant, or no such permission.
    pub fn check(&self, permission: Permission, tenant: &str) -> Result<()> {
        let Some(grant) = self.grant() else { return Ok(()) };
        if !self.may(permission) {
            return Err(forbidden());
        }
        if !self.is_for(tenant) {
            return Err(not_own(tenant));
        }
        grant.check_tenant(tenant)
    }

    /// Fails unless the caller may do something for the whole store.
    ///
    /// # Errors
    /// No such permission.
    pub fn check_store(&self, permission: Permission) -> Result<()> {
        if self.may(permission) { Ok(()) } else { Err(forbidden()) }
    }

    /// Returns the tenant that records belong to if the request does not say: that of a caller with
    /// one tenant.
    pub fn only_tenant(&self) -> Option<&str> {
        match (&self.confined, &self.grant()?.tenants) {
            (Some(confined), _) => confined.own.first().map(String::as_str),
            (None, Tenants::Named(own)) if own.len() == 1 => own.first().map(String::as_str),
            _ => None,
        }
    }

    /// Returns the tenants that the caller may deliver records for; `None` if for all but the
    /// store's own.
    pub fn deliverable(&self) -> Option<&BTreeSet<String>> {
        match (&self.confined, &self.grant()?.tenants) {
            (Some(confined), _) => Some(&confined.own),
            (None, Tenants::All) => None,
            (None, Tenants::Named(own)) => Some(own),
        }
    }

    /// Returns whether the caller may deliver records for a tenant that is authoritative for
    /// relationships.
    pub fn may_state_relationships(&self, tenant: &str) -> bool {
        let is_granted = |grant: &Grant| grant.principal().authoritative.contains(tenant);
        self.may_deliver(tenant) && self.grant().is_none_or(is_granted)
    }

    /// Returns whether the caller may deliver records for a tenant.
    pub fn may_deliver(&self, tenant: &str) -> bool {
        check_producer(tenant).is_ok() && self.check(Permission::Ingest, tenant).is_ok()
    }
}

fn forbidden() -> Error {
    Error::new(ErrorKind::Forbidden, "your roles do not permit this")
}

/// Returns the scope of the store's own tenant, which stands alone: other tenants' restrictions are
/// not its own.
fn trail(grant: &Grant, names: &[&str]) -> Result<Scope> {
    if names.iter().any(|name| *name != SYSTEM_TENANT) {
        return Err(Error::parameter("tenant", format!("ask about {SYSTEM_TENANT} by itself")));
    }
    if !grant.may(Permission::ReadTrail) {
        return grant.check_tenant(SYSTEM_TENANT).and(Err(forbidden()));
    }
    Ok(Scope::of_principal(&grant.name, Tenants::parse(&[SYSTEM_TENANT])?))
}

/// Returns the scope of a caller that reads no events of tenants: the trail, if it reads that.
fn default_scope(grant: &Grant, names: &[&str]) -> Result<Scope> {
    if !grant.may(Permission::ReadTrail) {
        return Err(forbidden());
    }
    match names {
        [] => trail(grant, &[SYSTEM_TENANT]),
        // All of its tenants, of which it reads none.
        ["*"] => Ok(Scope::of_principal(&grant.name, Tenants::Named(Default::default()))),
        names => {
            names.iter().try_for_each(|name| check_tenant(name).map(drop))?;
            Err(forbidden().with_parameter("tenant"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Principal;
    use serde_json::json;

    fn caller(roles: &[&str], tenants: &[&str]) -> Caller {
        let body = json!({ "name": "p", "roles": roles, "tenants": tenants });
        let principal: Principal = serde_json::from_value(body).expect("a principal");
        Caller::principal(Arc::new(principal.grant([0; 32]).expect("a grant")))
    }

    fn kind(scope: Result<Scope>) -> Option<ErrorKind> {
        scope.err().map(|error| error.kind())
    }

    #[test]
    fn a_scope_has_no_more_than_the_callers_own_tenants() {
        let two = caller(&["reader"], &["a", "b"]);
        let covers =
            |names: &[&str], tenant: &str| two.scope(names).expect("a scope").covers(tenant);
        assert!(covers(&["*"], "a") && covers(&["*"], "b") && !covers(&["*"], "c"));
        assert!(covers(&["a"], "a") && !covers(&["a"], "b"));
        assert_eq!(kind(two.scope(&[])), Some(ErrorKind::Invalid), "which of the two?");
        for names in [&["c"][..], &["a", "c"], &["_annals"], &["*", "_annals"], &["A"]] {
            let kind = kind(two.scope(names)).expect("refused");
            assert!(matches!(kind, ErrorKind::Forbidden | ErrorKind::Invalid), "{names:?}");
        }
        let one = caller(&["reader"], &["a"]);
        assert!(one.scope(&[]).expect("its tenant").covers("a"));
        let all = caller(&["reader"], &["*"]).scope(&["*"]).expect("all");
        assert!(all.covers("anything") && !all.covers(SYSTEM_TENANT));
    }

    #[test]
    fn the_trail_is_read_by_its_role_alone_and_by_its_name() {
        let audit = caller(&["audit_administrator"], &[]);
        assert!(audit.scope(&[]).expect("the trail").covers(SYSTEM_TENANT));
        assert!(!audit.scope(&["*"]).expect("nothing").covers(SYSTEM_TENANT));
        assert_eq!(kind(audit.scope(&["a"])), Some(ErrorKind::Forbidden));
        let both = caller(&["audit_administrator", "auditor"], &["a"]);
        assert!(!both.scope(&["*"]).expect("its tenant").covers(SYSTEM_TENANT));
        assert!(both.scope(&[SYSTEM_TENANT]).expect("the trail").covers(SYSTEM_TENANT));
        assert_eq!(kind(both.scope(&["a", SYSTEM_TENANT])), Some(ErrorKind::Invalid));
        for role in ["system_administrator", "security_administrator"] {
            let caller = caller(&[role], &[]);
            for names in [&[][..], &["*"], &["a"], &[SYSTEM_TENANT]] {
                assert_eq!(
                    kind(caller.scope(names)),
                    Some(ErrorKind::Forbidden),
                    "{role} {names:?}"
                );
            }
            assert!(caller.scope_or_all(&[]).expect("the list of tenants").covers("a"));
        }
    }

    #[test]
    fn a_credential_for_one_tenant_is_for_nothing_else_of_the_principal() {
        for tenants in [&["a", "b"][..], &["*"]] {
            let one = caller(&["tenant_administrator", "ingest"], tenants).confined_to("a");
            for names in [&[][..], &["*"], &["a"]] {
                let scope = one.scope(names).expect("its tenant");
                assert!(scope.covers("a") && !scope.covers("b"), "{names:?}");
            }
            for names in [&["b"][..], &["a", "b"], &[SYSTEM_TENANT], &["a", SYSTEM_TENANT]] {
                assert_eq!(kind(one.scope(names)), Some(ErrorKind::Forbidden), "{names:?}");
            }
            assert!(one.check(Permission::ManageTenant, "a").is_ok());
            assert!(one.check(Permission::ManageTenant, "b").is_err());
            assert!(one.may_deliver("a") && !one.may_deliver("b"));
            assert_eq!(one.only_tenant(), Some("a"));
            assert_eq!(one.deliverable().map(BTreeSet::len), Some(1));
        }
        let all = ["system_administrator", "auditor"];
        let one = caller(&all, &["a", "b"]).confined_to("a");
        assert!(one.may(Permission::Export) && !one.may(Permission::ManageStore));
        assert!(one.check_store(Permission::ManageStore).is_err());
        let scope = one.scope_or_all(&[]).expect("its tenant");
        assert!(scope.covers("a") && !scope.covers("b"));
        let audit = caller(&["audit_administrator"], &[]).confined_to("a");
        assert!(!audit.may(Permission::ReadTrail));
        for names in [&[][..], &["*"], &[SYSTEM_TENANT]] {
            assert_eq!(kind(audit.scope(names)), Some(ErrorKind::Forbidden), "{names:?}");
        }
    }

    #[test]
    fn no_credential_for_one_tenant_is_for_the_stores_own() {
        for roles in [&["auditor"][..], &["audit_administrator", "auditor"], &["ingest"]] {
            let trail = caller(roles, &["*"]).confined_to(SYSTEM_TENANT);
            for names in [&[][..], &["*"], &[SYSTEM_TENANT]] {
                let seen = trail.scope(names).is_ok_and(|scope| scope.covers(SYSTEM_TENANT));
                assert!(!seen, "{roles:?} {names:?}");
            }
            assert!(!trail.may_deliver(SYSTEM_TENANT) && trail.only_tenant().is_none());
            assert!(trail.deliverable().is_some_and(BTreeSet::is_empty), "{roles:?}");
        }
    }

    #[test]
    fn a_credential_for_one_tenant_is_for_nothing_that_the_principal_has_no_more() {
        let other = caller(&["reader"], &["b", "c"]).confined_to("a");
        assert!(!other.scope(&["*"]).expect("nothing").covers("a"));
        assert_eq!(kind(other.scope(&["a"])), Some(ErrorKind::Forbidden));
        let other = caller(&["ingest"], &["b"]).confined_to("a");
        assert!(!other.may_deliver("a") && other.only_tenant().is_none());
        assert!(other.deliverable().is_some_and(BTreeSet::is_empty));
    }

    #[test]
    fn who_delivers_records_delivers_them_for_its_tenants() {
        let caller = caller(&["ingest"], &["a"]);
        assert!(caller.may_deliver("a") && !caller.may_deliver("b"));
        assert!(!caller.may_deliver(SYSTEM_TENANT) && caller.only_tenant() == Some("a"));
        assert_eq!(kind(caller.scope(&["a"])), Some(ErrorKind::Forbidden), "and reads nothing");
        assert!(Caller::operator().may_deliver("any"));
        assert!(!Caller::operator().may_deliver(SYSTEM_TENANT));
    }
}
