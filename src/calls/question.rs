//! Questions and answers of the native API: the parameters of each call, and the JSON that it
//! returns.
//!
//! The command line asks the same questions through this module, so `-o json` prints what HTTP
//! answers.

pub use super::query_call::{CALLS, QueryCall};
use crate::access::{Caller, Scope};
use crate::calls::Pairs;
use crate::calls::RawAnswer;
use crate::calls::counts_json::{ShownBucket, facets_json, top_json};
use crate::calls::hints::hints;
use crate::calls::{Projection, Shown};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{FIELDS, Field, FieldKind, Timestamp};
use crate::filter::parse_filter;
use crate::query::rows::plan::AnswerPath;
use crate::query::{
    AmountGroup, Binding, Explain, FacetValue, Filter, GroupBy, HistogramQuery, Interval,
    PageCursor, PageQuery, QueryBudget, Snapshot, SnapshotReader, SortOrder, facet_field,
    parse_time_zone,
};
use crate::text::fold;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Number of events on a page unless `limit` says otherwise.
pub const PAGE_ROWS_DEFAULT: usize = 50;
/// Number of values of a facet unless `size` says otherwise.
const FACET_SIZE_DEFAULT: usize = 10;
/// Number of groups of `stats` unless `size` says otherwise.
const STATS_SIZE_DEFAULT: usize = 100;
/// The maximum length of `contains`, in bytes.
const CONTAINS_BYTES_MAX: usize = 1_000;
/// The maximum number of values of a facet.
const FACET_SIZE_MAX: usize = 10_000;
/// The maximum number of other events that are returned with the newest one of their trace id.
const OTHERS_MAX: usize = 50;
/// The maximum number of fields in one `facets` call.
const FACET_FIELDS_MAX: usize = 20;

/// A parsed question.
struct ParsedQuestion<'a> {
    pairs: &'a Pairs,
    caller: &'a Caller,
    budget: &'a QueryBudget,
    scope: Scope,
    filter: Filter,
    forced: Option<AnswerPath>,
}

/// Answers a call of the operator.
///
/// # Errors
/// A parameter that is wrong, by name; a segment that cannot be read.
pub fn answer(engine: &Engine, call: QueryCall, pairs: &Pairs) -> Result<Json> {
    let asked = Asked { call, pairs };
    answer_within(engine, &Caller::operator(), asked, &QueryBudget::default())?.into_json()
}

/// A call with its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) call: QueryCall,
    pub(crate) pairs: &'a Pairs,
}

/// Answers a call within a budget, for callers that write the answer without inspecting it.
///
/// # Errors
/// As [`answer`], or the budget is used up.
pub(crate) fn answer_within(
    engine: &Engine,
    caller: &Caller,
    asked: Asked<'_>,
    budget: &QueryBudget,
) -> Result<RawAnswer> {
    let Asked { call, pairs } = asked;
    let question = ParsedQuestion {
        pairs,
        caller,
        budget,
        scope: caller.scope(&pairs.all("tenant"))?,
        filter: parse_filter(&pairs.0, call.parameters(), engine.clock().now())?,
        forced: pairs.one("path")?.map(AnswerPath::parse).transpose()?,
    };
    let wants_explain = pairs.flag("explain")?;
    if wants_explain {
        question.scope.check_whole("how its events are found")?;
    }
    let mut snapshot = engine.snapshot();
    question.reader(engine, &snapshot).foresee(&question.scope, &question.filter)?;
    let mut missing = pairs.flag("partial")?.then(Vec::new);
    if missing.is_some() {
        question.scope.check_whole("what an answer is missing")?;
    }
    let (mut answer, explain) = loop {
        let answered = answer_of(engine, call, &question, &snapshot);
        let (Err(error), Some(missing)) = (&answered, &mut missing) else { break answered? };
        match without_lost(&snapshot, &question.scope, missing) {
            Some(rest) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Internal) => {
                snapshot = Arc::new(rest)
            }
            _ => break answered?,
        }
    };
    if let Some(missing) = missing {
        answer.set("missing", missing.into());
    }
    if wants_explain {
        answer.set("explain", explain_json(&explain));
    }
    Ok(answer)
}

