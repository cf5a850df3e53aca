//! Parses the parameters of `GET /v3/{project_id}/traces` into a question for the engine.

use crate::access::{Caller, Scope, check_tenant};
use crate::calls::Pairs;
use crate::error::{Error, Result};
use crate::event::{FIELDS, Field, LEVELS, Timestamp, clip};
use crate::query::Filter;

/// Traces on a page by default.
const LIMIT_DEFAULT: usize = 10;
/// The most traces on a page.
pub(super) const LIMIT_MAX: usize = 200;
/// How far back a question without `from` looks.
const HOUR_MS: i64 = 3_600_000;
/// The tracker of all management events. A project has only one, so its name selects nothing.
const SYSTEM_TRACKER: &str = "system";

/// Parameters that select the list and the page.
const PAGING: &[&str] = &["trace_type", "limit", "from", "to", "next", "trace_id", "tracker_name"];
/// Filters that CTS documents as effective for management events only.
const SYSTEM_FILTERS: &[&str] = &[
    "service_type",
    "resource_type",
    "trace_name",
    "resource_id",
    "resource_name",
    "user",
    "trace_rating",
];
/// Filters of all events.
const FILTERS: &[&str] = &["access_key_id", "enterprise_project_id"];

/// A parsed question.
#[derive(Debug)]
pub(super) struct Request {
    /// The project.
    pub(super) scope: Scope,
    /// What is asked of it.
    pub(super) wanted: WantedTraces,
}

/// What a question asks for.
#[derive(Debug, PartialEq)]
pub(super) enum WantedTraces {
    /// The trace with this id, whatever the other parameters say.
    One(String),
    /// A page of the traces that match.
    Page {
        /// The filter.
        filter: Filter,
        /// The maximum number of traces.
        limit: usize,
        /// The trace id after which the page begins.
        next: Option<String>,
    },
}

impl Request {
    /// Parses the parameters.
    ///
    /// # Errors
    /// A parameter that is unknown, repeated or has a wrong value; the error names it.
    pub(super) fn read(
        caller: &Caller,
        (project, pairs): (&str, &Pairs),
        now: Timestamp,
    ) -> Result<Self> {
        // `*` is a scope but not a tenant.
        let project = check_tenant(project).map_err(|_| {
            Error::parameter("project_id", format!("{:?} is not a project id", clip(project, 40)))
        })?;
        let scope = caller.scope(&[project])?;
        let given = given(pairs)?;
        let data = match given.one("trace_type")? {
            None | Some("system") => false,
            Some("data") => true,
            Some(other) => {
                return Err(Error::parameter(
                    "trace_type",
                    format!("{:?} is neither system nor data", clip(other, 40)),
                ));
            }
        };
        let limit = given.number("limit")?.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::parameter("limit", format!("is 1 to {LIMIT_MAX}")));
        }
        let mut filter = filter(&given, data)?;
        let (from, to) = (moment(&given, "from")?, moment(&given, "to")?);
        let next = given.one("next")?.map(str::to_owned);
        if let Some(trace_id) = given.one("trace_id")? {
            return Ok(Self { scope, wanted: WantedTraces::One(trace_id.to_owned()) });
        }
        let from = from.unwrap_or(plus(now, -HOUR_MS));
        // The end is exclusive, and events of this very millisecond may have happened already.
        let to = to.unwrap_or(plus(now, 1));
        if from >= to {
            return Err(Error::parameter(
                "from",
                format!("the period ends ({to}) before it begins ({from})"),
            ));
        }
        filter.from = Some(plus(from, 1));
        filter.to = Some(to);
        Ok(Self { scope, wanted: WantedTraces::Page { filter, limit, next } })
    }
}

/// Returns the parameters that have a value: SDKs send an unset attribute as an empty string.
fn given(pairs: &Pairs) -> Result<Pairs> {
    let known = || PAGING.iter().chain(SYSTEM_FILTERS).chain(FILTERS);
    for (name, _) in &pairs.0 {
        if !known().any(|known| known == name) {
            let known = known().copied().collect::<Vec<_>>().join(", ");
            return Err(Error::parameter(
                clip(name, 60),
                format!("unknown parameter; this call takes {known}"),
            ));
        }
    }
    let given = Pairs(pairs.0.iter().filter(|(_, value)| !value.is_empty()).cloned().collect());
    for (name, _) in &given.0 {
        given.one(name)?;
    }
    Ok(given)
}

fn filter(given: &Pairs, data: bool) -> Result<Filter> {
    let mut filter =
        Filter::default().and_equal(Field::EventType, if data { "data" } else { "system" });
    if let Some(level) = given.one("trace_rating")?.filter(|level| !LEVELS.contains(level)) {
        return Err(Error::parameter(
            "trace_rating",
            format!("{:?} is not one of {}", clip(level, 40), LEVELS.join(", ")),
        ));
    }
    let effective = if data { &[] } else { SYSTEM_FILTERS };
    for name in effective.iter().chain(FILTERS) {
        if let Some(value) = given.one(name)? {
            filter = filter.and_equal(field_of(name), value);
        }
    }
    match given.one("tracker_name")? {
        Some(name) if data || name != SYSTEM_TRACKER => {
            Ok(filter.and_equal(Field::TrackerName, name))
        }
        _ => Ok(filter),
    }
}

