//! Builds a filter from conditions as people write them, within the limits of filters.

use super::parse_text::{parse_substring, parse_text};
use super::period::{parse_duration, parse_time};
use super::{Clause, FieldCondition, Filter, Test};
use crate::error::{Error, Result};
use crate::event::{
    Amount, FIELDS, Field, FieldKind, FilterOperator, Timestamp, parse_address, parse_network,
};

/// The maximum number of values in a whole filter.
pub const VALUES_MAX: usize = 1_000;

/// The maximum nesting depth of groups of clauses.
pub const DEPTH_MAX: usize = 8;

/// The longest value, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// Builds a filter, or a group within one.
#[derive(Default)]
pub(super) struct FilterBuilder {
    now: Timestamp,
    /// The number of values in the whole filter so far.
    values: usize,
    conditions: Vec<FieldCondition>,
    clauses: Vec<Clause>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    last: Option<i64>,
    filter_type: Option<Field>,
    filter_value: Option<String>,
}

impl FilterBuilder {
    /// Creates a builder for a filter that is asked with at this moment.
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// Returns the number of values so far, for a group within the filter to count on.
    pub(super) fn values(&mut self) -> &mut usize {
        &mut self.values
    }

    /// Creates a builder for a group in a filter that already has `values` values.
    pub(super) fn of_group(values: usize) -> Self {
        Self { values, ..Self::default() }
    }

    /// Counts a value against the limits of the whole filter.
    pub(super) fn count(&mut self, name: &str, value: &str) -> Result<()> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(Error::parameter(
                name,
                format!("a filter may have at most {VALUES_MAX} values"),
            ));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::parameter(
                name,
                format!("a value may have at most {VALUE_BYTES_MAX} bytes"),
            ));
        }
        Ok(())
    }

    /// Adds a condition or a bound of the period.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "from" | "to" | "last" | "filter_type" | "filter_value" => self.count(name, value)?,
            _ => return self.add_condition(name, value),
        }
        match name {
            "from" => once(name, &mut self.from, parse_time(name, value)?),
            "to" => once(name, &mut self.to, parse_time(name, value)?),
            "last" => {
                let ago = parse_duration(value).ok_or_else(|| {
                    Error::parameter(
                        name,
                        "write a number and s, m, h, d, w or y, such as 24h or 1y",
                    )
                })?;
                once(name, &mut self.last, ago)
            }
            "filter_type" => {
                let field = Field::from_name(value)
                    .filter(|field| field.def().operators.contains(&FilterOperator::Equal));
                let field = field.ok_or_else(|| {
                    Error::parameter(
                        name,
                        format!(
                            "{value:?} is not a filter type: event_name, \
                                                   resource_id, resource_name or another field"
                        ),
                    )
                })?;
                once(name, &mut self.filter_type, field)
            }
            _ => once(name, &mut self.filter_value, value.to_owned()),
        }
    }

    /// Adds a condition on a field or on the record's text.
    pub(super) fn add_condition(&mut self, name: &str, value: &str) -> Result<()> {
        self.count(name, value)?;
        if matches!(name, "text" | "text.not" | "substring" | "substring.not") {
            return self.add_text(name, value);
        }
        let (field_name, operator) = split_name(name);
        let field = Field::from_name(field_name)
            .filter(|field| !field.def().operators.is_empty())
            .ok_or_else(|| unknown(name))?;
        let allowed = |operator: FilterOperator| {
            let def = field.def();
            if def.operators.contains(&operator) {
                return Ok(());
            }
            let known: Vec<&str> = def.operators.iter().map(|operator| operator.name()).collect();
            Err(Error::parameter(
                name,
                format!("{field_name} has no such operator; it has {}", known.join(", ")),
            ))
        };
        let (negated, test) = match operator {
            "" | "not" => {
                allowed(if operator.is_empty() {
                    FilterOperator::Equal
                } else {
                    FilterOperator::Not
                })?;
                (operator == "not", equal(name, field, value)?)
            }
            "prefix" => {
                allowed(FilterOperator::Prefix)?;
                if value.is_empty() {
                    return Err(Error::parameter(
                        name,
                        "a prefix may not be empty; ask with .exists=true",
                    ));
                }
                (false, Test::Prefix(vec![value.to_owned()]))
            }
            "exists" => {
                allowed(FilterOperator::Exists)?;
                (!parse_flag(name, value)?, Test::Present)
            }
            "min" | "max" => {
                allowed(FilterOperator::Range)?;
                let amount = Amount::parse(value)
                    .map_err(|error| Error::parameter(name, error.to_string()))?;
                (
                    false,
                    if operator == "min" {
                        Test::Between(Some(amount), None)
                    } else {
                        Test::Between(None, Some(amount))
                    },
                )
            }
            _ => return Err(unknown(name)),
        };
        self.join(FieldCondition { field, negated, test });
        Ok(())
    }

    /// Adds a condition on the record's text.
    fn add_text(&mut self, name: &str, value: &str) -> Result<()> {
        let clause = match name {
            "text" => {
                let clauses = parse_text(name, value)?;
                clauses.iter().skip(1).try_for_each(|_| self.count(name, ""))?;
                self.clauses.extend(clauses);
                return Ok(());
            }
            "text.not" => Clause::Not(Box::new(Clause::All(parse_text(name, value)?))),
            "substring" => parse_substring(name, value)?,
            _ => Clause::Not(Box::new(parse_substring(name, value)?)),
        };
        self.clauses.push(clause);
        Ok(())
    }

    /// Adds a condition; several values for the same field and operator mean any of them.
    fn join(&mut self, added: FieldCondition) {
        let same = |kept: &&mut FieldCondition| {
            kept.field == added.field
                && kept.negated == added.negated
                && std::mem::discriminant(&kept.test) == std::mem::discriminant(&added.test)
        };
        if let Some(kept) = self.conditions.iter_mut().find(same) {
            match (&mut kept.test, &added.test) {
                (Test::OneOf(values), Test::OneOf(more)) => {
                    values.append(more);
                    return;
                }
                (Test::Prefix(values), Test::Prefix(more)) => {
                    values.extend_from_slice(more);
                    return;
                }
                (Test::Address(values, networks), Test::Address(more, more_networks)) => {
                    values.extend_from_slice(more);
                    networks.extend_from_slice(more_networks);
                    return;
                }
                (Test::Amounts(values), Test::Amounts(more)) => {
                    values.extend_from_slice(more);
                    return;
                }
                // `exists=true&exists=false` contradict each other, and bounds narrow each other:
                // all must hold.
                _ => {}
            }
        }
        self.conditions.push(added);
    }

    /// Returns the filter.
    pub(super) fn finish(mut self) -> Result<Filter> {
        match (self.filter_type, self.filter_value.take()) {
            (Some(field), Some(value)) => {
                let test = equal("filter_value", field, &value)?;
                self.conditions.push(FieldCondition { field, negated: false, test });
            }
            (Some(_), None) => {
                return Err(Error::parameter("filter_value", "filter_type needs a filter_value"));
            }
            (None, Some(_)) => {
                return Err(Error::parameter("filter_type", "filter_value needs a filter_type"));
            }
            (None, None) => {}
        }
        if self.last.is_some() && self.from.is_some() {
            return Err(Error::parameter("last", "last and from exclude each other"));
        }
        let back = |ago: i64| Timestamp::from_millis(self.now.millis().saturating_sub(ago));
        let (last, from) = (self.last, self.from.or(self.last.map(back)));
        if let (Some(from), Some(to)) = (from, self.to)
            && from >= to
        {
            return Err(Error::parameter(
                "from",
                format!("the period ends ({to}) before it begins ({from})"),
            ));
        }
        let (from, to) = (from, self.to);
        Ok(Filter { clauses: self.into_clauses().0, from, to, last })
    }

    /// Returns the clauses, and the number of values in the whole filter.
    pub(super) fn into_clauses(mut self) -> (Vec<Clause>, usize) {
        for condition in &mut self.conditions {
            if let Test::OneOf(values) = &mut condition.test {
                values.put_in_order();
            }
        }
        (self.conditions.into_iter().map(Clause::Field).chain(self.clauses).collect(), self.values)
    }

    /// Adds a clause that is not a condition on a field.
    pub(super) fn push(&mut self, clause: Clause) {
        self.clauses.push(clause);
    }
}

