//! How much a service still lets a caller ask (documented: Azure DevOps' page on rate limits).

use std::time::Duration;

/// What a reply says of it. Nothing is the rule while there is plenty.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Allowance {
    /// When the service asks to come back; also with a success.
    pub rest: Option<Duration>,
    /// By how much it held this reply back.
    pub delayed: Option<Duration>,
    /// What is left until the reset, in its own units.
    pub remaining: Option<u64>,
    /// All there is, in the same units.
    pub limit: Option<u64>,
    /// In how long all is there again.
    pub reset: Option<Duration>,
}

impl Allowance {
    /// What two replies say together: the later one knows better what is left, and none takes back that it asked to wait.
    pub fn and(self, later: Self) -> Self {
        Self {
            rest: self.rest.max(later.rest),
            delayed: self.delayed.max(later.delayed),
            remaining: later.remaining.or(self.remaining),
            limit: later.limit.or(self.limit),
            reset: later.reset.or(self.reset),
        }
    }
}
