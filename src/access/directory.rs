//! The directory: all principals and their credentials, ready to be asked on every call.

use super::access_key::{AccessKey, AccessKeyRecord};
use super::caller::Caller;
use super::person::{Person, PersonRefusal, compared};
use super::principal::{Grant, Principal, ShownToPartners};
use super::relationship::Relationships;
use super::role::Role;
use super::token::{TokenHash, is_mistyped, token_hash};
use crate::error::{Context, ErrorKind, Result};
use crate::event::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What is known of a token besides its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Whose it is.
    pub principal: String,
    /// When it was made, and by whom.
    pub created: String,
    /// The principal that made it.
    pub created_by: String,
    /// When it ends; never, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What it is for, as whoever made it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[derive(Debug)]
struct TokenEntry {
    id: Arc<str>,
    grant: Arc<Grant>,
    expires: Option<Timestamp>,
    used: Arc<AtomicI64>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Its checksum is wrong.
    Mistyped,
    /// There is no such token (any more).
    Unknown,
    /// Its time is over.
    Expired,
    /// Its principal is disabled.
    Disabled,
}

/// All principals and tokens.
#[derive(Default)]
pub struct Directory {
    key: [u8; 32],
    /// How many principals there are, whether they could be read or not.
    records: usize,
    /// Each with the version of the administrative state that made its principal what it is.
    principals: BTreeMap<String, (u64, Arc<Grant>)>,
    known: Arc<Relationships>,
    tokens: HashMap<TokenHash, TokenEntry>,
    /// The hash of each token, by its id.
    hashes: HashMap<String, TokenHash>,
    access_keys: HashMap<String, AccessKey>,
    /// Principals by the names in client certificates.
    certificates: HashMap<String, Arc<Grant>>,
    /// Principals by their identities at the OpenID provider, as they are compared; none where an
    /// earlier version has let two principals have one.
    identities: HashMap<String, Option<Arc<Grant>>>,
    /// When each token and access key was last used, by its id; kept when the directory is read
    /// again.
    used: HashMap<String, Arc<AtomicI64>>,
}

/// Without the key and the hashes.
impl fmt::Debug for Directory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Directory of {} principals, {} tokens", self.records, self.tokens.len())
    }
}

/// How often the last use of a token is noted, in milliseconds: it is for people to see which
/// tokens nothing uses any more.
const USED_STEP_MS: i64 = 1_000;

