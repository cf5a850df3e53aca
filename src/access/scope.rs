//! What a read may see.

use super::mask::Masks;
use super::relationship::Related;
use super::tenant::{SYSTEM_TENANT, TENANTS_MAX, check_tenant};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Field};
use crate::filter::{Clause, Filter};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

/// The tenants, events and fields that a read may see. Only this module's parent makes one, so a
/// read that forgets to say for whom it is does not compile.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// Whose scope it is, if it is a principal's.
    holder: Option<Arc<str>>,
    tenants: Tenants,
    /// The rows that the holder may see: conditions and a period.
    rows: Option<Arc<Filter>>,
    /// What relationships show of them, if that is not all, and its digest.
    related: Option<(Arc<Clause>, Arc<str>)>,
    masks: Option<Arc<Masks>>,
}

/// Tenants by name, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tenants {
    /// All but the store's own.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl Tenants {
    /// Reads names of tenants; `*` is all of them.
    pub(super) fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        if names.iter().any(|name| name.as_ref() == "*") {
            return Ok(Self::All);
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
        Ok(Self::Named(tenants))
    }

    pub(super) fn covers(&self, tenant: &str) -> bool {
        match self {
            Self::All => tenant != SYSTEM_TENANT,
            Self::Named(names) => names.contains(tenant),
        }
    }
}

/// A filter, narrowed to what a scope shows. Reads accept nothing else.
#[derive(Debug)]
pub struct ScopedFilter<'a> {
    scope: &'a Scope,
    filter: Cow<'a, Filter>,
}

impl ScopedFilter<'_> {
    /// Returns the scope.
    pub fn scope(&self) -> &Scope {
        self.scope
    }

    /// Returns the same filter with a further clause.
    #[must_use]
    pub fn and(mut self, clause: Clause) -> Self {
        self.filter.to_mut().clauses.push(clause);
        self
    }
}

impl Deref for ScopedFilter<'_> {
    type Target = Filter;

    fn deref(&self) -> &Filter {
        &self.filter
    }
}

