//! Sources: what is fetched, from where, with what, how often, and to which tenants.

use super::cts::{self, TraceList};
use super::fronts::{Backfill, Pace};
use super::list::{ListPlan, SourceList};
use super::partner::{RECORD_APIS, RecordApi, RecordList, usual_lists};
use crate::access::{check_name, check_producer};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::filter::parse_duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use url::{Host, Url};

/// How often a source is read, and how long records may appear late, if nothing else is said.
const EVERY: &str = "60s";
const OVERLAP: &str = "1h";
const SETTLE: &str = "60s";
/// How many calls a second a source makes: what Huawei Cloud allows an account and an interface.
const CALLS_A_SECOND: u32 = 10;
const CALLS_A_SECOND_MAX: u32 = 10_000;
/// The longest stretch that is read and stored at once, in milliseconds.
const WINDOW_MS: i64 = 3_600_000;
/// The most projects and trackers of a source.
const PROJECTS_MAX: usize = 200;
const TRACKERS_MAX: usize = 20;
/// Stand in an endpoint and in a tenant for what is read.
const REGION: &str = "{region}";
const PROJECT: &str = "{project}";
/// Stands for all resellers.
const ALL: &str = "*";
/// The most resellers that are named.
const RESELLERS_MAX: usize = 200;
/// The most orders to read again, and declared gaps, of a source.
pub const STRETCHES_MAX: usize = 32;

/// What kind of thing a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Huawei Cloud Trace Service: the list of traces of projects.
    Cts,
    /// Huawei Cloud's partner centre: its lists of operation records.
    Partner,
}

/// Why a source is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it was paused.
    pub at: String,
    /// Who has paused it: a principal, or the store itself.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A source as it is stored, set and shown. Its credential is kept apart, and shown to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Where it is: an address of `https`, or of `http` on this machine. `{region}` stands for the
    /// region of a project.
    pub endpoint: String,
    /// Whose the records are. `{project}` stands for the project that they are read from.
    pub tenant: String,
    /// The projects that are read, each as `REGION/PROJECT` or `PROJECT`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub projects: BTreeSet<String>,
    /// The trackers whose data traces are read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub trackers: BTreeSet<String>,
    /// The lists of the partner centre that are read; those of a partner if none is said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<String>,
    /// The resellers whose records a distributor reads besides its own; `*` is all of them, as they
    /// are listed when it is read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resellers: BTreeSet<String>,
    /// The id of the access key that signs its calls; without it, the credential is a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// From when on it is read, in RFC 3339 or as a date.
    pub since: String,
    /// How often, 60 seconds if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// How long records may appear late, an hour if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// How long the cloud takes to show what has happened, a minute if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    /// How many calls a second it makes, ten if it is not said; 0 is as many as it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_second: Option<u32>,
    /// Why it is not read, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Whether somebody who grants access has let it bring records for tenants that are
    /// authoritative for relationships.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moves_relationships: bool,
    /// What is read again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backfills: Vec<Stretch>,
    /// Gaps that were declared: they stay, and it is known why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declared: Vec<Stretch>,
}

/// A stretch of time about which somebody has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The first moment.
    pub from: String,
    /// The first moment after it.
    pub to: String,
    /// When it was decided.
    pub at: String,
    /// By whom.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Stretch {
    /// Returns its ends in milliseconds.
    ///
    /// # Errors
    /// A moment that is none, or an end that is not after the beginning.
    pub(super) fn ends(&self) -> Result<(i64, i64)> {
        let read = |name, text| {
            Timestamp::parse(text)
                .map(|moment| moment.millis())
                .map_err(|error| error.with_parameter(name))
        };
        let (from, to) = (read("from", &self.from)?, read("to", &self.to)?);
        if from < to { Ok((from, to)) } else { Err(Error::parameter("to", "is not after from")) }
    }
}

/// A source whose settings were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourcePlan {
    pub(super) since: Timestamp,
    pub(super) every: Duration,
    pub(super) calls_a_second: u32,
    pub(super) pace: Pace,
    /// The lists that are known without asking.
    pub(super) lists: Vec<ListPlan>,
    /// Where the resellers are listed whose records are read, too.
    pub(super) resellers: Option<Url>,
    pub(super) backfills: Vec<Backfill>,
}

impl Source {
    /// Checks a source that is set.
    ///
    /// # Errors
    /// A setting that is wrong, by its name.
    pub fn check(&self) -> Result<()> {
        self.plan().map(drop)
    }

