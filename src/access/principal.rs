//! Principals: people and programs that may make calls, and what each may do and see.

use super::limits::CallLimits;
use super::mask::{Mask, Masks};
use super::person::is_identity;
use super::relationship::{Related, Relationships, check_party};
use super::role::{Permission, Role, conflict};
use super::scope::Tenants;
use super::tenant::{SYSTEM_TENANT, TENANTS_MAX, not_own};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::filter::{Filter, parse_filter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The most characters of a principal's name.
const NAME_LETTERS_MAX: usize = 100;
/// The most names in certificates, and the most identities at the provider.
const CERTIFICATES_MAX: usize = 20;
const IDENTITIES_MAX: usize = 100;
/// Names that mean something else where a principal is named.
const RESERVED: &[&str] = &["token", "operator", "annals"];
/// Nor is a new one called as those are whom nobody knows.
const UNKNOWN: &str = "unknown";

/// A principal as it is stored, set and shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Its name, by which calls about it name it.
    #[serde(default)]
    pub name: String,
    /// What it may do.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// The tenants for which it may do it; `*` is all but the store's own.
    #[serde(default)]
    pub tenants: BTreeSet<String>,
    /// A filter: it sees only events that match. Everything, if empty.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub rows: Map<String, Json>,
    /// Fields that it does not see as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<String, Mask>,
    /// Names in client certificates that stand for it, each with its kind: `cn:` a common name,
    /// `dns:`, `uri:`, `email:`, or `sha256:` the hash of a certificate.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub certificates: BTreeSet<String>,
    /// Whom it stands for among those that the OpenID provider vouches for: `oidc:sub:` and a
    /// subject, `oidc:email:` and a verified address, or `oidc:group:` and a group.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub identities: BTreeSet<String>,
    /// The partner that it belongs to: it sees what the relationships of that partner show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// The manager within the partner that it is: it sees the customers of that manager alone, for
    /// the time that they were assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Whether its partner is a distributor, who alone may read the records of quotas by the API of
    /// the partner centre.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub distributor: bool,
    /// The authoritative tenants that it may deliver records to: these move relationships.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authoritative: BTreeSet<String>,
    /// It sees only events from this moment on, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// It sees only events before this moment, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether it is kept without being let in: none of its credentials is accepted, and nobody
    /// who is known as it is let in as somebody else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What it may use of a server, where that is not what the server grants every principal.
    #[serde(default, skip_serializing_if = "CallLimits::is_empty")]
    pub limits: CallLimits,
}

/// What relationships show, by the partner, manager and own tenants that they show it to.
pub(super) type ShownToPartners = HashMap<ShownTo, Related>;

/// A partner, a manager within it, and the tenants that are a principal's own.
type ShownTo = (String, Option<String>, BTreeSet<String>);

/// A principal whose settings were read, as calls use it.
#[derive(Debug)]
pub struct Grant {
    /// Its name.
    pub(super) name: Arc<str>,
    roles: BTreeSet<Role>,
    permissions: BTreeSet<Permission>,
    /// Its tenants, without the store's own.
    pub(super) tenants: Tenants,
    /// The events and fields that it sees, if not all.
    pub(super) rows: Option<Arc<Filter>>,
    pub(super) masks: Option<Arc<Masks>>,
    /// What it sees by the relationships of its partner.
    pub(super) related: Option<Related>,
    principal: Principal,
}

