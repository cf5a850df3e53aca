//! Parses filters as people write them: `field=a`, `field.not=a`, `field.prefix=ab`, `from=…`,
//! `last=7d`.
//!
//! URL parameters, the JSON form and the flags of the command line all arrive here as pairs of name
//! and value. Groups, which pairs cannot express, come as JSON in the pair `filter`.

use super::Filter;
use super::builder::FilterBuilder;
use super::parse_json::parse_group;
use crate::error::Result;
use crate::event::Timestamp;

/// Parses a filter from pairs of name and value. Names in `own` belong to the call and are skipped.
///
/// # Errors
/// An unknown name, an operator that the field does not have, an unknown value of an enumerated
/// field, a period that ends before it begins, too many or too long values. The error names the
/// parameter.
pub fn parse_filter(pairs: &[(String, String)], own: &[&str], now: Timestamp) -> Result<Filter> {
    let mut builder = FilterBuilder::at(now);
    for (name, value) in pairs.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        if name == "filter" {
            let clauses = parse_group(value, builder.values())?;
            clauses.into_iter().for_each(|clause| builder.push(clause));
        } else {
            builder.add(name, value)?;
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Field;
    use crate::filter::{Clause, FieldCondition, Test, VALUES_MAX};

    fn parse(query: &[(&str, &str)]) -> Result<Filter> {
        let pairs: Vec<_> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse_filter(&pairs, &["limit"], Timestamp::from_millis(1_000_000_000_000))
    }

    fn refused(query: &[(&str, &str)], parameter: &str) {
        let error = parse(query).expect_err("must be refused");
        assert_eq!(error.parameter_name(), Some(parameter), "{error}");
    }

    #[test]
    fn values_of_one_operator_are_any_of_and_operators_are_all_of() {
        let filter =
            parse(&[("source", "ECS"), ("source", "VPC"), ("source.not", "IAM"), ("limit", "5")])
                .expect("a filter");
        let condition = |negated, values: &[&str]| {
            let test = Test::OneOf(values.iter().map(|value| (*value).to_owned()).collect());
            Clause::Field(FieldCondition { field: Field::Source, negated, test })
        };
        assert_eq!(filter.clauses, [condition(false, &["ECS", "VPC"]), condition(true, &["IAM"])]);
    }

    #[test]
    fn the_filter_type_is_a_field_by_another_name() {
        let by_type =
            parse(&[("filter_type", "resource_id"), ("filter_value", "r-1")]).expect("a filter");
        assert_eq!(by_type, parse(&[("resource_id", "r-1")]).expect("a filter"));
        refused(&[("filter_type", "resource_id")], "filter_value");
        refused(&[("filter_value", "x")], "filter_type");
        refused(&[("filter_type", "nonsense"), ("filter_value", "x")], "filter_type");
    }

    #[test]
    fn wrong_parameters_are_named() {
        refused(&[("nonsense", "x")], "nonsense");
        refused(&[("original", "x")], "original");
        refused(&[("level", "fatal")], "level");
        refused(&[("read_only", "yes")], "read_only");
        refused(&[("from", "2026-01-02T00:00:00Z"), ("to", "2026-01-02T00:00:00Z")], "from");
        refused(&[("from", "tomorrow")], "from");
        refused(&[("from", "2026")], "from");
        refused(&[("last", "7q")], "last");
        refused(&[("last", "1h"), ("from", "2026-01-02T00:00:00Z")], "last");
        refused(&[("level.prefix", "n")], "level.prefix");
        refused(&[("amount.min", "much")], "amount.min");
        refused(&[("source_ip", "10.0.0.0/40")], "source_ip");
        refused(&vec![("source", "x"); VALUES_MAX + 1], "source");
        refused(&vec![("text", "a b c"); VALUES_MAX / 3 + 1], "text");
        refused(&[("text", "\"open")], "text");
        refused(&[("substring", "")], "substring");
    }

    #[test]
    fn amounts_are_bounded_as_urls_cut_them() {
        let filter = parse(&[("amount>", "5"), ("amount<", "10.5")]).expect("a filter");
        assert_eq!(filter.clauses.len(), 2);
        assert_eq!(
            filter,
            parse(&[("amount.min", "5.00"), ("amount.max", "10.50")]).expect("a filter")
        );
    }

    #[test]
    fn last_counts_back_from_now() {
        let filter = parse(&[("last", "24h")]).expect("a filter");
        assert_eq!(filter.from, Some(Timestamp::from_millis(1_000_000_000_000 - 86_400_000)));
    }
}