fn field_of(cts: &str) -> Field {
    FIELDS
        .iter()
        .find(|def| def.cts == cts)
        .map(|def| def.field)
        .expect("every filter of CTS is in the table of fields, a test says")
}

fn moment(given: &Pairs, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = given.one(name)? else { return Ok(None) };
    let digits = text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = text.parse().ok().filter(|_| digits);
    let millis = millis.ok_or_else(|| {
        Error::parameter(name, format!("{:?} is not milliseconds in 13 digits", clip(text, 40)))
    })?;
    Ok(Some(Timestamp::from_millis(millis)))
}

fn plus(moment: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(moment.millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn read(query: &str) -> Result<Request> {
        Request::read(&Caller::operator(), ("project", &Pairs::from_query(query)), NOW)
    }

    fn page(query: &str) -> Filter {
        match read(query).expect(query).wanted {
            WantedTraces::Page { filter, .. } => filter,
            WantedTraces::One(id) => panic!("{query} asks for {id} alone"),
        }
    }

    #[test]
    fn every_filter_of_cts_has_its_field() {
        for name in SYSTEM_FILTERS.iter().chain(FILTERS) {
            assert!(!field_of(name).def().operators.is_empty(), "{name}");
        }
        assert_eq!(field_of("user"), Field::Operator);
        assert_eq!(field_of("trace_name"), Field::EventName);
    }

    #[test]
    fn a_question_without_a_period_is_about_the_last_hour_up_to_this_millisecond() {
        let filter = page("");
        assert_eq!(filter.from, Some(Timestamp::from_millis(NOW.millis() - 3_600_000 + 1)));
        assert_eq!(filter.to, Some(Timestamp::from_millis(NOW.millis() + 1)));
        assert_eq!(filter.clauses.len(), 1);
    }

    #[test]
    fn both_ends_of_the_period_are_exclusive() {
        let filter = page("from=1600000000000&to=1600000000009");
        assert_eq!(filter.from, Some(Timestamp::from_millis(1_600_000_000_001)));
        assert_eq!(filter.to, Some(Timestamp::from_millis(1_600_000_000_009)));
    }

    #[test]
    fn an_empty_value_is_a_parameter_not_given() {
        assert_eq!(page("user=&limit=&next=&trace_id=&trace_rating=&from=&trace_type="), page(""));
        assert_eq!(page("user=a&user="), page("user=a"));
    }

    #[test]
    fn the_system_tracker_is_every_management_event_and_other_names_select() {
        assert_eq!(page("tracker_name=system"), page(""));
        assert_ne!(page("tracker_name=other"), page(""));
        assert_ne!(page("trace_type=data&tracker_name=system"), page("trace_type=data"));
    }

    #[test]
    fn filters_of_management_events_have_no_effect_on_data_events() {
        let filters = "service_type=a&resource_type=a&trace_name=a&resource_id=a&resource_name=a&user=a&trace_rating=normal";
        assert_eq!(page(&format!("trace_type=data&{filters}")), page("trace_type=data"));
        assert_eq!(page(&format!("trace_type=system&{filters}")).clauses.len(), 8);
        assert_eq!(
            page("trace_type=data&access_key_id=a&enterprise_project_id=b").clauses.len(),
            3
        );
    }

    #[test]
    fn a_trace_id_overrides_every_other_criterion() {
        let wanted = read(
            "trace_id=x&from=1600000000009&to=1600000000000&user=nobody&trace_type=data&next=y",
        )
        .expect("a question")
        .wanted;
        assert_eq!(wanted, WantedTraces::One("x".to_owned()));
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, parameter) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=ten", "limit"),
            ("limit=1&limit=2", "limit"),
            ("trace_type=management", "trace_type"),
            ("trace_rating=fatal", "trace_rating"),
            ("trace_type=data&trace_rating=fatal", "trace_rating"),
            ("from=1600000000", "from"),
            ("to=16000000000000", "to"),
            ("to=%2B160000000000", "to"),
            ("from=1600000000000&to=1600000000000", "from"),
            ("to=1600000000000", "from"),
            ("user=a&user=b", "user"),
            ("source_ip=10.0.0.1", "source_ip"),
            ("source_ip=", "source_ip"),
        ] {
            let error = read(query).expect_err(query);
            assert_eq!(error.parameter_name(), Some(parameter), "{query}: {error}");
        }
        for project in ["*", "", "a/b", "a b"] {
            let error = Request::read(&Caller::operator(), (project, &Pairs::default()), NOW)
                .expect_err(project);
            assert_eq!(error.parameter_name(), Some("project_id"), "{project}");
        }
    }
}