impl Directory {
    /// Reads principals and tokens, given with their keys in the store, bodies, the principals'
    /// versions and the tokens' hashes, and what the relationships `known` show them. `earlier` is
    /// the directory before the change that made this reading necessary: what has not changed is
    /// taken from it.
    ///
    /// A record that this version cannot read lets nobody in; it is logged.
    pub fn of<'a>(
        key: [u8; 32],
        principals: impl IntoIterator<Item = (&'a str, u64, &'a Json)>,
        tokens: impl IntoIterator<Item = (&'a str, &'a Json, Option<&'a [u8]>)>,
        known: &Arc<Relationships>,
        earlier: &Self,
    ) -> Self {
        let mut directory = Self { key, known: Arc::clone(known), ..Self::default() };
        let mut shown = earlier.shown_still(known);
        for (name, version, body) in principals {
            directory.records += 1;
            match directory.grant((name, version, body), earlier, &mut shown) {
                Ok(grant) => {
                    for certificate in &grant.principal().certificates {
                        directory.certificates.insert(certificate.clone(), Arc::clone(&grant));
                    }
                    for identity in &grant.principal().identities {
                        directory.add_identity(identity, &grant);
                    }
                    directory.principals.insert(name.to_owned(), (version, grant));
                }
                Err(error) => {
                    tracing::error!(%error, name, "a principal cannot be read: it is not let in");
                }
            }
        }
        for (id, body, hash) in tokens {
            let used = earlier.used.get(id).cloned().unwrap_or_default();
            directory.used.insert(id.to_owned(), Arc::clone(&used));
            let (principal, expires) = match read_token(body) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, id, "a token cannot be read: it is not accepted");
                    continue;
                }
            };
            // A token whose hash was lost, or whose principal is gone, is none.
            let hash = hash.and_then(|hash| TokenHash::try_from(hash).ok());
            let grant = directory.principals.get(&principal).map(|(_, grant)| Arc::clone(grant));
            if let (Some(hash), Some(grant)) = (hash, grant) {
                let entry = TokenEntry { id: id.into(), grant, expires, used };
                directory.tokens.insert(hash, entry);
                directory.hashes.insert(id.to_owned(), hash);
            }
        }
        directory
    }

    /// Returns what relationships show that others show as well.
    fn shown_still(&self, known: &Relationships) -> ShownToPartners {
        let grants = self.principals.values().map(|(_, grant)| grant);
        let same = grants
            .filter(|grant| grant.partner().is_some_and(|own| known.is_same_for(own, &self.known)));
        same.filter_map(|grant| grant.shown()).collect()
    }

    /// Returns what a principal may do and see.
    fn grant(
        &self,
        (name, version, body): (&str, u64, &Json),
        earlier: &Self,
        shown: &mut ShownToPartners,
    ) -> Result<Arc<Grant>> {
        let before = earlier.principals.get(name).filter(|_| earlier.key == self.key);
        if let Some((made, grant)) = before
            && *made == version
            && grant.partner().is_none_or(|own| self.known.is_same_for(own, &earlier.known))
        {
            return Ok(Arc::clone(grant));
        }
        let mut grant = read_principal(body, self.key)?;
        grant.relate(&self.known, shown);
        Ok(Arc::new(grant))
    }

    fn add_identity(&mut self, identity: &str, grant: &Arc<Grant>) {
        let known = self.identities.entry(compared(identity));
        let known = known.or_insert_with(|| Some(Arc::clone(grant)));
        if !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, grant)) {
            tracing::error!("two principals have the identity {identity:?}: it is of none of them");
            *known = None;
        }
    }

    /// Adds access keys, given with their ids, bodies and sealed secrets.
    #[must_use]
    pub fn with_access_keys<'a>(
        mut self,
        keys: impl IntoIterator<Item = (&'a str, &'a Json, Option<&'a [u8]>)>,
        earlier: &Self,
    ) -> Self {
        for (id, body, sealed) in keys {
            let used = earlier.used.get(id).cloned().unwrap_or_default();
            self.used.insert(id.to_owned(), Arc::clone(&used));
            let record: AccessKeyRecord = match serde_json::from_value(body.clone()) {
                Ok(record) => record,
                Err(error) => {
                    tracing::error!(%error, id, "an access key cannot be read: it is no use");
                    continue;
                }
            };
            // As with tokens, one whose secret was lost, or whose principal is gone, is none.
            let grant = self.principals.get(&record.principal).map(|(_, grant)| Arc::clone(grant));
            if let (Some(sealed), Some(grant)) = (sealed, grant) {
                let key = AccessKey { id: id.into(), grant, sealed: sealed.to_vec(), used };
                self.access_keys.insert(id.to_owned(), key);
            }
        }
        self
    }

    /// Returns the access key with this id, unless its principal is disabled.
    pub fn access_key(&self, id: &str) -> Option<&AccessKey> {
        self.access_keys.get(id).filter(|key| !is_disabled(&key.grant))
    }

    /// Returns whether there are no principals, be it ones that cannot be read.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Returns whether somebody may grant access and has a credential: without, nobody could ever
    /// be let in.
    pub fn has_security_administrator(&self) -> bool {
        let may_grant = |grant: &Grant| {
            grant.roles().contains(&Role::SecurityAdministrator) && !is_disabled(grant)
        };
        let mut named = self.certificates.values().chain(self.identities.values().flatten());
        named.any(|grant| may_grant(grant))
            || self.tokens.values().any(|token| may_grant(&token.grant))
            || self.access_keys.values().any(|key| may_grant(&key.grant))
    }

    /// Returns the principals, in the order of names.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values().map(|(_, grant)| grant.principal())
    }

    /// Returns a principal by its name.
    pub fn get(&self, name: &str) -> Option<&Principal> {
        self.principals.get(name).map(|(_, grant)| grant.principal())
    }

    /// Returns when a token or access key was last used, if it ever was.
    pub fn last_used(&self, id: &str) -> Option<Timestamp> {
        let used = self.used.get(id)?.load(Ordering::Relaxed);
        (used > 0).then(|| Timestamp::from_millis(used))
    }

    /// Returns when each token and access key that was ever used was last used, by its id.
    pub fn last_uses(&self) -> BTreeMap<String, Timestamp> {
        let uses = self.used.keys().map(|id| Some((id.clone(), self.last_used(id)?)));
        uses.flatten().collect()
    }

    /// Takes what was noted of last uses before this process; later ones stay.
    pub fn recall_last_uses(&self, noted: &BTreeMap<String, Timestamp>) {
        for (id, time) in noted {
            if let Some(used) = self.used.get(id) {
                used.fetch_max(time.millis(), Ordering::Relaxed);
            }
        }
    }

    /// Returns the caller that a token stands for, and the token's id.
    ///
    /// # Errors
    /// Why it stands for nobody.
    pub fn by_token(&self, text: &str, now: Timestamp) -> Result<(Caller, &str), TokenRefusal> {
        if is_mistyped(text) {
            return Err(TokenRefusal::Mistyped);
        }
        // The token is found by a hash with a secret key. How long that takes tells nothing about
        // other tokens, because nobody outside can choose the hash.
        let hash = token_hash(&self.key, text);
        let token = self.tokens.get(&hash).ok_or(TokenRefusal::Unknown)?;
        if is_disabled(&token.grant) {
            return Err(TokenRefusal::Disabled);
        }
        let caller = token.caller(now).ok_or(TokenRefusal::Expired)?;
        Ok((caller, &token.id))
    }

    /// Returns whether a caller's credential still stands for all that it stood for.
    pub fn is_current(&self, caller: &Caller, now: Timestamp) -> bool {
        let Some(grant) = caller.grant() else { return true };
        let now_there = self.principals.get(&grant.principal().name);
        let is_same = now_there.is_some_and(|(_, there)| there.still_shows(grant));
        is_same
            && caller.stands(now)
            && caller.token().is_none_or(|id| self.by_credential(id, now).is_some())
    }

    /// Returns the caller that the token or access key with this id stands for, if there is one.
    pub fn by_credential(&self, id: &str, now: Timestamp) -> Option<Caller> {
        let by_key = || self.access_key(id).map(|key| key.caller(now));
        self.by_token_id(id, now).or_else(by_key)
    }

    /// Returns the principal that has a name in certificates.
    pub fn of_certificate(&self, name: &str) -> Option<&Principal> {
        self.certificates.get(name).map(|grant| grant.principal())
    }

    /// Returns the caller that a client certificate with these names stands for; none if they stand
    /// for several.
    pub fn by_certificate(&self, names: impl IntoIterator<Item = String>) -> Option<Caller> {
        let mut grants = names.into_iter().filter_map(|name| self.certificates.get(&name));
        let first = grants.next()?;
        let is_one = grants.all(|other| Arc::ptr_eq(first, other));
        (is_one && !is_disabled(first)).then(|| Caller::principal(Arc::clone(first)))
    }

    /// Returns the principal that has an identity at the OpenID provider.
    pub fn of_identity(&self, identity: &str) -> Option<&Principal> {
        self.identities.get(&compared(identity))?.as_ref().map(|grant| grant.principal())
    }

    /// Returns the caller that a person stands for: the principal with the subject, else the one
    /// with the address, else, as a member, the one with one of the groups.
    ///
    /// # Errors
    /// No such principal; groups of different ones, of which none is the right one to take; one
    /// that is disabled, which is not passed over for the next.
    pub fn by_person(&self, person: &Person) -> Result<Caller, PersonRefusal> {
        let own = [Some(person.subject_identity()), person.email_identity()];
        let own = own.into_iter().flatten();
        let own = own.filter_map(|identity| self.identities.get(&compared(&identity)));
        let own: Vec<&Option<Arc<Grant>>> = own.collect();
        let is_denied = |grant: &Option<Arc<Grant>>| grant.as_deref().is_none_or(is_disabled);
        if own.iter().any(|grant| is_denied(grant)) {
            return Err(PersonRefusal::Disabled);
        }
        if let Some(grant) = own.into_iter().flatten().next() {
            return Ok(Caller::principal(Arc::clone(grant)));
        }
        let groups = person.group_identities();
        let mut grants = groups.filter_map(|identity| self.identities.get(&identity)?.as_ref());
        let first = grants.next().ok_or(PersonRefusal::Unknown)?;
        if grants.any(|other| !Arc::ptr_eq(first, other)) {
            return Err(PersonRefusal::SeveralGroups);
        }
        if is_disabled(first) {
            return Err(PersonRefusal::Disabled);
        }
        Ok(Caller::principal(Arc::clone(first)).with_member(&person.name()))
    }

    /// Returns the caller that the token with this id stands for, if it still stands for one.
    pub fn by_token_id(&self, id: &str, now: Timestamp) -> Option<Caller> {
        let token = self.tokens.get(self.hashes.get(id)?)?;
        if is_disabled(&token.grant) { None } else { token.caller(now) }
    }
}

