//! How much a service still lets a caller ask (documented: Azure DevOps' page on rate limits).

use std::time::Duration;

/// The rate limit headers of a response. Azure DevOps sends none while far below the limit.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct RateLimit {
    /// `Retry-After`; also sent with a success.
    pub rest: Option<Duration>,
    /// Whether the service delayed this response.
    pub is_delayed: bool,
    /// What is left until the reset, in the service's own units.
    pub remaining: Option<u64>,
    /// The limit, in the same units.
    pub limit: Option<u64>,
    /// Time until the limit is reset.
    pub reset: Option<Duration>,
}

impl RateLimit {
    /// Combines two responses, the later one received after `passed`. The later one's numbers win; the longer wait
    /// wins.
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
    fn retry_after_outlives_the_next_response_and_is_not_counted_twice() {
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
