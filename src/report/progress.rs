//! The progress line of a report. Pure.

use std::time::Duration;

use crate::model::timestamp::pluralize;

#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// All users, if they were counted.
    pub(super) total: Option<usize>,
    /// Users whose tokens were requested.
    pub(super) asked: usize,
    pub(super) tokens: usize,
    /// Expired and expiring tokens.
    pub(super) urgent: usize,
    pub(super) elapsed: Duration,
    /// How long the service asks to wait.
    pub(super) rest: Duration,
}

impl Progress {
    pub(super) fn percent(&self) -> Option<u8> {
        let total = self.total.filter(|_| self.asked > 0)?;
        Some(u8::try_from(self.asked * 100 / total.max(self.asked)).unwrap_or(100))
    }

    pub(super) fn line(&self) -> String {
        let Self { total, asked, tokens, urgent, elapsed, rest } = *self;
        let number = |count: usize, noun: &str| pluralize(i64::try_from(count).unwrap_or(i64::MAX), noun);
        let mut line = match total {
            Some(total) => format!("{asked} of {}", number(total.max(asked), "user")),
            None => number(asked, "user"),
        };
        line.push_str(&format!(": {}, {urgent} expired or expiring", number(tokens, "token")));
        if !rest.is_zero() {
            line.push_str(&format!("; Azure DevOps asks to wait {}", number(seconds(rest), "second")));
        }
        if let Some(total) = total.filter(|_| asked > 0) {
            let left = elapsed.mul_f64(total.saturating_sub(asked) as f64 / asked as f64) + rest;
            let left = match seconds(left) {
                left @ 0..120 => number(left, "second"),
                left => number(left.div_ceil(60), "minute"),
            };
            line.push_str(&format!("; about {left} left"));
        }
        line
    }
}

fn seconds(time: Duration) -> usize {
    usize::try_from(time.as_secs_f64().ceil() as u64).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_includes_the_wait_that_the_service_asks_for() {
        let second = Duration::from_secs(1);
        let progress =
            Progress { total: Some(50), asked: 49, tokens: 9, urgent: 1, elapsed: 49 * second, rest: 60 * second };
        let line = "49 of 50 users: 9 tokens, 1 expired or expiring; Azure DevOps asks to wait 60 seconds; about 61 seconds left";
        assert_eq!((progress.line().as_str(), progress.percent()), (line, Some(98)));
        let uncounted = Progress { total: None, rest: Duration::ZERO, ..progress };
        assert_eq!(
            (uncounted.line().as_str(), uncounted.percent()),
            ("49 users: 9 tokens, 1 expired or expiring", None)
        );
    }
}
