//! Where pages ended: the event that a marker was given for.
//!
//! CTS's marker is a trace id, and its clients rely on that. But between two pages a second record
//! can come with the same id, or the one that was meant can leave by retention; the id alone would
//! then continue in another place, or nowhere. So the server remembers what it meant by it. After a
//! restart, and for ids that a client chose itself, the id alone has to do.

use crate::calls::Pairs;
use crate::event::EventKey;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Number of ends that are remembered.
const ENDS_MAX: usize = 10_000;
/// Parameters that may differ between the pages of one list.
const OF_PAGE: &[&str] = &["next", "limit"];

/// A list and a marker of it, as a digest: ids may be long.
type EndId = [u8; 32];

/// The latest ends of pages.
#[derive(Default)]
pub(in crate::api) struct PageEnds(Mutex<Ends>);

#[derive(Default)]
struct Ends {
    keys: HashMap<EndId, EventKey>,
    /// Oldest first.
    order: VecDeque<EndId>,
}

impl fmt::Debug for PageEnds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PageEnds")
    }
}

impl PageEnds {
    /// Remembers that a page of this list ended with this event and has this marker.
    pub(super) fn note(&self, list: &str, pairs: &Pairs, marker: &str, key: EventKey) {
        let id = end_id(list, pairs, marker);
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.keys.insert(id, key).is_some() {
            return;
        }
        ends.order.push_back(id);
        if ends.order.len() > ENDS_MAX
            && let Some(oldest) = ends.order.pop_front()
        {
            ends.keys.remove(&oldest);
        }
    }

    /// Returns the event that this marker of this list was last given for.
    pub(super) fn find(&self, list: &str, pairs: &Pairs, marker: &str) -> Option<EventKey> {
        let id = end_id(list, pairs, marker);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys.get(&id).copied()
    }
}

fn end_id(list: &str, pairs: &Pairs, marker: &str) -> EndId {
    let mut question: Vec<_> =
        pairs.0.iter().filter(|(name, _)| !OF_PAGE.contains(&name.as_str())).collect();
    question.sort_unstable();
    Sha256::digest(format!("{:?}", (list, question, marker))).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    #[test]
    fn the_latest_end_counts_and_the_oldest_are_forgotten() {
        let ends = PageEnds::default();
        let key = |seq| EventKey { time: Timestamp::from_millis(1), seq };
        let pairs = Pairs::from_query("user=a&limit=2&next=x");
        let other = Pairs::from_query("user=b");
        ends.note("p", &pairs, "m", key(1));
        ends.note("p", &pairs, "m", key(2));
        assert_eq!(ends.find("p", &Pairs::from_query("limit=5&user=a"), "m"), Some(key(2)));
        assert_eq!(ends.find("p", &other, "m"), None);
        assert_eq!(ends.find("q", &pairs, "m"), None);
        for number in 0..ENDS_MAX {
            ends.note("p", &other, &number.to_string(), key(3));
        }
        assert_eq!(ends.find("p", &pairs, "m"), None);
        assert_eq!(ends.find("p", &other, "0"), Some(key(3)));
    }
}