    /// Returns whether it brings records for a tenant.
    pub fn is_for(&self, tenant: &str) -> bool {
        self.plan().is_ok_and(|plan| plan.lists.iter().any(|list| list.tenant == tenant))
    }

    /// Returns the oldest moment of which it still has records, if it does not keep them for ever.
    pub fn oldest_kept(&self, now: Timestamp) -> Option<Timestamp> {
        let kept = self.plan().ok()?.pace.kept?;
        Some(Timestamp::from_millis(now.millis() - kept))
    }

    /// Reads the settings.
    pub(super) fn plan(&self) -> Result<SourcePlan> {
        check_name(&self.name)?;
        let since = Timestamp::parse(&self.since).map_err(|error| error.with_parameter("since"))?;
        let every = self.length("every", self.every.as_deref(), EVERY)?;
        if !(1_000..=86_400_000).contains(&every) {
            return Err(Error::parameter("every", "is 1s to 24h"));
        }
        let overlap = self.length("overlap", self.overlap.as_deref(), OVERLAP)?;
        if overlap > 7 * 86_400_000 {
            return Err(Error::parameter("overlap", "is at most 7d"));
        }
        let settle = self.length("settle", self.settle.as_deref(), SETTLE)?;
        if settle > 86_400_000 {
            return Err(Error::parameter("settle", "is at most 24h"));
        }
        if self.calls_per_second.is_some_and(|calls| calls > CALLS_A_SECOND_MAX) {
            let what = format!("is at most {CALLS_A_SECOND_MAX}, or 0 for as many as it can");
            return Err(Error::parameter("calls_per_second", what));
        }
        if self.access_key.as_deref().is_some_and(|id| !is_key_id(id)) {
            return Err(Error::parameter("access_key", "is not the id of an access key"));
        }
        let (kept, lists) = match self.kind {
            SourceKind::Cts => (Some(cts::KEPT_MS), self.trace_lists()?),
            SourceKind::Partner => (None, self.record_lists()?),
        };
        let all_resellers = self.resellers.contains(ALL);
        let backfill = |stretch: &Stretch| {
            let (from, to) = stretch.ends()?;
            Ok(Backfill { at: Timestamp::parse(&stretch.at)?.millis(), from, to })
        };
        Ok(SourcePlan {
            since,
            every: Duration::from_millis(every.unsigned_abs()),
            calls_a_second: self.calls_per_second.unwrap_or(CALLS_A_SECOND),
            pace: Pace { overlap, settle, longest: WINDOW_MS, kept },
            lists,
            resellers: all_resellers.then(|| self.endpoint_in(None)).transpose()?,
            backfills: self.backfills.iter().map(backfill).collect::<Result<_>>()?,
        })
    }

    fn length(&self, name: &'static str, text: Option<&str>, default: &str) -> Result<i64> {
        parse_duration(text.unwrap_or(default))
            .filter(|length| *length > 0)
            .ok_or_else(|| Error::parameter(name, "is a time such as 90s, 15m or 1h"))
    }

    /// Returns the lists of records that are known without asking for the resellers.
    fn record_lists(&self) -> Result<Vec<ListPlan>> {
        check_producer(&self.tenant)?;
        if !self.projects.is_empty() || !self.trackers.is_empty() {
            return Err(Error::parameter("projects", "are of the kind cts"));
        }
        if self.resellers.len() > RESELLERS_MAX
            || !self.resellers.iter().all(|id| id == ALL || is_word(id))
        {
            let what = format!("are at most {RESELLERS_MAX} ids of resellers, or {ALL}");
            return Err(Error::parameter("resellers", what));
        }
        let mut lists = Vec::new();
        for api in self.apis()? {
            lists.push(self.record_list(api, None)?);
        }
        let named = self.resellers.iter().filter(|id| *id != ALL);
        lists.extend(self.lists_of_resellers(named)?);
        Ok(lists)
    }

    /// Returns the lists of resellers.
    pub(super) fn lists_of_resellers<'a>(
        &self,
        resellers: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<ListPlan>> {
        let apis = self.apis()?;
        let mut lists = Vec::new();
        for reseller in resellers {
            for api in apis.iter().filter(|api| api.of_resellers) {
                lists.push(self.record_list(api, Some(reseller.clone()))?);
            }
        }
        Ok(lists)
    }

