//! Masks: fields of which a principal sees nothing, a keyed hash, or the last four characters.
//!
//! What is masked cannot be asked about either: a filter, a count or a group by a masked field is
//! refused, and so are searches of the record's text, in which its values stand. The record itself
//! is withheld.

use super::seal_key::SealKey;
use crate::decode::HASH_ID;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, FIELDS, Field, FieldKind, hex};
use crate::filter::{Clause, Filter, Test};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// How a field is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// The field is absent.
    Hide,
    /// The value is replaced by a hash with the store's key: equal values stay equal.
    Hash,
    /// All but the last four characters are replaced by `*`; a value of eight characters or less is
    /// replaced whole, because four would give away too much of it.
    Last4,
}

/// How many hexadecimal digits of a hash are shown: 64 bits, enough to tell values apart.
const HASH_DIGITS: usize = 16;
/// What a trace id begins with that stands for another one.
const SEALED_ID: &str = "sealed:";
/// How many characters a value must have for its last four to be shown.
const LAST4_MIN: usize = 9;

/// The masked fields of a principal.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Masks {
    fields: BTreeMap<Field, Mask>,
    key: [u8; 32],
}

impl fmt::Debug for Masks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(&self.fields).finish()
    }
}

/// Returns whether a field can be masked: texts and lists can, except those that say where an event
/// belongs and which it is.
fn can_be_masked(field: Field) -> bool {
    let kept = [Field::Tenant, Field::TraceId, Field::Original, Field::Format];
    let def = field.def();
    match def.kind {
        FieldKind::Text | FieldKind::List => !kept.contains(&field),
        _ => field == Field::Amount,
    }
}

impl Masks {
    /// Reads masks by the names of their fields. `key` is that of the hashes.
    ///
    /// # Errors
    /// A name that is not a field's, or a field that cannot be masked in this way; the message
    /// names the parameter `masks`.
    pub(super) fn of(named: &BTreeMap<String, Mask>, holder: &str, key: [u8; 32]) -> Result<Self> {
        let mut fields = BTreeMap::new();
        for (name, mask) in named {
            let field = Field::from_name(name).filter(|field| can_be_masked(*field));
            let field = field.ok_or_else(|| {
                Error::parameter("masks", format!("{name:?} is not a field that can be masked"))
            })?;
            if field == Field::Amount && *mask != Mask::Hide {
                return Err(Error::parameter("masks", "an amount can only be hidden"));
            }
            fields.insert(field, *mask);
        }
        // Two principals cannot put together what each sees.
        Ok(Self { fields, key: hmac(&key, holder.as_bytes()) })
    }

    /// Returns whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Returns the masked fields.
    pub fn fields(&self) -> impl Iterator<Item = (Field, Mask)> {
        self.fields.iter().map(|(field, mask)| (*field, *mask))
    }

    /// Fails if a field may not be asked about.
    ///
    /// # Errors
    /// A masked field, and the record's text if anything is masked.
    pub fn check_field(&self, field: Field) -> Result<()> {
        let withheld = field == Field::Original && !self.is_empty();
        if !withheld && !self.fields.contains_key(&field) {
            return Ok(());
        }
        let what = format!("{field} is masked for you: it cannot be asked about");
        Err(Error::new(ErrorKind::Forbidden, what).with_parameter(field.def().name))
    }