fn answer_of(
    engine: &Engine,
    call: QueryCall,
    question: &ParsedQuestion<'_>,
    snapshot: &Snapshot,
) -> Result<(RawAnswer, Explain)> {
    match call {
        QueryCall::Events => question.events(engine, snapshot),
        QueryCall::Count => {
            let (count, explain) =
                question.reader(engine, snapshot).count(&question.scope, &question.filter)?;
            Ok((json!({ "count": count }).into(), explain))
        }
        QueryCall::Facets => question.facets(engine, snapshot),
        QueryCall::Histogram => question.histogram(engine, snapshot),
        QueryCall::Top => question.top(engine, snapshot),
        QueryCall::Stats => question.stats(engine, snapshot),
        QueryCall::Values => question.values(engine, snapshot),
    }
}

/// Returns a snapshot without the segments whose Parquet files were found lost or damaged, and adds
/// those to what the answer is missing; `None` if there are none.
fn without_lost(snapshot: &Snapshot, scope: &Scope, missing: &mut Vec<Json>) -> Option<Snapshot> {
    let (lost, whole): (Vec<_>, Vec<_>) =
        snapshot.segments.iter().map(Arc::clone).partition(|segment| segment.data_is_damaged());
    for segment in &lost {
        let manifest = segment.manifest();
        for rows in manifest.tenants.iter().filter(|rows| scope.covers(&rows.tenant)) {
            missing.push(json!({ "segment": manifest.id, "date": manifest.date,
                "tenant": rows.tenant, "rows": rows.rows }));
        }
    }
    (!lost.is_empty()).then(|| Snapshot { segments: Arc::new(whole), ..snapshot.clone() })
}