impl TokenEntry {
    /// Returns the caller, unless the token has expired.
    fn caller(&self, now: Timestamp) -> Option<Caller> {
        if self.expires.is_some_and(|expires| expires <= now) {
            return None;
        }
        if now.millis() - self.used.load(Ordering::Relaxed) >= USED_STEP_MS {
            self.used.store(now.millis(), Ordering::Relaxed);
        }
        Some(Caller::principal(Arc::clone(&self.grant)).with_token(&self.id))
    }
}

fn is_disabled(grant: &Grant) -> bool {
    grant.principal().disabled
}

fn read_principal(body: &Json, key: [u8; 32]) -> Result<Grant> {
    let principal: Principal = serde_json::from_value(body.clone())
        .context(ErrorKind::Corrupt, || "it has other settings".to_owned())?;
    principal.grant(key)
}

/// Reads whose a token is, and when it ends.
fn read_token(body: &Json) -> Result<(String, Option<Timestamp>)> {
    let record: TokenRecord = serde_json::from_value(body.clone())
        .context(ErrorKind::Corrupt, || "it has other settings".to_owned())?;
    let expires = record.expires.as_deref().map(Timestamp::parse).transpose()?;
    Ok((record.principal, expires))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ApiToken;
    use crate::access::token::work_of;
    use serde_json::json;

    const KEY: [u8; 32] = [5; 32];

    #[test]
    fn a_token_stands_for_its_principal_until_it_ends() {
        let token = ApiToken::new().expect("a token");
        let hash = token_hash(&KEY, token.reveal());
        let reader = json!({ "name": "r", "roles": ["reader"], "tenants": ["a"] });
        let at = |time: &str| Timestamp::parse(time).expect("a time");
        let record = |principal: &str| {
            json!({ "principal": principal, "created": "2026-01-01T00:00:00.000Z",
                "created_by": "s", "expires": "2026-02-01T00:00:00.000Z" })
        };
        let directory = |record: &Json, hash: Option<&[u8]>| {
            Directory::of(
                KEY,
                [("r", 0, &reader)],
                [("t", record, hash)],
                &Arc::default(),
                &Directory::default(),
            )
        };
        let refusal = |directory: &Directory, text: &str, time: &str| {
            directory.by_token(text, at(time)).map(|(caller, _)| caller.name().to_owned()).err()
        };
        let (good, before) = (directory(&record("r"), Some(&hash)), "2026-01-31T23:59:59.999Z");
        assert_eq!(refusal(&good, token.reveal(), before), None);
        // A token is found by its hash, and no other is compared with it: each that is tried is
        // hashed once, whether it is there, has ended, or was made up.
        let (made_up, after) = (ApiToken::new().expect("a token"), "2026-03-01T00:00:00Z");
        let lost = directory(&record("r"), None);
        for (directory, text, time) in [
            (&good, token.reveal(), before),
            (&good, token.reveal(), after),
            (&good, made_up.reveal(), before),
            (&good, "a-text-that-somebody-chose", before),
            (&lost, token.reveal(), before),
            (&Directory::default(), token.reveal(), before),
        ] {
            assert_eq!(work_of(|| directory.by_token(text, at(time)).is_ok()), 1, "{text}");
        }
        assert_eq!(good.last_used("t"), Some(at(before)));
        let expired = Some(TokenRefusal::Expired);
        assert_eq!(refusal(&good, token.reveal(), "2026-02-01T00:00:00.000Z"), expired);
        let other = ApiToken::new().expect("a token");
        assert_eq!(refusal(&good, other.reveal(), before), Some(TokenRefusal::Unknown));
        let cut = &token.reveal()[..token.reveal().len() - 1];
        assert_eq!(refusal(&good, cut, before), Some(TokenRefusal::Mistyped));
        // Of a principal that is gone, or without its hash, it stands for nobody.
        for gone in [directory(&record("x"), Some(&hash)), directory(&record("r"), None)] {
            assert_eq!(refusal(&gone, token.reveal(), before), Some(TokenRefusal::Unknown));
        }
    }

    #[test]
    fn a_certificate_stands_for_the_one_principal_that_all_its_names_lead_to() {
        let principal = |name: &str, certificates: &[&str]| {
            json!({ "name": name, "roles": ["ingest"], "tenants": ["a"],
                "certificates": certificates })
        };
        let (one, two) =
            (principal("one", &["cn:1", "uri:spiffe://a/1"]), principal("two", &["cn:2"]));
        let principals = [("one", 0, &one), ("two", 0, &two)];
        let directory = Directory::of(KEY, principals, [], &Arc::default(), &Directory::default());
        let name = |names: &[&str]| {
            let caller = directory.by_certificate(names.iter().map(|name| (*name).to_owned()));
            caller.map(|caller| caller.name().to_owned())
        };
        assert_eq!(name(&["cn:1", "dns:1", "uri:spiffe://a/1"]).as_deref(), Some("one"));
        assert_eq!(name(&["cn:2"]).as_deref(), Some("two"));
        assert_eq!(name(&["cn:1", "cn:2"]), None);
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn a_person_is_the_principal_of_the_subject_then_of_the_address_then_of_the_one_group() {
        let principal = |name: &str, identities: &[&str]| {
            json!({ "name": name, "roles": ["reader"], "tenants": ["a"],
                "identities": identities })
        };
        let (li, wang) =
            (principal("li", &["oidc:sub:1"]), principal("wang", &["oidc:email:wang@example.com"]));
        let (auditors, readers) = (
            principal("auditors", &["oidc:group:auditors", "oidc:group:auditors-2"]),
            principal("readers", &["oidc:group:readers"]),
        );
        let principals = [
            ("li", 0, &li),
            ("wang", 0, &wang),
            ("auditors", 0, &auditors),
            ("readers", 0, &readers),
        ];
        let directory = Directory::of(KEY, principals, [], &Arc::default(), &Directory::default());
        let name = |subject: &str, email: Option<&str>, groups: &[&str]| {
            let person = Person {
                subject: subject.to_owned(),
                email: email.map(str::to_owned),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            };
            directory.by_person(&person).map(|caller| caller.name().to_owned())
        };
        let wangs = Some("wang@example.com");
        assert_eq!(name("1", wangs, &["auditors"]).as_deref(), Ok("li"));
        assert_eq!(name("2", wangs, &["auditors"]).as_deref(), Ok("wang"));
        assert_eq!(name("3", None, &["x", "auditors"]).as_deref(), Ok("auditors/sub:3"));
        let zhao = Some("zhao@example.com");
        let own = ["auditors-2", "auditors"];
        assert_eq!(name("3", zhao, &own).as_deref(), Ok("auditors/zhao@example.com"));
        let both = name("3", zhao, &["auditors", "readers"]);
        assert_eq!(both, Err(PersonRefusal::SeveralGroups));
        assert_eq!(name("4", zhao, &["x"]), Err(PersonRefusal::Unknown));
        // Neither is a group's name that of a person.
        assert_eq!(name("auditors", None, &["1"]), Err(PersonRefusal::Unknown));
    }

    #[test]
    fn a_principal_that_is_disabled_is_nobody_and_nobody_is_another_in_its_place() {
        let token = ApiToken::new().expect("a token");
        let hash = token_hash(&KEY, token.reveal());
        let li = |disabled: bool| {
            json!({ "name": "li", "roles": ["security_administrator"], "disabled": disabled,
                "certificates": ["cn:li"], "identities": ["oidc:sub:1", "oidc:email:Li@Example.com"] })
        };
        let readers = json!({ "name": "readers", "roles": ["reader"], "tenants": ["a"],
            "identities": ["oidc:group:g", "oidc:email:wang@example.com"] });
        let record = json!({ "principal": "li", "created": "2026-01-01T00:00:00.000Z",
            "created_by": "s" });
        let person = |subject: &str, email: Option<&str>| Person {
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
            groups: vec!["g".to_owned()],
        };
        let now = Timestamp::parse("2026-01-02T00:00:00Z").expect("a time");
        for disabled in [false, true] {
            let li = li(disabled);
            let principals = [("li", 0, &li), ("readers", 0, &readers)];
            let tokens = [("t", &record, Some(&hash[..]))];
            let directory =
                Directory::of(KEY, principals, tokens, &Arc::default(), &Directory::default());
            let by = |subject, email| {
                directory.by_person(&person(subject, email)).map(|caller| caller.name().to_owned())
            };
            let expected =
                if disabled { Err(PersonRefusal::Disabled) } else { Ok("li".to_owned()) };
            assert_eq!(by("1", None), expected);
            assert_eq!(by("2", Some("lI@example.COM")), expected, "an address has no case");
            if disabled {
                assert_eq!(by("1", Some("wang@example.com")), expected, "nor as another");
            }
            assert_eq!(by("2", None).as_deref(), Ok("readers/sub:2"));
            let refusal = directory.by_token(token.reveal(), now).err();
            assert_eq!(refusal, disabled.then_some(TokenRefusal::Disabled));
            assert_eq!(directory.by_credential("t", now).is_none(), disabled);
            assert_eq!(directory.by_certificate(["cn:li".to_owned()]).is_none(), disabled);
            assert_eq!(directory.has_security_administrator(), !disabled);
            assert!(directory.get("li").is_some(), "it is kept");
        }
        // What an earlier version took for two addresses lets nobody in.
        let one = json!({ "name": "one", "roles": ["reader"], "tenants": ["a"],
            "identities": ["oidc:email:li@example.com"] });
        let li = li(false);
        let principals = [("li", 0, &li), ("one", 0, &one)];
        let directory = Directory::of(KEY, principals, [], &Arc::default(), &Directory::default());
        let both = directory.by_person(&person("2", Some("li@example.com"))).err();
        assert_eq!(both, Some(PersonRefusal::Disabled));
        assert!(directory.of_identity("oidc:sub:1").is_some());
    }

    #[test]
    fn a_record_that_cannot_be_read_lets_nobody_in() {
        let (none, body) = (Directory::default(), json!({ "name": "r", "roles": ["unheard_of"] }));
        let directory = Directory::of(KEY, [("r", 0, &body)], [], &Arc::default(), &none);
        assert!(directory.get("r").is_none() && !directory.is_empty());
        assert!(none.is_empty());
    }
}