fn once<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::parameter(name, "may be given once")),
    }
}

/// Splits `field.not` into field and operator. In `amount>=5` the URL was split at `=`, so the name
/// ends in `>`.
fn split_name(name: &str) -> (&str, &str) {
    if let Some(field) = name.strip_suffix('>') {
        return (field, "min");
    }
    if let Some(field) = name.strip_suffix('<') {
        return (field, "max");
    }
    name.split_once('.').unwrap_or((name, ""))
}

fn unknown(name: &str) -> Error {
    let close =
        FIELDS.iter().filter(|def| !def.operators.is_empty()).map(|def| def.name).find(|known| {
            let name = name.split_once('.').map_or(name, |(field, _)| field);
            known.replace('_', "") == name.replace(['_', '-'], "").to_lowercase()
        });
    let hint = close.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    Error::parameter(crate::event::clip(name, 60), format!("unknown parameter{hint}"))
}

fn equal(name: &str, field: Field, value: &str) -> Result<Test> {
    match field.def().kind {
        FieldKind::Enum(known) if !known.contains(&value) => Err(Error::parameter(
            name,
            format!("{:?} is none of {}", crate::event::clip(value, 60), known.join(", ")),
        )),
        FieldKind::Bool => Ok(Test::OneOf(vec![parse_flag(name, value)?.to_string()].into())),
        FieldKind::Decimal => {
            let amount =
                Amount::parse(value).map_err(|error| Error::parameter(name, error.to_string()))?;
            Ok(Test::Amounts(vec![amount]))
        }
        // An unset variable of a shell, most likely: it would hold for nothing, in silence.
        _ if value.is_empty() => Err(Error::parameter(
            name,
            "is empty: give a value, or leave it out; .exists=false finds events without one",
        )),
        _ if field.def().operators.contains(&FilterOperator::Cidr) && value.contains('/') => {
            let network = parse_network(value).ok_or_else(|| {
                Error::parameter(name, format!("{value:?} is not a network such as 10.0.0.0/8"))
            })?;
            Ok(Test::Address(Vec::new(), vec![network]))
        }
        _ if field.def().operators.contains(&FilterOperator::Cidr) => {
            let address = parse_address(value).map(|address| address.to_string());
            Ok(Test::Address(vec![address.unwrap_or_else(|| value.to_owned())], Vec::new()))
        }
        _ => Ok(Test::OneOf(vec![value.to_owned()].into())),
    }
}

fn parse_flag(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::parameter(
            name,
            format!("{:?} is neither true nor false", crate::event::clip(value, 60)),
        )),
    }
}