impl<'a> ParsedQuestion<'a> {
    fn reader(&self, engine: &'a Engine, snapshot: &'a Snapshot) -> SnapshotReader<'a> {
        engine.reader(snapshot, self.forced).within(self.budget)
    }

    fn events(&self, engine: &Engine, snapshot: &Snapshot) -> Result<(RawAnswer, Explain)> {
        let order = self.pairs.one("order")?.map(SortOrder::parse).transpose()?.unwrap_or_default();
        let mut filter = self.filter.clone();
        let mut binding = Binding::new(engine.cursor_key(), &self.scope, &filter, order);
        let cursor =
            self.pairs.one("cursor")?.map(|text| binding.decode(text, &mut filter)).transpose()?;
        let around = self.pairs.one("around")?.map(|text| {
            Timestamp::parse(text).map_err(|error| Error::parameter("around", error.to_string()))
        });
        let around = around.transpose()?;
        if around.is_some() && cursor.is_some() {
            return Err(Error::parameter("around", "cursor and around exclude each other"));
        }
        let shape = Projection::parse(self.pairs)?;
        let limit = self.pairs.number("limit")?.unwrap_or(PAGE_ROWS_DEFAULT);
        let query = PageQuery { limit, order, cursor, around };
        let reader = self.reader(engine, snapshot);
        let page = reader.list(&self.scope, &filter, &query)?;
        let events: Vec<Shown<'_>> =
            page.events.iter().map(|event| Shown { shape: &shape, event }).collect();
        let text = |cursor: Option<PageCursor>| cursor.map(|cursor| binding.encode(cursor));
        let cursors = json!({ "next_cursor": text(page.next), "prev_cursor": text(page.prev) });
        let mut answer = RawAnswer::with_list(cursors, "events", &events)?.showing(events.len());
        if self.pairs.flag("total")? {
            answer.set("total", reader.count(&self.scope, &filter)?.0.into());
        }
        // A page within a list, or up to a moment, may be empty and the list not.
        let is_whole = query.cursor.is_none() && around.is_none();
        let wants_hints = self.pairs.one("hints")?.is_none() || self.pairs.flag("hints")?;
        if events.is_empty() && is_whole && wants_hints {
            answer.set(
                "hints",
                hints(self.pairs, &|call, pairs, budget| {
                    answer_within(engine, self.caller, Asked { call, pairs }, budget)?.into_json()
                }),
            );
        }
        Ok((answer, page.explain))
    }

    fn stats(&self, engine: &Engine, snapshot: &Snapshot) -> Result<(RawAnswer, Explain)> {
        match self.pairs.one("field")? {
            None | Some("amount") => {}
            Some(_) => {
                return Err(Error::parameter("field", "amount is the only field with statistics"));
            }
        }
        let by = self.pairs.one("by")?.map(|name| GroupBy::parse("by", name)).transpose()?;
        let size = self.size(STATS_SIZE_DEFAULT)?;
        let (mut groups, explain) =
            self.reader(engine, snapshot).stats(&self.scope, &self.filter, by.clone())?;
        let total = groups.len();
        groups.truncate(size);
        let group = |group: &AmountGroup| {
            json!({
                "value": group.value, "count": group.count, "sum": group.sum.to_string(),
                "min": group.min.to_string(),
                "max": group.max.to_string(), "avg": group.sum.average(group.count).to_string(),
            })
        };
        let groups: Vec<Json> = groups.iter().map(group).collect();
        Ok((
            json!({ "field": "amount", "by": by.map(|by| by.to_string()), "groups": groups,
            "groups_total": total })
            .into(),
            explain,
        ))
    }

    fn facets(&self, engine: &Engine, snapshot: &Snapshot) -> Result<(RawAnswer, Explain)> {
        let names = self.pairs.all("fields");
        let names: Vec<&str> =
            names.iter().flat_map(|names| names.split(',')).map(str::trim).collect();
        if names.is_empty() {
            return Err(Error::parameter(
                "fields",
                "say which fields to count, such as fields=source,level",
            ));
        }
        let mut fields = Vec::new();
        for name in names {
            let field = GroupBy::parse("fields", name)?;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        if fields.len() > FACET_FIELDS_MAX {
            return Err(Error::parameter("fields", format!("at most {FACET_FIELDS_MAX} fields")));
        }
        let size = self.size(FACET_SIZE_DEFAULT)?;
        let (facets, explain) =
            self.reader(engine, snapshot).facets(&self.scope, &self.filter, &fields, size)?;
        Ok((facets_json(&facets).into(), explain))
    }

    fn top(&self, engine: &Engine, snapshot: &Snapshot) -> Result<(RawAnswer, Explain)> {
        let name = self
            .pairs
            .one("field")?
            .ok_or_else(|| Error::parameter("field", "say which field to count"))?;
        let by = GroupBy::parse("field", name)?;
        let size = self.size(20)?;
        let (facets, explain) = self.reader(engine, snapshot).facets(
            &self.scope,
            &self.filter,
            std::slice::from_ref(&by),
            size,
        )?;
        Ok((top_json(&by, facets.first()).into(), explain))
    }

    /// Finds the values of a field that contain a text, as completions while it is typed: values
    /// that begin with the text come first.
    fn values(&self, engine: &Engine, snapshot: &Snapshot) -> Result<(RawAnswer, Explain)> {
        let name = self
            .pairs
            .one("field")?
            .ok_or_else(|| Error::parameter("field", "say which field to list values of"))?;
        let by = GroupBy::parse("field", name)?;
        let size = self.size(20)?;
        let typed = self.pairs.one("contains")?.unwrap_or_default();
        if typed.len() > CONTAINS_BYTES_MAX {
            return Err(Error::parameter(
                "contains",
                format!("is at most {CONTAINS_BYTES_MAX} bytes"),
            ));
        }
        let typed = fold(typed);
        let (facets, explain) = self.reader(engine, snapshot).facets(
            &self.scope,
            &self.filter,
            std::slice::from_ref(&by),
            usize::MAX,
        )?;
        let found = facets
            .iter()
            .flat_map(|facet| &facet.values)
            .filter_map(|value| Some((fold(&value.value).find(typed.as_ref())? > 0, value)));
        let mut found: Vec<(bool, &FacetValue)> = found.collect();
        // The sort is stable and so keeps the order by count.
        found.sort_by_key(|(within, _)| *within);
        let total = found.len();
        let values: Vec<Json> = found
            .iter()
            .take(size)
            .map(|(_, value)| json!({ "value": value.value, "count": value.count }))
            .collect();
        Ok((json!({ "field": by.to_string(), "values": values, "total": total }).into(), explain))
    }

    fn histogram(&self, engine: &Engine, snapshot: &Snapshot) -> Result<(RawAnswer, Explain)> {
        let interval = match self.pairs.one("interval")? {
            None | Some("auto") => None,
            Some(text) => Some(Interval::parse(text)?),
        };
        let by = self.pairs.one("by")?.map(|name| facet_field("by", name)).transpose()?;
        let time_zone = self.pairs.one("time_zone")?.map(parse_time_zone).transpose()?;
        let query = HistogramQuery { interval, by, time_zone };
        let (histogram, explain) =
            self.reader(engine, snapshot).histogram(&self.scope, &self.filter, &query)?;
        let buckets: Vec<ShownBucket<'_>> =
            histogram.buckets.iter().map(|bucket| ShownBucket::of(bucket, by.is_some())).collect();
        let time_zone = time_zone.map_or("UTC", |zone| zone.name());
        let about = json!({ "interval": histogram.interval, "time_zone": time_zone });
        Ok((RawAnswer::with_list(about, "buckets", &buckets)?, explain))
    }

    fn size(&self, default: usize) -> Result<usize> {
        match self.pairs.number("size")?.unwrap_or(default) {
            size @ 1..=FACET_SIZE_MAX => Ok(size),
            _ => Err(Error::parameter("size", format!("is 1 to {FACET_SIZE_MAX}"))),
        }
    }
}

