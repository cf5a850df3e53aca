use super::format::*;
use super::reader::*;
use super::writer::*;
use crate::event::{Amount, Field};
use crate::storage::segment::index::codes_writer::CodedField;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use tantivy::directory::FileSlice;

/// Builds the fields of the cubes, with codes below 4 for each row.
fn fields(rows: &[(usize, i64, [u32; 6])]) -> Vec<CodedField> {
    let values = || ["a", "b", "c"].map(Box::from).to_vec();
    let coded = |(index, field): (usize, &Field)| CodedField {
        field: *field,
        values: values(),
        codes: rows.iter().map(|(_, _, codes)| codes[index]).collect(),
    };
    KINDS.iter().enumerate().map(coded).collect()
}

fn cells(cube: &Cube, dimensions: usize) -> BTreeMap<(Option<i64>, Vec<u32>), u64> {
    let cell = |cell: u32| {
        (
            (cube.hour(cell), (0..dimensions).map(|index| cube.code(cell, index)).collect()),
            cube.count(cell),
        )
    };
    (0..cube.cells()).map(cell).collect()
}

proptest! {
    #[test]
    fn a_summary_counts_what_the_rows_have(
        rows in proptest::collection::vec((0_usize..3, 0_i64..200, proptest::array::uniform6(0_u32..4)), 1..120),
        least in 1_u32..40,
        share in 1_u32..5,
        amounts in proptest::collection::btree_map(0_u32..120, -9_i64..9, 0..60),
        huge in proptest::option::of(0_usize..60),
    ) {
        let mut rows = rows;
        rows.sort_by_key(|(tenant, time, _)| (*tenant, std::cmp::Reverse(*time)));
        let times: Vec<i64> =
            rows.iter().map(|(_, minutes, _)| minutes * 60_000 - 5 * HOUR_MS).collect();
        let mut tenants: Vec<Range<u32>> = Vec::new();
        for same in rows.chunk_by(|left, right| left.0 == right.0) {
            let start = tenants.last().map_or(0, |last| last.end);
            tenants.push(start..start + same.len() as u32);
        }
        let mut fields = fields(&rows);
        for (field, index) in [(Field::Currency, 5), (Field::Format, 4), (Field::Operator, 3)] {
            fields.push(CodedField {
                field,
                values: fields[0].values.clone(),
                codes: fields[index].codes.clone(),
            });
        }
        let mut amounts: Vec<(u32, Amount)> = amounts
            .into_iter()
            .filter(|(row, _)| (*row as usize) < rows.len())
            .map(|(row, units)| (row, Amount::from_units(units.into())))
            .collect();
        if let Some((_, amount)) = huge.and_then(|index| amounts.get_mut(index)) {
            *amount = Amount::from_units(i128::from(i64::MAX) + 1);
        }
        let of = Summarizing {
            fields: &fields,
            times: &times,
            amounts: &amounts,
            tenants: &tenants,
        };
        let bytes = write_summary(&of, SummaryRule { rows: least, share });
        let summary = SegmentSummary::open(&FileSlice::from(bytes)).expect("our own summary");
        let all = (tenants.len() > 1).then_some((rows.len() as u32, 0..rows.len() as u32));
        for (unit, range) in tenants.iter().map(|range| (range.start, range.clone())).chain(all)
        {
            let inside = range.start as usize..range.end as usize;
            for coded in &fields {
                let mut wanted: BTreeMap<u32, u64> = BTreeMap::new();
                coded.codes[inside.clone()]
                    .iter()
                    .filter(|code| **code > 0)
                    .for_each(|code| *wanted.entry(*code).or_default() += 1);
                match summary.values(unit, coded.field).expect("whole") {
                    Some(values) => {
                        prop_assert_eq!(values.iter().collect::<BTreeMap<_, _>>(), wanted)
                    }
                    None => prop_assert!((range.len() as u32) < least),
                }
            }
            for dimensions in [SUMS.len() - 1, SUMS.len()] {
                let codes = |row: usize| {
                    SUMS[..dimensions]
                        .iter()
                        .map(|field| {
                            fields
                                .iter()
                                .find(|coded| coded.field == *field)
                                .expect("coded")
                                .codes[row]
                        })
                        .collect::<Vec<u32>>()
                };
                let mut wanted: BTreeMap<Vec<u32>, Vec<i128>> = BTreeMap::new();
                for (row, amount) in
                    amounts.iter().filter(|(row, _)| inside.contains(&(*row as usize)))
                {
                    wanted.entry(codes(*row as usize)).or_default().push(amount.units());
                }
                let fits = wanted.values().flatten().all(|units| i64::try_from(*units).is_ok());
                match summary.sums(unit, dimensions).expect("whole") {
                    Some(sums) => {
                        let total = |units: Vec<i128>| {
                            let [sum, least, most] = [
                                units.iter().sum(),
                                *units.iter().min().expect("some"),
                                *units.iter().max().expect("some"),
                            ];
                            AmountTotal {
                                count: units.len() as u64,
                                sum: Amount::from_units(sum),
                                least: Amount::from_units(least),
                                most: Amount::from_units(most),
                            }
                        };
                        let found = (0..sums.cells()).map(|cell| {
                            (
                                (0..dimensions)
                                    .map(|index| sums.code(cell, index))
                                    .collect::<Vec<_>>(),
                                sums.total(cell),
                            )
                        });
                        prop_assert_eq!(
                            found.collect::<BTreeMap<_, _>>(),
                            wanted
                                .into_iter()
                                .map(|(codes, units)| (codes, total(units)))
                                .collect()
                        );
                    }
                    None => prop_assert!(
                        (range.len() as u32) < least || !fits || wanted.len() > SUMS_CELLS
                    ),
                }
            }
            for (dimensions, hourly) in [(KINDS, false), (HOURS, true)] {
                let mut wanted: BTreeMap<(Option<i64>, Vec<u32>), u64> = BTreeMap::new();
                for row in inside.clone() {
                    let codes = dimensions.iter().map(|field| {
                        fields.iter().find(|coded| coded.field == *field).expect("coded").codes
                            [row]
                    });
                    let hour = hourly.then(|| times[row].div_euclid(HOUR_MS) * HOUR_MS);
                    *wanted.entry((hour, codes.collect())).or_default() += 1;
                }
                let cube = if hourly { summary.hours(unit) } else { summary.kinds(unit) };
                match cube.expect("whole") {
                    Some(cube) => prop_assert_eq!(cells(&cube, dimensions.len()), wanted),
                    None => prop_assert!(
                        (range.len() as u32) < least
                            || wanted.len() > range.len() / share as usize
                    ),
                }
            }
        }
    }
}
