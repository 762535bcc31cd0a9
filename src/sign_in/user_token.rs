//! A token that is believed to act for a user; the server decides.

use std::time::Duration;

use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::runtime::clock::Clock;
use crate::sign_in::claims::Claims;

/// A token that expires sooner is not used for a new operation.
const NEARLY_OVER: Duration = Duration::from_secs(5 * 60);

/// A token that is believed to act for a user; the server decides.
#[derive(Clone, Debug)]
pub struct UserToken {
    pub token: Secret,
    expires: Option<Expiry>,
    /// What its claims say, where they can be read. They explain a refusal and decide nothing.
    pub claims: Option<Claims>,
    /// Who signed in, by the id token that came with it.
    pub(super) identity: Option<Claims>,
}

/// When a token expires, and by whose clock.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    /// By the lifetime in the issuer's response, counted from when it arrived.
    Agents(Timestamp),
    /// By the token's own claim, where there is no issuer's response.
    Servers(Timestamp),
}

impl UserToken {
    /// `lives` is the lifetime in seconds, if the issuer sent it.
    pub fn new(token: Secret, lives: Option<u64>, clock: &Clock) -> Self {
        let claims = Claims::read(&token);
        let by_issuer = lives.map(|lives| Expiry::Agents(clock.uncorrected().plus(Duration::from_secs(lives))));
        let expires = by_issuer.or_else(|| Timestamp::from_unix(claims.as_ref()?.exp?).map(Expiry::Servers));
        Self { token, expires, claims, identity: None }
    }

    /// With the id token that came with it.
    pub(super) fn with_identity(self, id_token: Option<&Secret>) -> Self {
        Self { identity: id_token.and_then(Claims::read), ..self }
    }

    /// The user's name, for messages.
    pub(super) fn user(&self) -> Option<&str> {
        [&self.identity, &self.claims].into_iter().flatten().find_map(Claims::user)
    }

    /// When the token expires by the server's clock, if known.
    pub fn expires(&self, clock: &Clock) -> Option<Timestamp> {
        self.expires.map(|expires| match expires {
            Expiry::Agents(time) => clock.corrected(time),
            Expiry::Servers(time) => time,
        })
    }
}

/// Whether a token with this expiry has expired or is about to.
pub fn is_nearly_over(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_some_and(|expires| expires <= now.plus(NEARLY_OVER))
}
