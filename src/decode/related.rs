//! Finds the ids of quotas, coupons, customers and resellers that requests and responses name, wherever they stand.
//!
//! They are what joins a CTS trace to partner-centre records: "all operations on this quota" is one filter only if both
//! name the quota in the same way.

use super::json::Text;
use crate::event::{Amount, Event};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// How deep ids are looked for.
const DEPTH_MAX: usize = 8;

/// What a key means: the kind of id, or an amount.
fn meaning(key: &str) -> Option<Meaning> {
    // Every key of interest ends in one of these; most keys of a request are dismissed here.
    let last = key.as_bytes().last()?;
    if !matches!(last, b'd' | b'D' | b's' | b't' | b'e' | b'y') || key.len() > 24 {
        return None;
    }
    let mut name = [0_u8; 24];
    let mut length = 0;
    for byte in key.bytes().filter(|byte| *byte != b'_') {
        name[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    Some(match &name[..length] {
        b"quotaid" | b"quotaids" => Meaning::Id("quota"),
        b"parentquotaid" => Meaning::Id("parent_quota"),
        b"couponid" | b"couponids" => Meaning::Id("coupon"),
        b"customerid" | b"customerids" => Meaning::Id("customer"),
        b"indirectpartnerid" | b"indirectpartnerids" => Meaning::Id("reseller"),
        b"jobid" => Meaning::Id("job"),
        b"orderid" | b"orderids" => Meaning::Id("order"),
        b"quotaamount" | b"facevalue" | b"amount" => Meaning::Amount,
        b"currency" => Meaning::Currency,
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Meaning {
    Id(&'static str),
    Amount,
    Currency,
}

/// Adds what a request or response names to the event. Text that is not JSON to its end adds what stood before.
pub(super) fn relate_structure(event: &mut Event, json: &str) {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    // An id before the place where the text breaks off is still an id.
    let _ = Walk { event, depth: 0 }.deserialize(&mut deserializer);
}

struct Walk<'e> {
    event: &'e mut Event,
    depth: usize,
}

/// Takes the value of a key that has a meaning.
struct Take<'e> {
    event: &'e mut Event,
    meaning: Meaning,
    depth: usize,
}

impl Take<'_> {
    fn text(&mut self, text: &str) {
        match self.meaning {
            Meaning::Id(kind) => self.event.relate(kind, text),
            Meaning::Amount if self.event.amount.is_none() => self.event.amount = Amount::parse(text).ok(),
            Meaning::Currency => self.event.set(crate::event::Field::Currency, text),
            Meaning::Amount => {}
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        if self.depth >= DEPTH_MAX {
            return IgnoredAny::deserialize_ignored(input);
        }
        input.deserialize_any(self)
    }
}

/// Skips a value.
trait Ignored {
    fn deserialize_ignored<'de, D: Deserializer<'de>>(input: D) -> Result<(), D::Error>;
}

impl Ignored for IgnoredAny {
    fn deserialize_ignored<'de, D: Deserializer<'de>>(input: D) -> Result<(), D::Error> {
        input.deserialize_ignored_any(Self).map(|_| ())
    }
}

macro_rules! nothing {
    ($($name:ident $type:ty),*) => { $( fn $name<E: de::Error>(self, _: $type) -> Result<(), E> { Ok(()) } )* };
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.depth + 1;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match meaning(&key.0) {
                Some(meaning) => map.next_value_seed(Take { event: &mut *self.event, meaning, depth })?,
                None => map.next_value_seed(Walk { event: &mut *self.event, depth })?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let depth = self.depth + 1;
        while list.next_element_seed(Walk { event: &mut *self.event, depth })?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    nothing!(visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64, visit_str &str);
}

impl<'de> DeserializeSeed<'de> for Take<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, input: D) -> Result<(), D::Error> {
        // Amounts must not pass through a float, so the value is taken as it is written.
        let raw = <&serde_json::value::RawValue as de::Deserialize>::deserialize(input)?;
        match raw.get().as_bytes().first() {
            Some(b'[') => {
                if let Ok(items) = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(raw.get()) {
                    items.into_iter().filter_map(|item| super::json::scalar(Some(item))).for_each(|text| self.text(&text));
                }
            }
            Some(b'{') if self.depth < DEPTH_MAX => relate_structure(self.event, raw.get()),
            _ => {
                if let Some(text) = super::json::scalar(Some(raw)) {
                    self.text(&text);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_at_any_place_and_in_any_spelling() {
        let mut event = Event::default();
        relate_structure(&mut event, r#"{"quota_id":"q1","list":[{"couponId":"c1"},{"CUSTOMER_IDS":["u1","u2"]}],"quotaAmount":12.50,"x":{"orderId":7}}"#);
        let related: Vec<&str> = event.related_ids.iter().map(AsRef::as_ref).collect();
        assert_eq!(related, ["quota:q1", "coupon:c1", "customer:u1", "customer:u2", "order:7"]);
        assert_eq!(event.amount.map(|amount| amount.to_string()).as_deref(), Some("12.50"));
    }

    #[test]
    fn broken_text_gives_what_stood_before_the_break() {
        let mut event = Event::default();
        relate_structure(&mut event, r#"{"quota_id":"q1","n":1e999999,"coupon_id":"c1""#);
        assert_eq!(event.related_ids.first().map(AsRef::as_ref), Some("quota:q1"));
    }
}
