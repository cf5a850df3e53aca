//! Moments in stored and shown JSON: RFC 3339 in UTC, with milliseconds.

use crate::event::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(moment: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(moment)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(input)?;
    Timestamp::parse(&text).map_err(D::Error::custom)
}

/// The same for a moment that may be absent.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};
    use serde::de::Error as _;

    pub(in super::super) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => out.collect_str(moment),
            None => out.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(input)?;
        text.map(|text| Timestamp::parse(&text).map_err(D::Error::custom)).transpose()
    }
}