impl Principal {
    /// Checks a principal that is made or changed. `key` is that of hashed fields.
    ///
    /// # Errors
    /// As [`Principal::grant`]; settings that do not go together, which a store may have from
    /// before they were refused.
    pub fn check(&self, key: [u8; 32]) -> Result<()> {
        let grant = self.grant(key)?;
        if self.name == UNKNOWN {
            let what = format!("{UNKNOWN} is who nobody knows: choose another");
            return Err(Error::parameter("name", what));
        }
        if !grant.may(Permission::Ingest) {
            return Ok(());
        }
        let hidden = [
            ("masks", !self.masks.is_empty()),
            ("rows", !self.rows.is_empty()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
        ];
        let Some((name, _)) = hidden.iter().find(|(_, is_set)| *is_set) else { return Ok(()) };
        let what = "is of who asks: who delivers records as well could compare guesses with what \
                    is hidden, so take two principals";
        Err(Error::parameter(*name, what))
    }

    /// Reads the settings of a principal. `key` is that of hashed fields.
    ///
    /// # Errors
    /// A setting that is wrong, by its name.
    pub fn grant(&self, key: [u8; 32]) -> Result<Grant> {
        check_name(&self.name)?;
        if self.roles.is_empty() {
            return Err(Error::parameter("roles", "name at least one role"));
        }
        if let Some(conflict) = conflict(&self.roles) {
            return Err(Error::parameter("roles", conflict));
        }
        let permissions: BTreeSet<Permission> =
            self.roles.iter().flat_map(|role| role.permissions()).copied().collect();
        let of_tenants = permissions.iter().any(|permission| is_of_tenants(*permission));
        self.check_partner(&permissions)?;
        let only_reads = !permissions.iter().any(|permission| writes_to_tenants(*permission));
        let by_relationships = self.partner.is_some() && only_reads;
        if of_tenants && self.tenants.is_empty() && !by_relationships {
            return Err(Error::parameter("tenants", "name the tenants that the roles are for"));
        }
        if self.tenants.len() > TENANTS_MAX {
            return Err(Error::parameter("tenants", format!("names at most {TENANTS_MAX}")));
        }
        if self.tenants.contains(SYSTEM_TENANT) {
            return Err(Error::parameter(
                "tenants",
                format!("{SYSTEM_TENANT} is read by the role {}", Role::AuditAdministrator),
            ));
        }
        self.check_names()?;
        self.limits.check()?;
        let names: Vec<&str> = self.tenants.iter().map(String::as_str).collect();
        let tenants = Tenants::parse(&names).map_err(|error| error.with_parameter("tenants"))?;
        let rows = self.visible_rows()?;
        let masks = Masks::of(&self.masks, &self.name, key)?;
        let writes = permissions.contains(&Permission::ManageTenant);
        if writes && (rows.is_some() || !masks.is_empty()) {
            return Err(Error::parameter(
                "roles",
                format!(
                    "{} decides about all events of a tenant, and so sees all of them",
                    Role::TenantAdministrator
                ),
            ));
        }
        Ok(Grant {
            name: self.name.as_str().into(),
            roles: self.roles.clone(),
            permissions,
            tenants,
            rows: rows.map(Arc::new),
            masks: (!masks.is_empty()).then(|| Arc::new(masks)),
            related: None,
            principal: self.clone(),
        })
    }

    /// Checks what it has to do with relationships.
    fn check_partner(&self, permissions: &BTreeSet<Permission>) -> Result<()> {
        for (name, party) in [("partner", &self.partner), ("manager", &self.manager)] {
            party.as_ref().map_or(Ok(()), |party| check_party(name, party))?;
        }
        if self.partner.is_none() && (self.manager.is_some() || self.distributor) {
            let name = if self.manager.is_some() { "manager" } else { "distributor" };
            return Err(Error::parameter(name, "is of a partner: name it"));
        }
        if self.partner.is_some() && self.tenants.contains("*") {
            let what = "who sees all tenants needs no relationships: name tenants, or none";
            return Err(Error::parameter("tenants", what));
        }
        if self.authoritative.is_empty() {
            return Ok(());
        }
        // Whoever gains by a relationship is not believed about it.
        if self.partner.is_some() {
            let what = "a partner does not state relationships: take another principal";
            return Err(Error::parameter("authoritative", what));
        }
        if !permissions.contains(&Permission::Ingest) {
            let what = "is for who delivers records: it needs the role ingest";
            return Err(Error::parameter("authoritative", what));
        }
        let is_own = |tenant: &String| {
            tenant != "*" && (self.tenants.contains("*") || self.tenants.contains(tenant))
        };
        if !self.authoritative.iter().all(is_own) {
            return Err(Error::parameter("authoritative", "are some of its own tenants, by name"));
        }
        Ok(())
    }

    /// Checks what it is known by elsewhere.
    fn check_names(&self) -> Result<()> {
        if self.certificates.len() > CERTIFICATES_MAX
            || self.certificates.iter().any(|name| !is_certificate_name(name))
        {
            return Err(Error::parameter(
                "certificates",
                format!(
                    "are at most {CERTIFICATES_MAX}, each with its kind: cn:, dns:, uri:, email: \
                    or sha256:"
                ),
            ));
        }
        if self.identities.len() > IDENTITIES_MAX
            || self.identities.iter().any(|identity| !is_identity(identity))
        {
            return Err(Error::parameter(
                "identities",
                format!(
                    "are at most {IDENTITIES_MAX}, each with its kind: oidc:sub:, oidc:email: or \
                    oidc:group:"
                ),
            ));
        }
        Ok(())
    }

    fn visible_rows(&self) -> Result<Option<Filter>> {
        let mut pairs = Vec::new();
        if !self.rows.is_empty() {
            let rows = Json::Object(self.rows.clone()).to_string();
            pairs.push(("filter".to_owned(), rows));
        }
        for (name, moment) in [("from", &self.from), ("to", &self.to)] {
            if let Some(moment) = moment {
                pairs.push((name.to_owned(), moment.clone()));
            }
        }
        if pairs.is_empty() {
            return Ok(None);
        }
        let named = |error: Error| match error.parameter_name() {
            Some("from" | "to") => error,
            _ => error.with_parameter("rows"),
        };
        parse_filter(&pairs, &[], Timestamp::default()).map(Some).map_err(named)
    }
}

/// Returns whether a text can be a name in a certificate.
fn is_certificate_name(name: &str) -> bool {
    let Some((kind, value)) = name.split_once(':') else { return false };
    let is_text = (1..=255).contains(&value.len()) && !value.chars().any(char::is_control);
    match kind {
        "cn" | "dns" | "uri" | "email" => is_text,
        "sha256" => value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        _ => false,
    }
}

/// Returns whether a permission changes something of a tenant.
fn writes_to_tenants(permission: Permission) -> bool {
    !matches!(permission, Permission::Read | Permission::Export) && is_of_tenants(permission)
}

/// Returns whether a permission is one for named tenants.
pub(super) fn is_of_tenants(permission: Permission) -> bool {
    !matches!(
        permission,
        Permission::ManageStore | Permission::ManageAccess | Permission::ReadTrail
    )
}

/// Checks the name of a principal: 1 to 100 letters, digits or any of `- _ . @`.
///
/// # Errors
/// Any other name; the message names the parameter `name`.
pub fn check_name(name: &str) -> Result<()> {
    // Names of people are their addresses or accounts. Other scripts would make names possible that
    // look alike, and a colon would end the name in HTTP Basic.
    let plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '@');
    if name.is_empty() || name.len() > NAME_LETTERS_MAX || !name.chars().all(plain) {
        return Err(Error::parameter(
            "name",
            format!("is 1 to {NAME_LETTERS_MAX} ASCII letters, digits or any of - _ . @"),
        ));
    }
    if RESERVED.contains(&name) {
        return Err(Error::parameter("name", format!("{name} is reserved: choose another")));
    }
    Ok(())
}

