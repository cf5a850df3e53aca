//! Statistics of amounts, exact to the last decimal: count, sum, minimum, maximum and average, by
//! the values of a field.

use crate::access::Scope;
use crate::error::Result;
use crate::event::{AMOUNT_SCALE, Amount, Field};
use crate::filter::{Clause, FieldCondition, Filter};
use crate::query::answers::from_summary::{Summarized, ValueTotal};
use crate::query::answers::group_by::{GroupBy, GroupValue};
use crate::query::budget::{GroupMemory, QueryBudget};
use crate::query::dictionary::vocabulary::Vocabulary;
use crate::query::rows::events::Rows;
use crate::query::source::RowSource;
use crate::query::{Explain, Run, SnapshotReader};
use hashbrown::HashMap;

/// Sums are kept in two parts so that none can overflow: amounts may have 38 digits, and there may
/// be many of them.
const BASE: i128 = 10_i128.pow(18);

/// The totals of the amounts of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmountGroup {
    /// The value of the field that was grouped by; `None` for events without a value, or if there
    /// was no grouping.
    pub value: Option<String>,
    /// The number of events of the group that have an amount.
    pub count: u64,
    /// The sum of the amounts.
    pub sum: Sum,
    /// The smallest amount.
    pub min: Amount,
    /// The largest amount.
    pub max: Amount,
}

/// A sum of amounts of any size: `high` times 10¹⁸ plus `low`, in units of 10⁻⁸.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    high: i128,
    low: i128,
}

impl Sum {
    fn add(&mut self, amount: Amount) {
        let units = amount.units();
        // Division costs more than everything else here, and hardly any amount is this large.
        if (-BASE..BASE).contains(&units) {
            self.low += units;
        } else {
            self.high += units / BASE;
            self.low += units % BASE;
        }
    }

    fn join(&mut self, other: Self) {
        self.high += other.high;
        self.low += other.low;
    }

    /// Divides the sum by `count`, rounded to the digits that amounts have, halves away from zero.
    pub fn average(self, count: u64) -> Self {
        let Self { high, low } = self.settled();
        let negative = high < 0 || low < 0;
        let (high, low, count) = (high.abs(), low.abs(), i128::from(count.max(1)));
        let rest = (high % count) * BASE + low;
        let units = rest / count + i128::from(rest % count * 2 >= count);
        let sign = if negative { -1 } else { 1 };
        Self { high: high / count * sign, low: units * sign }.settled()
    }

    /// Normalizes the sum: both parts get the same sign and the lower one is below [`BASE`].
    fn settled(self) -> Self {
        let (mut high, mut low) = (self.high + self.low / BASE, self.low % BASE);
        if high > 0 && low < 0 {
            (high, low) = (high - 1, low + BASE);
        } else if high < 0 && low > 0 {
            (high, low) = (high + 1, low - BASE);
        }
        Self { high, low }
    }
}

impl std::fmt::Display for Sum {
    /// Formats the sum as an [`Amount`]: at least two digits after the point, and no more than
    /// needed.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { high, low } = self.settled();
        let sign = if high < 0 || low < 0 { "-" } else { "" };
        let digits = format!("{}{:018}", high.unsigned_abs(), low.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - AMOUNT_SCALE as usize);
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        write!(out, "{sign}{}.{fraction:0<2}", if whole.is_empty() { "0" } else { whole })
    }
}

impl AmountGroup {
    fn of(amount: Amount) -> Self {
        Self { value: None, count: 0, sum: Sum::default(), min: amount, max: amount }
    }

    fn add(&mut self, amount: Amount) {
        self.count += 1;
        self.sum.add(amount);
        self.min = self.min.min(amount);
        self.max = self.max.max(amount);
    }

    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.join(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

impl SnapshotReader<'_> {
    /// Returns the totals of the amounts of the events that match, by the values of a field or the
    /// ids of a kind: the largest groups first, equal ones in the order of the value. Events
    /// without an amount do not count.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn stats(
        &self,
        scope: &Scope,
        filter: &Filter,
        by: Option<impl Into<GroupBy>>,
    ) -> Result<(Vec<AmountGroup>, Explain)> {
        let by: Option<GroupBy> = by.map(Into::into);
        scope.check_field(Field::Amount)?;
        by.iter().try_for_each(|by| scope.check_field(by.column()))?;
        let vocabulary = &self.snapshot.vocabulary;
        // Only events with an amount count, and there are few of them: so this condition leads, and
        // the other conditions are tested on its rows.
        let filter = &scope.narrow(filter)?.and(Clause::Field(FieldCondition::HAS_AMOUNT));
        let summary = |summarized: &Summarized<'_>| match by.as_ref().map(GroupBy::field) {
            Some(None) => Ok(None),
            Some(field) => Ok(summarized.sums(field)?.map(groups_of)),
            None => Ok(summarized.sums(None)?.map(groups_of)),
        };
        let by_rows = |run: &Run<'_>, rows: Rows| match with_amounts(run, &rows)? {
            Some(amounts) => match groups_by_code(run, &amounts, by.as_ref(), vocabulary)? {
                Some(groups) => Ok(groups),
                // Few events have an amount, and the column is only needed for those.
                None => groups_by_column(
                    run,
                    &Rows::List(amounts.into_iter().map(|(row, _)| row).collect()),
                    by.as_ref(),
                    self.budget,
                ),
            },
            None => groups_by_column(run, &rows, by.as_ref(), self.budget),
        };
        let (mut totals, mut room) = (GroupTotals::default(), self.budget.room());
        let add = |groups: Groups| {
            groups
                .into_iter()
                .try_for_each(|(of, group)| totals.add(of, &group, by.as_ref(), &mut room))
        };
        let explain = self.each_run_or(&self.wide_runs(filter), filter, summary, by_rows, add)?;
        let mut groups = totals.finish(by.as_ref().and_then(GroupBy::field), vocabulary);
        groups.sort_unstable_by(|left, right| {
            right.count.cmp(&left.count).then_with(|| left.value.cmp(&right.value))
        });
        Ok((groups, explain))
    }
}