fn explain_json(explain: &Explain) -> Json {
    let step = |step: &crate::query::ExplainedRun| {
        json!({
            "segment": step.segment, "tenant": step.tenant, "rows": step.rows,
            "path": step.path.to_string(), "why": step.why,
            "examined": step.examined, "matched": step.matched, "bytes": step.bytes,
            "micros": step.micros,
        })
    };
    json!({ "segments": explain.segments, "untouched": explain.untouched,
        "steps": explain.steps.iter().map(step).collect::<Vec<_>>() })
}

/// Returns an event by its trace id, with its record. If several events have the id, returns the
/// newest, and the next newest ones in `others`; if there are still more, `others_cursor` is where
/// the list of events with this trace id continues.
///
/// No such event within the scope, a wrong parameter, a segment that cannot be read, or a budget
/// that is used up.
pub(crate) fn event(
    engine: &Engine,
    caller: &Caller,
    (trace_id, pairs): (&str, &Pairs),
    budget: &QueryBudget,
) -> Result<Json> {
    let scope = caller.scope(&pairs.all("tenant"))?;
    if let Some((name, _)) = pairs.0.iter().find(|(name, _)| name != "tenant") {
        return Err(Error::parameter(name, "unknown parameter; this call takes tenant"));
    }
    let snapshot = engine.snapshot();
    let events =
        engine.reader(&snapshot, None).within(budget).get(&scope, trace_id, OTHERS_MAX + 2)?;
    let Some((first, others)) = events.split_first() else {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("no event has the trace id {:?}", crate::event::clip(trace_id, 100)),
        ));
    };
    let mut json = first.to_json(true);
    if !others.is_empty() {
        json["others"] = others.iter().take(OTHERS_MAX).map(|event| event.to_json(true)).collect();
    }
    if others.len() > OTHERS_MAX {
        let filter = Filter::default().and_equal(Field::TraceId, trace_id);
        let cursor = PageCursor { key: others[OTHERS_MAX - 1].key(), backward: false };
        json["others_cursor"] =
            Binding::new(engine.cursor_key(), &scope, &filter, SortOrder::default())
                .encode(cursor)
                .into();
    }
    Ok(json)
}

/// Returns the table of fields, from which clients and the screen build themselves.
pub fn fields() -> Json {
    let field = |def: &crate::event::FieldDef| {
        let (kind, values) = match def.kind {
            FieldKind::Text => ("text", None),
            FieldKind::Enum(values) => ("enum", Some(values)),
            FieldKind::Bool => ("bool", None),
            FieldKind::Time => ("time", None),
            FieldKind::Integer => ("integer", None),
            FieldKind::Decimal => ("decimal", None),
            FieldKind::List => ("list", None),
        };
        let operators: Vec<&str> = match def.field {
            Field::Time => vec!["from", "to", "last"],
            _ => def.operators.iter().map(|operator| operator.name()).collect(),
        };
        let mut json = json!({
            "name": def.name, "cts": (!def.cts.is_empty()).then_some(def.cts), "kind": kind,
            "operators": operators,
            "facet": def.facet, "header": def.header, "label": { "en": def.en, "zh": def.zh },
        });
        if let Some(values) = values {
            json["values"] = json!(values);
        }
        json
    };
    json!({ "fields": FIELDS.iter().map(field).collect::<Vec<_>>() })
}