impl Grant {
    /// Returns the principal as it was set.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns what it sees, as it was set, for the record of what it did.
    pub fn seen(&self) -> Json {
        let Json::Object(all) = json!(self.principal) else { return Json::Null };
        let seen = ["tenants", "rows", "masks", "partner", "manager", "from", "to"];
        all.into_iter().filter(|(name, _)| seen.contains(&name.as_str())).collect()
    }

    /// Returns the roles.
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// Returns whether a role permits something.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Gives it what the relationships of its partner show. What `shown` has for others with the
    /// same partner, manager and tenants of their own is shared.
    pub(super) fn relate(&mut self, known: &Relationships, shown: &mut ShownToPartners) {
        let Some(partner) = &self.principal.partner else { return };
        let (manager, own) = (&self.principal.manager, &self.principal.tenants);
        let key = (partner.clone(), manager.clone(), own.clone());
        let related = shown
            .entry(key)
            .or_insert_with(|| Related::of((partner, manager.as_deref()), own, known));
        self.related = Some(related.clone());
    }

    /// Returns what relationships show it, with the partner, manager and tenants that this is for.
    pub(super) fn shown(&self) -> Option<(ShownTo, Related)> {
        let of = &self.principal;
        let key = (of.partner.clone()?, of.manager.clone(), of.tenants.clone());
        Some((key, self.related.clone()?))
    }

    /// Returns whether it permits what an earlier one of the same principal does, and shows at
    /// least the same.
    pub(super) fn still_shows(&self, earlier: &Self) -> bool {
        let covers = || match (&self.related, &earlier.related) {
            (Some(now), Some(before)) => now.covers(before),
            (now, before) => now.is_none() && before.is_none(),
        };
        self.principal == earlier.principal && covers()
    }

    /// Returns the partner that it belongs to.
    pub fn partner(&self) -> Option<&str> {
        self.principal.partner.as_deref()
    }

    /// Returns whether it sees whatever events there are of some moment of a period.
    pub fn sees_of(&self, from: Timestamp, to: Option<Timestamp>) -> bool {
        let Some(rows) = &self.rows else { return true };
        rows.clauses.is_empty()
            && rows.to.is_none_or(|end| from < end)
            && rows.from.is_none_or(|begin| to.is_none_or(|to| begin < to))
    }

