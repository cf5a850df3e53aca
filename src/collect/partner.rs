//! The record lists of the partner centre (BSS), as `huaweicloudsdkbss` 3.1.219 calls them.
//!
//! They are read by offset while records arrive ([`passes`](super::passes)), in stretches of time
//! whose bounds the lists take in seconds, some of them exclusive, or in days of UTC+8: a little
//! more is asked for than the stretch has, and what is read twice is known by its id. A distributor
//! asks for a reseller's records by its id; where the records do not say whose they are, it stands
//! beside them.

use super::client::{CloudCall, CloudClient, ReadFailure};
use super::passes::{OffsetList, OffsetPage, read_at_rest};
use super::window::Window;
use crate::event::Timestamp;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc::Sender;
use url::Url;

/// The most records of a page.
const PAGE: u64 = 100;
/// The most records of a stretch of time; one with more is read in shorter ones. Days cannot be
/// shorter.
const STRETCH_RECORDS_MAX: u64 = 10_000;
const DAY_RECORDS_MAX: u64 = 200_000;
/// The most resellers of a distributor.
const RESELLERS_MAX: u64 = 5_000;
/// How many records are handed on at a time.
const HANDED: usize = 4_000;
/// UTC+8, in which the lists with days have them.
const CHINA_MS: i64 = 8 * 3_600_000;

/// A list of records of the partner centre.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordApi {
    /// Its name in the settings.
    pub(super) name: &'static str,
    path: &'static str,
    bounds: TimeBounds,
    /// Whether a distributor may ask for a reseller's.
    pub(super) of_resellers: bool,
}

/// How a list takes a stretch of time.
#[derive(Debug, PartialEq, Eq)]
enum TimeBounds {
    /// In seconds of UTC.
    Seconds(&'static str, &'static str),
    /// In days of UTC+8, both inclusive.
    Days(&'static str, &'static str),
    /// Not at all: it has states as they are now.
    State,
}

const OPERATION_TIME: TimeBounds =
    TimeBounds::Seconds("operation_time_begin", "operation_time_end");
const TRADE_DAY: TimeBounds = TimeBounds::Days("trade_time_begin", "trade_time_end");

/// The lists, in the order in which they are read.
pub(super) const RECORD_APIS: &[RecordApi] = &[
    RecordApi {
        name: "quota_records",
        path: "/v2/partners/coupon-quotas/records",
        bounds: OPERATION_TIME,
        of_resellers: false,
    },
    RecordApi {
        name: "coupon_records",
        path: "/v2/promotions/benefits/partner-coupons/records/query",
        bounds: OPERATION_TIME,
        of_resellers: true,
    },
    RecordApi {
        name: "adjustments",
        path: "/v3/accounts/partner-accounts/adjust-records",
        bounds: OPERATION_TIME,
        of_resellers: true,
    },
    RecordApi {
        name: "account_changes",
        path: "/v2/accounts/partner-accounts/account-change-records",
        bounds: TRADE_DAY,
        of_resellers: true,
    },
    RecordApi {
        name: "issued_quotas",
        path: "/v2/partners/issued-coupon-quotas",
        bounds: TimeBounds::State,
        of_resellers: false,
    },
    RecordApi {
        name: "customer_coupon_changes",
        path: "/v2/promotions/benefits/account-change-records",
        bounds: TRADE_DAY,
        of_resellers: false,
    },
];

/// The lists that are read if nothing is said: those of a partner and distributor. That of coupon
/// changes is a customer's own.
pub(super) fn usual_lists() -> impl Iterator<Item = &'static RecordApi> {
    RECORD_APIS.iter().filter(|api| api.name != "customer_coupon_changes")
}

/// Which records are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordList {
    pub(super) endpoint: Url,
    pub(super) api: &'static RecordApi,
    /// The reseller whose records a distributor asks for.
    pub(super) reseller: Option<String>,
}

#[derive(Deserialize)]
struct ListedRecords<'a> {
    #[serde(borrow, alias = "quotas")]
    records: Vec<&'a RawValue>,
    total_count: u64,
}

impl RecordList {
    /// Returns which records these are.
    pub(super) fn what(&self) -> String {
        format!("{}@{}", self.api.name, self.reseller.as_deref().unwrap_or_default())
    }

    /// Returns whether it has states as they are now, and not what has happened.
    pub(super) fn is_state(&self) -> bool {
        self.api.bounds == TimeBounds::State
    }

    /// Returns the ids that stand beside its records.
    pub(super) fn beside(&self) -> Option<String> {
        self.reseller.as_ref().map(|reseller| format!("reseller:{reseller}"))
    }

