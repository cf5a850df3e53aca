//! Tokens that are shown, be it by a request or by a sign-in: whoever tries many is held back.

use super::CallRefusal;
use crate::access::{Caller, TokenRefusal};
use crate::api::App;
use crate::api::peer::Peer;

impl App {
    /// Returns the caller that a token stands for, and the token's id.
    pub(super) fn caller_of_token(
        &self,
        token: &str,
        peer: Option<&Peer>,
    ) -> Result<(Caller, String), CallRefusal> {
        let address = peer.map(Peer::network);
        self.limits.check_failures(address, token).map_err(CallRefusal::limited)?;
        let (directory, now) = (self.engine.directory(), self.engine.clock().now());
        let refusal = match directory.by_token(token, now) {
            Ok((caller, id)) => return Ok((caller, id.to_owned())),
            Err(refusal) => refusal,
        };
        // One that has ended was guessed by nobody.
        if matches!(refusal, TokenRefusal::Mistyped | TokenRefusal::Unknown) {
            self.limits.note_failure(address, token).map_err(CallRefusal::limited)?;
        }
        Err(CallRefusal::unauthorized(match refusal {
            TokenRefusal::Mistyped => "the token is mistyped or cut off: its checksum is wrong",
            TokenRefusal::Unknown => "there is no such token, or it was withdrawn",
            TokenRefusal::Expired => "the token has expired",
            TokenRefusal::Disabled => "the principal of the token is disabled",
        }))
    }
}