    /// Puts the ids for which sealed ones stand in a filter.
    ///
    /// # Errors
    /// A filter that asks about what is masked.
    pub(super) fn unseal<'a>(&self, filter: &'a Filter) -> Result<Cow<'a, Filter>> {
        if self.is_empty() {
            return Ok(Cow::Borrowed(filter));
        }
        let mut asked = filter.clone();
        asked.clauses.iter_mut().try_for_each(|clause| self.unseal_clause(clause))?;
        Ok(Cow::Owned(asked))
    }

    fn unseal_clause(&self, clause: &mut Clause) -> Result<()> {
        match clause {
            Clause::Field(condition) if condition.field == Field::TraceId => {
                self.unseal_ids(&mut condition.test)
            }
            Clause::Field(condition) => self.check_field(condition.field),
            Clause::Record(_) => {
                let masked: Vec<&str> = self.fields.keys().map(|field| field.def().name).collect();
                let what = format!(
                    "{} {} masked for you, so the text of records cannot be searched: filter by \
                    other fields",
                    masked.join(", "),
                    if masked.len() == 1 { "is" } else { "are" },
                );
                Err(Error::new(ErrorKind::Forbidden, what).with_parameter("text"))
            }
            Clause::Any(clauses) | Clause::All(clauses) => {
                clauses.iter_mut().try_for_each(|clause| self.unseal_clause(clause))
            }
            Clause::Not(clause) => self.unseal_clause(clause),
        }
    }

    /// Fails for a test of the trace id that could be passed by one that tells of other fields,
    /// unless it was shown sealed.
    fn unseal_ids(&self, test: &mut Test) -> Result<()> {
        let refused = || {
            let what = "with masked fields, events are found by whole ids: as they are shown, or \
                        with only letters, digits, - _ and . in them";
            Error::new(ErrorKind::Forbidden, what).with_parameter("trace_id")
        };
        let Test::OneOf(ids) = test else { return Err(refused()) };
        let unsealed = |id: &String| match id.strip_prefix(SEALED_ID) {
            Some(sealed) => self.id_key().open_alike(sealed).ok_or_else(refused),
            None if is_plain_id(id) => Ok(id.clone()),
            None => Err(refused()),
        };
        *ids = ids.iter().map(unsealed).collect::<Result<_>>()?;
        Ok(())
    }

    /// Returns the key that seals trace ids.
    fn id_key(&self) -> SealKey {
        SealKey::derived(hmac(&self.key, b"trace ids"))
    }

    /// Masks an event and withholds its record.
    pub fn apply(&self, event: &mut Event) {
        if self.is_empty() {
            return;
        }
        event.original = Box::default();
        if let Cow::Owned(id) = self.shown_id(event.trace_id()) {
            event.set(Field::TraceId, id);
        }
        for (field, mask) in &self.fields {
            match field {
                Field::Amount => event.amount = None,
                Field::RelatedIds => {
                    let ids = std::mem::take(&mut event.related_ids);
                    event.related_ids = ids
                        .iter()
                        .filter_map(|id| {
                            let (kind, id) = id.split_once(':').unwrap_or(("", id));
                            Some(format!("{kind}:{}", self.masked(*field, *mask, id)?).into())
                        })
                        .collect();
                }
                _ => {
                    let masked =
                        event.text(*field).and_then(|value| self.masked(*field, *mask, value));
                    event.set(*field, masked.unwrap_or_default());
                }
            }
        }
    }

    /// Returns a trace id as it is shown. One that is the hash of its record is sealed, since it
    /// would tell whether a guess of what is masked is right; so is one that may be composed of
    /// other fields. The event is found by the sealed one.
    pub(super) fn shown_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        match !self.is_empty() && !is_plain_id(id) {
            true => Cow::Owned(SEALED_ID.to_owned() + &self.id_key().seal_alike(id)),
            false => Cow::Borrowed(id),
        }
    }

    fn masked(&self, field: Field, mask: Mask, value: &str) -> Option<String> {
        match mask {
            Mask::Hide => None,
            Mask::Hash => Some(self.hashed(field, value)),
            Mask::Last4 => {
                let letters = value.chars().count();
                let hidden = if letters < LAST4_MIN { letters } else { letters - 4 };
                Some("*".repeat(hidden) + &value.chars().skip(hidden).collect::<String>())
            }
        }
    }

    fn hashed(&self, field: Field, value: &str) -> String {
        // The field is hashed too: equal values of two fields are not to be linked.
        let text = format!("{}\0{value}", field.def().name);
        let mut digits = hex(&hmac(&self.key, text.as_bytes()));
        digits.truncate(HASH_DIGITS);
        format!("hash:{digits}")
    }

    /// Returns a text that is the same for equal masks and differs for different ones.
    pub(super) fn canonical(&self) -> String {
        format!("{:?}", self.fields)
    }
}

