//! Counts by value and over time, as they are written in answers.

use crate::query::{Bucket, Facet, GroupBy};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// A bucket of a histogram as it is written.
#[derive(Serialize)]
pub(super) struct ShownBucket<'a> {
    start: String,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a BTreeMap<String, u64>>,
    /// How many events have no value of the field that is counted by, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<u64>,
}

fn values_json(facet: &Facet) -> Json {
    facet.values.iter().map(|value| json!({ "value": value.value, "count": value.count })).collect()
}

impl<'a> ShownBucket<'a> {
    /// Creates the form of a bucket, with its groups if it has any.
    pub(super) fn of(bucket: &'a Bucket, is_grouped: bool) -> Self {
        let grouped: u64 = bucket.by.values().sum();
        Self {
            start: bucket.start.to_string(),
            count: bucket.count,
            by: is_grouped.then_some(&bucket.by),
            without: Some(bucket.count - grouped).filter(|without| is_grouped && *without > 0),
        }
    }
}

/// Returns the answer of facets: the values of each field, and how many events have none.
pub(super) fn facets_json(facets: &[Facet]) -> Json {
    let values: Map<String, Json> =
        facets.iter().map(|facet| (facet.by.to_string(), values_json(facet))).collect();
    let without = facets
        .iter()
        .filter_map(|facet| Some((facet.by.to_string(), facet.without?.into())))
        .collect::<Map<String, Json>>();
    json!({ "facets": values, "without": without })
}

/// Returns the answer of the most frequent values of one field.
pub(super) fn top_json(by: &GroupBy, facet: Option<&Facet>) -> Json {
    let values = facet.map(values_json).unwrap_or_default();
    let mut answer = json!({ "field": by.to_string(), "values": values });
    if let Some(without) = facet.and_then(|facet| facet.without) {
        answer["without"] = without.into();
    }
    answer
}
