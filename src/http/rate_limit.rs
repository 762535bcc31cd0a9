//! How much a service still lets a caller ask (documented: Azure DevOps' page on rate limits).

use std::time::Duration;

/// What a reply says of it. Nothing is the rule while there is plenty.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct RateLimit {
    /// When the service asks to come back; also with a success.
    pub rest: Option<Duration>,
    /// Whether it held this reply back.
    pub is_delayed: bool,
    /// What is left until the reset, in its own units.
    pub remaining: Option<u64>,
    /// All there is, in the same units.
    pub limit: Option<u64>,
    /// In how long all is there again.
    pub reset: Option<Duration>,
}

impl RateLimit {
    /// What two replies say together, the later one after this time: it knows better what is left, and does not take back
    /// that the other asked to wait.
    pub fn and(self, later: Self, passed: Duration) -> Self {
        Self {
            rest: self.rest.map(|rest| rest.saturating_sub(passed)).max(later.rest),
            is_delayed: self.is_delayed || later.is_delayed,
            remaining: later.remaining.or(self.remaining),
            limit: later.limit.or(self.limit),
            reset: later.reset.or(self.reset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_wait_outlives_the_next_reply_and_is_not_counted_twice() {
        let second = Duration::from_secs(1);
        let first = RateLimit { rest: Some(3 * second), remaining: Some(9), ..<_>::default() };
        let silent = RateLimit::default();
        assert_eq!(first.and(silent, second).rest, Some(2 * second));
        assert_eq!(first.and(silent, 4 * second).rest, Some(Duration::ZERO));
        assert_eq!(first.and(RateLimit { rest: Some(5 * second), ..silent }, second).rest, Some(5 * second));
        assert_eq!(first.and(RateLimit { remaining: Some(0), ..silent }, second).remaining, Some(0));
        assert_eq!(silent.and(silent, second), silent);
    }
}