/// Returns whether a trace id is only that: decoders put ids together of other fields with `:`, `@`
/// and `/` in between, be it an account with its customer or a document with its index, and mark
/// what is the hash of a record in the same way.
fn is_plain_id(id: &str) -> bool {
    !id.starts_with(HASH_ID)
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Returns the names of the fields that can be masked.
pub fn maskable() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().filter(|def| can_be_masked(def.field)).map(|def| def.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Amount, Timestamp};
    use crate::filter::parse_filter;

    fn masks(named: &[(&str, Mask)]) -> Result<Masks> {
        let named = named.iter().map(|(name, mask)| ((*name).to_owned(), *mask)).collect();
        Masks::of(&named, "li", [7; 32])
    }

    fn event() -> Event {
        let mut event = Event::default();
        event.set(Field::TraceId, "t");
        event.set(Field::SourceIp, "192.168.10.24");
        event.set(Field::Operator, "zhang");
        event.relate("customer", "4f7d2a9b11");
        event.amount = Some(Amount::parse("3.50").expect("an amount"));
        event.original = "{\"ip\":\"192.168.10.24\"}".into();
        event
    }

    #[test]
    fn an_id_that_tells_of_other_fields_is_sealed_and_found_as_it_is_shown() {
        let named = BTreeMap::from([("resource_id".to_owned(), Mask::Hide)]);
        let of = |holder| Masks::of(&named, holder, [7; 32]).expect("masks");
        let (masks, others) = (of("li"), of("wang"));
        for (id, is_plain) in [
            ("adjust:T1:c7:BEADJUST", false),
            ("7@/tenants/c7/orders", false),
            ("app/7", false),
            ("sha256:00ff", false),
            ("zhang 7", false),
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true),
            ("order_7.1", true),
        ] {
            let mut event = event();
            event.set(Field::TraceId, id);
            masks.apply(&mut event);
            assert_eq!(event.trace_id() == id, is_plain, "{id}");
            assert_eq!(event.trace_id().starts_with(SEALED_ID), !is_plain, "{id}");
            let asked = |id: &str| {
                let pairs = [("trace_id".to_owned(), id.to_owned())];
                parse_filter(&pairs, &[], Timestamp::from_millis(0)).expect("a filter")
            };
            assert_eq!(masks.unseal(&asked(id)).is_ok(), is_plain, "{id}");
            let found = asked(event.trace_id());
            assert_eq!(*masks.unseal(&found).expect("an id that was shown"), asked(id));
            assert!(others.unseal(&found).is_err() != is_plain, "sealed for one principal");
        }
    }

    #[test]
    fn a_masked_event_has_neither_the_value_nor_the_record() {
        let all = [Mask::Hide, Mask::Hash, Mask::Last4].map(|mask| {
            let mut event = event();
            masks(&[("source_ip", mask), ("related_ids", mask)]).expect("masks").apply(&mut event);
            assert_eq!(&*event.original, "");
            assert_eq!(event.text(Field::Operator), Some("zhang"));
            (event.text(Field::SourceIp).map(str::to_owned), event.related_ids)
        });
        assert_eq!(all[0], (None, Vec::new()));
        let hash = all[1].0.as_deref().expect("a hash");
        assert!(hash.starts_with("hash:") && hash.len() == 5 + HASH_DIGITS, "{hash}");
        assert_eq!(all[2].0.as_deref(), Some("*********0.24"));
        assert_eq!(all[2].1, [Box::from("customer:******9b11")]);
    }

    #[test]
    fn a_short_value_is_masked_whole() {
        let mut event = event();
        masks(&[("operator", Mask::Last4), ("amount", Mask::Hide)])
            .expect("masks")
            .apply(&mut event);
        assert_eq!((event.text(Field::Operator), event.amount), (Some("*****"), None));
    }

    #[test]
    fn what_is_masked_cannot_be_asked_about_at_any_depth() {
        let masks = masks(&[("source_ip", Mask::Hide)]).expect("masks");
        let refused = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let filter = parse_filter(&pairs, &[], Timestamp::default()).expect("a filter");
            masks.unseal(&filter).err().map(|error| error.kind())
        };
        let forbidden = Some(ErrorKind::Forbidden);
        for pairs in [
            [("source_ip", "10.0.0.1")],
            [("source_ip.not", "10.0.0.1")],
            [("source_ip.exists", "true")],
            [("source_ip.prefix", "10.")],
            [("text", "zhang")],
            [("substring", "10.0")],
            [("filter", r#"{"any":[{"level":"normal"},{"not":{"source_ip":"10.0.0.1"}}]}"#)],
        ] {
            assert_eq!(refused(&pairs), forbidden, "{pairs:?}");
        }
        assert_eq!(refused(&[("operator", "zhang")]), None);
        assert_eq!(refused(&[("trace_id", "an-id-of-the-producer")]), None);
        let hash = format!("{HASH_ID}0123456789abcdef0123456789abcdef");
        for pairs in
            [("trace_id", hash.as_str()), ("trace_id.not", "x"), ("trace_id.exists", "true")]
        {
            let is_known = parse_filter(
                &[(pairs.0.to_owned(), pairs.1.to_owned())],
                &[],
                Timestamp::default(),
            );
            if is_known.is_ok() && pairs.0 != "trace_id.not" {
                assert_eq!(refused(&[pairs]), forbidden, "{pairs:?}");
            }
        }
        assert!(masks.check_field(Field::Original).is_err());
    }

    #[test]
    fn only_what_can_be_masked_is() {
        for name in ["tenant", "trace_id", "time", "original", "nonsense"] {
            assert!(masks(&[(name, Mask::Hide)]).is_err(), "{name}");
        }
        assert!(masks(&[("amount", Mask::Hash)]).is_err());
        assert!(maskable().any(|name| name == "source_ip"));
    }
}
