//! Shares of the connections: how many each address has open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How many connections each address has open. Those that have none are forgotten.
#[derive(Debug, Clone)]
pub(super) struct ConnectionShares {
    each: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection of an address; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionShare {
    shares: ConnectionShares,
    address: IpAddr,
}

impl ConnectionShares {
    /// So many connections for each address.
    pub(super) fn new(each: usize) -> Self {
        Self { each, open: Arc::default() }
    }

    /// Counts a connection of an address; nothing if it has its share.
    pub(super) fn take(&self, address: IpAddr) -> Option<ConnectionShare> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(ConnectionShare { shares: self.clone(), address })
    }
}

impl Drop for ConnectionShare {
    fn drop(&mut self) {
        let mut open = self.shares.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_is_forgotten_without_a_connection() {
        let shares = ConnectionShares::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().expect("an address"));
        let (first, second) = (shares.take(one), shares.take(one));
        assert!(first.is_some() && second.is_some() && shares.take(one).is_none());
        assert!(shares.take(other).is_some(), "another has its own");
        drop(first);
        assert!(shares.take(one).is_some());
        drop(second);
        assert!(shares.open.lock().expect("no panic").is_empty());
    }
}