    fn record_list(&self, api: &'static RecordApi, reseller: Option<String>) -> Result<ListPlan> {
        let name = match &reseller {
            Some(id) => format!("{}@{id}", api.name),
            None => api.name.to_owned(),
        };
        let list = RecordList { endpoint: self.endpoint_in(None)?, api, reseller };
        let tenant = self.tenant.clone();
        Ok(ListPlan { name, tenant, list: SourceList::Records(list) })
    }

    fn apis(&self) -> Result<Vec<&'static RecordApi>> {
        if self.lists.is_empty() {
            return Ok(usual_lists().collect());
        }
        let known = |name: &String| {
            RECORD_APIS.iter().find(|api| api.name == name).ok_or_else(|| {
                let all: Vec<&str> = RECORD_APIS.iter().map(|api| api.name).collect();
                let what = format!("{name:?} is no list of the partner centre: {}", all.join(", "));
                Error::parameter("lists", what)
            })
        };
        self.lists.iter().map(known).collect()
    }

    fn trace_lists(&self) -> Result<Vec<ListPlan>> {
        if self.projects.is_empty() || self.projects.len() > PROJECTS_MAX {
            return Err(Error::parameter(
                "projects",
                format!("are 1 to {PROJECTS_MAX}, each as REGION/PROJECT or PROJECT"),
            ));
        }
        if !self.lists.is_empty() || !self.resellers.is_empty() {
            return Err(Error::parameter("lists", "and resellers are of the kind partner"));
        }
        if self.trackers.len() > TRACKERS_MAX || !self.trackers.iter().all(|name| is_word(name)) {
            let what = format!("are at most {TRACKERS_MAX} names of trackers");
            return Err(Error::parameter("trackers", what));
        }
        let mut lists = Vec::new();
        for project in &self.projects {
            let (region, project) = match project.split_once('/') {
                Some((region, project)) => (Some(region), project),
                None => (None, project.as_str()),
            };
            if !is_word(project)
                || region.is_some_and(|region| !is_word(region) || region.contains('.'))
            {
                let what = format!("{project:?} is not a project, nor REGION/PROJECT");
                return Err(Error::parameter("projects", what));
            }
            let endpoint = self.endpoint_in(region)?;
            let tenant = self.tenant.replace(PROJECT, project);
            check_producer(&tenant)?;
            let kinds = std::iter::once(None).chain(self.trackers.iter().map(Some));
            for tracker in kinds {
                let of = tracker.map_or_else(|| "system".to_owned(), |name| format!("data:{name}"));
                let list = TraceList {
                    endpoint: endpoint.clone(),
                    project: project.to_owned(),
                    tracker: tracker.cloned(),
                };
                let name = format!("{}/{project}/{of}", region.unwrap_or("-"));
                let list = SourceList::Traces(list);
                lists.push(ListPlan { name, tenant: tenant.clone(), list });
            }
        }
        Ok(lists)
    }

    fn endpoint_in(&self, region: Option<&str>) -> Result<Url> {
        let wrong = |what: &str| Error::parameter("endpoint", what.to_owned());
        // A region is a part of the host's name, and not the whole or the end of it: who names the
        // regions does not say where the credential is sent.
        let is_within = |at: usize| {
            let rest = &self.endpoint[at + REGION.len()..];
            rest.strip_prefix('.')
                .is_some_and(|rest| rest.split('/').next().is_some_and(|host| host.contains('.')))
        };
        if !self.endpoint.match_indices(REGION).all(|(at, _)| is_within(at)) {
            return Err(wrong("has {region} elsewhere than before the domain of the cloud"));
        }
        if self.endpoint.contains(REGION) && region.is_none() {
            return Err(wrong("has {region}: write each project as REGION/PROJECT"));
        }
        let text = self.endpoint.replace(REGION, region.unwrap_or_default());
        let url = Url::parse(&text).map_err(|_| wrong("is not an address such as https://…"))?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(wrong("names no host")),
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err(wrong("is one of https, or of http on this machine"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a user or password: the credential is given apart"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has no query and no fragment"));
        }
        Ok(url)
    }
}

/// Returns whether a text can be the name of a region, project or tracker.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.')
}