/// The groups of one run, or of the cells of its summary.
type Groups = Vec<(GroupValue, AmountGroup)>;

/// Groups by small numbers.
#[derive(Debug, Default)]
struct NumberedGroups {
    /// The position of each number's group, from 1; 0 if there is none.
    positions: Vec<u32>,
    groups: Vec<(u32, AmountGroup)>,
}

impl NumberedGroups {
    /// Returns the group of a number; a new one is made by `new`.
    fn group(&mut self, number: u32, new: impl FnOnce() -> AmountGroup) -> &mut AmountGroup {
        if self.positions.len() <= number as usize {
            self.positions.resize(number as usize + 1, 0);
        }
        let position = &mut self.positions[number as usize];
        if *position == 0 {
            self.groups.push((number, new()));
            *position = self.groups.len() as u32;
        }
        &mut self.groups[*position as usize - 1].1
    }
}

/// The groups of all runs, added up.
#[derive(Debug, Default)]
struct GroupTotals {
    numbered: NumberedGroups,
    named: HashMap<Option<String>, AmountGroup>,
}

impl GroupTotals {
    fn add(
        &mut self,
        of: GroupValue,
        group: &AmountGroup,
        by: Option<&GroupBy>,
        room: &mut GroupMemory,
    ) -> Result<()> {
        if let (Some(by), Some(bytes)) = (by, self.new_bytes(&of)) {
            room.take(by, bytes)?;
        }
        self.join(of, group);
        Ok(())
    }

    fn join(&mut self, of: GroupValue, group: &AmountGroup) {
        let total = match of {
            GroupValue::Number(number) => {
                self.numbered.group(number, || AmountGroup::of(group.min))
            }
            GroupValue::Nothing => {
                self.named.entry(None).or_insert_with(|| AmountGroup::of(group.min))
            }
            GroupValue::Text(text) => {
                self.named.entry(Some(text)).or_insert_with(|| AmountGroup::of(group.min))
            }
        };
        total.join(group);
    }

    /// Returns the memory that a group takes if it is new.
    fn new_bytes(&self, of: &GroupValue) -> Option<usize> {
        match of {
            GroupValue::Number(number) => {
                let there = self
                    .numbered
                    .positions
                    .get(*number as usize)
                    .is_some_and(|position| *position > 0);
                (!there).then_some(size_of::<AmountGroup>())
            }
            GroupValue::Nothing => None,
            GroupValue::Text(text) => (!self.named.contains_key(&Some(text.clone())))
                .then_some(size_of::<AmountGroup>() + text.len()),
        }
    }

    /// Returns the groups with their values: a value that some segments give by number and others
    /// by text is one group.
    fn finish(mut self, field: Option<Field>, vocabulary: &Vocabulary) -> Vec<AmountGroup> {
        let numbered = std::mem::take(&mut self.numbered).groups;
        let texts =
            field.map(|field| vocabulary.texts(field, numbered.iter().map(|(number, _)| *number)));
        for (text, (_, group)) in texts.into_iter().flatten().zip(numbered) {
            self.join(GroupValue::Text(text.to_string()), &group);
        }
        self.named.into_iter().map(|(value, group)| AmountGroup { value, ..group }).collect()
    }
}

/// Builds the groups of a run from the partial totals of its summary.
fn groups_of(parts: Vec<ValueTotal>) -> Groups {
    let group = |(of, total): ValueTotal| {
        let mut sum = Sum::default();
        sum.add(total.sum);
        (
            of,
            AmountGroup { value: None, count: total.count, sum, min: total.least, max: total.most },
        )
    };
    parts.into_iter().map(group).collect()
}

