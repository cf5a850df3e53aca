//! Places of which each of many names has a few: what is done for one address or access key at a
//! time, so that it does not take the places of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of each name. Names that have none taken are forgotten.
#[derive(Debug, Clone)]
pub(super) struct NamedPlaces {
    each: usize,
    known: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// A place that was taken; given back when this is dropped.
#[derive(Debug)]
pub(super) struct NamedPlace {
    places: NamedPlaces,
    name: String,
    permit: Option<OwnedSemaphorePermit>,
}

impl NamedPlaces {
    /// So many places for each name.
    pub(super) fn new(each: usize) -> Self {
        Self { each, known: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place of a name, waiting for it if there is none; nothing if none comes in time.
    pub(super) async fn take(&self, name: String, patience: Duration) -> Option<NamedPlace> {
        let places = {
            let mut known = self.known();
            let fresh = || Arc::new(Semaphore::new(self.each));
            Arc::clone(known.entry(name.clone()).or_insert_with(fresh))
        };
        // From here on, whatever happens, a name without a place taken is forgotten.
        let mut place = NamedPlace { places: self.clone(), name, permit: None };
        let taken = tokio::time::timeout(patience, places.acquire_owned()).await;
        place.permit = Some(taken.ok()?.ok()?);
        Some(place)
    }
}

impl Drop for NamedPlace {
    fn drop(&mut self) {
        self.permit = None;
        let mut known = self.places.known();
        // Whoever waits holds it, too.
        if known.get(&self.name).is_some_and(|places| Arc::strong_count(places) == 1) {
            known.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_name_has_its_places_and_is_forgotten_without_one() {
        let places = NamedPlaces::new(2);
        let take = |name: &str, patience| places.take(name.to_owned(), patience);
        let (now, long) = (Duration::from_millis(1), Duration::from_secs(60));
        let (first, second) = (take("a", now).await, take("a", now).await);
        assert!(first.is_some() && second.is_some() && take("a", now).await.is_none());
        assert!(take("b", now).await.is_some(), "another has its own");
        let mut third = Box::pin(take("a", long));
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        let third = third.await;
        assert!(third.is_some());
        drop((second, third));
        assert!(places.known().is_empty());
    }
}
