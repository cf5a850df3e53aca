//! Finds a key that comes twice in one object of a JSON text: of its values, one would be left out
//! in silence.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Returns the first key that is repeated at any depth; `None` also for a text that is not JSON.
pub(crate) fn repeated_key(json: &[u8]) -> Option<String> {
    let mut found = None;
    let _ = KeyCheck(&mut found).deserialize(&mut serde_json::Deserializer::from_slice(json));
    found
}

struct KeyCheck<'f>(&'f mut Option<String>);

impl<'de> DeserializeSeed<'de> for KeyCheck<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyCheck<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(KeyCheck(self.0))?;
            if !keys.insert(key.clone()) {
                self.0.get_or_insert(key);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(KeyCheck(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::repeated_key;

    #[test]
    fn a_key_is_repeated_only_within_its_object() {
        for (json, key) in [
            (r#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}"#, None),
            (r#"{"a":1,"\u0061":2}"#, Some("a")),
            (r#"{"a":[{"b":1,"c":2,"b":null}]}"#, Some("b")),
            ("nonsense", None),
        ] {
            assert_eq!(repeated_key(json.as_bytes()).as_deref(), key, "{json}");
        }
    }
}
