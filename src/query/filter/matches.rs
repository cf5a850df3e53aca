//! What a filter means, event by event: the oracle that every faster path is compared with.

use super::{Condition, Filter, Test};
use crate::event::{Event, Value};
use std::net::IpAddr;

impl Filter {
    /// Whether the event is in the answer.
    pub fn matches(&self, event: &Event) -> bool {
        self.from.is_none_or(|from| event.time >= from)
            && self.to.is_none_or(|to| event.time < to)
            && self.conditions.iter().all(|condition| condition.matches(event))
    }
}

impl Condition {
    /// Whether the condition holds for the event.
    pub fn matches(&self, event: &Event) -> bool {
        self.holds(event.value(self.field))
    }

    /// Whether the condition holds for a value of its field.
    pub fn holds(&self, value: Value<'_>) -> bool {
        self.test.holds(value) != self.negated
    }
}

impl Test {
    /// Whether the test holds for a value.
    pub fn holds(&self, value: Value<'_>) -> bool {
        match value {
            Value::Absent => false,
            Value::Text(text) => self.holds_text(text),
            Value::Bool(flag) => self.holds_text(if flag { "true" } else { "false" }),
            Value::Decimal(amount) => match self {
                Self::Present => true,
                Self::Amounts(values) => values.contains(&amount),
                Self::Between(min, max) => min.is_none_or(|min| amount >= min) && max.is_none_or(|max| amount <= max),
                _ => false,
            },
            Value::List(items) => match self {
                Self::Present => !items.is_empty(),
                _ => items.iter().any(|item| self.holds_text(item)),
            },
            Value::Time(_) | Value::Integer(_) => matches!(self, Self::Present),
        }
    }

    fn holds_text(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::OneOf(values) => values.iter().any(|value| value == text),
            Self::Prefix(prefixes) => prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())),
            Self::Address(values, networks) => {
                values.iter().any(|value| value == text)
                    || text.parse::<IpAddr>().is_ok_and(|address| networks.iter().any(|network| network.contains(&address)))
            }
            Self::Amounts(_) | Self::Between(..) => false,
        }
    }
}