/// Returns the rows that have an amount, with the amount, from the index; `None` if the index has
/// no list of amounts.
fn with_amounts(run: &Run<'_>, rows: &Rows) -> Result<Option<Vec<(u32, Amount)>>> {
    let RowSource::Segment(segment) = run.source else { return Ok(None) };
    if rows.len() == 0 {
        return Ok(Some(Vec::new()));
    }
    let Some(index) = segment.sound_index()? else { return Ok(None) };
    let Some(amounts) = index.amounts()? else { return Ok(None) };
    Ok(Some(match rows {
        Rows::Range(range) => amounts.within(range.clone()).collect(),
        Rows::List(rows) => {
            let mut wanted = rows.iter().copied().peekable();
            let there = |(row, _): &(u32, Amount)| {
                while wanted.next_if(|wanted| wanted < row).is_some() {}
                wanted.peek() == Some(row)
            };
            amounts.within(rows[0]..rows[rows.len() - 1] + 1).filter(there).collect()
        }
    }))
}

/// Builds the groups of a run by the codes of a field, or a single group; `None` if there are no
/// codes.
fn groups_by_code(
    run: &Run<'_>,
    amounts: &[(u32, Amount)],
    by: Option<&GroupBy>,
    vocabulary: &Vocabulary,
) -> Result<Option<Groups>> {
    let coded = match by {
        None => None,
        Some(by) => {
            let Some(field) = by.field() else { return Ok(None) };
            let Some(coded) = vocabulary.coded(run.source, field)? else { return Ok(None) };
            Some(coded)
        }
    };
    let mut groups = NumberedGroups::default();
    for (row, amount) in amounts {
        let code = coded.as_ref().map_or(0, |coded| coded.codes.get(*row));
        groups.group(code, || AmountGroup::of(*amount)).add(*amount);
    }
    let of = |code: u32| match &coded {
        Some(coded) if code > 0 => GroupValue::Number(coded.numbers[code as usize - 1]),
        _ => GroupValue::Nothing,
    };
    Ok(Some(groups.groups.into_iter().map(|(code, group)| (of(code), group)).collect()))
}

fn groups_by_column(
    run: &Run<'_>,
    rows: &Rows,
    by: Option<&GroupBy>,
    budget: &QueryBudget,
) -> Result<Groups> {
    let fields: Vec<Field> =
        std::iter::once(Field::Amount).chain(by.map(GroupBy::column)).collect();
    let mut groups: HashMap<GroupValue, AmountGroup> = HashMap::new();
    let mut room = budget.room();
    run.source.each_columns(rows, &fields, &mut budget.pace(), |columns| {
        for row in 0..columns.rows() {
            let Some(amount) = columns.amount(row) else { continue };
            let mut add = |of: GroupValue, bytes: usize| {
                if let Some(by) = by.filter(|_| !groups.contains_key(&of)) {
                    room.take(by, size_of::<AmountGroup>() + bytes)?;
                }
                groups.entry(of).or_insert_with(|| AmountGroup::of(amount)).add(amount);
                Ok(())
            };
            let found = by.map_or(Ok(0), |by| {
                by.each(&columns, row, |value| add(GroupValue::Text(value.to_owned()), value.len()))
            })?;
            if found == 0 {
                add(GroupValue::Nothing, 0)?;
            }
        }
        Ok(())
    })?;
    Ok(groups.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(amounts: &[&str]) -> Sum {
        let mut sum = Sum::default();
        amounts.iter().for_each(|text| sum.add(Amount::parse(text).expect("an amount")));
        sum
    }

    #[test]
    fn sums_are_exact_and_do_not_overflow() {
        assert_eq!(sum(&["0.10", "0.20"]).to_string(), "0.30");
        assert_eq!(sum(&["-0.00000001", "1"]).to_string(), "0.99999999");
        assert_eq!(sum(&["-5", "1.5"]).to_string(), "-3.50");
        let most = "999999999999999999999999999999.99999999";
        assert_eq!(sum(&[most; 5]).to_string(), "4999999999999999999999999999999.99999995");
        assert_eq!(sum(&[]).to_string(), "0.00");
    }

    #[test]
    fn averages_are_rounded_half_away_from_zero() {
        assert_eq!(sum(&["1", "1", "0"]).average(3).to_string(), "0.66666667");
        assert_eq!(sum(&["-1", "-1", "0"]).average(3).to_string(), "-0.66666667");
        assert_eq!(sum(&["0.00000001", "0"]).average(2).to_string(), "0.00000001");
        assert_eq!(sum(&["10000000000000", "1"]).average(2).to_string(), "5000000000000.50");
    }

    proptest! {
        #[test]
        fn sums_agree_with_plain_numbers(
            units in proptest::collection::vec(-10_i128.pow(30)..10_i128.pow(30), 1..20),
        ) {
            let mut sum = Sum::default();
            units.iter().for_each(|units| sum.add(Amount::from_units(*units)));
            let total: i128 = units.iter().sum();
            prop_assert_eq!(sum.to_string(), Amount::from_units(total).to_string());
            let count = units.len() as i128;
            let rounded = (total.abs() * 2 + count) / (2 * count) * total.signum();
            prop_assert_eq!(
                sum.average(count as u64).to_string(),
                Amount::from_units(rounded).to_string()
            );
        }
    }
}
