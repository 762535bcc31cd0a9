//! How fast an organization is asked: as much at once as it lets go through unhindered, and a rest whenever it asks for
//! one. Pure: the time is handed in.
//!
//! Documented (Azure DevOps' page on rate limits): near the limit replies are held back and say by how much, and a
//! reply may ask to come back later, a success too; what is asked after that is refused.

use std::time::Duration;

use crate::http::rate_limit::RateLimit;

/// Requests at once in the beginning.
const FIRST: usize = 4;
/// Requests at once at the most: more would only queue there.
const MOST: usize = 16;

/// How fast to ask.
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
    /// How many requests may be under way.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How long nothing more is to be asked.
    pub fn rest(&self, now: Duration) -> Duration {
        self.rest_until.saturating_sub(now)
    }

    /// Takes what a reply says.
    pub fn take(&mut self, told: &RateLimit, now: Duration) {
        self.replies += 1;
        let is_used_up = told.remaining == Some(0);
        let rest = told.rest.or(told.reset.filter(|_| is_used_up));
        if rest.is_some() || told.is_delayed {
            self.narrow();
        } else if self.replies >= self.width {
            self.width = (self.width + 1).min(MOST);
            self.replies = 0;
        }
        self.rest_until = self.rest_until.max(now + rest.unwrap_or_default());
    }

    /// Takes a refusal that says when to come back.
    pub fn refused(&mut self, rest: Duration, now: Duration) {
        self.replies += 1;
        self.narrow();
        self.rest_until = self.rest_until.max(now + rest);
    }

    /// Once for those that were under way together.
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