fn is_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn wrong(change: &Json) -> Option<String> {
        let mut body = json!({ "name": "cloud", "kind": "cts", "since": "2026-06-01",
            "endpoint": "https://cts.{region}.myhuaweicloud.com", "tenant": "acme",
            "projects": ["cn-north-4/p1", "ap-southeast-1/p2"] });
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let source: Source = serde_json::from_value(body).expect("a source");
        let error = source.check().err()?;
        Some(error.parameter_name().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_wrong_with_a_source_is_named() {
        assert_eq!(wrong(&json!({})), None);
        for (change, parameter) in [
            (json!({ "name": "a b" }), "name"),
            (json!({ "since": "soon" }), "since"),
            (json!({ "every": "1ms" }), "every"),
            (json!({ "overlap": "30d" }), "overlap"),
            (json!({ "tenant": "_annals x" }), "tenant"),
            (json!({ "projects": [] }), "projects"),
            (json!({ "projects": ["a/b/c"] }), "projects"),
            (json!({ "projects": ["../secret"] }), "projects"),
            (json!({ "projects": ["p"] }), "endpoint"),
            (json!({ "projects": ["evil.example/p"] }), "projects"),
            (json!({ "endpoint": "https://cts.cloud.{region}" }), "endpoint"),
            (json!({ "endpoint": "https://{region}" }), "endpoint"),
            (json!({ "tenant": "_annals" }), "tenant"),
            (json!({ "tenant": "_{project}", "projects": ["r/annals"] }), "tenant"),
            (json!({ "endpoint": "http://cts.example" }), "endpoint"),
            (json!({ "endpoint": "http://127.0.0.1.evil.example" }), "endpoint"),
            (json!({ "endpoint": "https://key:secret@cts.example" }), "endpoint"),
            (json!({ "endpoint": "ftp://cts.example" }), "endpoint"),
            (json!({ "endpoint": "https://cts.example/?a=b" }), "endpoint"),
            (json!({ "access_key": "a,b" }), "access_key"),
            (json!({ "trackers": ["a b"] }), "trackers"),
        ] {
            assert_eq!(wrong(&change).as_deref(), Some(parameter), "{change}");
        }
        for endpoint in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:1/base"] {
            assert_eq!(wrong(&json!({ "endpoint": endpoint })), None, "{endpoint}");
        }
    }

    fn endpoint_of(list: &ListPlan) -> &str {
        match &list.list {
            SourceList::Traces(list) => list.endpoint.as_str(),
            SourceList::Records(list) => list.endpoint.as_str(),
        }
    }

    #[test]
    fn a_distributor_has_lists_of_its_own_and_of_its_resellers() {
        let source = |lists: Json, resellers: Json| -> Result<Vec<String>> {
            let source: Source = serde_json::from_value(json!({ "name": "bss", "kind": "partner",
                "since": "2026-06-01", "endpoint": "https://bss.example", "tenant": "acme",
                "lists": lists, "resellers": resellers }))
            .expect("a source");
            Ok(source.plan()?.lists.into_iter().map(|list| list.name).collect())
        };
        let usual =
            ["quota_records", "coupon_records", "adjustments", "account_changes", "issued_quotas"];
        assert_eq!(source(json!([]), json!(["*"])).expect("lists"), usual);
        let named = source(json!(["quota_records", "adjustments"]), json!(["ir1", "ir2"]));
        let expected = ["adjustments", "quota_records", "adjustments@ir1", "adjustments@ir2"];
        assert_eq!(named.expect("lists"), expected);
        assert!(source(json!(["nothing"]), json!([])).is_err());
        assert!(source(json!([]), json!(["a b"])).is_err());
    }

    #[test]
    fn each_project_and_tracker_is_a_list_of_its_own() {
        let source: Source = serde_json::from_value(json!({ "name": "cloud", "kind": "cts",
            "since": "2026-06-01", "endpoint": "https://cts.{region}.cloud.example",
            "tenant": "of-{project}", "projects": ["r1/p1", "r2/p2"], "trackers": ["obs"] }))
        .expect("a source");
        let lists = source.plan().expect("a plan").lists;
        let shown: Vec<_> = lists
            .iter()
            .map(|list| (list.name.as_str(), list.tenant.as_str(), endpoint_of(list)))
            .collect();
        assert_eq!(
            shown,
            [
                ("r1/p1/system", "of-p1", "https://cts.r1.cloud.example/"),
                ("r1/p1/data:obs", "of-p1", "https://cts.r1.cloud.example/"),
                ("r2/p2/system", "of-p2", "https://cts.r2.cloud.example/"),
                ("r2/p2/data:obs", "of-p2", "https://cts.r2.cloud.example/"),
            ]
        );
    }
}
