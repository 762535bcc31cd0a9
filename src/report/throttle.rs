//! The pace of requests to an organization: as many at once as it accepts without delay, and a pause whenever it asks for
//! one. Pure: the caller passes the time.
//!
//! Documented (Azure DevOps' page on rate limits): near the limit, responses are delayed and say by how much. Any
//! response, even a success, may set a time to wait; earlier requests are then rejected.

use std::time::Duration;

use crate::http::rate_limit::RateLimit;

/// Concurrent requests at the start.
const FIRST: usize = 4;
/// Maximum of concurrent requests: the service would only queue more.
const MOST: usize = 16;

#[derive(Debug)]
pub struct Throttle {
    width: usize,
    /// Replies since the width last changed.
    replies: usize,
    rest_until: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { width: FIRST, replies: 0, rest_until: Duration::ZERO }
    }
}

impl Throttle {
    /// The number of requests that may be in flight.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How long to wait before the next request.
    pub fn rest(&self, now: Duration) -> Duration {
        self.rest_until.saturating_sub(now)
    }

    /// Adjusts to the rate limit in a response.
    pub fn take(&mut self, rate_limit: &RateLimit, now: Duration) {
        self.replies += 1;
        let is_used_up = rate_limit.remaining == Some(0);
        let rest = rate_limit.rest.or(rate_limit.reset.filter(|_| is_used_up));
        if rest.is_some() || rate_limit.is_delayed {
            self.narrow();
        } else if self.replies >= self.width {
            self.width = (self.width + 1).min(MOST);
            self.replies = 0;
        }
        self.rest_until = self.rest_until.max(now + rest.unwrap_or_default());
    }

    /// Adjusts to a rejection that sets a time to wait.
    pub fn refused(&mut self, rest: Duration, now: Duration) {
        self.replies += 1;
        self.narrow();
        self.rest_until = self.rest_until.max(now + rest);
    }

    /// At most once for the requests that were in flight together.
    fn narrow(&mut self) {
        if self.replies >= self.width {
            self.width = (self.width / 2).max(1);
            self.replies = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_goes_through_unhindered_widens_up_to_a_limit() {
        let mut pace = Throttle::default();
        for _ in 0..1000 {
            pace.take(&RateLimit::default(), SECOND);
        }
        assert_eq!(pace.width(), MOST);
        assert_eq!(pace.rest(SECOND), Duration::ZERO);
    }

    #[test]
    fn a_success_that_asks_to_come_back_later_is_obeyed_and_narrows_once_for_all_under_way() {
        let mut pace = Throttle { width: 16, ..Throttle::default() };
        for _ in 0..16 {
            pace.take(&RateLimit { rest: Some(30 * SECOND), ..<_>::default() }, 10 * SECOND);
        }
        assert_eq!(pace.width(), 8);
        assert_eq!(pace.rest(15 * SECOND), 25 * SECOND);
        assert_eq!(pace.rest(41 * SECOND), Duration::ZERO);
    }

    #[test]
    fn nothing_left_is_a_rest_until_the_reset_and_a_shorter_rest_never_ends_a_longer_one() {
        let mut pace = Throttle::default();
        pace.take(&RateLimit { remaining: Some(0), reset: Some(60 * SECOND), ..<_>::default() }, SECOND);
        pace.refused(5 * SECOND, 2 * SECOND);
        assert_eq!(pace.rest(2 * SECOND), 59 * SECOND);
        pace.take(&RateLimit { remaining: Some(40), reset: Some(90 * SECOND), ..<_>::default() }, 2 * SECOND);
        assert_eq!(pace.rest(2 * SECOND), 59 * SECOND, "with something left there is no need to wait");
    }

    #[test]
    fn one_request_is_always_let_through() {
        let mut pace = Throttle::default();
        for _ in 0..100 {
            pace.refused(SECOND, SECOND);
        }
        assert_eq!(pace.width(), 1);
    }
}
