//! Signed bodies whose hash is not declared: they must be here before anything about the signature
//! is known, so whoever knows the id of an access key could send them. They have little room, and
//! each access key and each address has few of them at a time.

use super::CallRefusal;
use crate::api::App;
use crate::api::doors::{BodyRoom, HeldBody};
use crate::api::error::status_of;
use crate::api::peer::Peer;
use crate::api::places::{NamedPlace, NamedPlaces};
use axum::body::Body;
use axum::http::StatusCode;
use std::time::Duration;

/// How many of them are on their way at a time, of an access key and of an address.
const OF_KEY_MAX: usize = 32;
const OF_ADDRESS_MAX: usize = 4;
/// How long one may take: whoever sends slowly what nobody has signed would keep the place of the
/// key's owner.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long one waits for its place.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bodies that are here or on their way.
#[derive(Debug, Clone)]
pub(in crate::api) struct UnprovedBodies {
    room: BodyRoom,
    of_keys: NamedPlaces,
    of_addresses: NamedPlaces,
}

/// A body that is here, and that nobody is proved to have signed.
pub(super) struct UnprovedBody {
    pub(super) body: HeldBody,
    _places: (Option<NamedPlace>, NamedPlace),
}

impl Default for UnprovedBodies {
    fn default() -> Self {
        Self {
            room: BodyRoom::of_unproved(),
            of_keys: NamedPlaces::new(OF_KEY_MAX),
            of_addresses: NamedPlaces::new(OF_ADDRESS_MAX),
        }
    }
}

impl App {
    /// Reads a body of at most `limit` bytes that is said to be signed with an access key.
    pub(super) async fn read_unproved(
        &self,
        body: Body,
        limit: usize,
        (key, peer): (&str, Option<&Peer>),
    ) -> Result<UnprovedBody, CallRefusal> {
        let bodies = &self.unproved;
        let full = || {
            let detail = "too many signed bodies of this access key or address are on their way: \
                send it again later, or sign X-Sdk-Content-Sha256";
            CallRefusal::of(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
        // The address first: whoever takes many places of a key must have many addresses.
        let of_address = match peer {
            Some(peer) => {
                let network = peer.network().to_string();
                Some(bodies.of_addresses.take(network, PATIENCE).await.ok_or_else(full)?)
            }
            None => None,
        };
        let of_key = bodies.of_keys.take(key.to_owned(), PATIENCE).await.ok_or_else(full)?;
        let body = tokio::time::timeout(ARRIVAL, self.hold_body(body, limit, &bodies.room)).await;
        let body = body.map_err(|_| {
            let detail = format!(
                "a signed body must be here within {} s unless X-Sdk-Content-Sha256 is signed",
                ARRIVAL.as_secs()
            );
            CallRefusal::of(StatusCode::REQUEST_TIMEOUT, detail)
        })?;
        let body =
            body.map_err(|error| CallRefusal::of(status_of(error.kind()), error.to_string()))?;
        Ok(UnprovedBody { body, _places: (of_address, of_key) })
    }
}
