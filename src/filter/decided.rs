//! What the tenant and the period of some rows decide about a filter before any of them is read.
//!
//! A scope may show different events of different tenants and periods: its clauses name tenants and
//! moments. The rows that a question goes through have one tenant each, and a period that is known,
//! so most of these conditions are true or false for all of them, and what is left is short.

use super::{Clause, FieldCondition, Filter, Test, ValueSet};
use crate::event::{Field, Timestamp};
use std::borrow::Cow;

/// Rows of one tenant, from the oldest to the newest of them.
#[derive(Debug, Clone, Copy)]
pub struct TenantPeriod<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The time of the oldest row.
    pub oldest: Timestamp,
    /// The time of the newest row.
    pub newest: Timestamp,
}

/// A clause as far as it is decided.
enum Decided {
    Holds,
    Fails,
    Open(Clause),
}

impl Filter {
    /// Returns the filter for rows of one tenant and period, without what these decide; `None` if
    /// none of the rows can match.
    pub fn for_rows(&self, rows: TenantPeriod<'_>) -> Option<Cow<'_, Self>> {
        if !self.clauses.iter().any(names_tenant_or_time) {
            return Some(Cow::Borrowed(self));
        }
        let mut clauses = Vec::with_capacity(self.clauses.len());
        for clause in &self.clauses {
            match decide(clause, rows) {
                Decided::Holds => {}
                Decided::Fails => return None,
                Decided::Open(clause) => clauses.push(clause),
            }
        }
        Some(Cow::Owned(Self { clauses, ..*self }))
    }
}

fn names_tenant_or_time(clause: &Clause) -> bool {
    match clause {
        Clause::Field(condition) => matches!(condition.field, Field::Tenant | Field::Time),
        Clause::Record(_) => false,
        Clause::Any(clauses) | Clause::All(clauses) => clauses.iter().any(names_tenant_or_time),
        Clause::Not(clause) => names_tenant_or_time(clause),
    }
}

fn decide(clause: &Clause, rows: TenantPeriod<'_>) -> Decided {
    match clause {
        Clause::Field(condition) => match condition_for(condition, rows) {
            Some(holds) if holds != condition.negated => Decided::Holds,
            Some(_) => Decided::Fails,
            None => Decided::Open(clause.clone()),
        },
        Clause::Record(_) => Decided::Open(clause.clone()),
        Clause::Not(inner) => match decide(inner, rows) {
            Decided::Holds => Decided::Fails,
            Decided::Fails => Decided::Holds,
            Decided::Open(clause) => Decided::Open(Clause::Not(Box::new(clause))),
        },
        Clause::All(clauses) => {
            let mut open = Vec::new();
            for clause in clauses {
                match decide(clause, rows) {
                    Decided::Holds => {}
                    Decided::Fails => return Decided::Fails,
                    Decided::Open(clause) => open.push(clause),
                }
            }
            together(open, Decided::Holds, Clause::All)
        }
        // It is recognized as a whole elsewhere, and names neither tenant nor time.
        Clause::Any(_) if clause.as_words().is_some() => Decided::Open(clause.clone()),
        Clause::Any(clauses) => {
            let mut open = Vec::new();
            for clause in clauses {
                match decide(clause, rows) {
                    Decided::Holds => return Decided::Holds,
                    Decided::Fails => {}
                    Decided::Open(clause) => open.push(clause),
                }
            }
            together(merged(open), Decided::Fails, Clause::Any)
        }
    }
}

fn together(mut open: Vec<Clause>, none: Decided, group: fn(Vec<Clause>) -> Clause) -> Decided {
    match open.len() {
        0 => none,
        1 => Decided::Open(open.remove(0)),
        _ => Decided::Open(group(open)),
    }
}

/// Returns whether the test of a condition holds for all of the rows, or for none of them.
fn condition_for(condition: &FieldCondition, rows: TenantPeriod<'_>) -> Option<bool> {
    match (condition.field, &condition.test) {
        (Field::Tenant, Test::OneOf(names)) => Some(names.contains(rows.tenant)),
        (Field::Time, Test::During(from, to)) => {
            let begins = from.is_none_or(|from| from <= rows.oldest);
            let ends = to.is_none_or(|to| rows.newest < to);
            let misses = from.is_some_and(|from| rows.newest < from)
                || to.is_some_and(|to| to <= rows.oldest);
            if misses { Some(false) } else { (begins && ends).then_some(true) }
        }
        _ => None,
    }
}

/// Makes one condition of those alternatives that ask whether a field has one of some values, so
/// that many of them are looked up as one.
fn merged(alternatives: Vec<Clause>) -> Vec<Clause> {
    let mut all: Vec<Clause> = Vec::with_capacity(alternatives.len());
    // Of each field, where its condition stands, and what the others of it ask for.
    let mut wanted: Vec<(Field, usize, Vec<ValueSet>)> = Vec::new();
    for clause in alternatives {
        if let Clause::Field(FieldCondition { field, negated: false, test: Test::OneOf(values) }) =
            &clause
        {
            if let Some((.., sets)) = wanted.iter_mut().find(|(of, ..)| of == field) {
                sets.push(values.clone());
                continue;
            }
            wanted.push((*field, all.len(), vec![values.clone()]));
        }
        all.push(clause);
    }
    for (field, position, sets) in wanted {
        let test = Test::OneOf(ValueSet::union(sets));
        all[position] = Clause::Field(FieldCondition { field, negated: false, test });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn field(field: Field, test: Test) -> Clause {
        Clause::Field(FieldCondition { field, negated: false, test })
    }

    fn one_of(of: Field, values: &[&str]) -> Clause {
        field(of, Test::OneOf(values.iter().map(|value| (*value).to_owned()).collect()))
    }

    fn during(from: i64, to: i64) -> Clause {
        let moment = |millis: i64| Some(Timestamp::from_millis(millis));
        field(Field::Time, Test::During(moment(from), moment(to)))
    }

    fn share(tenant: &str, customer: &str, from: i64, to: i64) -> Clause {
        Clause::All(vec![
            one_of(Field::Tenant, &[tenant]),
            during(from, to),
            one_of(Field::RelatedIds, &[customer]),
        ])
    }

    fn rows(tenant: &str, oldest: i64, newest: i64) -> TenantPeriod<'_> {
        let (oldest, newest) = (Timestamp::from_millis(oldest), Timestamp::from_millis(newest));
        TenantPeriod { tenant, oldest, newest }
    }

    #[test]
    fn what_is_left_for_rows_of_one_tenant_is_short() {
        let filter = Filter {
            clauses: vec![Clause::Any(vec![
                share("a", "customer:1", 0, 100),
                share("a", "customer:2", 0, 100),
                share("a", "customer:3", 50, 100),
                share("b", "customer:4", 0, 100),
            ])],
            ..Filter::default()
        };
        let left = |rows| filter.for_rows(rows).map(|left| left.clauses.clone());
        let both = one_of(Field::RelatedIds, &["customer:1", "customer:2"]);
        assert_eq!(left(rows("a", 10, 49)), Some(vec![both.clone()]));
        let third = Clause::All(vec![during(50, 100), one_of(Field::RelatedIds, &["customer:3"])]);
        assert_eq!(left(rows("a", 10, 50)), Some(vec![Clause::Any(vec![both, third])]));
        assert_eq!(left(rows("c", 10, 49)), None);
        assert_eq!(left(rows("a", 100, 200)), None, "the end is exclusive");
        let plain = Filter::default().and_equal(Field::Source, "ECS");
        assert!(matches!(plain.for_rows(rows("a", 0, 1)), Some(Cow::Borrowed(_))));
    }

    /// Small numbers in an order that looks random.
    fn numbers() -> impl FnMut(u64) -> u64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    fn random_clause(next: &mut impl FnMut(u64) -> u64, depth: u32) -> Clause {
        let tenants = ["a", "b", "c"];
        let ids = ["customer:1", "customer:2", "customer:3"];
        let kinds = if depth == 0 { 3 } else { 6 };
        let clause = match next(kinds) {
            0 => one_of(Field::Tenant, &[tenants[next(3) as usize]]),
            1 => {
                let from = next(100).cast_signed();
                during(from, from + next(60).cast_signed())
            }
            2 => one_of(Field::RelatedIds, &[ids[next(3) as usize]]),
            3 => return Clause::Not(Box::new(random_clause(next, depth - 1))),
            kind => {
                let some = (0..next(4)).map(|_| random_clause(next, depth - 1)).collect();
                return if kind == 4 { Clause::Any(some) } else { Clause::All(some) };
            }
        };
        match clause {
            Clause::Field(condition) if next(4) == 0 => {
                Clause::Field(FieldCondition { negated: true, ..condition })
            }
            clause => clause,
        }
    }

    #[test]
    fn what_is_left_means_the_same_for_every_event_of_the_rows() {
        let mut next = numbers();
        for _ in 0..20_000 {
            let clauses = (0..=next(2)).map(|_| random_clause(&mut next, 3)).collect();
            let filter = Filter { clauses, ..Filter::default() };
            let tenant = ["a", "b", "c"][next(3) as usize];
            let oldest = next(120).cast_signed();
            let newest = oldest + next(40).cast_signed();
            let left = filter.for_rows(rows(tenant, oldest, newest));
            let mut event = Event::default();
            event.tenant = tenant.into();
            event.time =
                Timestamp::from_millis(oldest + next((newest - oldest + 1) as u64).cast_signed());
            for id in 1..=3 {
                if next(2) == 0 {
                    event.relate("customer", id.to_string());
                }
            }
            let expected = filter.matches(&event);
            assert_eq!(left.is_some_and(|left| left.matches(&event)), expected, "{filter:?}");
        }
    }
}
