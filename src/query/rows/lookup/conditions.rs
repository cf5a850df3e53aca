//! What the index knows about a condition on a field: by codes for fields with few values, by
//! posting lists where there are no codes, by hashes of ids, and by the list of amounts.

use crate::error::Result;
use crate::event::{Field, IndexKind, Timestamp, Value, parse_address};
use crate::filter::{Clause, FieldCondition, Test};
use crate::query::dictionary::vocabulary::Vocabulary;
use crate::query::rows::lookup::row_set::{ClauseRows, CodedRows, RowSet, WantedCodes, in_order};
use crate::storage::segment::{Codes, IndexReader, Segment, TenantRows};
use ipnet::IpNet;
use std::ops::Range;

/// If a condition has more terms than this, they are not gathered: the columns are read instead.
pub(super) const TERMS_MAX: usize = 4_096;
/// Maximum number of terms of a field that are searched for those in a network.
const TERMS_SEEN_MAX: usize = 65_536;
/// Maximum number of terms of a condition whose posting lists may lead.
const LEADING_TERMS_MAX: usize = 16;

/// Answers conditions from one index, for a range of rows.
#[derive(Clone, Copy)]
pub(in crate::query) struct ConditionLookup<'a, 'q> {
    pub(in crate::query) segment: &'a Segment,
    pub(in crate::query) index: &'a IndexReader,
    pub(in crate::query) rows: &'q Range<u32>,
    pub(in crate::query) vocabulary: &'q Vocabulary,
}

/// What codes tell about a condition.
pub(in crate::query) enum CodeVerdict {
    /// Codes do not decide it.
    Unknown,
    /// No row of the segment has a code that satisfies it.
    Nothing,
    /// The rows with these codes satisfy it.
    Codes(WantedCodes),
}