    /// Returns its own tenants, and those that it sees some events of; `None` for all but the
    /// store's own.
    pub(super) fn visible_tenants(&self) -> Option<BTreeSet<String>> {
        let Tenants::Named(own) = &self.tenants else { return None };
        let related = self.related.iter().flat_map(Related::tenants);
        Some(own.iter().chain(related).cloned().collect())
    }

    /// Fails unless it sees events of a tenant.
    pub(super) fn check_visible(&self, tenant: &str) -> Result<()> {
        if self.related.as_ref().is_some_and(|related| related.tenants().contains(tenant)) {
            return Ok(());
        }
        self.check_tenant(tenant)
    }

    /// Fails unless a tenant is one of its tenants.
    pub(super) fn check_tenant(&self, tenant: &str) -> Result<()> {
        if self.tenants.covers(tenant) {
            return Ok(());
        }
        Err(not_own(tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(body: Json) -> Option<String> {
        let principal: Principal = serde_json::from_value(body).expect("a principal");
        let error = principal.check([0; 32]).err()?;
        Some(error.parameter_name().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_a_principal_may_see_is_checked_when_it_is_set() {
        let good = json!({ "name": "li@example.com", "roles": ["auditor"], "tenants": ["a", "b"],
            "rows": { "source": "ECS", "any": [{ "level": "warning" }] },
            "masks": { "source_ip": "hash" }, "from": "2026-01-01T00:00:00Z" });
        assert_eq!(wrong(good), None);
        for (body, parameter) in [
            (json!({ "name": "", "roles": ["reader"], "tenants": ["a"] }), "name"),
            (json!({ "name": "a:b", "roles": ["reader"], "tenants": ["a"] }), "name"),
            (json!({ "name": "аdmin", "roles": ["reader"], "tenants": ["a"] }), "name"),
            (json!({ "name": "token", "roles": ["reader"], "tenants": ["a"] }), "name"),
            (json!({ "name": "unknown", "roles": ["reader"], "tenants": ["a"] }), "name"),
            (json!({ "name": "n", "tenants": ["a"] }), "roles"),
            (json!({ "name": "n", "roles": ["reader"] }), "tenants"),
            (json!({ "name": "n", "roles": ["reader"], "tenants": ["_annals"] }), "tenants"),
            (json!({ "name": "n", "roles": ["reader"], "tenants": ["a b"] }), "tenants"),
            (
                json!({ "name": "n", "roles": ["reader", "security_administrator"],
                    "tenants": ["a"] }),
                "roles",
            ),
            (
                json!({ "name": "n", "roles": ["reader"], "tenants": ["a"],
                    "rows": { "sauce": "x" } }),
                "rows",
            ),
            (
                json!({ "name": "n", "roles": ["reader"], "tenants": ["a"],
                    "masks": { "time": "hide" } }),
                "masks",
            ),
            (
                json!({ "name": "n", "roles": ["reader"], "tenants": ["a"], "from": "tomorrow" }),
                "from",
            ),
            (
                json!({ "name": "n", "roles": ["reader"], "tenants": ["a"],
                    "identities": ["sub:1"] }),
                "identities",
            ),
            (
                json!({ "name": "n", "roles": ["tenant_administrator"], "tenants": ["a"],
                    "masks": { "source_ip": "hide" } }),
                "roles",
            ),
        ] {
            assert_eq!(wrong(body.clone()).as_deref(), Some(parameter), "{body}");
        }
        assert_eq!(wrong(json!({ "name": "n", "roles": ["system_administrator"] })), None);
    }

    #[test]
    fn who_delivers_sees_everything_or_nothing_but_one_of_before_is_let_in() {
        for (parameter, value) in [
            ("rows", json!({ "source": "ECS" })),
            ("masks", json!({ "source_ip": "hash" })),
            ("from", json!("2026-01-01")),
            ("to", json!("2026-02-01")),
        ] {
            let mut body = json!({ "name": "n", "roles": ["ingest", "reader"], "tenants": ["a"] });
            assert_eq!(wrong(body.clone()), None);
            body[parameter] = value;
            assert_eq!(wrong(body.clone()).as_deref(), Some(parameter));
            let stored: Principal = serde_json::from_value(body).expect("a principal");
            assert!(stored.grant([0; 32]).is_ok(), "{parameter}");
        }
    }

    #[test]
    fn an_unknown_role_or_setting_is_refused() {
        for body in [
            json!({ "name": "n", "roles": ["god"] }),
            json!({ "name": "n", "roles": ["reader"], "tenant": "a" }),
            json!({ "name": "n", "roles": ["reader"], "masks": { "source_ip": "blur" } }),
        ] {
            assert!(serde_json::from_value::<Principal>(body.clone()).is_err(), "{body}");
        }
    }
}
