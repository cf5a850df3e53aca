//! An export request: which events, in which format and order.

use super::Pairs;
use crate::access::{Caller, Permission, Scope};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::export::{Digits, Encoder, ExportFormat, Formulas, Labels, Options, parse_columns};
use crate::filter::parse_filter;
use crate::query::rows::plan::AnswerPath;
use crate::query::{EventBatch, Filter, QueryBudget, SortOrder, StreamQuery, parse_time_zone};
use std::io::Write;

/// The parameters of an export besides those of the filter.
pub(crate) const PARAMETERS: &[&str] = &[
    "tenant",
    "path",
    "order",
    "columns",
    "labels",
    "time_zone",
    "bom",
    "formulas",
    "digits",
    "closing",
];

/// An export as it was requested.
#[derive(Debug)]
pub(crate) struct Export {
    scope: Scope,
    filter: Filter,
    order: SortOrder,
    forced: Option<AnswerPath>,
    options: Options,
}

impl Export {
    /// Reads the parameters of an export.
    ///
    /// # Errors
    /// A parameter that is wrong or that the format does not have, by name.
    pub(crate) fn read(
        engine: &Engine,
        caller: &Caller,
        form: ExportFormat,
        pairs: &Pairs,
    ) -> Result<Self> {
        let only = |name: &str, forms: &[ExportFormat]| match pairs.one(name)? {
            Some(_) if !forms.contains(&form) => Err(Error::parameter(
                name,
                format!("{} exports do not take this parameter", form.name()),
            )),
            other => Ok(other),
        };
        let columns = pairs.all("columns");
        let options = Options {
            columns: if columns.is_empty() { Vec::new() } else { parse_columns(&columns)? },
            labels: only("labels", &[ExportFormat::Csv])?
                .map(Labels::parse)
                .transpose()?
                .unwrap_or_default(),
            time_zone: only("time_zone", &[ExportFormat::Csv, ExportFormat::Ndjson])?
                .map(parse_time_zone)
                .transpose()?
                .unwrap_or_default(),
            bom: only("bom", &[ExportFormat::Csv]).and_then(|_| pairs.flag("bom"))?,
            formulas: only("formulas", &[ExportFormat::Csv])?
                .map(Formulas::parse)
                .transpose()?
                .unwrap_or_default(),
            digits: only("digits", &[ExportFormat::Csv])?
                .map(Digits::parse)
                .transpose()?
                .unwrap_or_default(),
            closing: only("closing", &[ExportFormat::Ndjson])
                .and_then(|_| pairs.flag("closing"))?,
            ..Options::new(form)
        };
        let scope = caller.scope(&pairs.all("tenant"))?;
        // Who reads the trail may export it, and not with it what it may only read.
        if !scope.is_of_trail() {
            caller.check_store(Permission::Export)?;
        }
        let filter = parse_filter(&pairs.0, PARAMETERS, engine.clock().now())?;
        // What the caller may not ask is refused now: an answer that has begun can only break off.
        scope.narrow(&filter)?;
        Ok(Self {
            scope,
            filter,
            order: pairs.one("order")?.map(SortOrder::parse).transpose()?.unwrap_or_default(),
            forced: pairs.one("path")?.map(AnswerPath::parse).transpose()?,
            options,
        })
    }

    /// Returns whose events of which period are exported.
    pub(crate) fn asked(&self) -> (&Scope, (Option<Timestamp>, Option<Timestamp>)) {
        (&self.scope, (self.filter.from, self.filter.to))
    }

    /// Writes the export; returns the output and the number of events. `progress` is called with
    /// the number of events so far, before the last of them are written.
    ///
    /// # Errors
    /// A segment that cannot be read, or an `out` that cannot be written to.
    pub(crate) fn write<W: Write + Send>(
        self,
        engine: &Engine,
        budget: &QueryBudget,
        out: W,
        mut progress: impl FnMut(u64),
    ) -> Result<(W, u64)> {
        let snapshot = engine.snapshot();
        let mut encoder = Encoder::new(out, self.options)?;
        let parts = encoder.parts();
        let query = StreamQuery { order: self.order, fields: encoder.columns().to_vec() };
        let make = |events: EventBatch| parts.make(&events);
        let total = engine.reader(&snapshot, self.forced).within(budget).stream(
            &self.scope,
            &self.filter,
            &query,
            make,
            |part| {
                // Before they are written: an export that breaks off then has given no event that
                // was not counted.
                progress(encoder.rows() + part.rows());
                encoder.write(&part)
            },
        )?;
        Ok((encoder.finish()?, total))
    }
}
