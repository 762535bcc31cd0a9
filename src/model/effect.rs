//! What a run did to tokens and to places, one after the other, for whoever reconstructs it later.

use crate::model::pat::{AuthorizationId, Pat};
use crate::model::timestamp::Timestamp;

/// One change outside of the run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// When the answer was there, by the server's clock.
    pub at: Timestamp,
    pub act: Act,
    /// The token that it is about; `None` for one whose creation got no answer.
    pub id: Option<AuthorizationId>,
    /// The token's name before the change.
    pub display_name: String,
    /// The place that got the value, or whose older values were disabled.
    pub place: Option<String>,
    /// `false` where the request got no answer: it may have been carried out.
    pub is_certain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    Created,
    /// A place got the value.
    Published,
    /// Marked as replaced by this run's.
    Superseded,
    /// Became the current one.
    Committed,
    /// Its life was made shorter.
    Shortened,
    /// Marked as perhaps in use, although its job did not succeed.
    Held,
    Revoked,
    /// A place's older values were disabled.
    Disabled,
}

impl Act {
    /// Its word in the result file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Published => "published",
            Self::Superseded => "superseded",
            Self::Committed => "committed",
            Self::Shortened => "shortened",
            Self::Held => "held",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
        }
    }
}

impl Effect {
    pub fn on(pat: &Pat, act: Act, at: Timestamp) -> Self {
        let (id, display_name) = (Some(pat.id.clone()), pat.display_name.clone());
        Self { at, act, id, display_name, place: None, is_certain: true }
    }
}