impl Scope {
    /// Creates the scope that the operator asked for: the named tenants, or for `*` all of them but
    /// the store's own, which is asked about by its name.
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
        let tenants = Tenants::parse(names)?;
        Ok(Self { holder: None, tenants, rows: None, related: None, masks: None })
    }

    pub(super) fn of_principal(holder: &Arc<str>, tenants: Tenants) -> Self {
        let holder = Some(Arc::clone(holder));
        Self { holder, tenants, rows: None, related: None, masks: None }
    }

    pub(super) fn restricted(self, rows: Option<Arc<Filter>>, masks: Option<Arc<Masks>>) -> Self {
        Self { rows, masks, ..self }
    }

    /// Returns the same scope, of which only what the relationships show is seen.
    pub(super) fn related(self, related: Option<&Related>) -> Self {
        let related =
            related.map(|related| (Arc::clone(related.clause()), Arc::clone(related.digest())));
        Self { related, ..self }
    }

    /// Returns the same scope for one of its tenants.
    #[must_use]
    pub fn only(&self, tenant: &str) -> Self {
        let own = self.covers(tenant).then(|| tenant.to_owned());
        Self { tenants: Tenants::Named(own.into_iter().collect()), ..self.clone() }
    }

    /// Returns whether the scope covers a tenant, be it only some of its events.
    pub fn covers(&self, tenant: &str) -> bool {
        self.tenants.covers(tenant)
    }

    /// Returns the tenants by name, or `None` if all but the store's own are covered.
    pub fn named(&self) -> Option<&BTreeSet<String>> {
        match &self.tenants {
            Tenants::All => None,
            Tenants::Named(names) => Some(names),
        }
    }

    /// Returns whether the scope is the store's own tenant alone.
    pub fn is_of_trail(&self) -> bool {
        self.named().is_some_and(|names| names.iter().eq([SYSTEM_TENANT]))
    }

    /// Returns whether the scope is a principal's, and not the operator's.
    pub fn is_of_principal(&self) -> bool {
        self.holder.is_some()
    }

    /// Returns whether the scope shows only some events of its tenants, or not all of their fields.
    pub fn is_restricted(&self) -> bool {
        self.rows.is_some() || self.related.is_some() || self.masks.is_some()
    }

    /// Narrows a filter to what the scope shows.
    ///
    /// # Errors
    /// A filter about a masked field: its matches would tell what is masked.
    pub fn narrow<'a>(&'a self, filter: &'a Filter) -> Result<ScopedFilter<'a>> {
        let filter = match &self.masks {
            Some(masks) => masks.unseal(filter)?,
            None => Cow::Borrowed(filter),
        };
        if self.rows.is_none() && self.related.is_none() {
            return Ok(ScopedFilter { scope: self, filter });
        }
        let mut narrowed = filter.into_owned();
        if let Some(rows) = &self.rows {
            narrowed.clauses.extend(rows.clauses.iter().cloned());
            narrowed.from = narrowed.from.max(rows.from);
            narrowed.to = match (narrowed.to, rows.to) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            };
        }
        narrowed.clauses.extend(self.related.iter().map(|(clause, _)| (**clause).clone()));
        Ok(ScopedFilter { scope: self, filter: Cow::Owned(narrowed) })
    }

    /// Fails if the values of a field may not be counted, summed or grouped by.
    ///
    /// # Errors
    /// A masked field.
    pub fn check_field(&self, field: Field) -> Result<()> {
        self.masks.as_ref().map_or(Ok(()), |masks| masks.check_field(field))
    }

    /// Fails for a read that cannot be restricted to the rows and fields of the scope, such as one
    /// of records that could not be decoded.
    ///
    /// # Errors
    /// A scope that shows only some events, or not all of their fields.
    pub fn check_whole(&self, what: &str) -> Result<()> {
        if !self.is_restricted() {
            return Ok(());
        }
        let what = format!("you see only a part of the tenant's events, and so not {what}");
        Err(Error::new(ErrorKind::Forbidden, what))
    }

    /// Masks what the holder may not see of an event.
    pub fn mask(&self, event: &mut Event) {
        if let Some(masks) = &self.masks {
            masks.apply(event);
        }
    }

    /// Returns a trace id as the holder may see it, as in the events that the scope shows.
    pub fn shown_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        self.masks.as_ref().map_or(Cow::Borrowed(id), |masks| masks.shown_id(id))
    }

    /// Returns whether any field is masked.
    pub fn is_masked(&self) -> bool {
        self.masks.is_some()
    }

    /// Returns a text that is the same for equal scopes and differs for different ones.
    pub fn canonical(&self) -> String {
        let tenants = match &self.tenants {
            Tenants::All => "*".to_owned(),
            Tenants::Named(names) => {
                names.iter().map(|name| format!("{}:{name}", name.len())).collect()
            }
        };
        let Some(holder) = &self.holder else { return tenants };
        format!(
            "{tenants}\n{}:{holder}\n{}\n{}\n{}",
            holder.len(),
            self.related.as_ref().map(|(_, digest)| &**digest).unwrap_or_default(),
            self.rows.as_ref().map(|rows| rows.canonical()).unwrap_or_default(),
            self.masks.as_ref().map(|masks| masks.canonical()).unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::filter::parse_filter;

    fn filter(pairs: &[(&str, &str)]) -> Filter {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse_filter(&pairs, &[], Timestamp::default()).expect("a filter")
    }

    #[test]
    fn a_scope_covers_what_was_named_and_nothing_else() {
        let scope = Scope::of_operator(&["a", "b"]).expect("two tenants");
        assert!(scope.covers("a") && scope.covers("b") && !scope.covers("c"));
        let all = Scope::of_operator(&["*"]).expect("all");
        assert!(all.covers("anything") && !all.covers(SYSTEM_TENANT));
        assert!(Scope::of_operator::<&str>(&[]).is_err(), "no tenant is not all tenants");
        assert!(Scope::of_operator(&["../x"]).is_err());
    }

    #[test]
    fn different_scopes_have_different_texts() {
        let text = |names: &[&str]| Scope::of_operator(names).expect("a scope").canonical();
        assert_ne!(text(&["a", "b"]), text(&["a:1:b"]));
        assert_eq!(text(&["b", "a"]), text(&["a", "b"]));
        let of = |name: &str| {
            Scope::of_principal(&name.into(), Tenants::parse(&["a"]).expect("a tenant")).canonical()
        };
        assert_ne!(of("p"), of("q"));
        assert_ne!(of("p"), text(&["a"]));
    }

    #[test]
    fn a_narrowed_filter_asks_for_no_more_than_the_scope_shows() {
        let rows = filter(&[
            ("source", "ECS"),
            ("from", "2026-01-01T00:00:00Z"),
            ("to", "2026-02-01T00:00:00Z"),
        ]);
        let scope = Scope::of_operator(&["a"])
            .expect("a scope")
            .restricted(Some(Arc::new(rows.clone())), None);
        let asked = filter(&[
            ("level", "normal"),
            ("from", "2025-01-01T00:00:00Z"),
            ("to", "2026-01-15T00:00:00Z"),
        ]);
        let narrow = scope.narrow(&asked).expect("a filter");
        assert_eq!((narrow.from, narrow.to), (rows.from, asked.to));
        assert_eq!(narrow.clauses.len(), 2);
        assert!(scope.check_whole("records").is_err());
        let whole = Scope::of_operator(&["a"]).expect("a scope");
        assert_eq!(*whole.narrow(&asked).expect("a filter"), asked);
    }
}