    fn call(&self, window: &Window, (offset, limit): (u64, u64)) -> CloudCall<'_> {
        let mut query = vec![("offset", offset.to_string()), ("limit", limit.to_string())];
        query.extend(self.api.bounds.of(window));
        query.extend(self.reseller.as_ref().map(|id| ("indirect_partner_id", id.clone())));
        CloudCall {
            endpoint: &self.endpoint,
            method: "GET",
            path: self.api.path.to_owned(),
            query,
            body: None,
            headers: Vec::new(),
        }
    }

    /// Makes one call, to see whether it is permitted.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) async fn test(&self, client: &CloudClient, now: i64) -> Result<(), ReadFailure> {
        let window = Window::of(now - 60_000, now);
        client.call(&self.call(&window, (0, 1))).await.map(drop)
    }

    /// Reads a window until two readings agree, and hands its records on.
    ///
    /// # Errors
    /// A call that fails; too many records for one reading; nobody who takes the records.
    pub(super) async fn read(
        &self,
        client: &CloudClient,
        window: &Window,
        records: Sender<Vec<String>>,
    ) -> Result<(), ReadFailure> {
        let pages = WindowPages { list: self, client, window };
        let most = match self.api.bounds {
            TimeBounds::Seconds(..) => STRETCH_RECORDS_MAX,
            TimeBounds::Days(..) | TimeBounds::State => DAY_RECORDS_MAX,
        };
        let Some(mut listed) = read_at_rest(&pages, most).await? else {
            return Err(ReadFailure::TooMany);
        };
        while !listed.is_empty() {
            let rest = listed.split_off(listed.len().min(HANDED));
            let unwanted = |_| ReadFailure::Unavailable("its records are not stored".to_owned());
            records.send(std::mem::replace(&mut listed, rest)).await.map_err(unwanted)?;
        }
        Ok(())
    }
}

struct WindowPages<'a> {
    list: &'a RecordList,
    client: &'a CloudClient,
    window: &'a Window,
}

impl OffsetList for WindowPages<'_> {
    async fn page(&self, offset: u64) -> Result<OffsetPage, ReadFailure> {
        let body = self.client.call(&self.list.call(self.window, (offset, PAGE))).await?;
        let page: ListedRecords<'_> = serde_json::from_slice(&body).map_err(|_| {
            let what = "the answer is no list of records: is this the partner centre?";
            ReadFailure::Refused(what.to_owned())
        })?;
        let records = page.records.iter().map(|record| record.get().to_owned()).collect();
        Ok(OffsetPage { records, total: page.total_count })
    }
}

/// The resellers of a distributor, as they stand.
struct ResellerPages<'a> {
    endpoint: &'a Url,
    client: &'a CloudClient,
}

#[derive(Deserialize)]
struct ResellerPage<'a> {
    #[serde(borrow)]
    indirect_partners: Vec<&'a RawValue>,
    count: u64,
}

#[derive(Deserialize)]
struct Reseller {
    indirect_partner_id: String,
}

impl OffsetList for ResellerPages<'_> {
    async fn page(&self, offset: u64) -> Result<OffsetPage, ReadFailure> {
        let call = CloudCall {
            endpoint: self.endpoint,
            method: "POST",
            path: "/v2/partners/indirect-partners/query".to_owned(),
            query: Vec::new(),
            body: Some(json!({ "offset": offset, "limit": PAGE }).to_string()),
            headers: Vec::new(),
        };
        let body = self.client.call(&call).await?;
        let page: ResellerPage<'_> = serde_json::from_slice(&body)
            .map_err(|_| ReadFailure::Refused("the answer is no list of resellers".to_owned()))?;
        let records = page.indirect_partners.iter().map(|one| one.get().to_owned()).collect();
        Ok(OffsetPage { records, total: page.count })
    }
}

/// Returns the ids of a distributor's resellers.
///
/// # Errors
/// A call that fails; too many.
pub(super) async fn resellers(
    client: &CloudClient,
    endpoint: &Url,
) -> Result<BTreeSet<String>, ReadFailure> {
    let listed = read_at_rest(&ResellerPages { endpoint, client }, RESELLERS_MAX).await?;
    let listed = listed.ok_or(ReadFailure::TooMany)?;
    let id =
        |text: &String| serde_json::from_str(text).map(|one: Reseller| one.indirect_partner_id);
    listed
        .iter()
        .map(id)
        .collect::<Result<_, _>>()
        .map_err(|_| ReadFailure::Refused("a reseller is listed without an id".to_owned()))
}

impl TimeBounds {
    /// Returns the parameters that ask for at least a window.
    fn of(&self, window: &Window) -> BTreeMap<&'static str, String> {
        let (from, to) = (window.from.millis(), window.to.millis());
        let (names, first, last) = match self {
            // Whether a bound is exclusive or not, a second more has what is within.
            Self::Seconds(begin, end) => {
                let second = |millis: i64| Timestamp::from_millis(millis).to_string();
                let (first, last) = (from.div_euclid(1_000) - 1, (to - 1).div_euclid(1_000) + 1);
                ((begin, end), second(first * 1_000), second(last * 1_000))
            }
            Self::Days(begin, end) => {
                let day = |millis: i64| Timestamp::from_millis(millis + CHINA_MS).to_string();
                let date = |millis: i64| day(millis).chars().take(10).collect();
                ((begin, end), date(from), date(to - 1))
            }
            Self::State => return BTreeMap::new(),
        };
        BTreeMap::from([(*names.0, written(&first)), (*names.1, written(&last))])
    }
}

/// Returns a moment without its fraction: `2026-06-01T00:00:00Z`; a day stays as it is.
fn written(text: &str) -> String {
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_ask_for_no_less_than_the_window() {
        let moment = |text: &str| Timestamp::parse(text).expect("a time").millis();
        let window =
            Window::of(moment("2026-06-01T15:59:59.500Z"), moment("2026-06-01T16:00:00.001Z"));
        assert_eq!(
            OPERATION_TIME.of(&window).into_values().collect::<Vec<_>>(),
            ["2026-06-01T15:59:58Z", "2026-06-01T16:00:01Z"]
        );
        assert_eq!(
            TRADE_DAY.of(&window).into_values().collect::<Vec<_>>(),
            ["2026-06-01", "2026-06-02"],
            "midnight of UTC+8 is within"
        );
    }
}