impl<'a> ConditionLookup<'a, '_> {
    /// Returns the rows that satisfy a condition according to the index; `None` if the index cannot
    /// tell.
    pub(super) fn look_up(&self, condition: &FieldCondition) -> Result<Option<ClauseRows<'a>>> {
        let field = condition.field;
        match (field.def().index, &condition.test) {
            (IndexKind::Term, test) => {
                if let Some(codes) = self.index.codes(field)?
                    && let Some(set) = self.by_code(field, codes, test)?
                {
                    return Ok(Some(ClauseRows::of(set, true)));
                }
                Ok(by_term(self.index, field, test)?.map(|set| ClauseRows::of(set, true)))
            }
            (IndexKind::Hash, test) => self.by_id(field, test),
            _ if field == Field::Amount => {
                let Some(amounts) = self.index.amounts()? else { return Ok(None) };
                let rows = self.rows.clone();
                let found = match &condition.test {
                    Test::Between(least, most) => amounts.between(rows, *least, *most),
                    Test::Present => amounts.between(rows, None, None),
                    test => amounts
                        .within(rows)
                        .filter(|(_, amount)| test.holds(Value::Decimal(*amount)))
                        .map(|(row, _)| row)
                        .collect(),
                };
                Ok(Some(ClauseRows::of(RowSet::List(found), true)))
            }
            (_, Test::OneOf(names)) if field == Field::Tenant => {
                let named = |tenant: &&TenantRows| names.contains(&tenant.tenant);
                let rows =
                    self.tenants().filter(named).flat_map(|tenant| self.inside(tenant.range()));
                Ok(Some(ClauseRows::of(RowSet::List(rows.collect()), true)))
            }
            (_, Test::During(from, to)) if field == Field::Time => {
                let rows = self.tenants().flat_map(|tenant| {
                    let first = to.map_or(tenant.first, |to| self.first_before(tenant, to));
                    let end =
                        from.map_or(tenant.range().end, |from| self.first_before(tenant, from));
                    self.inside(first..end)
                });
                Ok(Some(ClauseRows::of(RowSet::List(rows.collect()), true)))
            }
            _ => Ok(None),
        }
    }

    /// Returns the condition of a clause that the place of a row alone decides: its tenant and its
    /// time.
    pub(super) fn placing<'c>(&self, clause: &'c Clause) -> Option<&'c FieldCondition> {
        match clause {
            Clause::Field(condition) if !condition.negated => {
                let is_placing = matches!(
                    (condition.field, &condition.test),
                    (Field::Tenant, Test::OneOf(_)) | (Field::Time, Test::During(..))
                );
                is_placing.then_some(condition)
            }
            _ => None,
        }
    }

    /// Returns whether a condition that [`ConditionLookup::placing`] returned holds for a row.
    pub(super) fn places(&self, condition: &FieldCondition, row: u32) -> bool {
        if condition.field == Field::Time {
            return condition.holds(Value::Time(self.index.key(row).time));
        }
        let tenants = &self.segment.manifest().tenants;
        let after = tenants.partition_point(|tenant| tenant.first <= row);
        let tenant = after.checked_sub(1).map(|position| &tenants[position]);
        tenant.is_some_and(|tenant| condition.holds(Value::Text(&tenant.tenant)))
    }

    /// Returns the tenants that have some of the rows, in the order of rows.
    fn tenants(&self) -> impl Iterator<Item = &'a TenantRows> {
        let rows = self.rows.clone();
        let has_some = move |tenant: &&TenantRows| {
            tenant.range().start < rows.end && rows.start < tenant.range().end
        };
        self.segment.manifest().tenants.iter().filter(has_some)
    }

    fn inside(&self, rows: Range<u32>) -> Range<u32> {
        rows.start.max(self.rows.start)..rows.end.min(self.rows.end)
    }

    /// Returns the first row of a tenant whose event is older than a moment: its rows descend in
    /// time.
    fn first_before(&self, tenant: &TenantRows, moment: Timestamp) -> u32 {
        let (mut first, mut end) = (tenant.range().start, tenant.range().end);
        while first < end {
            let middle = first + (end - first) / 2;
            if self.index.key(middle).time < moment { end = middle } else { first = middle + 1 }
        }
        first
    }

    fn by_id(&self, field: Field, test: &Test) -> Result<Option<ClauseRows<'a>>> {
        let (index, all) = (self.index, [String::new()]);
        let found = match test {
            Test::OneOf(values) => {
                let mut rows = Vec::new();
                for value in values.iter() {
                    rows.extend(index.candidates(field, value)?);
                }
                Some((rows, index.ids_are_certain(field)?))
            }
            Test::Prefix(prefixes) => {
                index.rows_with_id_prefix(field, prefixes, self.rows)?.map(|rows| (rows, true))
            }
            Test::Present => {
                index.rows_with_id_prefix(field, &all, self.rows)?.map(|rows| (rows, true))
            }
            Test::Address(..)
            | Test::Words(_)
            | Test::Amounts(_)
            | Test::Between(..)
            | Test::During(..) => None,
        };
        let list = |rows| RowSet::List(in_order(rows, self.rows));
        Ok(found.map(|(rows, certain)| ClauseRows::of(list(rows), certain)))
    }

    /// Returns the codes that satisfy a condition (ignoring its negation).
    pub(in crate::query) fn wanted(&self, condition: &FieldCondition) -> Result<CodeVerdict> {
        let field = condition.field;
        if field.def().index != IndexKind::Term {
            return Ok(CodeVerdict::Unknown);
        }
        let Some(codes) = self.index.codes(field)? else { return Ok(CodeVerdict::Unknown) };
        Ok(match self.by_code(field, codes, &condition.test)? {
            Some(RowSet::Coded(coded)) => CodeVerdict::Codes(coded.wanted),
            Some(_) => CodeVerdict::Nothing,
            None => CodeVerdict::Unknown,
        })
    }

    fn by_code(&self, field: Field, codes: &'a Codes, test: &Test) -> Result<Option<RowSet<'a>>> {
        let index = self.index;
        let coded = |wanted, size, terms| {
            RowSet::Coded(CodedRows { codes, wanted, size, index, field, terms })
        };
        let all = index.values(field)?;
        Ok(match test {
            Test::OneOf(values) => self.one_of(field, values, all, coded)?,
            Test::Present => Some(coded(WantedCodes::Range(1..all + 1), index.rows(), Vec::new())),
            Test::Prefix(prefixes) => {
                let ranges = prefixes
                    .iter()
                    .map(|prefix| index.codes_with_prefix(field, prefix))
                    .collect::<Result<Vec<_>>>()?;
                match ranges.as_slice() {
                    _ if ranges.iter().all(|range| range.is_empty()) => {
                        Some(RowSet::List(Vec::new()))
                    }
                    [range] => {
                        Some(coded(WantedCodes::Range(range.clone()), index.rows(), Vec::new()))
                    }
                    _ => {
                        let set = (0..=all)
                            .map(|code| ranges.iter().any(|range| range.contains(&code)))
                            .collect();
                        Some(coded(WantedCodes::Set(set), index.rows(), Vec::new()))
                    }
                }
            }
            Test::Address(values, networks) if networks.is_empty() => {
                self.one_of(field, values, all, coded)?
            }
            Test::Address(..) | Test::Words(_) => {
                let tested = self.vocabulary.tested(self.segment, field, test)?;
                tested.map(|tested| coded(WantedCodes::Tested(tested), index.rows(), Vec::new()))
            }
            Test::Amounts(_) | Test::Between(..) | Test::During(..) => None,
        })
    }

    fn one_of(
        &self,
        field: Field,
        values: &[String],
        all: u32,
        coded: impl Fn(WantedCodes, u32, Vec<String>) -> RowSet<'a>,
    ) -> Result<Option<RowSet<'a>>> {
        let mut found: Vec<(u32, u32, &String)> = Vec::new();
        for value in values {
            found.extend(
                self.vocabulary
                    .code_of(self.segment, self.index, field, value)?
                    .map(|(code, rows)| (code, rows, value)),
            );
        }
        found.sort_unstable();
        found.dedup();
        let size = found.iter().map(|(_, rows, _)| *rows).sum();
        let few = found.len() <= LEADING_TERMS_MAX;
        let terms = if few {
            found.iter().map(|(_, _, value)| (*value).clone()).collect()
        } else {
            Vec::new()
        };
        let wanted = match found.as_slice() {
            [] => return Ok(Some(RowSet::List(Vec::new()))),
            [(code, ..)] => WantedCodes::One(*code),
            _ => {
                let mut set = vec![false; all as usize + 1];
                found.iter().for_each(|(code, ..)| set[*code as usize] = true);
                WantedCodes::Set(set)
            }
        };
        Ok(Some(coded(wanted, size, terms)))
    }
}

