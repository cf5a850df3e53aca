//! What counts and sums are grouped by: a field, or the ids of one kind among all that a record
//! mentions.

use crate::error::{Error, Result};
use crate::event::{Columns, FIELDS, Field, FieldKind, clip};
use std::fmt;

/// The longest kind of related ids, in bytes.
const KIND_MAX: usize = 64;

/// What to group by. An event that mentions several ids of a kind belongs to several groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// The values of a field.
    Field(Field),
    /// The ids of one kind in `related_ids`, without the kind.
    Related(Box<str>),
}

impl From<Field> for GroupBy {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(out),
            Self::Related(kind) => write!(out, "{}.{kind}", Field::RelatedIds),
        }
    }
}

impl GroupBy {
    /// Reads the value of a parameter: a facet field, or `related_ids.KIND`.
    ///
    /// # Errors
    /// Anything else; the message names the parameter.
    pub(crate) fn parse(parameter: &str, name: &str) -> Result<Self> {
        if let Some(kind) =
            name.strip_prefix(Field::RelatedIds.name()).and_then(|rest| rest.strip_prefix('.'))
        {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if kind.is_empty() || kind.len() > KIND_MAX || !kind.bytes().all(plain) {
                return Err(Error::parameter(
                    parameter,
                    format!(
                        "{:?} is not a kind of related ids, such as related_ids.quota",
                        clip(name, 60)
                    ),
                ));
            }
            return Ok(Self::Related(kind.into()));
        }
        facet_field(parameter, name).map(Self::Field)
    }

    /// Returns the column that the values are read from.
    pub(in crate::query) fn column(&self) -> Field {
        match self {
            Self::Field(field) => *field,
            Self::Related(_) => Field::RelatedIds,
        }
    }

    /// Returns the field, if this is one.
    pub(in crate::query) fn field(&self) -> Option<Field> {
        match self {
            Self::Field(field) => Some(*field),
            Self::Related(_) => None,
        }
    }

    /// Calls a function with each value that an event has, until it fails; returns how many values
    /// there were.
    pub(in crate::query) fn each(
        &self,
        columns: &Columns,
        row: usize,
        mut call: impl FnMut(&str) -> Result<()>,
    ) -> Result<usize> {
        let mut found = 0;
        match self {
            Self::Field(field) => {
                if let Some(value) = value_of(columns, *field, row) {
                    call(value)?;
                    found += 1;
                }
            }
            Self::Related(kind) => {
                for related in columns.list(Field::RelatedIds, row) {
                    if let Some(id) =
                        related.strip_prefix(kind.as_ref()).and_then(|rest| rest.strip_prefix(':'))
                    {
                        call(id)?;
                        found += 1;
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Reads the name of a field that can be counted by value.
///
/// # Errors
/// Any other field; the message names the parameter.
pub(crate) fn facet_field(parameter: &str, name: &str) -> Result<Field> {
    Field::from_name(name).filter(|field| field.def().facet).ok_or_else(|| {
        let known: Vec<&str> = FIELDS.iter().filter(|def| def.facet).map(|def| def.name).collect();
        Error::parameter(parameter, format!("{:?} is none of {}", clip(name, 60), known.join(", ")))
    })
}

/// Returns the value of a facet field.
pub(in crate::query) fn value_of(columns: &Columns, field: Field, row: usize) -> Option<&str> {
    match field.def().kind {
        FieldKind::Bool => columns.flag(field, row).map(|flag| if flag { "true" } else { "false" }),
        _ => columns.text(field, row),
    }
}

/// The value of a group while groups are added up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::query) enum GroupValue {
    /// No value.
    Nothing,
    /// The value with this number in the vocabulary.
    Number(u32),
    /// This text.
    Text(String),
}
