//! A token that is believed to act for a user; the server decides.

use std::time::Duration;

use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::runtime::clock::Clock;
use crate::sign_in::claims::Claims;

/// Before its end by less than this, a token is not used for something new.
const NEARLY_OVER: Duration = Duration::from_secs(5 * 60);

/// A token that is believed to act for a user; the server decides.
#[derive(Debug)]
pub struct UserToken {
    /// The token.
    pub token: Secret,
    expires: Option<Expiry>,
    /// What its claims say, where they can be read. They explain a refusal and decide nothing.
    pub claims: Option<Claims>,
    /// Who signed in, by the id token that came with it.
    pub(super) identity: Option<Claims>,
}

/// When a token ends, by whose clock.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    /// Its issuer told how long it lives, counted from when it came.
    Agents(Timestamp),
    /// It says so itself: the one hint there is where no issuer's answer is at hand.
    Servers(Timestamp),
}

impl UserToken {
    /// Takes a token, with its life where the issuer told it.
    pub fn new(token: Secret, lives: Option<u64>, clock: &Clock) -> Self {
        let claims = Claims::read(&token);
        let told = lives.map(|lives| Expiry::Agents(clock.uncorrected().plus(Duration::from_secs(lives))));
        let expires = told.or_else(|| Timestamp::from_unix(claims.as_ref()?.exp?).map(Expiry::Servers));
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

    /// When it ends, by the server's clock, where that is known.
    pub fn expires(&self, clock: &Clock) -> Option<Timestamp> {
        self.expires.map(|expires| match expires {
            Expiry::Agents(time) => clock.corrected(time),
            Expiry::Servers(time) => time,
        })
    }
}

/// Whether a token that ends then has ended or is about to.
pub fn is_nearly_over(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_some_and(|expires| expires <= now.plus(NEARLY_OVER))
}