/// Answers the same from posting lists alone.
fn by_term<'a>(index: &'a IndexReader, field: Field, test: &Test) -> Result<Option<RowSet<'a>>> {
    match test {
        Test::OneOf(values) => Ok(Some(union(index, field, values)?)),
        Test::Prefix(prefixes) => {
            let mut terms = Vec::new();
            for prefix in prefixes {
                // The term of a long value is its beginning and a hash, so a prefix that reaches
                // into the hash proves nothing.
                let found = if prefix.len() < 1_000 {
                    index.values_with_prefix(field, prefix, TERMS_MAX)?
                } else {
                    None
                };
                let Some(found) = found else { return Ok(None) };
                terms.extend(found);
            }
            union_of_terms(index, field, terms).map(Some)
        }
        Test::Present => match index.values_with_prefix(field, "", TERMS_MAX)? {
            Some(terms) => union_of_terms(index, field, terms).map(Some),
            None => Ok(None),
        },
        Test::Address(values, networks) if networks.is_empty() => {
            Ok(Some(union(index, field, values)?))
        }
        Test::Address(values, networks) => {
            let mut terms = values.clone();
            for network in networks {
                let Some(near) =
                    index.values_with_prefix(field, &shared_text(network), TERMS_SEEN_MAX)?
                else {
                    return Ok(None);
                };
                terms.extend(near.into_iter().filter(|term| {
                    parse_address(term).is_some_and(|address| network.contains(&address))
                }));
            }
            if terms.len() > TERMS_MAX {
                return Ok(None);
            }
            union_of_terms(index, field, terms).map(Some)
        }
        Test::Words(_) | Test::Amounts(_) | Test::Between(..) | Test::During(..) => Ok(None),
    }
}

/// Returns how the text of every address in a network begins: the octets that all of them share.
/// IPv6 has too many notations for that.
fn shared_text(network: &IpNet) -> String {
    match network {
        IpNet::V4(network) => {
            let octets = network.network().octets();
            let shared = usize::from(network.prefix_len() / 8);
            let text: Vec<String> = octets[..shared].iter().map(ToString::to_string).collect();
            if (1..4).contains(&shared) { format!("{}.", text.join(".")) } else { text.join(".") }
        }
        IpNet::V6(_) => String::new(),
    }
}

fn union(index: &IndexReader, field: Field, values: &[String]) -> Result<RowSet<'static>> {
    let mut postings = Vec::new();
    for value in values {
        postings.extend(index.postings(field, value)?);
    }
    Ok(RowSet::of(postings))
}

fn union_of_terms(
    index: &IndexReader,
    field: Field,
    mut terms: Vec<String>,
) -> Result<RowSet<'static>> {
    terms.sort_unstable();
    terms.dedup();
    let mut postings = Vec::new();
    for term in &terms {
        postings.extend(index.postings_of_term(field, term)?);
    }
    Ok(RowSet::of(postings))
}

#[cfg(test)]
mod tests {
    use super::shared_text;

    #[test]
    fn addresses_of_a_network_share_their_whole_octets() {
        for (network, text) in [
            ("10.0.0.0/8", "10."),
            ("10.1.0.0/15", "10."),
            ("10.1.2.0/24", "10.1.2."),
            ("10.1.2.3/32", "10.1.2.3"),
            ("0.0.0.0/0", ""),
            ("fe80::/10", ""),
        ] {
            assert_eq!(shared_text(&network.parse().expect(network)), text, "{network}");
        }
    }
}
