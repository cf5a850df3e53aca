//! The lists of a source: each is read by itself and has a cursor of its own.

use super::client::{CloudClient, ReadFailure};
use super::cts::TraceList;
use super::partner::RecordList;
use super::passes::key_of;
use super::window::Window;
use tokio::sync::mpsc::Sender;

/// One list of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListPlan {
    /// Its name within the source.
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) list: SourceList,
}

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SourceList {
    /// Traces of CTS.
    Traces(TraceList),
    /// Records of the partner centre.
    Records(RecordList),
}

impl SourceList {
    /// Makes one call, to see whether it is permitted.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) async fn test(&self, client: &CloudClient, now: i64) -> Result<(), ReadFailure> {
        match self {
            Self::Traces(list) => list.test(client, now).await,
            Self::Records(list) => list.test(client, now).await,
        }
    }

    /// Reads a window, and hands its records on, a few thousand at a time.
    ///
    /// # Errors
    /// A call that fails; too many records for one reading; nobody who takes the records.
    pub(super) async fn read(
        &self,
        client: &CloudClient,
        window: &Window,
        records: Sender<Vec<String>>,
    ) -> Result<(), ReadFailure> {
        match self {
            Self::Traces(list) => list.read(client, window, records).await,
            Self::Records(list) => list.read(client, window, records).await,
        }
    }

    /// Returns what tells it from everything else that is read: where, what, for which tenant and
    /// with whose key.
    pub(super) fn identity(&self, tenant: &str, access_key: Option<&str>) -> String {
        let (endpoint, what) = match self {
            Self::Traces(list) => (&list.endpoint, list.what()),
            Self::Records(list) => (&list.endpoint, list.what()),
        };
        let key = access_key.unwrap_or_default();
        let text = format!("{endpoint}\n{what}\n{tenant}\n{key}");
        key_of(&text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns whether it has states as they are now, and not what has happened.
    pub(super) fn is_state(&self) -> bool {
        match self {
            Self::Traces(_) => false,
            Self::Records(list) => list.is_state(),
        }
    }

    /// Returns the ids that stand beside its records, which do not say whose they are.
    pub(super) fn beside(&self) -> Option<String> {
        match self {
            Self::Traces(_) => None,
            Self::Records(list) => list.beside(),
        }
    }
}
